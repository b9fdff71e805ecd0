"""The installed policies, their presets, and the order in which rules decide."""

import itertools
from collections.abc import Iterator
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poet.policies.calculate_adaptive_window import policy as calculate_adaptive_window
from poet.policies.detect_drift import policy as detect_drift
from poet.policies.detect_drift.rules import Branch, Condition, branches
from poet.spec import Constant, PolicySpec, policies, policy
from poet.spec.decisions import Decisions, Rule, decode, encode
from poet_runtime.errors import RenderError


def drift_rule(rule_id: str, **condition: object) -> Rule:
    """Return an active drift rule that is identified by its id."""
    criterion = {"statistic": "ks", "scale": "p_value", "direction": "below", "threshold": 0.05}
    return Rule(
        id=rule_id, kind="decide", condition=condition, parameters={"criteria": [criterion]}, status="adopted"
    )


def drift(*rules: Rule) -> Decisions:
    """Return drift decisions with these rules."""
    return Decisions(policy="detect_drift", start="ks", version=2, revises=1, rules=rules)


def window(*rules: Rule) -> Decisions:
    """Return window decisions: version 1 with these rules replaced or added."""
    first = policy("calculate_adaptive_window").version_1("ks")
    by_id = {rule.id: rule for rule in (*first.rules, *rules)}
    return msgspec.structs.replace(first, rules=tuple(by_id[rule_id] for rule_id in sorted(by_id)))


def every_start() -> Iterator[tuple[PolicySpec, str]]:
    """Return every policy with each of its presets."""
    return ((spec, start) for spec in policies() for start in spec.starts)


def test_the_built_in_policies_come_first_in_a_fixed_order() -> None:
    """The order does not depend on how packages were installed."""
    names = [spec.name for spec in policies()]
    assert names[:6] == [
        "detect_drift",
        "calculate_adaptive_window",
        "calculate_feature_importance",
        "generate_alerts",
        "monitor_with_recovery",
        "adaptive_monitoring_strategy",
    ]


def test_an_unknown_policy_is_refused_with_the_known_ones() -> None:
    """The error lists the known policies."""
    with pytest.raises(RenderError, match="no policy is called 'detect_drifts', known are detect_drift, "):
        policy("detect_drifts")


def test_version_1_survives_a_round_trip_through_json() -> None:
    """A manifest returns the decisions that were rendered."""
    for spec, start in every_start():
        first = spec.version_1(start)
        assert decode(encode(first)) == first


def test_rules_of_version_1_are_sorted_active_and_explained() -> None:
    """Each preset is a complete policy."""
    for spec, start in every_start():
        rules = spec.version_1(start).rules
        assert [rule.id for rule in rules] == sorted(rule.id for rule in rules)
        assert all(rule.is_active and rule.reason for rule in rules)


def test_calibrated_is_the_default_preset() -> None:
    """The default is the best known rule without training."""
    assert policy("detect_drift").starts[0] == "calibrated"


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    """An unknown preset is not silently replaced by the default."""
    with pytest.raises(RenderError, match="no preset 'kss'; choose one of calibrated, ks, psi"):
        policy("detect_drift").version_1("kss")


