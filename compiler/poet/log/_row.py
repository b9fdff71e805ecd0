"""A table's row → the envelope that it spells out."""

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from poet.errors import EventError
from poet.events import PAYLOADS, Payload

__all__ = ["ENVELOPE", "canonical", "document"]

ENVELOPE = ("specversion", "id", "source", "type", "time", "subject")


def document(cells: Mapping[str, object]) -> bytes:
    """Build the JSON of an event from named cells; a missing cell is not in the mapping.

    `data` holds JSON, ``data.feature`` or ``data.context.segment`` one field each; both together are
    joined. A text cell is read as JSON where it is JSON, but stays a text where the event type wants one:
    an execution may be called 12345.

    Raises
    ------
    EventError
        The cells contradict each other, or one holds what JSON cannot.
    """
    type_ = str(cells["type"]) if "type" in cells else "no type"
    envelope: dict[str, Any] = {name: cells[name] for name in ENVELOPE if name in cells}
    if "time" in envelope:
        envelope["time"] = _value(envelope["time"])
    envelope |= _object(cells, "extensions", type_)
    data = _object(cells, "data", type_)
    texts = _text_fields(PAYLOADS[type_]) if type_ in PAYLOADS else frozenset[str]()
    for name, cell in cells.items():
        if name.startswith("data."):
            path = name.removeprefix("data.")
            _place(data, path, cell if path in texts else _value(cell), type_)
    try:
        return canonical(envelope | {"data": data})
    except ValueError as error:
        raise EventError(event=type_, path="data", expected="what JSON can hold", got=str(error)) from error


def canonical(value: object) -> bytes:
    """Give JSON with sorted keys; NaN, infinity and bytes are a `ValueError`."""
    return json.dumps(value, sort_keys=True, allow_nan=False, default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, date | time | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    raise ValueError(f"a {type(value).__name__}")


def _object(cells: Mapping[str, object], name: str, type_: str) -> dict[str, Any]:
    """Read a cell that holds a JSON object; nothing where there is none."""
    value = _value(cells.get(name, {}))
    if not isinstance(value, dict):
        raise EventError(event=type_, path=name, expected="a JSON object", got=repr(value)[:80])
    return value


def _place(data: dict[str, Any], path: str, value: object, type_: str) -> None:
    *outer, last = path.split(".")
    inner = data
    for step in outer:
        inner = inner.setdefault(step, {})
        if not isinstance(inner, dict):
            raise EventError(event=type_, path=path, expected="one column a field", got="two that contradict")
    if last in inner:
        raise EventError(event=type_, path=path, expected="one column a field", got="two that contradict")
    inner[last] = value


def _value(cell: object) -> object:
    if isinstance(cell, float | Decimal) and cell == cell // 1:
        return int(cell)  # a column of integers with gaps, or a database's numbers, arrive like this
    if not isinstance(cell, str):
        return cell
    try:
        return msgspec.json.decode(cell)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return cell


@cache
def _text_fields(payload: type[Payload]) -> frozenset[str]:
    described = inspect.type_info(payload)
    assert isinstance(described, inspect.StructType)  # noqa: S101 -- a Payload is a Struct
    return frozenset(field.encode_name for field in described.fields if _is_text(field.type))


def _is_text(type_: inspect.Type) -> bool:
    """Whether a type takes texts and nothing else, but for null."""
    if isinstance(type_, inspect.Metadata):
        return _is_text(type_.type)
    if isinstance(type_, inspect.UnionType):
        return all(isinstance(each, inspect.NoneType) or _is_text(each) for each in type_.types)
    if isinstance(type_, inspect.LiteralType):
        return all(isinstance(value, str) for value in type_.values)
    return isinstance(type_, inspect.StrType)
