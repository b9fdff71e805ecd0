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


FOUND = "waiting = drifted(drift_results)"
NOISY = """            severity_below=USELESS_NOISY_SEVERITY_BELOW,
            ratio_at_most=USELESS_NOISY_RATIO_AT_MOST,
"""
GROUPS = """        groups={
            "group-a": GROUP_A_FEATURES,
            "group-b": GROUP_B_FEATURES,
        },
"""
WITHIN = SOURCE[
    SOURCE.index("    taken, waiting = below_threshold(") : SOURCE.index(
        '    suppressed.extend(suppress(taken, "cool-down"'
    )
]
ABOVE_ALONE = """    taken = tuple(
        each
        for each in waiting
        if each.feature in recent and each.score <= COOL_DOWN_FACTOR * each.threshold
        and each.business_impact != "critical"
    )
    waiting = tuple(each for each in waiting if each not in taken)
"""
GROUP_A, GROUP_B = (SOURCE[SOURCE.index(f"    # group-{each}") :] for each in "ab")
GROUP_A, GROUP_B = GROUP_A[: GROUP_A.index("    # group-b")], GROUP_B[: GROUP_B.index("    # batch")]

TABLE: dict[str, tuple[tuple[str, str], ...]] = {
    "uses > instead of >= for a group": (("len(members) >= GROUP_A", "len(members) > GROUP_A"),),
    "uses > instead of >= for a batch": (("len(waiting) >= BATCH", "len(waiting) > BATCH"),),
    "uses <= instead of < for the end": (("moment < USELESS_NOISY", "moment <= USELESS_NOISY"),),
    "ignores the end": (("moment is not None and moment < USELESS_NOISY_UNTIL", "moment is not None"),),
    "suppresses one ulp further": (("RATIO_AT_MOST = 2.0 ", "RATIO_AT_MOST = 2.0000000000000004 "),),
    "ignores the ratio": ((NOISY, NOISY.splitlines(keepends=True)[0]),),
    "has no holdout": (("asked, taken = holdout(taken, USELESS_NOISY_HOLDOUT)", "asked = ()"),),
    "has a larger holdout": (("USELESS_NOISY_HOLDOUT = 0.1 ", "USELESS_NOISY_HOLDOUT = 0.11 "),),
    "does not mark the holdout": (
        ('rule="useless-noisy", now=moment, is_holdout=True', 'rule="useless-noisy", now=moment'),
    ),
    "never ends the cool-down": (
        ("recent_alerts(history, moment, COOL_DOWN_SECONDS)", "recent_alerts(history, moment, 1e300)"),
    ),
    "ends the cool-down too soon": (("COOL_DOWN_SECONDS = 3600.0 ", "COOL_DOWN_SECONDS = 3599.9999999 "),),
    "raises the threshold one ulp further": (
        ("COOL_DOWN_FACTOR = 1.5 ", "COOL_DOWN_FACTOR = 1.5000000000000002 "),
    ),
    "raises the threshold of p-values upwards": ((WITHIN, ABOVE_ALONE),),
    "reports no raised threshold": (("thresholds=thresholds", "thresholds={}"),),
    "reports another threshold": (
        ("raised_thresholds(waiting, recent, COOL_DOWN_FACTOR)", "raised_thresholds(waiting, recent, 1.0)"),
    ),
    "suppresses a new member": ((GROUPS, ""),),
    "forgets a member": (
        ('GROUP_B_FEATURES = frozenset({"b", "c"})', 'GROUP_B_FEATURES = frozenset({"b"})'),
    ),
    "adds a member": (
        ('GROUP_B_FEATURES = frozenset({"b", "c"})', 'GROUP_B_FEATURES = frozenset({"b", "c", "noisy"})'),
    ),
    "forms the second group first": ((GROUP_A, ""), (GROUP_B, GROUP_B + GROUP_A)),
    "names another rule": (('suppress(taken, "cool-down")', 'suppress(taken, "cooldown")'),),
    "forgets a rule id": (('suppress(taken, "useless-noisy")', 'suppress(taken, "")'),),
    "forgets the group of a summary": (
        ('summary(members, rule="group-a"', 'summary(members, rule="group-b"'),
    ),
    "reports another version": (("policy_version=VERSION", "policy_version=1"),),
}


@pytest.mark.parametrize("fault", TABLE)
def test_a_version_that_differs_from_its_decisions_is_rejected(fault: str) -> None:
    """The boundary table has inputs on both sides of every constant."""
    with pytest.raises(ContractViolation, match=r", expected "):
        run_gate("boundary_table", changed(*TABLE[fault]))


DISTINCT = """found = drifted(drift_results)
    waiting = tuple(each for place, each in enumerate(found) if each not in found[:place])"""
