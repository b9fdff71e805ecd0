"""Swaps under load, refused versions, and other processes."""

import copy
import os
import pickle
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

from poet_runtime.errors import RegistryError
from poet_runtime.registry import Registry
from tests.handmade import write_registry, write_version, write_versions

CALLING = """
import sys, threading
from pathlib import Path
from poet_runtime.registry import Registry
registry = Registry(Path(sys.argv[1]))
one, two = registry.policy("one"), registry.policy("two")
seen, stop = set(), threading.Event()
def work():
    while not stop.is_set():
        with registry.pin():
            seen.add((*one(50), *two(50)))
        seen.add(one(50) * 2)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
print("ready", flush=True)
sys.stdin.readline()
stop.set()
for thread in threads: thread.join()
print(sorted(seen), flush=True)
"""


def test_two_thousand_swaps_under_sixteen_threads_and_four_processes(tmp_path: Path) -> None:
    """Sixteen threads here and four in each of the other processes call: none fails or sees two versions."""
    versions = write_versions(tmp_path, "one", "two")
    write_registry(tmp_path, {"one": 1, "two": 1}, versions)
    registry = Registry(tmp_path)
    one, two = registry.policy("one"), registry.policy("two")
    seen: set[tuple[int, ...]] = set()
    failed: list[BaseException] = []
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                with registry.pin():
                    seen.add((*one(50), *two(50)))
                seen.add(one(50) * 2)
                time.sleep(0.001)
        except BaseException as error:  # noqa: BLE001 -- shown by the assertion below
            failed.append(error)

    command = [sys.executable, "-c", CALLING, str(tmp_path)]
    others = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    threads = [threading.Thread(target=work) for _ in range(16)]
    for other in others:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
    for thread in threads:
        thread.start()
    for swap in range(2000):
        number = 1 + swap % 2
        write_registry(tmp_path, {"one": number, "two": number}, versions)
        registry.refresh()
    stop.set()
    for thread in threads:
        thread.join()
    told = [other.communicate("stop\n")[0] for other in others]
    assert failed == []
    assert seen == {(1, 1, 1, 1), (2, 2, 2, 2)}
    assert told == ["[(1, 1, 1, 1), (2, 2, 2, 2)]\n"] * 4
    assert [other.returncode for other in others] == [0] * 4


def test_swapping_back_and_forth_executes_each_version_once(tmp_path: Path) -> None:
    """Versions never change, so a hundred swaps load only two modules."""
    versions = write_versions(tmp_path, "swapped")
    registry = Registry(tmp_path)
    for swap in range(100):
        write_registry(tmp_path, {"swapped": 1 + swap % 2}, versions)
        registry.refresh()
    assert sum(name.startswith("_poet_swapped_v") for name in sys.modules) == 2


def test_two_swaps_within_one_tick_of_the_files_clock_are_both_seen(tmp_path: Path) -> None:
    """Equal time, inode and size hide no change."""
    versions = write_versions(tmp_path, "one")
    path = tmp_path / "registry.json"
    write_registry(tmp_path, {"one": 1}, versions)
    os.utime(path, (1, 1))
    registry = Registry(tmp_path)
    assert registry.active("one") == 1
    path.write_bytes(path.read_bytes().replace(b'"active":1', b'"active":2'))
    os.utime(path, (1, 1))
    registry.refresh()
    assert registry.active("one") == 2


