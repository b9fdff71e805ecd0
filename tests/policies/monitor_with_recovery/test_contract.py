"""Versions of `monitor_with_recovery` are rejected only if they differ from their decisions."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from poet.build.check import CheckedModule, check
from poet.build.contract import ContractViolation
from poet.build.gates import ValidationReport
from poet.build.render import RenderedModule, render
from poet.build.validate import ContractBrokenError, validate, validate_file
from poet.policies.monitor_with_recovery.oracle import boundary_table
from poet.spec.decisions import Decisions
from tests.policies.monitor_with_recovery.recovery_rules import (
    deadline,
    decisions_of,
    fallback,
    sample,
    sparse,
)

pytestmark = pytest.mark.usefixtures("_forked")

EFFORT = 5
FALLBACKS = decisions_of(
    sparse(),
    sample(),
    fallback("timeout", strategies=("sampled", "by_feature", "retry"), rows_above=400),
    fallback("value", strategies=("sparse", "retry")),
)
DEADLINES = decisions_of(deadline(), deadline("kl", rows=(50, 500), seconds=0.03))
EVERYTHING = decisions_of(sample(), deadline(), fallback("timeout", rows_above=400), fallback("crash"))
SMALL = decisions_of(sample(), fallback("crash", strategies=("by_feature",)))


def changed(decisions: Decisions, *changes: tuple[str, str]) -> str:
    """Return the rendered source with these changes."""
    source = render(decisions).source
    for old, new in changes:
        assert old in source, f"{old!r} no longer fits the template"
        source = source.replace(old, new)
    return source


def run_boundary_table(*changes: tuple[str, str]) -> int:
    """Check a version with the boundary table of the decisions that these changes fit."""
    decisions = FALLBACKS if changes[0][0] in render(FALLBACKS).source else DEADLINES
    module = ModuleType("candidate")
    exec(compile(changed(decisions, *changes), "<candidate>", "exec"), vars(module))  # noqa: S102 - our own source
    return boundary_table(module, decisions)


def report_on(tmp_path: Path, *changes: tuple[str, str]) -> ValidationReport:
    """Return the report on a small version in the sandbox."""
    module = RenderedModule(SMALL, changed(SMALL, *changes), "", "")
    try:
        return validate(CheckedModule(module, ""), staging=tmp_path, effort=EFFORT).report
    except ContractBrokenError as broken:
        return broken.report


def answer(**fields: str) -> tuple[str, str]:
    """Return a change of fields of the outcome of a full run."""
    given = ", ".join(f"{name}={value}" for name, value in fields.items())
    full = "outcome = run.execute(reserve_time=run.rows > FALLBACK_TIMEOUT_ROWS_ABOVE)\n"
    return full, f"{full}    import dataclasses\n    outcome = dataclasses.replace(outcome, {given})\n"


BAD: dict[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "uses >= instead of > for the missing share": (
        (("run.missing_share > SPARSE", "run.missing_share >= SPARSE"),),
        "expected Expected(strategy='full'",
    ),
    "uses >= instead of > for the rows": ((("run.rows > SAMPLE", "run.rows >= SAMPLE"),), "not (5000,"),
    "has another sample size": ((("SAMPLE_ROWS: Final = 1000\n", "SAMPLE_ROWS: Final = 1001\n"),), "1000"),
    "does not report sampling": (
        (answer(strategy="'full' if outcome.strategy == 'sampled' else outcome.strategy"),),
        "sampled",
    ),
    "loses a warning": ((answer(warnings="outcome.warnings[1:]"),), "warnings are due"),
    "adds a warning": ((answer(warnings="(*outcome.warnings, 'all is well')"),), "warnings are due"),
    "reports no loss": ((answer(quality_loss="0.0 if not outcome.error else 1.0"),), "loss 0"),
    "loses the rows": ((answer(rows="0"),), "rows, features"),
    "loses the version": ((answer(policy_version="1"),), "version"),
    "has no deadline": ((("run = run.with_deadline(", "run.with_deadline("),), "the deadline was None"),
    "has a deadline by rows alone": (
        ((" * run.features**DEADLINE_FEATURES_EXPONENT", ""),),
        "the deadline was",
    ),
    "exceeds the observed range": (
        (("run.rows <= DEADLINE_MAX_ROWS", "run.rows <= DEADLINE_MAX_ROWS + 1"),),
        "the deadline was",
    ),
    "begins one feature late": (
        (("DEADLINE_KL_MIN_FEATURES <= run.features", "DEADLINE_KL_MIN_FEATURES < run.features"),),
        "the deadline was None",
    ),
    "prefers the general deadline": (
        (('run.computation == "kl"', 'run.computation == "none of these"'),),
        "the deadline was",
    ),
    "adds the general deadline outside the range of a computation's own": (
        (('        run.computation != "kl"\n        and DEADLINE_MIN', "        DEADLINE_MIN"),),
        "the deadline was",
    ),
    "hides the timeout": ((answer(timed_out="False"),), "timed out False"),
    "tries in another order": (
        (
            ('("sampled", FALLBACK_TIMEOUT_SAMPLED', '("first", FALLBACK_TIMEOUT_BY_FEATURE'),
            ('("by_feature", FALLBACK_TIMEOUT_BY_FEATURE', '("sampled", FALLBACK_TIMEOUT_SAMPLED'),
            ('("first", ', '("by_feature", '),
        ),
        "expected sampled",
    ),
    "swaps two losses": (
        (
            ("SAMPLED_QUALITY_LOSS: Final = 0.05", "SAMPLED_QUALITY_LOSS: Final = 0.1"),
            ("BY_FEATURE_QUALITY_LOSS: Final = 0.1 ", "BY_FEATURE_QUALITY_LOSS: Final = 0.05 "),
        ),
        "its quality loss is",
    ),
    "recovers small tables too": (
        (('"timeout" and run.rows > FALLBACK_TIMEOUT_ROWS_ABOVE', '"timeout"'),),
        "it failed",
    ),
    "treats one error as another": (
        (('outcome.error == "value"', 'outcome.error == "io"'),),
        "it failed",
    ),
    "forgets the error that it recovered from": (
        (
            (
                "outcome = run.recover(",
                "import dataclasses\n        outcome = dataclasses.replace(run.recover(",
            ),
            ("        )\n    elif", '        ), error="")\n    elif'),
            ("        )\n    return outcome", '        ), error="")\n    return outcome'),
        ),
        "the error is",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_version_that_differs_from_its_decisions_is_rejected(fault: str) -> None:
    """The counterexample names the difference."""
    changes, says = BAD[fault]
    with pytest.raises(ContractViolation, match=f"{re.escape(says)}|, expected "):
        run_boundary_table(*changes)


GOOD: dict[str, tuple[tuple[str, str], ...]] = {
    "with literal numbers": (
        ("run.missing_share > SPARSE_MISSING_ABOVE", "run.missing_share > 0.9"),
        (
            "run.sampled(SAMPLE_ROWS, quality_loss=SAMPLE_QUALITY_LOSS)",
            "run.sampled(1000, quality_loss=0.05)",
        ),
    ),
    "with a negated condition": (
        ("if run.rows > SAMPLE_ROWS_ABOVE:", "if not run.rows <= SAMPLE_ROWS_ABOVE:"),
    ),
    "with its formula written out": (
        (
            "run.rows**DEADLINE_ROWS_EXPONENT * run.features**DEADLINE_FEATURES_EXPONENT",
            "(run.rows * run.features**0.5) ** 0.5",
        ),
    ),
}


@pytest.mark.parametrize("variant", GOOD)
def test_an_equivalent_version_is_accepted(variant: str) -> None:
    """The gates check behavior, not source text."""
    assert run_boundary_table(*GOOD[variant]) > 10


def test_a_learned_version_satisfies_its_contract_in_the_sandbox(tmp_path: Path) -> None:
    """The version enforces deadlines and starts processes."""
    report = validate(check(render(EVERYTHING)), staging=tmp_path, effort=EFFORT).report
    assert report.gates[2].examples > 20


HARMFUL = {
    "does not survive a crash": ("run = run.isolated()", "run.isolated()", ", expected "),
    "leaves a thread": (
        "    run = run.isolated()",
        (
            "    import threading, time\n    threading.Thread(target=time.sleep, args=(90,)).start()\n"
            "    run = run.isolated()"
        ),
        "a thread running",
    ),
    "leaves a child": (
        "    run = run.isolated()",
        "    import os\n    if os.fork() == 0:\n        os._exit(0)\n    run = run.isolated()",
        "os.fork",
    ),
    "starts a program": (
        "    run = run.isolated()",
        "    import subprocess\n    subprocess.Popen(['true'])\n    run = run.isolated()",
        "Popen",
    ),
}


@pytest.mark.parametrize("harm", HARMFUL)
def test_a_version_that_leaves_resources_behind_is_rejected(tmp_path: Path, harm: str) -> None:
    """Resources are threads, processes and programs."""
    old, new, says = HARMFUL[harm]
    report = report_on(tmp_path, (old, new))
    assert not report.passed
    assert says in "".join(gate.counterexample for gate in report.gates)


def test_a_module_without_decisions_is_checked_by_the_contract_alone(tmp_path: Path) -> None:
    """A learned version passes as well."""
    path = tmp_path / "candidate.py"
    path.write_text(changed(EVERYTHING), encoding="utf-8")
    report = validate_file("monitor_with_recovery", path, staging=tmp_path / "staging", effort=EFFORT)
    assert report.passed
    assert "boundary table" not in [gate.name for gate in report.gates]


def test_only_the_runtime_may_fork(tmp_path: Path) -> None:
    """A candidate may not do what the runtime may."""
    harms = ("os.kill(os.getppid(), 0)", "os.fork()", "open('/proc/thread-self/children')")
    attempts = "".join(f"try:\n    {harm}\nexcept Exception:\n    pass\n" for harm in harms)
    counterexample = (
        report_on(tmp_path, ("VERSION: Final = 2\n", f"VERSION: Final = 2\nimport os\n{attempts}"))
        .gates[-1]
        .counterexample
    )
    assert counterexample.startswith("it tried: os.kill(")
    assert "; os.fork(); open '/proc/thread-self/children' to read" in counterexample


BLIND = """
import gc, os
for found in gc.get_objects():
    if type(found).__name__ == "Guard":
        found._forking = globals()
"""


def test_the_kernel_blocks_signals_to_other_processes(tmp_path: Path) -> None:
    """Without the audit hook, the validator's parent is still protected."""
    report = report_on(
        tmp_path, ("VERSION: Final = 2\n", f"VERSION: Final = 2\n{BLIND}\nos.kill(os.getppid(), 0)\n")
    )
    assert "PermissionError: [Errno 1]" in report.gates[0].counterexample


START = """
if (child := os.fork()) == 0:
    try:
        os.execv("/bin/true", ["true"])
    except PermissionError:
        os._exit(7)
raise ValueError(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_the_kernel_blocks_new_programs(tmp_path: Path) -> None:
    """The policy may fork a process, but not run another program in it."""
    report = report_on(tmp_path, ("VERSION: Final = 2\n", f"VERSION: Final = 2\n{BLIND}{START}"))
    assert report.gates[0].counterexample == "ValueError: 7"
