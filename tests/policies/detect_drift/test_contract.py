"""The contract of `detect_drift` and its boundary table reject wrong versions only."""

import itertools
import math
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poet.build.check import CheckedModule, check
from poet.build.render import RenderedModule, render
from poet.build.validate import ContractBrokenError, validate
from poet.policies.detect_drift.rules import (
    Criteria,
    Criterion,
    Direction,
    Preparation,
    Scale,
    Statistic,
)
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule, decode
from poet_runtime.drift import Criterion as RuntimeCriterion
from poet_runtime.drift import compare, read_score
from tests.modules import module_of

pytestmark = pytest.mark.usefixtures("_forked")

GOLDEN = Path(__file__).parent / "golden"


def golden(case: str) -> Decisions:
    """Return the decisions of a golden case."""
    return decode((GOLDEN / case / "decisions.json").read_bytes())


def modified(decisions: Decisions, old: str, new: str) -> CheckedModule:
    """Return rendered decisions with one change in the source."""
    rendered = render(decisions)
    assert old in rendered.source, f"{old!r} no longer fits the template"
    source = rendered.source.replace(old, new, 1)
    return CheckedModule(RenderedModule(decisions, source, rendered.shape, rendered.template_sha256), "")


@pytest.mark.parametrize(
    ("case", "old", "new"),
    [
        (
            "seasonal_adjustment",
            "MEAN_ABSOLUTE_DIFFERENCE_RATIO_TO_MAX: Final = 1.0",
            "MEAN_ABSOLUTE_DIFFERENCE_RATIO_TO_MAX: Final = 1.0000000000000002",
        ),
        ("seasonal_adjustment", "_P: Final = 0.05", "_P: Final = 0.049999999999999996"),
        ("seasonal_adjustment", "            or samples", "            and samples"),
        ("seasonal_adjustment", '"deseasonalized"', '"raw"'),
        ("seasonal_adjustment", "ratio_to_max(", "ratio("),
        ("start_ks", "samples.p_value", "samples.statistic"),
        ("start_ks", '("ks") < ', '("ks") > '),
        ("start_wasserstein", ") > ", ") < "),
        ("seasonal_adjustment", "samples.is_seasonal and not", "not samples.is_seasonal and not"),
        ("start_evidently", "SMALL_REFERENCE_AT_MOST: Final = 1000", "SMALL_REFERENCE_AT_MOST: Final = 999"),
        ("start_evidently", "<= NUMERIC_SMALL", "< NUMERIC_SMALL"),
        ("features_and_agreement", "            2,", "            1,"),
        ("features_and_agreement", "            2,", "            3,"),
        ("start_ks", "    if samples.is_categorical:", "    if not samples.is_categorical:"),
        ("start_ks", "if not samples.comparable:", "if False:"),
    ],
)
def test_the_boundary_table_detects_small_changes(tmp_path: Path, case: str, old: str, new: str) -> None:
    """One ulp of a constant, a comparison, a number of votes, a preparation, a condition, a missing guard."""
    with pytest.raises(ContractBrokenError, match="boundary table"):
        validate(modified(golden(case), old, new), staging=tmp_path, effort=1)


@pytest.mark.parametrize("case", ["features_and_agreement", "hostile_text"])
def test_learned_versions_satisfy_the_contract(tmp_path: Path, case: str) -> None:
    """The versions have rules of features, several votes, and hostile names."""
    assert validate(check(render(golden(case))), staging=tmp_path, effort=10).report.passed


def with_numeric(statistic: str, scale: str, threshold: float, **configuration: object) -> Decisions:
    """Return version 1 of the preset KS with another numeric criterion."""
    first = policy("detect_drift").version_1("ks")
    criterion = {"statistic": statistic, "scale": scale, "direction": "above", "threshold": threshold}
    numeric = Rule(
        id="numeric", kind="decide", condition={"kind": "numeric"}, parameters={"criteria": [criterion]}
    )
    rules = tuple(numeric if rule.id == "numeric" else rule for rule in first.rules)
    return msgspec.structs.replace(first, rules=rules, configuration=configuration)


def test_a_statistic_that_may_be_negative_satisfies_the_contract(tmp_path: Path) -> None:
    """Anderson-Darling is standardized, so it may be negative."""
    decisions = with_numeric("anderson_darling", "null_q90", 1.7)
    assert validate(check(render(decisions)), staging=tmp_path, effort=60).report.passed


@pytest.mark.parametrize("statistic", ["scale_shift", "mean_absolute_difference", "levene"])
def test_a_rule_that_ignores_the_level_violates_the_contract(tmp_path: Path, statistic: str) -> None:
    """A shift of 3 sd must be detected, so such a statistic needs another one with it."""
    with pytest.raises(ContractBrokenError, match="detects a shift of three standard deviations"):
        validate(check(render(with_numeric(statistic, "null_q90", 1.7))), staging=tmp_path, effort=30)


