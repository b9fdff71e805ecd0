"""`detect_drift`: the specification of the policy and the variables of its template."""

from collections.abc import Callable
from typing import Final, NamedTuple, get_args

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
from poet.spec.outline import Constant, constant_name, unique, why
from poet.spec.policy_spec import PolicySpec


class _Scale(NamedTuple):
    """How generated code reads a statistic on a scale, names its threshold, and the unit.

    The methods are those of `poet_runtime.drift.criteria.METHODS`, whose import would need numpy.
    """

    method: str
    name: tuple[str, ...]
    unit: str


_SCALES: Final = {
    "absolute": _Scale("statistic", (), ""),
    "p_value": _Scale("p_value", ("p",), ""),
    "null_q90": _Scale("ratio", ("ratio",), "times the 90 % quantile of the self-distances"),
    "null_max": _Scale("ratio_to_max", ("ratio_to_max",), "times the largest self-distance"),
    "null_zscore": _Scale("zscore", ("zscore",), "standard deviations above the mean self-distance"),
}
_IN_STANDARD_DEVIATIONS: Final = frozenset(
    {"wasserstein", "mean_shift", "median_shift", "mean_absolute_difference"}
)


def outline(decisions: Decisions) -> dict[str, object]:
    """Return the template's variables."""
    constants: list[Constant] = []
    printed = [_print(branch, constants) for branch in branches(decisions)]
    votes = ("at_least",) if any(each["min_votes"] for each in printed) else ()
    return {
        "constants": unique(constants),
        "imports": ("Column", "Context", "Reference", "Times", *votes, "compare"),
        "branches": tuple(printed),
    }


def _print(branch: Branch, constants: list[Constant]) -> dict[str, object]:
    rule, criteria = branch.rule, branch.criteria

    def constant(value: object, *parts: str, unit: str = "") -> str:
        name = constant_name(rule, *parts)
        constants.append(Constant(rule.id, name, value, why(rule), unit))
        return name

    count = len(criteria.criteria)
    return {
        "rule": rule.id,
        "tests": _tests(branch, constant),
        "criteria": [
            {
                "method": _SCALES[criterion.scale].method,
                "statistic": criterion.statistic,
                "preparation": "" if criterion.preparation == "raw" else criterion.preparation,
                "is_above": criterion.direction == "above",
                "threshold": constant(
                    criterion.threshold, *_name_of(criterion, criteria), unit=_unit_of(criterion)
                ),
            }
            for criterion in criteria.criteria
        ],
        "needs_all": criteria.min_votes == count,
        "min_votes": criteria.min_votes if 1 < criteria.min_votes < count else 0,
    }


def _tests(branch: Branch, constant: Callable[..., str]) -> tuple[dict[str, object], ...]:
    """Return the tests of the branch, the narrowest first; the last branch needs no test of its kind."""
    condition = branch.condition
    tests: list[dict[str, object]] = []
    if len(condition.features) == 1:
        tests.append({"of": "feature", "value": condition.features[0]})
    elif condition.features:
        tests.append({"of": "features", "name": constant(frozenset(condition.features), "features")})
    if condition.reference_at_most is not None:
        name = constant(condition.reference_at_most, "reference_at_most", unit="values")
        tests.append({"of": "reference", "name": name})
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
    return (criterion.statistic, *preparation, *_SCALES[criterion.scale].name)


def _unit_of(criterion: Criterion) -> str:
    if criterion.scale == "absolute" and criterion.statistic in _IN_STANDARD_DEVIATIONS:
        return "standard deviations of the reference"
    return _SCALES[criterion.scale].unit


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
