"""`adaptive_monitoring_strategy`: how often, how much and how thoroughly a model is monitored."""

from typing import Literal, get_args

import msgspec

from poet.decisions import Decisions, Rule
from poet.policies._outline import Constant, only_kinds, read, single, why
from poet.policies._spec import PolicySpec

__all__ = ["SPEC", "Frequency", "Strategy", "Tests", "baseline", "outline"]

Frequency = Literal["real_time", "hourly", "daily", "weekly"]
Tests = Literal["multiple", "single"]


class Strategy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model gets."""

    frequency: Frequency
    features: Literal["all"]
    tests: Tests


def baseline(_start: str) -> tuple[Rule, ...]:
    """Give the rules of version 1, the same whatever the workspace starts from."""
    parameters: dict[str, object] = {"frequency": "hourly", "features": "all", "tests": "single"}
    return (
        Rule(id="every-model", kind="strategy", parameters=parameters, reason="the same for every model"),
    )


def outline(decisions: Decisions) -> dict[str, object]:
    """Say what the template prints."""
    only_kinds(decisions, ("strategy",))
    rule = single(decisions, "strategy")
    strategy = read(rule, rule.parameters, Strategy)
    return {
        "rule": rule.id,
        "constants": (
            Constant(rule.id, "FREQUENCY", strategy.frequency, why(rule)),
            Constant(rule.id, "FEATURES", strategy.features, "as above"),
            Constant(rule.id, "TESTS", strategy.tests, "as above"),
        ),
    }


SPEC = PolicySpec(
    name="adaptive_monitoring_strategy",
    template="adaptive_monitoring_strategy.py.jinja",
    starts=("baseline",),
    baseline=baseline,
    outline=outline,
    learner=None,
    contract="poet.validate.adaptive_monitoring_strategy",
    words=frozenset({*Strategy.__struct_fields__, *get_args(Frequency), *get_args(Tests), "all"}),
)
