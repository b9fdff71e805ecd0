"""The learner of `calculate_adaptive_window`."""

from poet.learn.calculate_adaptive_window._costs import BandCosts
from poet.learn.calculate_adaptive_window._learn import cost_curves, learn

__all__ = ["BandCosts", "cost_curves", "learn"]
