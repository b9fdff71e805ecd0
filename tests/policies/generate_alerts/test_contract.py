"""Versions of `generate_alerts` are rejected only if they differ from their decisions."""

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from poet.build.check import check
from poet.build.contract import ContractViolation, literal_values
from poet.build.render import render
from poet.build.validate import validate
from poet.policies.generate_alerts.contract import CONTRACT
from tests.policies.generate_alerts.million_alerts import decisions

pytestmark = pytest.mark.usefixtures("_forked")

DECISIONS = decisions()
SOURCE = render(DECISIONS).source
EFFORT = 400
PROPERTIES = {prove.__name__: prove for prove in CONTRACT.properties}


def changed(*changes: tuple[str, str]) -> str:
    """Return the rendered source with these changes."""
    source = SOURCE
    for old, new in changes:
        assert old in source, f"{old!r} no longer fits the template"
        source = source.replace(old, new)
    return source


def loaded(source: str) -> ModuleType:
    """Return a module run in this process."""
    module = ModuleType("candidate")
    exec(compile(source, "<candidate>", "exec"), vars(module))  # noqa: S102 - our own source
    return module


def run_gate(gate: str, source: str, *, effort: int = EFFORT) -> None:
    """Check a version with its boundary table, or a property of its contract, in this process."""
    module = loaded(source)
    if gate == "boundary_table":
        CONTRACT.boundary_table(module, DECISIONS)
        return

    def policy(*args: Any, **kwargs: Any) -> Any:
        return module.generate_alerts(*args, **kwargs)

    policy.literals = literal_values(source)  # type: ignore[attr-defined]
    prove = PROPERTIES[gate]
    takes_decisions = len(inspect.signature(prove).parameters) > 1
    proof = prove(policy, DECISIONS) if takes_decisions else prove(policy)
    settings(
        max_examples=effort, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType]
    )(proof)()  # fmt: skip


HEAD = "from poet_runtime.alerts import Time, plan_alerts\n"
IMPORTS = """from dataclasses import replace

from poet_runtime.alerts import Time, plan_alerts, severity
from poet_runtime.results import Suppressed

SEEN = []
"""
PLAN = "plan = plan_alerts(drift_results, history=history, now=now, version=VERSION)"
EVERY = 'return plan.alert_individually(rule="every-drift")'
COOL_DOWN = SOURCE[
    SOURCE.index("    plan.cool_down(") : SOURCE.index('    if plan.has_recent_summary("group-a")')
]
GROUPS = """        except_new_members_of={
            "group-a": GROUP_A_FEATURES,
            "group-b": GROUP_B_FEATURES,
        },
"""
GROUP_A, GROUP_B = (
    SOURCE[SOURCE.index(f'    if plan.has_recent_summary("group-{each}")') :] for each in "ab"
)
GROUP_A, GROUP_B = (
    GROUP_A[: GROUP_A.index('    if plan.has_recent_summary("group-b")')],
    GROUP_B[: GROUP_B.index("    if plan.n_remaining")],
)


def planned(**fields: str) -> str:
    """Return the last lines of a version that changes these fields of its plan."""
    named = {
        "alerts": "decided.alerts",
        "suppressed": "decided.suppressed",
        "thresholds": "decided.thresholds",
        "policy_version": "VERSION",
    }
    given = ", ".join(f"{name}={value}" for name, value in (named | fields).items())
    return f"{EVERY.replace('return', 'decided =')}\n    return AlertPlan({given})"


UPWARDS = (
    "tuple(each for each in decided.suppressed "
    "if each.rule != 'cool-down' or each.member.direction == 'above')"
)
WITHOUT_P_VALUES = planned(
    suppressed=UPWARDS,
    alerts="decided.alerts + tuple("
    "Alert(members=(each.member,), rule='every-drift', severity=severity(each.member), raised_at=now) "
    "for each in decided.suppressed if each.rule == 'cool-down' and each.member.direction == 'below')",
)

