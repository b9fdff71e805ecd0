"""The learner of `calculate_adaptive_window`."""

from poet.learn.calculate_adaptive_window._learn import learn

__all__ = ["learn"]
