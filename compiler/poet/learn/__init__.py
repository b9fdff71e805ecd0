"""Summaries become decisions: one learner a policy, all under the same duties."""

from poet.learn._learn import TrialOutcome, imported, learn, replay, trial

__all__ = ["TrialOutcome", "imported", "learn", "replay", "trial"]
