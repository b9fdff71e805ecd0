"""Functions that a generated `detect_drift` calls to compare two samples and decide.

Every policy built from them satisfies this contract. Identical samples never drift. Adding a constant to both
numeric samples, or scaling both, changes nothing. Without times the order of the current sample never
matters, because criteria of `mean_absolute_difference` and `differenced` are not evaluated then
(`Criterion.is_order_free`). On the calibrated scales the order of the *reference* matters to every statistic,
because its own windows are contiguous pieces of it.
"""

from poet_runtime.drift.comparison import Samples, compare, score_all
from poet_runtime.drift.criteria import Criterion, above, below, read_score
from poet_runtime.drift.reference import Reference

__all__ = ["Criterion", "Reference", "Samples", "above", "below", "compare", "read_score", "score_all"]
