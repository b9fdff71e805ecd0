"""Summaries become decisions: one learner a policy, all under the same duties."""

from poet.learn._learn import learn, replay

__all__ = ["learn", "replay"]
