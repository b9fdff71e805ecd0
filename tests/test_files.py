"""Tests of locks, atomic writes and JSON documents under kills, forks and damage."""

import ast
import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from poet_runtime import files
from poet_runtime.errors import LogError, PoetError, PublishError
from poet_runtime.files import FileLock, JsonDocument, atomic_write, lock, open_atomic, to_json, write_new

ROOT = Path(__file__).parents[1]
HOLDER = """
import sys
from pathlib import Path
from poet_runtime.files import FileLock
held = FileLock(Path(sys.argv[1]))
held.acquire()
print("held", flush=True)
sys.stdin.read()
held.release()
"""


@contextlib.contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run another process that holds a lock."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def in_fork(run: Callable[[], object]) -> bool:
    """Run a function in a forked child; return whether its result was true."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if run() else 1)
        finally:
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code != 2
    return code == 0


def test_a_waiter_gets_the_name_of_the_holder(tmp_path: Path) -> None:
    """The file names the process, the user and the host until the lock is released."""
    mine = FileLock(tmp_path / "x.lock")
    with holder(mine.path) as process:
        assert not mine.try_acquire()
        with pytest.raises(LogError, match=rf"x\.lock is locked by process {process.pid} of .+ on .+; wait"):
            mine.acquire(timeout_s=0.05, error=LogError)
        process.communicate()
    mine.acquire(timeout_s=30.0)
    assert f"process {os.getpid()} of " in mine.holder()
    mine.release()
    assert mine.holder() == "another process"
    mine.close()


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    """The text that it wrote into the file has no effect."""
    mine = FileLock(tmp_path / "x.lock")
    with holder(mine.path) as process:
        process.kill()
        process.wait()
    assert mine.path.read_bytes() != b""
    assert mine.try_acquire()
    mine.close()


@pytest.mark.parametrize("left", [b"", b"process 1 on old-host", b"\xff" * 4000])
def test_a_lock_file_of_an_earlier_release_can_be_locked(tmp_path: Path, left: bytes) -> None:
    """The next holder removes the text that the file contains."""
    (tmp_path / ".lock").write_bytes(left)
    message, again = f"by process {os.getpid()} of", lock(tmp_path, timeout_s=0.0)
    with lock(tmp_path, timeout_s=0.0), pytest.raises(PublishError, match=message), again:
        pass
    assert (tmp_path / ".lock").read_bytes() == b""


def test_a_removed_lock_file_is_created_again(tmp_path: Path) -> None:
    """A process with an open lock must not continue alone with a file that no other process finds."""
    path = tmp_path / ".lock"
    mine, other = FileLock(path), FileLock(path)
    with mine:
        pass
    path.unlink()
    with other:
        assert not mine.try_acquire()
    with mine:
        assert not other.try_acquire()
    mine.close()
    other.close()


def test_a_lock_outlives_its_folder(tmp_path: Path) -> None:
    """A writer whose folder was removed gets its own error, and not one of the lock."""
    folder = tmp_path / "folder"
    folder.mkdir()
    held = FileLock(folder / ".lock")
    with held:
        pass
    shutil.rmtree(folder)
    with held:
        pass
    held.close()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The error has the type that the caller passes."""
    with (
        pytest.raises(LogError, match="there is no folder"),
        lock(tmp_path / "x", timeout_s=0, error=LogError),
    ):
        pass


def test_threads_exclude_each_other_even_with_one_lock_object(tmp_path: Path) -> None:
    """The descriptor's lock alone would not exclude the second thread."""
    shared = FileLock(tmp_path / "x.lock", is_fair=True)
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with shared:
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == 1
    shared.close()


@pytest.mark.parametrize("is_fair", [False, True])
def test_a_forked_child_does_not_hold_its_parents_lock(tmp_path: Path, *, is_fair: bool) -> None:
    """The child can neither acquire nor release the lock until the parent has released it."""
    held = FileLock(tmp_path / "x.lock", is_fair=is_fair)
    held.acquire()

    def child() -> bool:
        held.release()
        held.__exit__(None, None, None)
        return not held.try_acquire() and not FileLock(held.path).try_acquire()

    assert in_fork(child)
    assert not FileLock(held.path).try_acquire()
    held.release()
    assert in_fork(held.try_acquire)
    assert held.try_acquire()
    held.close()


