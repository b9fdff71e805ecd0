"""The groups of a data frame held against sketches of their references."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from poet.adapters.spark_tables._grouped import answer_groups, require
from poet.runtime.sketch import Sketch

__all__ = ["score_table"]

BOUNDED = ("ks", "ks_p_value", "wasserstein")
PLAIN = ("psi", "jensen_shannon")
ENDS = [f"{name}_{end}" for name in BOUNDED for end in ("low", "high")]
COLUMNS = {"feature": "string", "n_current": "bigint", "n_reference": "bigint"} | dict.fromkeys(
    [*ENDS, *PLAIN], "double"
)


def score_table(current: Any, sketches: Mapping[str, Sketch], *, by: Sequence[str] = ()) -> Any:
    """Score each feature of each group against a sketch of its reference.

    Parameters
    ----------
    current
        A Spark data frame.
    sketches
        By feature, as `sketch_table` gives them; broadcast.
    by
        Columns that name a group; without, all rows are one.

    Returns
    -------
    pyspark.sql.DataFrame
        The columns of `by`, then ``feature, n_current, n_reference``, the least and the most that the
        Kolmogorov-Smirnov distance, its p-value and the Wasserstein distance (in the values' unit) can be,
        ``psi`` and ``jensen_shannon``. Null where a group has no values; ``wasserstein_high`` is null as well
        where values lie beyond the sketch.

    Raises
    ------
    SampleError
        The data frame lacks a column.
    """
    require(current, [*sketches, *by])
    return answer_groups(current, by, sketches, sketches, _scored, COLUMNS)


def _scored(table: Any, sketches: Mapping[str, Sketch]) -> Iterator[dict[str, Any]]:
    for name, own in sketches.items():
        new = own.counted(table[name].combine_chunks())
        row: dict[str, Any] = dict.fromkeys(COLUMNS) | {
            "feature": name,
            "n_current": new.n,
            "n_reference": own.n,
        }
        if new.n and own.n:
            for statistic in BOUNDED:
                low, high = getattr(own, statistic)(new)
                row |= {f"{statistic}_low": low, f"{statistic}_high": high if math.isfinite(high) else None}
            row |= {statistic: getattr(own, statistic)(new) for statistic in PLAIN}
        yield row
