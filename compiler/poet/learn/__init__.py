"""Summaries become decisions: one learner a policy, all under the same duties."""

from poet.learn._learn import imported, learn, replay, trial

__all__ = ["imported", "learn", "replay", "trial"]