TABLE: dict[str, tuple[tuple[str, str], ...]] = {
    "uses > instead of >= for a group": ((">= GROUP_A_AT_LEAST", "> GROUP_A_AT_LEAST"),),
    "uses > instead of >= for a batch": (("plan.n_remaining >= BATCH", "plan.n_remaining > BATCH"),),
    "uses <= instead of < for the end": (
        (
            "if plan.is_before(USELESS_NOISY_UNTIL)",
            "if plan.is_before(USELESS_NOISY_UNTIL) or now == 1_100_000.0",
        ),
    ),
    "ignores the end": (("if plan.is_before(USELESS_NOISY_UNTIL)", "if now is not None"),),
    "suppresses one ulp further": (
        ("RATIO_AT_MOST: Final = 2.0 ", "RATIO_AT_MOST: Final = 2.0000000000000004 "),
    ),
    "ignores the ratio": (("            ratio_at_most=USELESS_NOISY_RATIO_AT_MOST,\n", ""),),
    "has no holdout": (("holdout=USELESS_NOISY_HOLDOUT", "holdout=0.0"),),
    "has a larger holdout": (
        ("USELESS_NOISY_HOLDOUT: Final = 0.1 ", "USELESS_NOISY_HOLDOUT: Final = 0.11 "),
    ),
    "does not mark the holdout": (
        (EVERY, planned(alerts="tuple(replace(each, is_holdout=False) for each in decided.alerts)")),
    ),
    "never ends the cool-down": (("seconds=COOL_DOWN_SECONDS", "seconds=1e300"),),
    "ends the cool-down too soon": (
        ("COOL_DOWN_SECONDS: Final = 3600.0 ", "COOL_DOWN_SECONDS: Final = 3599.9999999 "),
    ),
    "raises the threshold one ulp further": (
        ("COOL_DOWN_FACTOR: Final = 1.5 ", "COOL_DOWN_FACTOR: Final = 1.5000000000000002 "),
    ),
    "raises the threshold of p-values upwards": ((EVERY, WITHOUT_P_VALUES),),
    "reports no raised threshold": ((EVERY, planned(thresholds="{}")),),
    "reports another threshold": (("factor=COOL_DOWN_FACTOR", "factor=1.0"),),
    "suppresses a new member": ((GROUPS, ""),),
    "forgets a member": (
        ('GROUP_B_FEATURES: Final = frozenset({"b", "c"})', 'GROUP_B_FEATURES: Final = frozenset({"b"})'),
    ),
    "adds a member": (
        (
            'GROUP_B_FEATURES: Final = frozenset({"b", "c"})',
            'GROUP_B_FEATURES: Final = frozenset({"b", "c", "noisy"})',
        ),
    ),
    "forms the second group first": ((GROUP_A, ""), (GROUP_B, GROUP_B + GROUP_A)),
    "names another rule": (('rule="cool-down"', 'rule="cooldown"'),),
    "forgets a rule id": (('rule="useless-noisy"', 'rule=""'),),
    "forgets the group of a summary": (
        (
            'plan.summarize(GROUP_A_FEATURES, rule="group-a")',
            'plan.summarize(GROUP_A_FEATURES, rule="group-b")',
        ),
    ),
    "reports another version": (("version=VERSION", "version=1"),),
}


@pytest.mark.parametrize("fault", TABLE)
def test_a_version_that_differs_from_its_decisions_is_rejected(fault: str) -> None:
    """The boundary table has inputs on both sides of every constant."""
    with pytest.raises(ContractViolation, match=r", expected "):
        run_gate("boundary_table", changed((HEAD, IMPORTS), *TABLE[fault]))


DISTINCT = PLAN.replace("drift_results", "{repr(each): each for each in drift_results}.values()")
EXACT = PLAN.replace("drift_results", "[each for each in drift_results if each.score == each.score]")
EVERY_RESULT = PLAN.replace("drift_results", "[replace(each, drifted=True) for each in drift_results]")
LAST_ALERT = (EVERY, planned(alerts="decided.alerts[:-1]"))
EMPTY_ALERT = (EVERY, planned(alerts="(*decided.alerts, Alert(members=(), rule='batch'))"))
LOW_SEVERITY = (EVERY, planned(alerts="tuple(replace(each, severity='low') for each in decided.alerts)"))
NO_TIME = (EVERY, planned(alerts="tuple(replace(each, raised_at=None) for each in decided.alerts)"))
ALL_THRESHOLDS = (EVERY, planned(thresholds="{each.feature: each.threshold for each in drift_results}"))
ALL_SUPPRESSED = (
    EVERY,
    "return AlertPlan(suppressed=tuple(Suppressed(member=each, rule='cool') for each in plan.remaining))",
)
AS_GIVEN = (
    PLAN,
    f"""drift_results = tuple(drift_results)
    {PLAN}
    if plan.n_remaining == 2:
        return AlertPlan(alerts=tuple(
            Alert(members=(each,), severity=severity(each), rule="every-drift", raised_at=now)
            for each in drift_results
            if each.drifted
        ))""",
)
STATE = (PLAN, f"SEEN.append(1)\n    {PLAN.replace('version=VERSION', 'version=len(SEEN)')}")