def test_a_lock_ends_with_its_process_although_a_forked_child_lives(tmp_path: Path) -> None:
    """The child closed the inherited descriptor."""
    program = f"""
import os, signal, sys, time
from pathlib import Path
from poet_runtime.files import FileLock
held = FileLock(Path({str(tmp_path / "x.lock")!r}))
held.acquire()
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.close(reading)
    os.write(writing, b"x")
    sys.stdin.read()
    os._exit(0)
os.close(writing)
os.read(reading, 1)
print(child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert process.wait() == -signal.SIGKILL
        os.kill(child, 0)  # it lives
        mine = FileLock(tmp_path / "x.lock")
        assert mine.try_acquire()
        mine.close()


def test_a_child_that_inherits_the_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    """The child holds the lock until it ends."""
    mine = FileLock(tmp_path / "x.lock")
    assert mine.try_acquire()
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=mine.descriptors(),
    ) as child:
        mine.close()
        others = FileLock(mine.path)
        assert not others.try_acquire()
        child.communicate()
    assert others.try_acquire()
    others.close()


def test_a_fair_lock_goes_to_the_waiting_process(tmp_path: Path) -> None:
    """An unfair lock lets a process that immediately acquires it again starve the others."""
    mine, others = (FileLock(tmp_path / "x.lock", is_fair=True) for _ in range(2))
    order: list[str] = []
    mine.acquire()

    def wait() -> None:
        with others:
            order.append("other")

    waiting = threading.Thread(target=wait)
    waiting.start()
    queue = FileLock(tmp_path / "x.lock.next")
    while queue.try_acquire():  # until the other one waits in the queue
        queue.release()
        time.sleep(0.001)
    mine.release()
    with mine:
        order.append("mine")
    waiting.join()
    assert order == ["other", "mine"]
    for each in (mine, others, queue):
        each.close()


def test_a_lock_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    """The target of the link is unchanged."""
    (tmp_path / "precious").write_text("x", encoding="utf-8")
    (tmp_path / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), lock(tmp_path, timeout_s=0.0):
        pass
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "x"


def test_a_failed_write_of_the_holder_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets the error, and others can acquire the lock."""
    mine = FileLock(tmp_path / "x.lock")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_write_holder", full)
    with pytest.raises(OSError, match="No space"):
        mine.acquire()
    monkeypatch.undo()
    assert FileLock(mine.path).try_acquire()


def test_a_failed_write_leaves_only_the_old_file(tmp_path: Path) -> None:
    """The kind of the error does not matter."""
    path = tmp_path / "x.json"
    atomic_write(path, b"old")
    with contextlib.suppress(KeyboardInterrupt), open_atomic(path) as file:
        file.write(b"ne")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("step", range(1, 40))
