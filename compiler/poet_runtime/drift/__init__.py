"""Functions that a generated `detect_drift` calls to compare two samples and decide.

A comparison of a statistic with a threshold, such as ``samples.ratio("wasserstein") > 1.5``, is a `Reading`:
a truth value that keeps the statistic, its value and the threshold for the result.

Every policy built from them satisfies this contract. Identical samples never drift. Adding a constant to both
numeric samples, or scaling both, changes nothing. Without times the order of the current sample never
matters, because `mean_absolute_difference` and differenced samples are not defined then
(`Criterion.is_order_free`). On the calibrated scales the order of the *reference* matters to every statistic,
because its own windows are contiguous pieces of it.
"""

from poet_runtime.drift.columns import Column, Context, Times
from poet_runtime.drift.comparison import Samples, compare, score_all
from poet_runtime.drift.criteria import Criterion, Measure, Reading, at_least, read_score
from poet_runtime.drift.reference import Reference

__all__ = [
    "Column",
    "Context",
    "Criterion",
    "Measure",
    "Reading",
    "Reference",
    "Samples",
    "Times",
    "at_least",
    "compare",
    "read_score",
    "score_all",
]