def test_a_call_never_waits_for_the_check_of_another_thread(tmp_path: Path) -> None:
    """It continues with the version that it knows."""
    versions = write_versions(tmp_path, "one")
    write_registry(tmp_path, {"one": 1}, versions)
    registry = Registry(tmp_path)
    one = registry.policy("one")
    write_registry(tmp_path, {"one": 2}, versions)
    answers: list[object] = []
    with registry._following:
        registry.next_look = registry._due = 0.0
        caller = threading.Thread(target=lambda: answers.append(one()))
        caller.start()
        caller.join(5.0)
        assert answers == [(1, 1)]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_another_thread_follows_is_not_stuck(tmp_path: Path) -> None:
    """The child has no thread that could release the lock."""
    versions = write_versions(tmp_path, "one")
    write_registry(tmp_path, {"one": 1}, versions)
    registry = Registry(tmp_path)
    held, done = threading.Event(), threading.Event()

    def follow() -> None:
        with registry._following:
            held.set()
            done.wait(10.0)

    follower = threading.Thread(target=follow)
    follower.start()
    held.wait(5.0)
    child = os.fork()
    if child == 0:
        os._exit(registry.active("one") if registry._following.acquire(blocking=False) else 9)
    done.set()
    follower.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def one(:", "cannot be loaded: SyntaxError"),
        ("raise SystemError('no')", "cannot be loaded: SystemError"),
        ("VERSION = 2", "has no function one"),
        ("VERSION = 3\ndef one(): return 0", "VERSION = 3, registry.json says 2"),
    ],
)
def test_an_invalid_version_is_refused(tmp_path: Path, source: str, reason: str) -> None:
    """The last good version stays, and no module of the invalid one remains."""
    first = write_version(tmp_path, "one", 1)
    versions = {"one": {"1": first, "2": write_version(tmp_path, "one", 2, source=source)}}
    write_registry(tmp_path, {"one": 1}, versions)
    registry = Registry(tmp_path)
    one = registry.policy("one")
    write_registry(tmp_path, {"one": 2}, versions)
    before = set(sys.modules)
    status = registry.status()["one"]
    assert (one(), status["answering"], status["active"]) == ((1, 1), 1, 2)
    assert reason in status["refused"]
    assert {name for name in set(sys.modules) - before if name.startswith("_poet_")} == set()


def test_a_refused_version_is_loaded_after_its_file_is_restored(tmp_path: Path) -> None:
    """A checkout may write the registry before the module."""
    versions = write_versions(tmp_path, "one")
    write_registry(tmp_path, {"one": 1}, versions)
    registry = Registry(tmp_path)
    registry.refresh()
    module = tmp_path / "one_v2.py"
    content = module.read_bytes()
    module.unlink()
    write_registry(tmp_path, {"one": 2}, versions)
    assert registry.active("one") == 1
    module.write_bytes(content)
    registry.refresh()
    assert (registry.active("one"), registry.status()["one"]["refused"]) == (2, "")


def test_a_refused_policy_does_not_block_the_others(tmp_path: Path) -> None:
    """The others are swapped."""
    versions = write_versions(tmp_path, "one", "two")
    write_registry(tmp_path, {"one": 1, "two": 1}, versions)
    registry = Registry(tmp_path)
    registry.refresh()
    (tmp_path / "one_v2.py").write_text("VERSION = 2")
    write_registry(tmp_path, {"one": 2, "two": 2}, versions)
    registry.refresh()
    assert (registry.active("one"), registry.active("two")) == (1, 2)


def test_a_new_process_falls_back_to_the_previous_version(
    tmp_path: Path,
) -> None:
    """It has no last good version in memory, and the status reports it."""
    versions = write_versions(tmp_path, "one")
    write_registry(tmp_path, {"one": 2}, versions, previous=1)
    (tmp_path / "one_v2.py").write_text("VERSION = 2")
    registry = Registry(tmp_path)
    assert registry.policy("one")() == (1, 1)
    assert "published was" in registry.status()["one"]["refused"]


def test_a_missing_registry_file_changes_no_answer(tmp_path: Path) -> None:
    """During a checkout, the file is missing for a moment."""
    versions = write_versions(tmp_path, "one", "two")
    write_registry(tmp_path, {"one": 1, "two": 1}, versions)
    registry = Registry(tmp_path)
    one = registry.policy("one")
    (tmp_path / "registry.json").unlink()
    status = registry.status()["one"]
    assert (one(), status["answering"]) == ((1, 1), 1)
    assert "restore it from version control" in status["refused"]
    write_registry(tmp_path, {"two": 2}, versions)
    registry.refresh()
    assert (one(), registry.active("two")) == ((1, 1), 2)


