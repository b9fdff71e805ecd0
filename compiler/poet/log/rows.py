"""A table's row → the envelope that it spells out.

Look for events as they are written: newest first, by position, by name. No store needs an index for it.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from poet.events import PAYLOADS, TELEMETRY, Payload
from poet.log.interface import Reader, Wanted, Written
from poet_runtime.errors import EventError

ENVELOPE: Final = ("specversion", "id", "source", "type", "time", "subject")


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


SEARCHED: Final = 200_000  # positions that one question goes back
STEP: Final = 2_000  # positions that are read at once, going back


def newest(reader: Reader, wanted: Wanted, count: int, *, before: int, within: int) -> list[Written]:
    """Give the newest events that are wanted before a position, newest first.

    `within` says how many positions are searched: what is rare and far back is not found at any price.
    """
    found: list[Written] = []
    last = max(0, before - 1 - within)
    for end in range(before - 1, last, -STEP):
        page = [each for each in _written(reader, max(end - STEP, last), end) if _is_wanted(each, wanted)]
        found += reversed(page)
        if len(found) >= count:
            break
    return found[:count]


def at(reader: Reader, position: int) -> Written | None:
    """Give the event at a position; None where there is none."""
    return next(_written(reader, position - 1, position), None) if position > 0 else None


def named(reader: Reader, ids: Collection[str], *, until: int) -> list[Written]:
    """Give the events with one of these ids, of any source, up to a position; reads the log once."""
    return [each for each in _written(reader, 0, until) if each.id in ids] if ids else []


def _written(reader: Reader, after: int, until: int) -> Iterator[Written]:
    while after < until and (page := reader.written(after, until)):
        yield from page
        after = page[-1].position


def _is_wanted(each: Written, wanted: Wanted) -> bool:
    return (
        wanted.type in ("", each.type)
        and each.source.startswith(wanted.source)
        and wanted.text.encode() in each.raw
        and not (wanted.is_feedback and each.type in TELEMETRY)
    )