def test_every_word_of_a_baseline_is_declared() -> None:
    """Baselines have no text that the shape proof would replace."""

    def texts(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from itertools.chain(value, *map(texts, value.values()))
        elif isinstance(value, list):
            yield from itertools.chain.from_iterable(map(texts, value))

    for spec, start in every_start():
        for rule in spec.version_1(start).rules:
            assert set(texts([rule.condition, rule.parameters])) <= spec.words


SPECIFIC_FIRST: list[tuple[str, dict[str, object]]] = [
    ("feature", {"features": ["price"]}),
    ("small", {"reference_at_most": 100}),
    ("medium", {"reference_at_most": 1000}),
    ("seasonal-numeric", {"seasonal": True, "kind": "numeric"}),
    ("seasonal", {"seasonal": True}),
    ("categorical", {"kind": "categorical"}),
    ("any", {}),
]


def test_the_most_specific_rule_is_applied_first() -> None:
    """Conditions on features come before reference size, then season, then kind."""
    rules = [drift_rule(name, **condition) for name, condition in reversed(SPECIFIC_FIRST)]
    found = branches(drift(*rules))
    assert [branch.rule.id for branch in found] == [name for name, _ in SPECIFIC_FIRST]


def test_null_in_a_condition_matches_anything() -> None:
    """A learner may write an unused field as null or omit it."""
    everything = drift_rule("any", kind=None, seasonal=None, features=[], reference_at_most=None)
    assert [branch.is_last for branch in branches(drift(everything))] == [True]


def test_a_rule_that_no_data_reaches_is_omitted() -> None:
    """Generated code has no unreachable branch."""
    rules = (drift_rule("a", kind="numeric"), drift_rule("b", kind="categorical"), drift_rule("z"))
    assert [branch.rule.id for branch in branches(drift(*rules))] == ["a", "b"]


def test_candidates_do_not_become_code() -> None:
    """Only adopted, pinned and preset rules become code."""
    held = msgspec.structs.replace(drift_rule("candidate", features=["x"]), status="candidate")
    assert [branch.rule.id for branch in branches(drift(drift_rule("any"), held))] == ["any"]


def test_data_without_a_rule_is_refused_by_name() -> None:
    """A policy must have a rule for every kind of data."""
    with pytest.raises(RenderError, match="no rule decides for numeric not seasonal; keep a rule"):
        branches(drift(drift_rule("c", kind="categorical"), drift_rule("s", seasonal=True, kind="numeric")))


CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["categorical", "numeric", None]),
        "seasonal": st.sampled_from([True, False, None]),
        "features": st.lists(st.sampled_from(["a", "b", "c"]), max_size=2),
        "reference_at_most": st.sampled_from([None, 10, 100]),
    },
)


@settings(max_examples=200, deadline=None)
@given(st.lists(CONDITIONS, max_size=6))
def test_branches_answer_as_the_most_specific_matching_rule(conditions: list[dict[str, object]]) -> None:
    """Simplifications change no answer: branches are compared with the definition on every kind of data."""
    rules = [drift_rule(f"r{place}", **condition) for place, condition in enumerate(conditions)]
    decisions = drift(*rules, drift_rule("z"))
    for data in itertools.product(("a", "d"), (10, 50, 500), (True, False), ("numeric", "categorical")):
        first = next(branch for branch in branches(decisions) if applies(branch, *data))
        assert first.rule.id == most_specific(decisions, *data)


def applies(branch: Branch, feature: str, n: int, seasonal: bool, kind: str) -> bool:  # noqa: FBT001
    """Return whether a branch applies to such data; the last one has no condition on kind or season."""
    condition = branch.condition
    if branch.is_last:
        condition = msgspec.structs.replace(condition, kind=None, seasonal=None)
    return holds(condition, feature, n, seasonal, kind)


def most_specific(decisions: Decisions, feature: str, n: int, seasonal: bool, kind: str) -> str:  # noqa: FBT001
    """Return the rule according to the definition."""
    conditions = {rule.id: msgspec.convert(rule.condition, Condition) for rule in decisions.rules}
    matching = {name: c for name, c in conditions.items() if holds(c, feature, n, seasonal, kind)}

    def order(name: str) -> tuple[object, ...]:
        c = matching[name]
        size = float("inf") if c.reference_at_most is None else c.reference_at_most
        return (not c.features, size, c.seasonal is None, c.kind is None, name)

    return min(matching, key=order)


def holds(condition: Condition, feature: str, n: int, seasonal: bool, kind: str) -> bool:  # noqa: FBT001
    """Return whether a condition holds for such data."""
    return (
        (not condition.features or feature in condition.features)
        and (condition.reference_at_most is None or n <= condition.reference_at_most)
        and condition.seasonal in (None, seasonal)
        and condition.kind in (None, kind)
    )


def with_criteria(*criteria: dict[str, object], min_votes: int = 1) -> Decisions:
    """Return drift decisions with one rule with these criteria."""
    rule = drift_rule("any")
    return drift(
        msgspec.structs.replace(rule, parameters={"criteria": list(criteria), "min_votes": min_votes})
    )


