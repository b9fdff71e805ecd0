"""The monitor that runs when none is given: detect_drift over the table."""

from collections.abc import Callable, Mapping
from typing import Any

from poet.errors import SampleError
from poet.runtime.context import field
from poet.runtime.drift import above, below, compare
from poet.runtime.results import DriftResult
from poet.runtime.table import detect_drift_table

__all__ = ["default_monitor"]

_OWN_MAX = 1.0  # further off than any window of the reference itself
_P = 0.05


def default_monitor(context: Any) -> Callable[[Any], dict[str, DriftResult]]:
    """Give a monitor of pairs: a mapping or object with `current` and `reference` tables.

    The reference may come as ``context["reference"]``, and what detects as ``context["detect_drift"]``.
    """
    detect = field(context, "detect_drift", _detect)

    def monitor(data: Any) -> dict[str, DriftResult]:
        reference = _side(data, "reference", field(context, "reference"))
        if reference is None:
            raise SampleError(
                "there is nothing to compare with; give data with `current` and `reference` tables, "
                'context["reference"], or a monitor of your own'
            )
        return detect_drift_table(detect, _side(data, "current", data), reference)

    return monitor


def _side(data: Any, name: str, default: Any) -> Any:
    if isinstance(data, Mapping):
        return data.get(name, default)
    return getattr(data, name, default)


def _detect(current: Any, reference: Any, *, feature: str = "", **keywords: Any) -> DriftResult:
    """Detect by the calibrated rule that a new workspace starts with."""
    samples = compare(current, reference, feature=feature, **keywords)
    if samples.reason:
        return samples.undecided()
    if samples.is_categorical:
        return samples.decide("categorical", below("chi_square", "raw", "p_value", _P))
    return samples.decide("numeric", above("wasserstein", "deseasonalised", "own_max", _OWN_MAX))
