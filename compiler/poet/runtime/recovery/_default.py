"""What is run where the caller brings no monitor: drift of a current table against a reference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from poet.errors import SampleError
from poet.runtime.context import field
from poet.runtime.recovery._frames import Matrix
from poet.runtime.recovery._sequences import Rows
from poet.runtime.recovery._tables import is_pair, open_table
from poet.runtime.results import DriftResult

__all__ = ["Pair", "drift_monitor", "drift_pair"]

_OWN_Q90_TIMES = 1.7  # as the calibrated start of `detect_drift` has it


@dataclass(frozen=True, slots=True)
class Pair:
    """A current table and its reference, with the times of their rows where they are known."""

    current: Any
    reference: Any
    current_times: Any = None
    reference_times: Any = None


def drift_pair(data: Any, context: Any) -> Pair:
    """Find both tables: `current` and `reference` of the data, or the data and the context's reference."""
    if isinstance(data, Pair):
        return data
    if isinstance(data, Pair):
        return data
    if is_pair(data):
        current, reference = field(data, "current"), field(data, "reference")
        times = (field(data, "current_times"), field(data, "reference_times"))
    else:
        current, reference = data, field(context, "reference")
        times = (field(context, "current_times"), field(context, "reference_times"))
    return Pair(_named(current), _named(reference), *times)


def drift_monitor(context: Any) -> Callable[[Any], dict[str, DriftResult]]:
    """Give the monitor that detects drift column by column.

    Raises
    ------
    SampleError
        The context's `detect_drift` is no function.
    """
    # only who needs it pays for it, and here, for a child process would pay again every time
    from poet.runtime.table import detect_drift_table  # noqa: PLC0415

    own = field(context, "detect_drift")
    if own is not None and not callable(own):
        raise SampleError(
            f"context['detect_drift'] must be a function like detect_drift, got {type(own).__name__}"
        )
    detect = _calibrated() if own is None else cast("Callable[..., DriftResult]", own)
    told = _scalars(context)

    def monitor(data: Any) -> dict[str, DriftResult]:
        pair = drift_pair(data, context)
        if pair.reference is None:
            raise SampleError(
                "there is no reference to compare with; give data as a mapping of current and reference "
                "tables, or a table and context={'reference': table}, or a monitor of your own"
            )
        return detect_drift_table(
            detect,
            pair.current,
            pair.reference,
            current_times=pair.current_times,
            reference_times=pair.reference_times,
            context=told,
        )

    return monitor


def _calibrated() -> Callable[..., DriftResult]:
    """Give the best untuned rule: the current sample is further off than the reference is from itself."""
    from poet.runtime.drift import above, compare  # noqa: PLC0415 -- as above

    def detect(current: Any, reference: Any, **told: Any) -> DriftResult:
        samples = compare(current, reference, **told)
        if samples.reason:
            return samples.undecided()
        if samples.is_categorical:
            return samples.decide("categorical", above("chi_square", "raw", "own_q90", _OWN_Q90_TIMES))
        return samples.decide(
            "numeric",
            above("wasserstein", "deseasonalised", "own_q90", _OWN_Q90_TIMES),
            above("roughness", "raw", "own_q90", _OWN_Q90_TIMES),
        )

    return detect


def _scalars(context: Any) -> dict[str, Any] | None:
    """Give what a detector's context may hold: not the tables and functions that are meant for us."""
    if not isinstance(context, Mapping):
        return None
    return {name: value for name, value in context.items() if isinstance(value, str | bool | int | float)}


def _named(table: Any) -> Any:
    """Give a table without names as a mapping of columns, named by their places."""
    opened = open_table(table)
    if isinstance(opened, Matrix | Rows):
        return {name: opened.column(place) for place, name in enumerate(opened.names)}
    return table
