"""`detect_drift`: the specification of the policy and the variables of its template."""

from collections.abc import Callable
from typing import Final, get_args

from poet.policies.detect_drift.presets import STARTS, baseline
from poet.policies.detect_drift.rules import (
    Branch,
    Condition,
    Criteria,
    Criterion,
    Direction,
    Kind,
    Preparation,
    Scale,
    Statistic,
    branches,
)
from poet.spec.decisions import Decisions
from poet.spec.outline import Constant, constant_name, in_rule_order, why
from poet.spec.policy_spec import PolicySpec

_SCALE_IN_NAME: Final = {
    "absolute": (),
    "p_value": ("p",),
    "null_q90": ("null_q90",),
    "null_max": ("null_max",),
    "null_zscore": ("null_zscore",),
}


def outline(decisions: Decisions) -> dict[str, object]:
    """Return the template's variables."""
    constants: list[Constant] = []
    found = branches(decisions)
    printed = [_print(branch, constants) for branch in found]
    directions = {criterion.direction for branch in found for criterion in branch.criteria.criteria}
    return {
        "constants": in_rule_order(constants),
        "imports": (*sorted(directions), "compare"),
        "branches": tuple(printed),
    }


def _print(branch: Branch, constants: list[Constant]) -> dict[str, object]:
    rule, criteria = branch.rule, branch.criteria
    comments = iter([why(rule)])

    def constant(value: object, *parts: str) -> str:
        name = constant_name(rule, *parts)
        constants.append(Constant(rule.id, name, value, next(comments, "as above")))
        return name

    return {
        "rule": rule.id,
        "criteria": [
            {
                "direction": criterion.direction,
                "words": (criterion.statistic, criterion.preparation, criterion.scale),
                "threshold": constant(criterion.threshold, *_name_of(criterion, criteria)),
            }
            for criterion in criteria.criteria
        ],
        "min_votes": constant(criteria.min_votes, "min_votes") if len(criteria.criteria) > 1 else None,
        "tests": _tests(branch, constant),
    }


def _tests(branch: Branch, constant: Callable[..., str]) -> tuple[dict[str, object], ...]:
    """Return the tests of the branch, the narrowest first; the last branch needs no test of its kind."""
    condition = branch.condition
    tests: list[dict[str, object]] = []
    if condition.features:
        tests.append({"of": "features", "name": constant(frozenset(condition.features), "features")})
    if condition.reference_at_most is not None:
        tests.append({"of": "reference", "name": constant(condition.reference_at_most, "reference_at_most")})
    if condition.seasonal is not None and not branch.is_last:
        tests.append({"of": "seasonal", "holds": condition.seasonal})
    if condition.kind is not None and not branch.is_last:
        tests.append({"of": "categorical", "holds": condition.kind == "categorical"})
    return tuple(tests)


def _name_of(criterion: Criterion, among: Criteria) -> tuple[str, ...]:
    """Return the name parts of a threshold; the preparation is included only if it is needed."""
    twins = [
        other
        for other in among.criteria
        if (other.statistic, other.scale) == (criterion.statistic, criterion.scale)
    ]
    preparation = (criterion.preparation,) if len(twins) > 1 else ()
    return (criterion.statistic, *preparation, *_SCALE_IN_NAME[criterion.scale], criterion.direction)


_FIELDS: Final = (*Condition.__struct_fields__, *Criterion.__struct_fields__, *Criteria.__struct_fields__)
SPEC: Final = PolicySpec(
    name="detect_drift",
    template="detect_drift.py.jinja",
    starts=tuple(STARTS),
    baseline=baseline,
    outline=outline,
    learner="poet.policies.detect_drift.learner.learn:learn",
    contract="poet.policies.detect_drift.contract",
    behaviour="poet.policies.detect_drift.behaviour",
    trial="poet.policies.detect_drift.learner.canary:evaluate_trial",
    plots="poet.policies.detect_drift.plots:plots",
    rule_words=(("decide", "poet.policies.detect_drift.learner.describe:describe_parameters"),),
    emits_threshold_adjustments=True,
    replay="poet.policies.detect_drift.learner.replay:replay",
    words=frozenset(
        word
        for words in (
            _FIELDS,
            *(get_args(choice) for choice in (Kind, Direction, Preparation, Scale, Statistic)),
        )
        for word in words
    ),
)
