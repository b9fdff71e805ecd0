"""Tables of the statistics by name."""

from collections.abc import Callable
from typing import Final

from poet_runtime.drift.statistics import distances, p_values, ranks, shares, shifts
from poet_runtime.drift.statistics.baseline import Counts, FloatArray, Rows

COUNTS: Final[dict[str, Callable[[Counts], FloatArray]]] = {
    "chi_square": shares.chi_square,
    "g_test": shares.g_test,
    "hellinger": shares.hellinger,
    "jensen_shannon": shares.jensen_shannon,
    "psi": shares.psi,
    "total_variation": shares.total_variation,
}


def _over_bins(statistic: Callable[[Counts], FloatArray]) -> Callable[[Rows], FloatArray]:
    return lambda rows: statistic(rows.counts)


NUMERIC: Final[dict[str, Callable[[Rows], FloatArray]]] = {
    "anderson_darling": ranks.anderson_darling,
    "cramer_von_mises": ranks.cramer_von_mises,
    "hellinger": _over_bins(shares.hellinger),
    "jensen_shannon": _over_bins(shares.jensen_shannon),
    "ks": distances.ks,
    "levene": shifts.levene,
    "mann_whitney": shifts.mann_whitney,
    "mean_shift": shifts.mean_shift,
    "median_shift": shifts.median_shift,
    "psi": _over_bins(shares.psi),
    "mean_absolute_difference": shifts.mean_absolute_difference,
    "scale_shift": shifts.scale_shift,
    "wasserstein": distances.wasserstein,
}

NAMES: Final = frozenset(NUMERIC) | frozenset(COUNTS)
ORDERED: Final = frozenset({"mean_absolute_difference"})  # the statistics to which the order of rows matters


def p_value(name: str, statistic: float, sample: Rows | Counts) -> float | None:
    """Return the p-value of a statistic of one row; None if the statistic has no p-value."""
    if isinstance(sample, Counts):
        of_counts = p_values.COUNTS.get(name)
        return of_counts(statistic, sample) if of_counts else None
    of_rows = p_values.NUMERIC.get(name)
    return of_rows(statistic, sample) if of_rows else None