KS = {"statistic": "ks", "scale": "absolute", "direction": "above", "threshold": 0.1}
MALFORMED = [
    (with_criteria(), "min_votes is 1 of 0 criteria"),
    (with_criteria(KS, min_votes=2), "min_votes is 2 of 1 criteria"),
    (with_criteria(KS | {"threshold": float("nan")}), "the threshold of ks is nan, expected a finite number"),
    (with_criteria(KS | {"statistic": "mmd"}), "Invalid enum value 'mmd'"),
    (with_criteria(KS | {"treshold": 1.0}), "unknown field `treshold`"),
    (with_criteria(KS | {"scale": "p_value"}), "a p-value indicates drift below its threshold"),
    (drift(drift_rule("any", kind="text")), "Invalid enum value 'text'"),
    (drift(drift_rule("any", season=True)), "unknown field `season`"),
    (drift(drift_rule("Any Rule")), "rule id 'Any Rule': expected 1 to 60 of a-z"),
    (drift(drift_rule("a-b", kind="numeric"), drift_rule("a_b")), "both name a constant A_B_KS_P"),
    (drift(Rule(id="x", kind="bounds")), "has kind 'bounds', expected one of decide"),
]


@pytest.mark.parametrize(("decisions", "message"), MALFORMED)
def test_a_malformed_drift_rule_is_refused_by_name(decisions: Decisions, message: str) -> None:
    """The error has the rule, the reason and the next step."""
    with pytest.raises(RenderError) as refused:
        detect_drift.outline(decisions)
    assert message in str(refused.value)


def band(rule_id: str, size: int, above: float | None = None) -> Rule:
    """Return a velocity band."""
    condition: dict[str, object] = {} if above is None else {"velocity_above": above}
    return Rule(id=rule_id, kind="band", condition=condition, parameters={"window": size}, status="adopted")


def stability(**parameters: object) -> Rule:
    """Return a stability rule."""
    return Rule(id="stable", kind="stability", parameters=parameters, status="adopted")


BAD_WINDOWS = [
    (window(band("other", 500)), "expected different velocities and exactly one band without"),
    (window(band("a", 500, 10.0), band("b", 600, 10.0)), "expected different velocities"),
    (window(band("fast", 0, 10.0)), "rule 'fast': window is 0, expected more than 0"),
    (window(band("fast", 500, float("inf"))), "velocity_above is inf, expected a finite number"),
    (window(band("fast", 500, -1.0)), "velocity_above is -1.0, expected more than 0"),
    (window(stability(features=["a"], multiplier=0.5)), "and a multiplier of at least 1 so that"),
    (window(stability(features=[], multiplier=2)), "0 features with multiplier 2.0"),
    (
        window(Rule(id="bounds", kind="bounds", parameters={"minimum": 9, "cap": 8})),
        "expected 1 <= minimum <= cap",
    ),
    (window(Rule(id="more", kind="bounds", parameters={"minimum": 1, "cap": 8})), "got bounds, more"),
]


@pytest.mark.parametrize(("decisions", "message"), BAD_WINDOWS)
def test_a_malformed_window_rule_is_refused_by_name(decisions: Decisions, message: str) -> None:
    """The error has the rule, the reason and the next step."""
    with pytest.raises(RenderError) as refused:
        calculate_adaptive_window.outline(decisions)
    assert message in str(refused.value)


def test_a_comment_never_begins_with_text_from_feedback() -> None:
    """No reason can act as a pragma, because it is never the first word."""
    for rule in (
        msgspec.structs.replace(drift_rule("any"), reason="type: int"),
        msgspec.structs.replace(drift_rule("any"), reason="noqa", was="fmt: off"),
        drift_rule("any"),
    ):
        constants = cast("tuple[Constant, ...]", detect_drift.outline(drift(rule))["constants"])
        assert {constant.comment.split()[0] for constant in constants} <= {"Learned", "Learned:", "Was"}


def test_generated_code_reads_scales_by_the_methods_of_samples() -> None:
    """The compiler names the methods without importing the runtime that has them."""
    from poet.policies.detect_drift.policy import _SCALES
    from poet_runtime.drift.criteria import METHODS

    assert {scale: each.method for scale, each in _SCALES.items()} == METHODS
