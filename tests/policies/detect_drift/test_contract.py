"""The contract of `detect_drift` and its boundary table reject wrong versions only."""

from pathlib import Path

import msgspec
import pytest

from poet.build.check import CheckedModule, check
from poet.build.render import RenderedModule, render
from poet.build.validate import ContractBrokenError, validate
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule, decode

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
            "MEAN_ABSOLUTE_DIFFERENCE_NULL_MAX_ABOVE = 1.0",
            "MEAN_ABSOLUTE_DIFFERENCE_NULL_MAX_ABOVE = 1.0000000000000002",
        ),
        ("seasonal_adjustment", "P_BELOW = 0.05", "P_BELOW = 0.049999999999999996"),
        ("seasonal_adjustment", "MIN_VOTES = 1", "MIN_VOTES = 2"),
        ("seasonal_adjustment", '"deseasonalized"', '"raw"'),
        ("seasonal_adjustment", "samples.is_seasonal and not", "not samples.is_seasonal and not"),
        ("start_evidently", "SMALL_REFERENCE_AT_MOST = 1000", "SMALL_REFERENCE_AT_MOST = 999"),
        ("start_evidently", "<= NUMERIC_SMALL", "< NUMERIC_SMALL"),
        ("features_and_agreement", "_MIN_VOTES = 2", "_MIN_VOTES = 1"),
        ("start_ks", "    if samples.is_categorical:", "    if not samples.is_categorical:"),
        ("start_ks", "if samples.reason:", "if False:"),
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
