"""The columns of a segment: one typed column per payload field, derived from its struct.

The structs of `poet.events` remain the only definition of the shapes. Nested structs are flattened. Fields
that no query looks into (`context`, and everything without a fixed shape) are canonical JSON.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa
from msgspec import inspect

from poet.events import PAYLOADS
from poet.log import StoredEvent

EXECUTION: Final = "execution.recorded"
SCORES: Final = "scores"
JSON: Final = "json"
_MOST: Final = 2**63 - 1  # largest value of a column; integers in payloads are unbounded


class Column(NamedTuple):
    """A column of a table, and how to read its value from an event."""

    name: str
    type: str  # "int64", "float64", "string", "boolean", "array<string>"
    read: Callable[[StoredEvent], object]


def columns_of(table: str) -> tuple[Column, ...]:
    """Return the columns of an event type, or of ``scores``."""
    return _SCORE_COLUMNS if table == SCORES else _event_columns(table)


def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of an event type, or of ``scores``."""
    types = {
        "int64": pa.int64(),
        "float64": pa.float64(),
        "string": pa.string(),
        "boolean": pa.bool_(),
        "array<string>": pa.list_(pa.string()),
    }
    return pa.schema([(column.name, types[column.type]) for column in columns_of(table)])


def rows_of(stored: StoredEvent) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield the rows of an event, each with the name of its table."""
    yield stored.event.type, tuple(column.read(stored) for column in _event_columns(stored.event.type))
    if stored.event.type == EXECUTION:
        yield from ((SCORES, row) for row in _score_rows(stored))


@cache
def _event_columns(type_: str) -> tuple[Column, ...]:
    columns = {column.name: column for column in _ENVELOPE}
    for column in _fields(PAYLOADS[type_], ("event", "data")):
        name = column.name
        while name in columns:  # a package's field may have the name of an envelope column
            name = f"data_{name}"
        columns[name] = column._replace(name=name)
    if type_ == EXECUTION:
        columns["is_seasonal"] = Column("is_seasonal", "boolean", _is_seasonal)
    return tuple(columns.values())


def _fields(struct: type, path: tuple[str, ...]) -> Iterator[Column]:
    """Yield one column per field; the fields of nested structs become columns under their own names."""
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)  # noqa: S101 -- payloads are structs
    for field in described.fields:
        here = (*path, field.name)
        type_ = _plain(field.type)
        if isinstance(type_, inspect.StructType):
            yield from _fields(type_.cls, here)
        elif field.name != SCORES:
            name = _column_type(type_)
            yield Column(field.name, "string" if name == JSON else name, _reader(here, as_json=name == JSON))


def _plain(type_: inspect.Type) -> inspect.Type:
    """Return the type without what does not affect the column: units, ranges, and optionality."""
    if isinstance(type_, inspect.Metadata):
        return _plain(type_.type)
    if isinstance(type_, inspect.UnionType):
        some = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
        return _plain(some[0]) if len(some) == 1 else type_
    return type_


def _column_type(type_: inspect.Type) -> str:
    names: tuple[tuple[type[inspect.Type], str], ...] = (
        (inspect.BoolType, "boolean"),
        (inspect.IntType, "int64"),
        (inspect.FloatType, "float64"),
        (inspect.StrType, "string"),
    )
    if isinstance(type_, inspect.LiteralType) and all(isinstance(each, str) for each in type_.values):
        return "string"
    if isinstance(type_, inspect.VarTupleType) and _column_type(_plain(type_.item_type)) == "string":
        return "array<string>"
    return next((name for kind, name in names if isinstance(type_, kind)), JSON)


def _reader(path: tuple[str, ...], *, as_json: bool) -> Callable[[StoredEvent], object]:
    def read(stored: StoredEvent) -> object:
        value: object = stored
        for name in path:
            value = getattr(value, name)
            if value is None:
                return None
        if as_json:
            return msgspec.json.encode(value, order="sorted").decode()
        if isinstance(value, int):
            return max(-_MOST, min(value, _MOST))
        return list(value) if isinstance(value, tuple) else value

    return read


def _is_seasonal(stored: StoredEvent) -> bool:
    profile = stored.event.data.profile  # type: ignore[attr-defined]
    return (profile.period or 0.0) > 0.0 and (profile.seasonal_strength or 0.0) > 0.0


def _score_rows(stored: StoredEvent) -> Iterator[tuple[object, ...]]:
    data = stored.event.data
    scores: Mapping[str, object] = data.scores  # type: ignore[attr-defined]
    for ordinal, (test, score) in enumerate(sorted(scores.items())):
        values = (getattr(score, name) for name in _MEASURES)
        finite = (value if value is None or math.isfinite(value) else None for value in values)
        yield (stored.position, data.execution_id, ordinal, test, *finite)  # type: ignore[attr-defined]


_ENVELOPE: Final = (
    Column("position", "int64", lambda stored: stored.position),
    Column("event_id", "string", lambda stored: stored.event.id),
    Column("source", "string", lambda stored: stored.event.source),
    Column("time", "float64", lambda stored: stored.event.time),
    Column("subject", "string", lambda stored: stored.event.subject),
)
_MEASURES: Final = ("statistic", "p_value", "null_q90", "null_max", "null_mean", "null_sd")


def _unread(stored: StoredEvent) -> object:
    raise NotImplementedError(f"scores of {stored.event.id} are read by rows_of")


_SCORE_COLUMNS: Final = (
    Column("position", "int64", _unread),
    Column("execution_id", "string", _unread),
    Column("ordinal", "int64", _unread),
    Column("test", "string", _unread),
    *(Column(name, "float64", _unread) for name in _MEASURES),
)
