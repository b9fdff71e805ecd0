"""Good modules pass, and bad ones are rejected by the right gate."""

from pathlib import Path

import pytest

from poet.build.check import CheckedModule, check
from poet.build.gates import ValidationReport
from poet.build.render import RenderedModule, render
from poet.build.sandbox import Limits
from poet.build.validate import ContractBrokenError, validate, validate_file
from poet.spec import policies, policy

EFFORT = 20


def source_of(name: str) -> str:
    """Return the source of version 1 of a policy."""
    return render(policy(name).version_1(policy(name).starts[0])).source


def report_on(tmp_path: Path, name: str, source: str, **limits: float) -> ValidationReport:
    """Check a module against the contract of a policy."""
    path = tmp_path / f"{name}_v2.py"
    path.write_text(source, encoding="utf-8")
    bounds = Limits(**limits) if limits else None  # type: ignore[arg-type]
    return validate_file(name, path, staging=tmp_path / "staging", effort=EFFORT, limits=bounds)


def failed_gate(report: ValidationReport) -> str:
    """Return the gate that a module failed."""
    assert not report.passed
    return next(gate.name for gate in report.gates if not gate.passed)


@pytest.mark.usefixtures("_forked")
@pytest.mark.parametrize("name", [spec.name for spec in policies()])
def test_version_1_satisfies_its_contract(tmp_path: Path, name: str) -> None:
    """It passes the boundary table and every property."""
    checked = check(render(policy(name).version_1(policy(name).starts[0])))
    report = validate(checked, staging=tmp_path, effort=25).report
    assert report.passed
    assert [gate.name for gate in report.gates[:3]] == ["import", "signature", "boundary table"]
    assert report.strength is not None
    assert not report.strength.survivors
    assert report.strength.mutants == report.strength.equivalent + sum(report.strength.refused.values())


ALWAYS = 'return DriftResult(drifted=True, score=0.0, threshold=1.0, test="x")\n    '
NOT_CRITICAL = "model_context.get('business_impact') != 'critical'"
RESTS = f"""\
    if model_context.get("recent_incidents", 0) > 3 and {NOT_CRITICAL}:
        return MonitoringStrategy(frequency="weekly", features="all", tests="single")
"""
TRUSTS = f"""\
    if "historical_drift_rate" not in model_context and {NOT_CRITICAL}:
        return MonitoringStrategy(frequency="daily", features="all", tests="single")
"""
BAD = {
    "answers with a float": (
        "calculate_adaptive_window",
        "return min(",
        "return 1.0 * min(",
        "returns a positive integer",
    ),
    "forgets the cap": (
        "calculate_adaptive_window",
        "min(max(window, MINIMUM), CAP)",
        "window * 10**4",
        "returns a positive integer",
    ),
    "shrinks with stability": (
        "calculate_adaptive_window",
        "    return min(",
        '    if stability_requirement == "critical":\n        window = 200\n    return min(',
        "never shrinks for a stricter",
    ),
    "keeps state between calls": (
        "calculate_adaptive_window",
        "    return min(",
        "    SEEN.append(feature_name)\n    window = window + len(SEEN)\n    return min(",
        "is deterministic",
    ),
    "drifts from itself": (
        "detect_drift",
        'rule="numeric",\n    )',
        (
            'rule="numeric",\n    ) if current is not reference else DriftResult(\n'
            '        drifted=True, score=2.0, threshold=1.0, test="x"\n    )'
        ),
        "finds no drift in identical",
    ),
    "says no drift of missing data": (
        "detect_drift",
        "return samples.not_compared()",
        'return DriftResult(drifted=False, score=0.0, threshold=1.0, test="none")',
        "reports missing data",
    ),
    "raises on empty data": (
        "detect_drift",
        "    if not samples.comparable:",
        "    if current[0] is samples.reason:",
        "reports the deciding statistic",
    ),
    "ignores its own threshold": (
        "detect_drift",
        '    return samples.result(\n        samples.ratio("wasserstein"',
        "    " + ALWAYS + 'return samples.result(\n        samples.ratio("wasserstein"',
        "reports the deciding statistic",
    ),
    "drops an alert": (
        "generate_alerts",
        "plan_alerts(drift_results,",
        "plan_alerts(tuple(drift_results)[1:],",
        "includes every drifted",
    ),
    "alerts twice": (
        "generate_alerts",
        "plan_alerts(drift_results,",
        "plan_alerts((*drift_results, *drift_results),",
        "includes every drifted",
    ),
    "depends on the order": (
        "generate_alerts",
        (
            "plan = plan_alerts(drift_results, history=history, now=now, version=VERSION)\n"
            '    return plan.alert_individually(rule="every-drift")'
        ),
        (
            "import dataclasses\n    results = tuple(drift_results)\n"
            "    plan = plan_alerts(results, history=history, now=now, version=VERSION)\n"
            '    decided = plan.alert_individually(rule="every-drift")\n'
            "    alerts = sorted(decided.alerts, key=lambda each: results.index(each.members[0]))\n"
            "    return dataclasses.replace(decided, alerts=tuple(alerts))"
        ),
        "ignores the order",
    ),
    "raises for a fault": (
        "monitor_with_recovery",
        "return run.execute()",
        "return run.execute() if not run.execute().error else 1 / 0",
        "reports faults instead",
    ),
    "passes a failure for full": (
        "monitor_with_recovery",
        "return run.execute()",
        'import dataclasses\n    return dataclasses.replace(run.execute(), strategy="full")',
        "reports faults instead",
    ),
    "swallows the results": (
        "monitor_with_recovery",
        "return run.execute()",
        "import dataclasses\n    return dataclasses.replace(run.execute(), results=None)",
        "returns the results of the monitor",
    ),
    "is not finite": (
        "calculate_feature_importance",
        "return float(",
        "return float('nan') * float(",
        "stays within a factor of ten",
    ),
    "is out of range": (
        "calculate_feature_importance",
        "return float(",
        "return 11.0 * float(",
        "stays within a factor of ten",
    ),
    "prices the unknown": (
        "calculate_feature_importance",
        "return float(",
        "return 2.0 * float(",
        "returns the base for unknown",
    ),
    "neglects the critical": (
        "adaptive_monitoring_strategy",
        'frequency="hourly"',
        'frequency="daily"',
        "monitors critical models",
    ),
    "rests after incidents": (
        "adaptive_monitoring_strategy",
        "    return MonitoringStrategy(",
        RESTS + "    return MonitoringStrategy(",
        "never monitors less after",
    ),
    "trusts what it does not know": (
        "adaptive_monitoring_strategy",
        "    return MonitoringStrategy(",
        TRUSTS + "    return MonitoringStrategy(",
        "never monitors less when",
    ),
}