def test_a_kill_at_any_step_leaves_the_old_file_or_the_new(tmp_path: Path, step: int) -> None:
    """Every disk operation is a step, and leftover temporary files have a recognizable name."""
    path = tmp_path / "x.json"
    atomic_write(path, b"old")

    def child() -> bool:
        left = step

        def touch(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(lambda event, _: touch() if event in ("open", "os.rename", "os.remove") else None)
        real = os.fsync
        os.fsync = lambda handle: (touch(), real(handle), touch())  # type: ignore[assignment, func-returns-value]
        atomic_write(path, b"new" * 10_000)
        return True

    process = os.fork()
    if process == 0:
        child()
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    assert path.read_bytes() in ((b"new" * 10_000,) if ended == 0 else (b"old", b"new" * 10_000))
    rest = [each.name for each in tmp_path.iterdir() if each != path]
    assert all(name.startswith(files.TEMPORARY) for name in rest)
    files.remove_unfinished(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["x.json"]


def test_concurrent_writers_leave_a_complete_file(tmp_path: Path) -> None:
    """The last writer wins if there is no lock."""
    path = tmp_path / "x"
    contents = [bytes([65 + number]) * 50_000 for number in range(4)]

    def work(content: bytes) -> None:
        for _ in range(20):
            atomic_write(path, content)

    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        if path.exists():
            assert path.read_bytes() in contents
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """The link may have a target or dangle."""
    (tmp_path / "precious").write_bytes(b"precious")
    for name, target in (("a", "precious"), ("b", "nowhere")):
        (tmp_path / name).symlink_to(tmp_path / target)
        atomic_write(tmp_path / name, b"new")
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_bytes() == b"new"
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "nowhere").exists()


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    """Folders, pipes and devices behind links are not, such as with `--out /dev/stdout`."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(os.devnull)
    for name in ("folder", "pipe", "link"):
        with pytest.raises(OSError, match=r"directory|regular"):
            atomic_write(tmp_path / name, b"new")
    assert (tmp_path / "link").is_symlink()
    assert len(list(tmp_path.iterdir())) == 3


def test_permissions_are_set_from_the_start(tmp_path: Path) -> None:
    """A replaced file with other permissions has no effect."""
    before = os.umask(0o022)
    try:
        atomic_write(tmp_path / "open", b"")
        atomic_write(tmp_path / "secret", b"")
        with open_atomic(tmp_path / "secret", mode=0o600) as file:
            assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600
        os.umask(0o777)
        write_new(tmp_path / "key", b"", mode=0o600)
    finally:
        os.umask(before)
    modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    assert modes == {"open": 0o644, "secret": 0o600, "key": 0o600}


def test_create_replaces_nothing(tmp_path: Path) -> None:
    """Even a dangling link is not replaced."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            write_new(tmp_path / name, b"y", mode=0o600)
    assert not (tmp_path / "elsewhere").exists()


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """An example document."""

    format: int = 1
    steps: tuple[str, ...]


RECIPE = JsonDocument(type=Recipe, name="a recipe", next_step="cook it again", error=LogError, format=1)


def test_a_written_document_is_read_back_equal(tmp_path: Path) -> None:
    """Sorting and indentation have no effect."""
    for options in ({}, {"indent": 1}, {"is_sorted": False}):
        atomic_write(tmp_path / "r.json", to_json(Recipe(steps=("a", "b")), **options))
        assert RECIPE.read(tmp_path / "r.json") == Recipe(steps=("a", "b"))
        assert RECIPE.read_if_exists(tmp_path / "r.json") == Recipe(steps=("a", "b"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"r\.json is not a recipe \(.+\); cook it again"),
        (b'{"steps": ["a"', r"r\.json is not a recipe \(.+truncated.*\); cook it again"),
        (b"\xff\xfe", r"is not a recipe"),
        (b'{"steps": 3}', r"is not a recipe \(Expected `array`, got `int` - at `\$\.steps`\); cook it again"),
        (b'{"format": 1}', r"is not a recipe \(.+`steps`\)"),
        (b"[]", r"is not a recipe"),
        (b'{"steps": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is not a recipe"),
        (b'{"steps": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is not a recipe"),
        (
            b'{"format": 2, "steps": []}',
            r"r\.json has format 2, this release reads 1; cook it again, or use the",
        ),
        (b'{"format": 2, "courses": []}', r"has format 2, this release reads 1"),
    ],
)
def test_a_damaged_document_is_one_error(tmp_path: Path, content: bytes, message: str) -> None:
    """The error has the path, the problem and the next step."""
    (tmp_path / "r.json").write_bytes(content)
    for read in (RECIPE.read, RECIPE.read_if_exists):
        with pytest.raises(LogError, match=message):
            read(tmp_path / "r.json")


def test_a_missing_document_differs_from_an_unreadable_one(tmp_path: Path) -> None:
    """Only a missing one may be omitted."""
    assert RECIPE.read_if_exists(tmp_path / "r.json") is None
    with pytest.raises(LogError, match="no such file; cook it again"):
        RECIPE.read(tmp_path / "r.json")
    (tmp_path / "r.json").mkdir()
    with pytest.raises(LogError, match=r"cannot be read .*Is a directory"):
        RECIPE.read_if_exists(tmp_path / "r.json")


def test_a_damaged_file_is_moved_aside_if_possible(tmp_path: Path) -> None:
    """Otherwise it stays where it is."""
    (tmp_path / "x.json").write_bytes(b"torn")
    assert files.set_aside(tmp_path / "x.json") == tmp_path / "x.json.damaged"
    assert (tmp_path / "x.json.damaged").read_bytes() == b"torn"
    (tmp_path / "y.json.damaged").mkdir()
    (tmp_path / "y.json").write_bytes(b"torn")
    assert files.set_aside(tmp_path / "y.json") is None
    assert (tmp_path / "y.json").read_bytes() == b"torn"


def test_nothing_imports_fcntl() -> None:
    """Locks come from filelock, which supports Windows too."""
    found = []
    for path in (ROOT / "compiler" / "poet").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += [path for alias in node.names if alias.name == "fcntl"]
            elif isinstance(node, ast.ImportFrom) and node.module == "fcntl":
                found.append(path)
    assert found == []


WINDOWS = """
import os, sys
import filelock, logging, random, threading  # which look for some of these names when they are imported
for name in ("O_NOFOLLOW", "O_DIRECTORY", "fchmod", "fork", "register_at_fork", "getuid", "mkfifo"):
    delattr(os, name)
from pathlib import Path
from poet_runtime import files
files.IS_WINDOWS = True
folder = Path(sys.argv[1])
with files.lock(folder, timeout_s=1.0):
    files.atomic_write(folder / "x", b"new")
files.write_new(folder / "key", b"key", mode=0o600)
held = files.FileLock(folder / "y.lock", is_fair=True)
held.acquire(timeout_s=1.0)
assert held.descriptors() == ()
held.release()
files.fsync_directory(folder)
assert not files.is_open_to_others(0o666)
"""


def test_no_posix_only_name_is_required(tmp_path: Path) -> None:
    """The flags and functions are hidden that Python lacks on Windows."""
    subprocess.run(
        [sys.executable, "-c", WINDOWS, str(tmp_path)],
        check=True,
        cwd=ROOT,
        env={**os.environ, "USERNAME": "ana"},
    )
    assert (tmp_path / "x").read_bytes() == b"new"
    assert (tmp_path / "key").read_bytes() == b"key"


def test_a_reader_on_windows_delays_a_replacement_and_a_removal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows can neither replace nor remove an open file."""
    (tmp_path / "x").write_bytes(b"old")
    real, refusals = Path.replace, iter([True, True, False])

    def replace(self: Path, target: Path) -> Any:
        if next(refusals):
            raise PermissionError(13, "sharing violation")
        return real(self, target)

    def unlink(self: Path, *, missing_ok: bool = False) -> None:  # noqa: ARG001 -- Path's own
        raise PermissionError(13, "sharing violation")

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(files, "IS_WINDOWS", True)
    monkeypatch.setattr(files, "LONGEST_POLL_S", 0.0)
    atomic_write(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
    monkeypatch.setattr(Path, "unlink", unlink)
    files.remove(tmp_path / "x")
    monkeypatch.setattr(files, "IS_WINDOWS", False)
    with pytest.raises(PermissionError):
        files.remove(tmp_path / "x")


def test_writers_on_windows_append_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writers use a lock next to the file, which other systems do not need."""
    path = tmp_path / "x.jsonl"
    files.append(path, b"1\n")
    assert [each.name for each in tmp_path.iterdir()] == ["x.jsonl"]
    monkeypatch.setattr(files, "IS_WINDOWS", True)
    monkeypatch.setattr(files, "CAN_INHERIT_DESCRIPTORS", False)
    other = FileLock(tmp_path / "x.jsonl.lock", names_holder=False)
    other.acquire()
    waiting = threading.Thread(target=files.append, args=(path, b"3\n"))
    waiting.start()
    waiting.join(timeout=0.2)
    assert waiting.is_alive()
    with path.open("ab") as file:
        file.write(b"2\n")
    other.release()
    waiting.join()
    other.close()
    assert path.read_bytes() == b"1\n2\n3\n"


def test_a_lock_without_a_deadline_waits(tmp_path: Path) -> None:
    """The caller waits until the holder has released the lock."""
    mine = FileLock(tmp_path / "x.lock")
    with holder(mine.path) as process:
        waiting = threading.Thread(target=lambda: mine.acquire(timeout_s=math.inf, error=PoetError))
        waiting.start()
        waiting.join(timeout=0.2)
        assert waiting.is_alive()
        process.communicate()
    waiting.join()
    assert not FileLock(mine.path).try_acquire()
    mine.close()
