"""Tests of which version answers, and of how it changes during running calls."""

import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from poet_runtime.errors import RegistryError
from poet_runtime.registry import Registry, activate, rollback
from tests.modules import WINDOW, forget_source, published, retell

PROVENANCE: dict[str, Any] = {"who": "user/ana", "why": "a test", "at": "2026-01-01T00:00:00+00:00"}
ASKED = ("f", 10.0, "normal")


def test_the_stable_callable_follows_the_registry(tmp_path: Path) -> None:
    """The registry file decides which version runs behind the same object."""
    published(tmp_path, 1)
    registry = Registry(tmp_path)
    window = registry.policy(WINDOW)
    assert window(*ASKED) == 5000
    published(tmp_path, 2)
    registry.refresh()
    assert window(*ASKED) == 2000
    rollback(tmp_path, WINDOW, **PROVENANCE)
    registry.refresh()
    assert window(*ASKED) == 5000


def test_the_callable_has_the_metadata_of_its_function(tmp_path: Path) -> None:
    """The metadata are the name, the documentation and the signature."""
    import inspect

    published(tmp_path, 1)
    window = Registry(tmp_path).policy(WINDOW)
    assert window.__name__ == WINDOW
    assert "points" in (window.__doc__ or "")
    assert list(inspect.signature(window).parameters) == [
        "feature_name",
        "data_velocity",
        "stability_requirement",
    ]


def test_a_change_is_seen_without_a_refresh(tmp_path: Path) -> None:
    """A call sees it within a second."""
    published(tmp_path, 1)
    window = Registry(tmp_path).policy(WINDOW)
    assert window(*ASKED) == 5000
    published(tmp_path, 2)
    deadline = time.monotonic() + 1.0
    while window(*ASKED) == 5000 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert window(*ASKED) == 2000


def test_another_process_follows_within_a_second(tmp_path: Path) -> None:
    """The other process answers with the old version and then, without a signal, with the new one."""
    published(tmp_path, 1)
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from generated import calculate_adaptive_window as w\n"
        "print(w('f', 10.0, 'normal'), flush=True)\n"
        "end = time.monotonic() + 5\n"
        "while w('f', 10.0, 'normal') == 5000 and time.monotonic() < end: time.sleep(0.01)\n"
        "print(w('f', 10.0, 'normal'), flush=True)\n"
    )
    generated = tmp_path / "generated"
    generated.mkdir()
    published(generated, 1)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "5000"
        published(generated, 2)
        swapped = time.monotonic()
        assert other.stdout.readline().strip() == "2000"
        assert time.monotonic() - swapped < 1.0