def test_a_registry_that_points_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    """The name of a module follows from its policy and number."""
    versions = write_versions(tmp_path, "one")
    write_registry(tmp_path, {"one": 1}, versions)
    path = tmp_path / "registry.json"
    path.write_bytes(path.read_bytes().replace(b"one_v1.py", b"../one_v1.py"))
    with pytest.raises(RegistryError, match="is not a module of one version 1"):
        Registry(tmp_path).policy("one")


def test_a_nested_pin_keeps_the_outer_snapshot(tmp_path: Path) -> None:
    """Policies that are first published inside can still be called."""
    versions = write_versions(tmp_path, "one", "two")
    write_registry(tmp_path, {"one": 1}, versions)
    registry = Registry(tmp_path)
    one = registry.policy("one")
    with registry.pin():
        write_registry(tmp_path, {"one": 2, "two": 2}, versions)
        with registry.pin():
            assert (one(), registry.active("one")) == ((1, 1), 1)
        assert registry.policy("two")() == (2, 2)
    assert one() == (2, 2)


def test_a_pin_applies_only_to_its_own_thread(tmp_path: Path) -> None:
    """Other threads follow the active version."""
    versions = write_versions(tmp_path, "one")
    write_registry(tmp_path, {"one": 1}, versions)
    registry = Registry(tmp_path)
    one = registry.policy("one")
    answers: list[object] = []
    with registry.pin():
        write_registry(tmp_path, {"one": 2}, versions)
        registry.refresh()
        other = threading.Thread(target=lambda: answers.append(one()))
        other.start()
        other.join()
        assert (one(), answers) == ((1, 1), [(2, 2)])


def test_a_copy_of_a_policy_is_the_policy(tmp_path: Path) -> None:
    """Functions behave the same way. A copy without the hook would not be recorded."""
    write_registry(tmp_path, {"one": 1}, write_versions(tmp_path, "one"))
    one = Registry(tmp_path, on_result=lambda *_: "recorded").policy("one")
    assert copy.deepcopy({"policy": one})["policy"] is one
    assert copy.copy(one)() == "recorded"


def test_a_policy_travels_to_a_new_process_and_follows_there(tmp_path: Path) -> None:
    """It is resolved by folder and name, whatever the working folder is."""
    versions = write_versions(tmp_path, "one")
    write_registry(tmp_path, {"one": 1}, versions)
    sent = pickle.dumps(Registry(tmp_path).policy("one")).hex()
    code = (
        f"import pickle, time; one = pickle.loads(bytes.fromhex({sent!r})); print(one()[0], flush=True)\n"
        "end = time.monotonic() + 5\n"
        "while one()[0] == 1 and time.monotonic() < end: time.sleep(0.01)\n"
        "print(one()[0], flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd="/") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "1\n"
        write_registry(tmp_path, {"one": 2}, versions)
        swapped = time.monotonic()
        assert other.stdout.readline() == "2\n"
        assert time.monotonic() - swapped < 1.0


def test_a_traceback_shows_the_lines_that_ran(tmp_path: Path) -> None:
    """A later edit of the file has no effect."""
    source = "VERSION = 1\n\n\ndef one():\n    raise ValueError  # as it ran\n"
    entry = write_version(tmp_path, "one", 1, source=source)
    write_registry(tmp_path, {"one": 1}, {"one": {"1": entry}})
    one = Registry(tmp_path).policy("one")
    (tmp_path / "one_v1.py").write_text("edited\n" * 9)
    with pytest.raises(ValueError) as raised:
        one()
    assert "# as it ran" in "".join(traceback.format_exception(raised.value))
