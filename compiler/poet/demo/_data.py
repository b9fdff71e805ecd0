"""The series that ship with the package, as pairs of samples with known truth (``data/SOURCES.md``)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Case", "load_cases"]

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Case:
    """A reference and a current stretch of one series, and whether operators saw a change between them."""

    series: str
    group: str  # series of one group look alike: all of them teach, or none
    is_drift: bool
    current: NDArray[np.float64]
    reference: NDArray[np.float64]
    current_times: NDArray[np.float64]  # seconds
    reference_times: NDArray[np.float64]
    context: dict[str, Any]

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments with which `detect_drift` is called."""
        return {
            "feature": self.series,
            "current_times": self.current_times,
            "reference_times": self.reference_times,
            "context": self.context,
        }


class _Row(msgspec.Struct):
    series: str
    group: str
    is_drift: bool
    kind: str
    reference: tuple[int, int]
    current: tuple[int, int]
    sampling_s: float | None
    period_s: float


def load_cases() -> list[Case]:
    """Give all cases that ship, in the order of the file."""
    import pyarrow.parquet as pq  # noqa: PLC0415 -- only the demo reads it

    table = pq.read_table(DATA / "series.parquet")
    names = np.array(table["series"].to_pylist(), dtype=object)
    values = table["value"].to_numpy().astype(np.float64)
    labelled = table["is_labelled"].to_numpy()
    starts = {name: int(np.argmax(names == name)) for name in dict.fromkeys(names)}
    rows = msgspec.json.decode((DATA / "cases.json").read_bytes(), type=list[_Row])
    return [_case(row, starts[row.series], values, labelled) for row in rows]


def _case(row: _Row, start: int, values: NDArray[np.float64], labelled: NDArray[np.bool_]) -> Case:
    reference = np.arange(*row.reference)
    if row.kind == "incident":
        # the reference of an incident is what came before it, earlier incidents left out
        reference = reference[~labelled[start + reference]]
    current = np.arange(*row.current)
    reference, current = (index[np.isfinite(values[start + index])] for index in (reference, current))
    step = row.sampling_s or 1.0
    return Case(
        series=row.series,
        group=row.group,
        is_drift=row.is_drift,
        current=values[start + current],
        reference=values[start + reference],
        current_times=(step * current).astype(np.float64),
        reference_times=(step * reference).astype(np.float64),
        context={"period": row.period_s} if row.period_s else {},
    )