def test_an_edited_module_does_not_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The published source runs, here and in a new process. Status and log name the file."""
    published(tmp_path, 1)
    (version,) = published(tmp_path, 2)
    version.path.write_text(version.path.read_text().replace("2000", "2001"))
    registry = Registry(tmp_path)
    assert registry.policy(WINDOW)(*ASKED) == 2000
    status = registry.status()[WINDOW]
    assert (status["active"], status["answering"], status["refused"]) == (2, 2, "")
    (changed,) = status["changed_files"]
    assert (changed["version"], changed["file"], changed["state"]) == (2, str(version.path), "edited")
    assert "makes the edit a rule" in changed["next"]
    assert f"{version.path} was edited after it was published; the published source runs" in caplog.text


def test_a_missing_module_runs_from_its_manifest(tmp_path: Path) -> None:
    """An unfinished checkout already answers."""
    (version,) = published(tmp_path, 1)
    version.path.unlink()
    registry = Registry(tmp_path)
    assert registry.policy(WINDOW)(*ASKED) == 5000
    assert [each["state"] for each in registry.status()[WINDOW]["changed_files"]] == ["missing"]


def test_an_unreadable_module_runs_from_its_manifest(tmp_path: Path) -> None:
    """A folder in its place simulates missing permissions, which root would not notice."""
    (version,) = published(tmp_path, 1)
    version.path.unlink()
    version.path.mkdir()
    registry = Registry(tmp_path)
    assert registry.policy(WINDOW)(*ASKED) == 5000
    assert [each["state"] for each in registry.status()[WINDOW]["changed_files"]] == ["unreadable"]


def test_other_line_endings_are_not_an_edit(tmp_path: Path) -> None:
    """Module, manifest and registry may have those of Windows. An edit is still detected."""
    (version,) = published(tmp_path, 1)
    for path in (version.path, version.path.with_suffix(".json"), tmp_path / "registry.json"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    registry = Registry(tmp_path)
    assert registry.policy(WINDOW)(*ASKED) == 5000
    (changed,) = registry.status()[WINDOW]["changed_files"]
    assert changed["state"] == "line ends"
    assert changed["says"] == "differs from the published file only in its line endings"
    version.path.write_bytes(version.path.read_bytes().replace(b"5000", b"5001"))
    assert registry.status()[WINDOW]["changed_files"][0]["state"] == "edited"
    assert Registry(tmp_path).policy(WINDOW)(*ASKED) == 5000


def test_without_a_published_source_the_previous_version_answers(tmp_path: Path) -> None:
    """Early releases kept no source, and an edited version never runs."""
    published(tmp_path, 1)
    registry = Registry(tmp_path)
    window = registry.policy(WINDOW)
    (version,) = published(tmp_path, 2)
    forget_source(tmp_path, WINDOW, 2)
    version.path.write_text(version.path.read_text().replace("2000", "2001"))
    registry.refresh()
    assert window(*ASKED) == 5000
    status = registry.status()[WINDOW]
    assert (status["active"], status["answering"], status["changed_files"]) == (2, 1, [])
    assert "an edited version never runs" in status["refused"]


def test_a_manifest_that_contains_another_source_is_refused(tmp_path: Path) -> None:
    """The digest of the module decides what may run under its name."""
    (version,) = published(tmp_path, 1)
    retell(tmp_path, WINDOW, source="def calculate_adaptive_window(*_): return 9\nVERSION = 1\n")
    version.path.unlink()
    with pytest.raises(RegistryError, match="contains the source of another module"):
        Registry(tmp_path).policy(WINDOW)


def test_a_traceback_shows_what_ran_and_an_import_what_is_on_disk(tmp_path: Path) -> None:
    """Two sources with one file name never show each other's lines."""
    generated = tmp_path / "generated"
    generated.mkdir()
    (version,) = published(generated, 1)
    edited = version.path.read_text().replace("VERSION: Final = 1", "VERSION: Final = 1\nMINE = 1")
    version.path.write_text(edited + "\nMINE = 2\n")
    code = (
        "import inspect, sys, traceback; sys.path.insert(0, sys.argv[1])\n"
        "from generated import calculate_adaptive_window as stable\n"
        "stable('f', 10.0, 'normal')\n"
        "from generated import calculate_adaptive_window_v1 as here\n"
        "assert here.MINE == 2\n"
        "ran = stable.__call__.__wrapped__ if hasattr(stable.__call__, '__wrapped__') else stable.__call__\n"
        "assert not hasattr(sys.modules[ran.__module__], 'MINE')\n"
        "assert 'MINE' in inspect.getsource(here)\n"
        "assert inspect.getsource(ran).startswith('def calculate_adaptive_window(')\n"
        "frame = traceback.FrameSummary(ran.__code__.co_filename, ran.__code__.co_firstlineno, 'f')\n"
        "print(frame.filename, frame.line, sep='\\n')\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    name, line = answer.stdout.splitlines()
    assert name == f"{version.path} (as published)"
    assert line.startswith("def calculate_adaptive_window(")


def test_no_usable_version_at_the_first_load_is_an_error(tmp_path: Path) -> None:
    """There is no last good version, and the old manifest contains no source."""
    (version,) = published(tmp_path, 1)
    forget_source(tmp_path, WINDOW)
    version.path.unlink()
    with pytest.raises(RegistryError, match="restore it from version control"):
        Registry(tmp_path).policy(WINDOW)


def test_a_damaged_registry_file_changes_no_answer(tmp_path: Path) -> None:
    """If the file is truncated or foreign, the versions in memory continue."""
    published(tmp_path, 1)
    registry = Registry(tmp_path)
    window = registry.policy(WINDOW)
    (tmp_path / "registry.json").write_text("{")
    registry.refresh()
    assert window(*ASKED) == 5000


def test_a_pin_holds_a_snapshot_for_a_batch(tmp_path: Path) -> None:
    """A swap is visible outside the context and not inside."""
    published(tmp_path, 1)
    registry = Registry(tmp_path)
    window = registry.policy(WINDOW)
    with registry.pin():
        published(tmp_path, 2)
        registry.refresh()
        assert window(*ASKED) == 5000
    assert window(*ASKED) == 2000


def test_a_policy_can_be_pickled(tmp_path: Path) -> None:
    """A pickled policy is a path and a name, which are resolved where it is loaded."""
    published(tmp_path, 1)
    window = Registry(tmp_path).policy(WINDOW)
    assert pickle.loads(pickle.dumps(window))(*ASKED) == 5000  # noqa: S301 -- our own pickle


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_follows_the_active_version(tmp_path: Path) -> None:
    """Following needs no thread, so a fork loses none."""
    published(tmp_path, 1)
    window = Registry(tmp_path).policy(WINDOW)
    assert window(*ASKED) == 5000
    child = os.fork()
    if child == 0:
        deadline = time.monotonic() + 5.0
        while window(*ASKED) == 5000 and time.monotonic() < deadline:
            time.sleep(0.01)
        os._exit(0 if window(*ASKED) == 2000 else 1)
    published(tmp_path, 2)
    assert os.waitpid(child, 0)[1] == 0


def test_no_call_fails_or_sees_two_versions_while_versions_swap(tmp_path: Path) -> None:
    """Four threads call during fifty swaps."""
    published(tmp_path, 1, 2)
    registry = Registry(tmp_path)
    window = registry.policy(WINDOW)
    wrong: list[object] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            answer = window(*ASKED)
            time.sleep(0)  # let the swapping thread run
            if answer not in (2000, 5000):
                wrong.append(answer)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for swap in range(50):
        activate(tmp_path, WINDOW, 1 + swap % 2, **PROVENANCE)
        registry.refresh()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_unknown_policy_is_an_error_with_the_known_ones(tmp_path: Path) -> None:
    """Attribute access raises the error that Python expects."""
    published(tmp_path, 1)
    registry = Registry(tmp_path)
    with pytest.raises(AttributeError, match=WINDOW):
        registry.attribute("detect_cats")
    with pytest.raises(RegistryError, match="no such policy"):
        registry.policy("detect_cats")


def test_every_answer_goes_through_the_hook(tmp_path: Path) -> None:
    """The hook gets the policy's name and the arguments by name, and returns the answer."""
    published(tmp_path, 1)
    seen: list[object] = []

    def hook(policy: str, arguments: object, result: object, version: int) -> object:
        seen.append((policy, arguments, result, version))
        return "answered"

    window = Registry(tmp_path, on_result=hook).policy(WINDOW)
    assert window("f", data_velocity=10.0, stability_requirement="low") == "answered"
    arguments = {"feature_name": "f", "data_velocity": 10.0, "stability_requirement": "low"}
    assert seen == [(WINDOW, arguments, 5000, 1)]