@pytest.mark.usefixtures("_forked")
@pytest.mark.parametrize("fault", [fault for fault in BAD if BAD[fault][3]])
def test_a_bad_module_is_rejected_by_the_right_gate(tmp_path: Path, fault: str) -> None:
    """The contract rejects it without knowing the decisions."""
    name, old, new, gate = BAD[fault]
    source = source_of(name)
    assert old in source, f"the fault {fault!r} no longer fits the template"
    bad = source.replace(old, new).replace("VERSION: Final = 1\n", "VERSION: Final = 1\nSEEN = []\n")
    assert failed_gate(report_on(tmp_path, name, bad)).startswith(gate)


@pytest.mark.parametrize(
    ("harm", "tried"),
    [
        ("open('/etc/passwd').read()", "open '/etc/passwd' to read"),
        ("open('/tmp/poet-was-here', 'w')", "open '/tmp/poet-was-here' to write"),
        ("__import__('os').system('true')", "os.system"),
        ("__import__('socket').socket()", "socket."),
        ("__import__('subprocess').run(['true'])", "subprocess.Popen"),
    ],
)
def test_forbidden_operations_are_reported(tmp_path: Path, harm: str, tried: str) -> None:
    """They are reported even if the candidate catches the error."""
    bad = source_of("calculate_adaptive_window").replace(
        "    return min(", f"    try:\n        {harm}\n    except Exception:\n        pass\n    return min("
    )
    report = report_on(tmp_path, "calculate_adaptive_window", bad)
    assert failed_gate(report) == "sandbox"
    assert tried in report.gates[-1].counterexample
    assert not Path("/tmp/poet-was-here").exists()  # noqa: S108


def test_an_endless_loop_is_ended(tmp_path: Path) -> None:
    """The wall-clock limit ends the process and its children."""
    bad = source_of("calculate_adaptive_window").replace(
        "    return min(", "    while True: pass\n    return min("
    )
    report = report_on(tmp_path, "calculate_adaptive_window", bad, wall_s=6.0)
    assert report.gates[-1].counterexample == "did not finish within 6 s"


def test_excessive_memory_use_is_a_failure(tmp_path: Path) -> None:
    """A candidate that allocates all memory fails and does not crash the caller."""
    bad = source_of("calculate_adaptive_window").replace(
        "    return min(", "    hoard = bytearray(40 << 30)\n    return min("
    )
    report = report_on(tmp_path, "calculate_adaptive_window", bad)
    assert "MemoryError" in report.gates[-1].counterexample


@pytest.mark.parametrize("source", ["def f(:", "raise SystemExit(0)", "import os; os._exit(0)", "x = 1"])
def test_an_invalid_module_never_passes(tmp_path: Path, source: str) -> None:
    """Invalid modules have a syntax error, an early exit or no function."""
    assert not report_on(tmp_path, "generate_alerts", source).passed


def test_output_of_a_candidate_is_not_a_result(tmp_path: Path) -> None:
    """The result is not read from standard output."""
    lie = source_of("generate_alerts").replace("VERSION: Final = 1", "VERSION: Final = 1\nprint('[]')")
    assert report_on(tmp_path, "generate_alerts", lie).passed


def test_a_threshold_off_by_one_ulp_is_found_by_the_boundary_table(tmp_path: Path) -> None:
    """The decisions predict the answer at every constant; only the table distinguishes > and >=."""
    rendered = render(policy("detect_drift").version_1("ks"))
    bent = rendered.source.replace("KS_P: Final = 0.05", "KS_P: Final = 0.05000000000000001", 1)
    assert bent != rendered.source
    module = RenderedModule(rendered.decisions, bent, rendered.shape, rendered.template_sha256)
    with pytest.raises(ContractBrokenError, match="boundary table"):
        validate(CheckedModule(module, ""), staging=tmp_path, effort=EFFORT)
