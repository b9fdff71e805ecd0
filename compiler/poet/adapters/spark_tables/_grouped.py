"""A function over the groups of a data frame, one task a group, on Arrow tables."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from poet.errors import SampleError

__all__ = ["Answer", "answer_groups", "require"]

Answer = Callable[[Any, Mapping[str, Any]], Iterator[dict[str, Any]]]


def require(table: Any, names: Iterable[str]) -> None:
    """Refuse names that are no columns of a data frame."""
    if lacking := [name for name in names if name not in table.columns]:
        raise SampleError(f"the table has no column {', '.join(lacking)}; it has {', '.join(table.columns)}")


def answer_groups(
    table: Any,
    by: Sequence[str],
    names: Iterable[str],
    known: Mapping[str, Any],
    answer: Answer,
    columns: Mapping[str, str],
) -> Any:
    """Let `answer` turn each group into rows of `columns` (names to Spark types).

    `known` is sent to every worker once; `names` are the columns that it looks at.
    """
    if taken := [name for name in by if name in columns]:
        raise SampleError(f"{', '.join(taken)} is a column of the answer; rename the column of the table")
    types = dict(table.dtypes)
    schema = {name: types[name] for name in by} | dict(columns)
    quoted = ", ".join(f"`{name.replace('`', '``')}` {type_}" for name, type_ in schema.items())
    work = partial(
        _group, by=tuple(by), shared=_shared(table.sparkSession, known), answer=answer, columns=dict(columns)
    )
    wanted = [_quoted(name) for name in dict.fromkeys([*by, *names])]
    groups = table.select(*wanted).groupBy(*(_quoted(name) for name in by))
    return groups.applyInArrow(_taking_key(work), quoted)


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _taking_key(work: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """Give a plain function of two arguments, which is what Spark looks for."""

    def of_group(key: Any, table: Any) -> Any:
        return work(key, table)

    return of_group


class _Sent:
    """What Spark Connect cannot broadcast travels with the function."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _shared(session: Any, value: Any) -> Any:
    context = getattr(session, "_sc", None)
    return _Sent(value) if context is None else context.broadcast(value)


def _group(
    key: tuple[Any, ...],
    table: Any,
    *,
    by: tuple[str, ...],
    shared: Any,
    answer: Answer,
    columns: Mapping[str, str],
) -> Any:
    import pyarrow as pa  # noqa: PLC0415 -- only workers need it

    types = {"string": pa.string(), "boolean": pa.bool_(), "double": pa.float64(), "bigint": pa.int64()}
    rows = list(answer(table, shared.value))
    keys = {name: pa.repeat(value, len(rows)) for name, value in zip(by, key, strict=True)}
    found = {
        name: pa.array([row[name] for row in rows], type=types[type_]) for name, type_ in columns.items()
    }
    return pa.table(keys | found)
