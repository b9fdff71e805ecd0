"""Statistics that compare rows of values with a baseline, one function each, grouped by family."""

from poet_runtime.drift.statistics.catalogue import COUNTS, NAMES, NUMERIC, ORDERED, p_value
from poet_runtime.drift.statistics.distances import ks, wasserstein
from poet_runtime.drift.statistics.ranks import anderson_darling, cramer_von_mises
from poet_runtime.drift.statistics.shares import (
    chi_square,
    g_test,
    hellinger,
    jensen_shannon,
    psi,
    total_variation,
)
from poet_runtime.drift.statistics.shifts import (
    levene,
    mann_whitney,
    mean_absolute_difference,
    mean_shift,
    median_shift,
    scale_shift,
)

__all__ = [
    "COUNTS",
    "NAMES",
    "NUMERIC",
    "ORDERED",
    "anderson_darling",
    "chi_square",
    "cramer_von_mises",
    "g_test",
    "hellinger",
    "jensen_shannon",
    "ks",
    "levene",
    "mann_whitney",
    "mean_absolute_difference",
    "mean_shift",
    "median_shift",
    "p_value",
    "psi",
    "scale_shift",
    "total_variation",
    "wasserstein",
]
