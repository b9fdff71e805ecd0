"""The contract of `detect_drift` and its boundary table reject what they should, and nothing else."""

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
    """Give the decisions of a golden case."""
    return decode((GOLDEN / case / "decisions.json").read_bytes())


def bent(decisions: Decisions, old: str, new: str) -> CheckedModule:
    """Render decisions and change one thing in the source."""
    rendered = render(decisions)
    assert old in rendered.source, f"{old!r} no longer fits the template"
    source = rendered.source.replace(old, new, 1)
    return CheckedModule(RenderedModule(decisions, source, rendered.shape, rendered.template_sha256), "")


@pytest.mark.parametrize(
    ("case", "old", "new"),
    [
        (
            "seasonal_adjustment",
            "ROUGHNESS_OWN_MAX_ABOVE = 1.0",
            "ROUGHNESS_OWN_MAX_ABOVE = 1.0000000000000002",
        ),
        ("seasonal_adjustment", "P_BELOW = 0.05", "P_BELOW = 0.049999999999999996"),
        ("seasonal_adjustment", "AGREE = 1", "AGREE = 2"),
        ("seasonal_adjustment", '"deseasonalised"', '"raw"'),
        ("seasonal_adjustment", "samples.is_seasonal and not", "not samples.is_seasonal and not"),
        ("start_evidently", "SMALL_REFERENCE_AT_MOST = 1000", "SMALL_REFERENCE_AT_MOST = 999"),
        ("start_evidently", "<= NUMERIC_SMALL", "< NUMERIC_SMALL"),
        ("features_and_agreement", "_AGREE = 2", "_AGREE = 1"),
        ("start_ks", "    if samples.is_categorical:", "    if not samples.is_categorical:"),
        ("start_ks", "if samples.reason:", "if False:"),
    ],
)
def test_the_boundary_table_finds_what_is_bent(tmp_path: Path, case: str, old: str, new: str) -> None:
    """A constant by one ulp, a comparison, an agreement, a preparation, a condition, a missing guard."""
    with pytest.raises(ContractBrokenError, match="boundary table"):
        validate(bent(golden(case), old, new), staging=tmp_path, effort=1)


@pytest.mark.parametrize("case", ["features_and_agreement", "hostile_text"])
def test_learned_versions_keep_the_contract(tmp_path: Path, case: str) -> None:
    """Rules of features, agreement of several, names from an enemy."""
    assert validate(check(render(golden(case))), staging=tmp_path, effort=10).report.passed


def with_numeric(statistic: str, scale: str, threshold: float, **configuration: object) -> Decisions:
    """Give version 1 from KS with another criterion for numbers."""
    first = policy("detect_drift").version_1("ks")
    criterion = {"statistic": statistic, "scale": scale, "direction": "above", "threshold": threshold}
    numeric = Rule(
        id="numeric", kind="decide", condition={"kind": "numeric"}, parameters={"criteria": [criterion]}
    )
    rules = tuple(numeric if rule.id == "numeric" else rule for rule in first.rules)
    return msgspec.structs.replace(first, rules=rules, configuration=configuration)


def test_a_statistic_that_may_be_negative_keeps_the_contract(tmp_path: Path) -> None:
    """Anderson-Darling is standardised."""
    decisions = with_numeric("anderson_darling", "own_q90", 1.7)
    assert validate(check(render(decisions)), staging=tmp_path, effort=60).report.passed


@pytest.mark.parametrize("statistic", ["scale_shift", "roughness", "levene"])
def test_a_rule_that_is_blind_to_level_breaks_the_contract(tmp_path: Path, statistic: str) -> None:
    """A shift of 3 sd is always found, so such a statistic needs another beside it."""
    with pytest.raises(ContractBrokenError, match="finds a shift of three standard deviations"):
        validate(check(render(with_numeric(statistic, "own_q90", 1.7))), staging=tmp_path, effort=30)


def test_a_declared_rate_of_false_alarms_is_kept(tmp_path: Path) -> None:
    """KS and chi-square at p < 0.05 raise about 5 % on quiet samples."""
    first = policy("detect_drift").version_1("ks")
    rates = {"numeric": 0.05, "categorical": 0.05}
    decisions = msgspec.structs.replace(first, configuration={"declared_false_alarm_rate": rates})
    report = validate(check(render(decisions)), staging=tmp_path, effort=5).report
    assert [gate.examples for gate in report.gates if gate.name.startswith("keeps")] == [400]


@pytest.mark.parametrize("rates", [{"numeric": 0.001}, {"seasonal": 0.05}, {"categorical": 0.001}])
def test_a_rate_that_is_not_kept_breaks_the_contract(tmp_path: Path, rates: dict[str, float]) -> None:
    """KS promises nothing on seasonal samples."""
    first = policy("detect_drift").version_1("ks")
    decisions = msgspec.structs.replace(first, configuration={"declared_false_alarm_rate": rates})
    with pytest.raises(ContractBrokenError, match="false alarms in 200 quiet"):
        validate(check(render(decisions)), staging=tmp_path, effort=1)


def test_the_same_candidate_gets_the_same_report(tmp_path: Path) -> None:
    """A manifest can be made again."""
    checked = check(render(golden("seasonal_adjustment")))
    first, second = (validate(checked, staging=tmp_path, effort=10).report for _ in range(2))
    assert first == second
