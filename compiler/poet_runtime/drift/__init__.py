"""What a generated `detect_drift` calls: hold two samples against each other and decide.

The contract that every policy built from this keeps: identical samples never drift; adding a constant to
both numeric samples, or scaling both, changes nothing; without times the order of the current sample never
matters, for criteria of `roughness` and of `differenced` are not asked then (`Criterion.is_order_free`). On
the calibrated scales the order of the *reference* matters to every statistic: its own windows are stretches
of it.
"""

from poet_runtime.drift.comparison import Samples, compare, score_all
from poet_runtime.drift.criteria import Criterion, above, below, read_score
from poet_runtime.drift.reference import Reference

__all__ = ["Criterion", "Reference", "Samples", "above", "below", "compare", "read_score", "score_all"]