AS_GIVEN = "waiting = tuple(each for each in drift_results if each.drifted)"
LAST_ALERT = ("alerts=tuple(alerts),", "alerts=tuple(alerts[:-1]),")
LOW_SEVERITY = ("alerts=tuple(alerts),", "alerts=tuple(replace(each, severity='low') for each in alerts),")
ALL_THRESHOLDS = (
    "thresholds=thresholds",
    "thresholds={each.feature: each.threshold for each in drift_results}",
)

CONTRACTS: dict[str, tuple[str, tuple[str, str]]] = {
    "drops the last alert": ("includes_every_drifted_result_once", LAST_ALERT),
    "loses duplicates": ("includes_every_drifted_result_once", (FOUND, DISTINCT)),
    "loses results without a score": (
        "includes_every_drifted_result_once",
        (FOUND, "waiting = tuple(each for each in drifted(drift_results) if each.score == each.score)"),
    ),
    "alerts on results without drift": (
        "includes_every_drifted_result_once",
        (FOUND, "waiting = tuple(drift_results)"),
    ),
    "suppresses without a rule": (
        "includes_every_drifted_result_once",
        ('suppress(taken, "cool-down")', 'suppress(taken, "")'),
    ),
    "raises an empty alert": (
        "includes_every_drifted_result_once",
        ("    # batch\n", '    alerts.append(AlertPlan and Alert(members=(), rule="batch"))\n    # batch\n'),
    ),
    "suppresses critical results": ("never_suppresses_critical_results", (NOISY, "")),
    "suppresses without a time": (
        "suppresses_nothing_without_a_time",
        ("if moment is not None and moment < USELESS_NOISY_UNTIL", "if moment is None or moment < 0"),
    ),
    "depends on the order of results": ("ignores_the_order", (FOUND, AS_GIVEN)),
    "keeps state": (
        "ignores_the_order",
        ("alerts = []", "SEEN.append(1)\n    alerts = []\n    moment = len(SEEN)"),
    ),
    "lowers the severity": ("has_the_highest_severity_of_its_members", LOW_SEVERITY),
    "forgets the time": (
        "has_the_highest_severity_of_its_members",
        ('"every-drift", now=moment', '"every-drift", now=None'),
    ),
    "raises thresholds without alerts": ("raises_thresholds_only_after_alerts", ALL_THRESHOLDS),
    "has another group size": (
        "follows_its_decisions",
        ("GROUP_A_AT_LEAST = 2 ", "GROUP_A_AT_LEAST = 3 "),
    ),
}
IMPORTS = (
    "from dataclasses import replace\n\nfrom poet_runtime.results import Alert, AlertPlan\n\nSEEN = []\n"
)


@pytest.mark.parametrize("fault", CONTRACTS)
def test_a_version_is_rejected_by_the_property_that_it_violates(fault: str) -> None:
    """The property does not depend on the decisions."""
    gate, change = CONTRACTS[fault]
    source = changed(("from poet_runtime.results import AlertPlan\n", IMPORTS), change)
    with pytest.raises(ContractViolation):
        run_gate(gate, source)


COMPREHENSION = """        taken = tuple(
            each
            for each in waiting
            if each.feature == "useless" and severity(each) in ("low", "medium")
        )
        waiting = tuple(each for each in waiting if all(each is not other for other in taken))
"""
PARTITION = """        taken, waiting = partition(
            waiting,
            USELESS_USELESS_FEATURES,
            severity_below=USELESS_USELESS_SEVERITY_BELOW,
        )
"""
WRITTEN_OUT = """    for each in waiting:
        alerts.append(
            Alert(members=(each,), severity=severity(each), rule="every-drift", raised_at=moment)
        )
"""
GOOD: dict[str, tuple[tuple[str, str], ...]] = {
    "with literal numbers": (
        ("recent_alerts(history, moment, COOL_DOWN_SECONDS)", "recent_alerts(history, moment, 3600.0)"),
        ("len(waiting) >= BATCH_AT_LEAST", "len(waiting) >= 3"),
        ("holdout(taken, USELESS_NOISY_HOLDOUT)", "holdout(taken, 0.1)"),
    ),
    "with negated conditions": (
        (
            "len(members) >= GROUP_A_AT_LEAST or (members and is_reopened)",
            "members and (is_reopened or not len(members) < 2)",
        ),
        (
            "moment is not None and moment < USELESS_NOISY_UNTIL",
            "not (moment is None or moment >= USELESS_NOISY_UNTIL)",
        ),
    ),
    "with its steps written out": (
        (PARTITION, COMPREHENSION),
        ('    alerts.extend(individual_alerts(waiting, rule="every-drift", now=moment))\n', WRITTEN_OUT),
        ("    to_timestamp,\n", "    severity,\n    to_timestamp,\n"),
        ("results import AlertPlan", "results import Alert, AlertPlan"),
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
