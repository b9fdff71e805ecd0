"""Forbidden operations are refused and reported, and a candidate cannot forge a report."""

import time
from pathlib import Path

import pytest

from poet.build.gates import ValidationReport
from poet.build.render import render
from poet.build.sandbox import Limits
from poet.build.validate import validate_file
from poet.spec import policy

WINDOW = "calculate_adaptive_window"
SOURCE = render(policy(WINDOW).version_1("")).source


def report_on(tmp_path: Path, at_import: str, *, limits: Limits | None = None) -> ValidationReport:
    """Validate version 1 of the window policy with these lines added."""
    path = tmp_path / "candidate.py"
    changed = SOURCE.replace("VERSION: Final = 1\n", f"VERSION: Final = 1\n{at_import}\n")
    path.write_text(changed, encoding="utf-8")
    return validate_file(WINDOW, path, staging=tmp_path / "staging", effort=5, limits=limits)


def last_counterexample(report: ValidationReport) -> str:
    """Return the message of the last gate, which failed."""
    assert not report.passed
    return report.gates[-1].counterexample


def test_a_forged_result_never_passes(tmp_path: Path) -> None:
    """A candidate may find the pipe, but it does not know the password."""
    forged = (
        "import os\n"
        'LIE = b\'{"password":"","gates":[{"name":"import","passed":true}]}\'\n'
        "for number in range(3, 20):\n"
        "    try:\n        os.write(number, LIE)\n    except OSError:\n        pass\n"
        "os._exit(0)"
    )
    assert "forged a result" in last_counterexample(report_on(tmp_path, forged))


def test_excessive_output_stays_within_the_limit_on_files(tmp_path: Path) -> None:
    """Unlimited output would fill the memory of the waiting process."""
    flood = "import sys\nfor _ in range(100):\n    sys.stderr.write('x' * 10**6)"
    assert "too large" in last_counterexample(report_on(tmp_path, flood)).lower()


def test_libraries_that_a_policy_may_import_can_be_imported(tmp_path: Path) -> None:
    """Libraries that list folders at import can be imported as well."""
    assert report_on(tmp_path, "import scipy.signal\nfrom scipy import optimize, stats").passed


def test_a_process_that_leaves_the_group_is_never_started(tmp_path: Path) -> None:
    """The sandbox also blocks functions without an audit event."""
    nothing = "None, None, -1, -1, -1, -1, -1, -1, 0, 1, False, True, -1, None, None, None, -1, None, True"
    escape = (
        "import _posixsubprocess\n"
        f"_posixsubprocess.fork_exec([b'x'], [b'/bin/sleep', b'x'], True, (), {nothing})"
    )
    started = time.monotonic()
    assert not report_on(tmp_path, escape).passed
    assert time.monotonic() - started < 20.0


def test_the_kernel_blocks_writes_without_the_hook(tmp_path: Path) -> None:
    """With the hook disabled, nothing is written outside the staging folder."""
    prize = tmp_path / "prize"
    blind = (
        "import gc\n"
        "for found in gc.get_objects():\n"
        "    if type(found).__name__ == 'Guard':\n"
        "        found._open = lambda *_: None\n"
        f"open({str(prize)!r}, 'w')"
    )
    assert "PermissionError: [Errno 13]" in report_on(tmp_path, blind).gates[0].counterexample
    assert not prize.exists()


def test_a_thread_left_behind_is_reported(tmp_path: Path) -> None:
    """The validator does not wait for the thread."""
    left = "import threading, time\nthreading.Thread(target=time.sleep, args=(100,)).start()"
    assert last_counterexample(report_on(tmp_path, left)) == "it tried: to leave a thread running"


def test_the_environment_has_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate gets only the variables that numpy needs."""
    monkeypatch.setenv("A_SECRET", "hunter2")
    assert report_on(tmp_path, "import os\nassert 'A_SECRET' not in os.environ").passed


def test_a_slow_call_is_reported_with_its_arguments(tmp_path: Path) -> None:
    """The limit of a call is far below the limit of the process."""
    endless = SOURCE.replace("    return ", "    while data_velocity > 5000.0:\n        pass\n    return ")
    path = tmp_path / "candidate.py"
    path.write_text(endless, encoding="utf-8")
    report = validate_file(WINDOW, path, staging=tmp_path / "staging", limits=Limits(call_cpu_s=0.5))
    assert report.gates[-1].name == "returns a positive integer"
    assert "used more than 0.5 s of CPU time" in last_counterexample(report)
    assert f"{WINDOW}('" in last_counterexample(report)


def test_a_slow_import_is_a_failure(tmp_path: Path) -> None:
    """It fails even if it catches every exception."""
    stubborn = "while True:\n    try:\n        sum(range(10**6))\n    except Exception:\n        pass"
    assert "used more than" in last_counterexample(
        report_on(tmp_path, stubborn, limits=Limits(call_cpu_s=0.5))
    )


def test_nothing_is_left_in_the_staging_folder(tmp_path: Path) -> None:
    """The folder is emptied even if the process exits early."""
    report_on(tmp_path, "open('litter', 'w').write('x')\nimport os\nos._exit(3)")
    assert list((tmp_path / "staging").iterdir()) == []
