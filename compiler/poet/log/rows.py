"""Conversion of table rows to event envelopes, and the search for stored events.

`document` builds the JSON envelope of an event from the cells of a row. The search functions find events as
stored, newest first, by position or by id; they need no index in the store.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from poet.events import PAYLOADS, TELEMETRY, Payload
from poet.log.interface import EventFilter, RawEvent, Reader
from poet_runtime import former_names
from poet_runtime.errors import EventError

ENVELOPE: Final = ("specversion", "id", "source", "type", "time", "subject")


def document(cells: Mapping[str, object]) -> bytes:
    """Return the JSON of an event built from named cells; empty cells are not in the mapping.

    `data` contains JSON; columns such as ``data.feature`` or ``data.context.segment`` contain one field each.
    Both forms are merged. A text cell that is valid JSON is decoded, unless the event type requires a text in
    this field: an execution may be called 12345.

    Raises
    ------
    EventError
        The cells contradict each other, or one has a value that JSON cannot represent.
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
            _set_field(data, path, cell if path in texts else _value(cell), type_)
    try:
        return canonical(envelope | {"data": data})
    except ValueError as error:
        raise EventError(
            event=type_, path="data", expected="values that JSON can represent", got=str(error)
        ) from error


def canonical(value: object) -> bytes:
    """Return JSON with sorted keys; raise `ValueError` for NaN, infinity and bytes."""
    return json.dumps(value, sort_keys=True, allow_nan=False, default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, date | time | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    raise ValueError(f"a {type(value).__name__}")


def _object(cells: Mapping[str, object], name: str, type_: str) -> dict[str, Any]:
    """Return the JSON object in a cell, empty if there is no such cell."""
    value = _value(cells.get(name, {}))
    if not isinstance(value, dict):
        raise EventError(event=type_, path=name, expected="a JSON object", got=repr(value)[:80])
    return value


def _set_field(data: dict[str, Any], path: str, value: object, type_: str) -> None:
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
        return int(cell)  # integers arrive as floats from columns with gaps, or as decimals from databases
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
    """Return whether a type accepts only texts and null."""
    if isinstance(type_, inspect.Metadata):
        return _is_text(type_.type)
    if isinstance(type_, inspect.UnionType):
        return all(isinstance(each, inspect.NoneType) or _is_text(each) for each in type_.types)
    if isinstance(type_, inspect.LiteralType):
        return all(isinstance(value, str) for value in type_.values)
    return isinstance(type_, inspect.StrType)


SEARCHED: Final = 200_000  # default number of positions that one search goes back
STEP: Final = 2_000  # positions per read, going back


def newest(
    reader: Reader, event_filter: EventFilter, count: int, *, before: int, within: int
) -> list[RawEvent]:
    """Return the newest events before a position that match a filter, newest first.

    `within` is the number of positions to search. It bounds the cost: rare events further back are not found.
    """
    found: list[RawEvent] = []
    last = max(0, before - 1 - within)
    for end in range(before - 1, last, -STEP):
        page = [
            each for each in _raw_events(reader, max(end - STEP, last), end) if _matches(each, event_filter)
        ]
        found += reversed(page)
        if len(found) >= count:
            break
    return found[:count]


def at(reader: Reader, position: int) -> RawEvent | None:
    """Return the event at a position, or None if there is none."""
    return next(_raw_events(reader, position - 1, position), None) if position > 0 else None


def named(reader: Reader, ids: Collection[str], *, until: int) -> list[RawEvent]:
    """Return the events with one of these ids, from any source, up to a position, in one pass."""
    return [each for each in _raw_events(reader, 0, until) if each.id in ids] if ids else []


def _raw_events(reader: Reader, after: int, until: int) -> Iterator[RawEvent]:
    while after < until and (page := reader.raw_events(after, until)):
        for each in page:
            present = former_names.event_type(each.type)
            yield each if present == each.type else each._replace(type=present)
        after = page[-1].position


def present_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Return numbers of events by type, those of former types under their present names."""
    found = Counter[str]()
    for type_, count in counts.items():
        found[former_names.event_type(type_)] += count
    return dict(sorted(found.items()))


def _matches(each: RawEvent, event_filter: EventFilter) -> bool:
    return (
        former_names.event_type(event_filter.type) in ("", each.type)
        and each.source.startswith(event_filter.source)
        and event_filter.text.encode() in each.raw
        and not (event_filter.is_feedback and each.type in TELEMETRY)
    )