CONTRACTS: dict[str, tuple[str, tuple[str, str]]] = {
    "drops the last alert": ("includes_every_drifted_result_once", LAST_ALERT),
    "loses duplicates": ("includes_every_drifted_result_once", (PLAN, DISTINCT)),
    "loses results without a score": ("includes_every_drifted_result_once", (PLAN, EXACT)),
    "alerts on results without drift": ("includes_every_drifted_result_once", (PLAN, EVERY_RESULT)),
    "suppresses without a rule": ("includes_every_drifted_result_once", ('rule="cool-down"', 'rule=""')),
    "raises an empty alert": ("includes_every_drifted_result_once", EMPTY_ALERT),
    "suppresses critical results": ("never_suppresses_critical_results", ALL_SUPPRESSED),
    "suppresses without a time": ("suppresses_nothing_without_a_time", ("now=now", "now=now or 0.0")),
    "depends on the order of results": ("ignores_the_order", AS_GIVEN),
    "keeps state": ("ignores_the_order", STATE),
    "lowers the severity": ("has_the_highest_severity_of_its_members", LOW_SEVERITY),
    "forgets the time": ("has_the_highest_severity_of_its_members", NO_TIME),
    "raises thresholds without alerts": ("raises_thresholds_only_after_alerts", ALL_THRESHOLDS),
    "has another group size": (
        "follows_its_decisions",
        ("GROUP_A_AT_LEAST: Final = 2 ", "GROUP_A_AT_LEAST: Final = 3 "),
    ),
}


@pytest.mark.parametrize("fault", CONTRACTS)
def test_a_version_is_rejected_by_the_property_that_it_violates(fault: str) -> None:
    """The property does not depend on the decisions."""
    gate, change = CONTRACTS[fault]
    source = changed((HEAD, IMPORTS), change)
    with pytest.raises(ContractViolation):
        run_gate(gate, source)


BY_HAND = """            {
                each.feature
                for each in plan.remaining
                if each.feature == "useless" and severity(each) in ("low", "medium")
            },
"""
ONE_BY_ONE = planned(
    alerts="tuple(Alert(members=each.members, severity=each.severity, group=each.group, rule=each.rule, "
    "is_summary=each.is_summary, is_holdout=each.is_holdout, raised_at=each.raised_at) "
    "for each in decided.alerts)"
)
GOOD: dict[str, tuple[tuple[str, str], ...]] = {
    "with literal numbers": (
        ("seconds=COOL_DOWN_SECONDS", "seconds=3600.0"),
        ("plan.n_remaining >= BATCH_AT_LEAST", "plan.n_remaining >= 3"),
        ("holdout=USELESS_NOISY_HOLDOUT", "holdout=0.1"),
    ),
    "with negated conditions": (
        (
            'plan.has_recent_summary("group-a") or plan.count(GROUP_A_FEATURES) >= GROUP_A_AT_LEAST',
            'not plan.count(GROUP_A_FEATURES) < 2 or plan.has_recent_summary("group-a")',
        ),
        (
            "if plan.is_before(USELESS_NOISY_UNTIL):",
            "if not plan.is_before(USELESS_NOISY_UNTIL):\n        pass\n    else:",
        ),
    ),
    "with its steps written out": (
        ('            {"useless"},\n', BY_HAND),
        (EVERY, ONE_BY_ONE),
        ("import Time, plan_alerts", "import Time, plan_alerts, severity"),
    ),
}


@pytest.mark.parametrize("gate", ["boundary_table", "follows_its_decisions"])
@pytest.mark.parametrize("variant", GOOD)
def test_an_equivalent_version_is_accepted(variant: str, gate: str) -> None:
    """The gates check behavior, not source text."""
    run_gate(gate, changed(*GOOD[variant]), effort=40)


def test_a_version_with_every_kind_of_rule_passes_in_the_sandbox(tmp_path: Path) -> None:
    """The sandbox is the same as before every publication."""
    report = validate(check(render(DECISIONS)), staging=tmp_path, effort=5).report
    assert report.passed
    assert report.gates[2].examples > 1000