def test_a_declared_false_alarm_rate_is_checked(tmp_path: Path) -> None:
    """KS and chi-square at p < 0.05 have about 5 % false alarms on unchanged samples."""
    first = policy("detect_drift").version_1("ks")
    rates = {"numeric": 0.05, "categorical": 0.05}
    decisions = msgspec.structs.replace(first, configuration={"declared_false_alarm_rate": rates})
    report = validate(check(render(decisions)), staging=tmp_path, effort=5).report
    assert [gate.examples for gate in report.gates if gate.name.startswith("stays below")] == [400]


@pytest.mark.parametrize("rates", [{"numeric": 0.001}, {"seasonal": 0.05}, {"categorical": 0.001}])
def test_a_rate_above_the_declared_one_violates_the_contract(tmp_path: Path, rates: dict[str, float]) -> None:
    """KS has no such rate on seasonal samples."""
    first = policy("detect_drift").version_1("ks")
    decisions = msgspec.structs.replace(first, configuration={"declared_false_alarm_rate": rates})
    with pytest.raises(ContractBrokenError, match="false alarms in 200 quiet"):
        validate(check(render(decisions)), staging=tmp_path, effort=1)


def test_the_same_candidate_gets_the_same_report(tmp_path: Path) -> None:
    """Validation is reproducible."""
    checked = check(render(golden("seasonal_adjustment")))
    first, second = (validate(checked, staging=tmp_path, effort=10).report for _ in range(2))
    assert first == second


def criterion(name: tuple[Statistic, Preparation, Scale], value: float, factor: float) -> Criterion:
    """Return a criterion whose threshold is a multiple of the value of its statistic."""
    threshold = 1.0 if math.isnan(value) else value * factor
    statistic, preparation, scale = name
    direction: Direction = "below" if scale == "p_value" else "above"
    return Criterion(
        statistic=statistic, preparation=preparation, scale=scale, direction=direction, threshold=threshold
    )


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(
        st.tuples(
            st.sampled_from(("ks", "wasserstein", "mean_shift", "mean_absolute_difference", "chi_square")),
            st.sampled_from(("raw", "differenced", "deseasonalized")),
            st.sampled_from(get_args(Scale)),
        ),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    factors=st.lists(st.sampled_from((0.5, 1.0, 2.0)), min_size=4, max_size=4),
    votes=st.integers(1, 4),
    n=st.integers(1, 40),
    seed=st.integers(0, 1000),
    has_times=st.booleans(),
)
def test_a_module_counts_the_criteria_that_hold(
    names: list[tuple[Statistic, Preparation, Scale]],
    factors: list[float],
    votes: int,
    n: int,
    seed: int,
    *,
    has_times: bool,
) -> None:
    """The reported comparison is one of the rule's, and holds if and only if there is drift."""
    chance, times = np.random.default_rng(seed), 3600.0 * np.arange(120 + n)
    current, reference = chance.normal(0.3, 1.0, n), chance.normal(size=120)
    given_times: dict[str, Any] = (
        {"current_times": times[120:], "reference_times": times[:120]} if has_times else {}
    )
    samples = compare(current, reference, **given_times)
    values = [read_score(samples.score(name[0], name[1]), name[2]) for name in names]
    criteria = tuple(itertools.starmap(criterion, zip(names, values, factors, strict=False)))
    votes = min(votes, len(criteria))
    first = policy("detect_drift").version_1("ks")
    parameters = msgspec.to_builtins(Criteria(criteria=criteria, min_votes=votes))
    rules = tuple(
        msgspec.structs.replace(rule, parameters=parameters) if rule.id == "numeric" else rule
        for rule in first.rules
    )
    module = module_of(msgspec.structs.replace(first, rules=rules))
    result = module.detect_drift(current, reference, **given_times)
    exact = [
        RuntimeCriterion(*name, each.threshold, each.direction)
        for name, each in zip(names, criteria, strict=True)
    ]
    is_defined = [has_times or each.is_order_free for each in exact]
    holds = [
        each.holds(value) and there for each, value, there in zip(exact, values, is_defined, strict=True)
    ]
    assert result.drifted is (sum(holds) >= votes)
    assert (result.rule, result.policy_version) == ("numeric", 1)
    if result.test == "none":
        assert result.reason.startswith("not defined without times: ")
        assert sum(is_defined) < votes
        assert math.isnan(result.score)
        return
    reported = [k for k, each in enumerate(exact) if each.test == result.test]
    assert [exact[k].threshold for k in reported] == [result.threshold]
    assert [values[k] for k in reported] == pytest.approx([result.score], nan_ok=True)
    assert [holds[k] for k in reported] == [result.drifted]
    assert result.reason or not math.isnan(result.score)
