"""Real series with known truth: those that ship, and the collection next to the repository."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.replayed import COLUMNS, World
from poet.cli.demo import load_cases
from poet_runtime.drift.comparison import compare, score_all

__all__ = ["COLLECTION", "SeriesCase", "load_collection", "load_shipped", "world_of"]

COLLECTION = Path(__file__).resolve().parents[2] / "shared" / "data"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SeriesCase:
    """A current sample of a series and its reference, with times and whether there is a drift."""

    series: str
    group: str  # series that look alike
    is_drift: bool
    reference: Floats
    current: Floats
    reference_times: Floats
    current_times: Floats
    period: float  # seconds; 0: none


def load_shipped() -> list[SeriesCase]:
    """Return the cases that ship with the package."""
    return [
        SeriesCase(
            each.series,
            each.group,
            each.is_drift,
            each.reference,
            each.current,
            each.reference_times,
            each.current_times,
            float(each.context.get("period", 0.0)),
        )
        for each in load_cases()
    ]


def load_collection(collection: Path) -> list[SeriesCase]:
    """Return the numeric cases of the collection next to the repository."""
    sys.path.insert(0, str(collection))
    import load  # noqa: PLC0415 -- lies outside the repository

    cases = []
    for each in load.iter_cases(str(collection / "dev"), feature_kind="numeric"):
        context, step = each.context, float(each.context["sampling_s"] or 1)
        cases.append(
            SeriesCase(
                context["series"],
                context["group"],
                bool(each.label),
                np.asarray(each.reference, float),
                np.asarray(each.current, float),
                each.ref_index * step,
                each.cur_index * step,
                context["period"] * step if context["seasonal"] else 0.0,
            )
        )
    return cases


def world_of(cases: Sequence[SeriesCase]) -> World:
    """Return a world with the scores that an execution of each case records."""
    rows, seasonal = [], []
    for case in cases:
        arguments: dict[str, Any] = {
            "current_times": case.current_times,
            "reference_times": case.reference_times,
            "context": {"period": case.period} if case.period else {},
        }
        rows.append(score_all(case.current, case.reference, **arguments))
        seasonal.append(compare(case.current, case.reference, **arguments).is_seasonal)
    tests = sorted({test for row in rows for test in row})
    scores = {
        (test, column): np.array([_value(row.get(test), column) for row in rows])
        for test in tests
        for column in COLUMNS
    }
    return World(
        np.array([case.is_drift for case in cases]),
        np.array([case.group for case in cases], object),
        np.array(seasonal),
        np.array([len(case.reference) for case in cases]),
        scores,
    )


def _value(score: object, column: str) -> float:
    value = getattr(score, column, None)
    return np.nan if value is None else float(value)
