"""Sketches of the columns of a data frame, however long it is."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from poet.adapters.spark_tables._grouped import require
from poet.errors import SampleError
from poet.runtime.sketch import EDGES, Sketch, merge

__all__ = ["sketch_table"]

_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double")


def sketch_table(
    table: Any, columns: Iterable[str] | None = None, *, edges: int = EDGES
) -> dict[str, Sketch]:
    """Sketch numeric columns in two passes: edges about equally often passed, then exact counts.

    Parameters
    ----------
    table
        A Spark data frame.
    columns
        Default: all that are numbers.
    edges
        A column, at most: 24 bytes each. The more there are, the narrower the bounds.

    Raises
    ------
    SampleError
        A column is not there, is not numeric, or holds no finite value.
    """
    numbers = [name for name, type_ in table.dtypes if type_ in _NUMBERS]
    names = numbers if columns is None else list(columns)
    require(table, names)
    if odd := [name for name in names if name not in numbers]:
        raise SampleError(f"{', '.join(odd)}: a sketch is of numbers; count categories with groupBy instead")
    shares = np.linspace(0.0, 1.0, edges).tolist()
    found = table.approxQuantile(names, shares, 1.0 / (4.0 * edges))
    bounds = {name: _distinct(name, each) for name, each in zip(names, found, strict=True)}
    rows = table.select(*names).mapInArrow(_counting(bounds), "feature string, sketch binary")
    parts: dict[str, list[Sketch]] = {name: [] for name in names}
    for row in rows.toLocalIterator():
        parts[row["feature"]].append(Sketch.from_bytes(bytes(row["sketch"])))
    return {name: merge(each or [Sketch.of([], edges=bounds[name])]) for name, each in parts.items()}


def _distinct(name: str, quantiles: list[float]) -> list[float]:
    ascending = np.unique([each for each in quantiles if np.isfinite(each)]).tolist()
    if not ascending:
        raise SampleError(f"{name} holds no finite value to lay edges by")
    return list(ascending)


def _counting(bounds: Mapping[str, list[float]]) -> Any:
    """Give a plain function of one argument, which is what Spark looks for."""
    work = partial(_counted, bounds=bounds)

    def counted(batches: Iterator[Any]) -> Iterator[Any]:
        return work(batches)

    return counted


def _counted(batches: Iterator[Any], *, bounds: Mapping[str, list[float]]) -> Iterator[Any]:
    """Count a partition: one small row a column, however many batches there were."""
    import pyarrow as pa  # noqa: PLC0415 -- only workers need it

    sums = {name: Sketch.of([], edges=edges) for name, edges in bounds.items()}
    for batch in batches:
        for name, edges in bounds.items():
            sums[name] += Sketch.of(batch[name], edges=edges)
    yield pa.RecordBatch.from_pydict(
        {"feature": list(sums), "sketch": [sketch.to_bytes() for sketch in sums.values()]}
    )
