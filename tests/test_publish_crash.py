"""A compiler is killed at every step: either the old versions or the new ones are active."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from poet.build.publish import check_generated, publish
from poet.build.render import render
from poet_runtime.registry import Registry, read_document, read_journal
from tests.modules import WINDOW, published, validated, validated_first

SAID: dict[str, Any] = {"who": "user/ana", "why": "a test", "at": "2026-01-01T00:00:00+00:00"}
ALERTS = "generate_alerts"

# For each line, a child runs one command and is killed by SIGKILL just before its k-th disk operation: each
# open, write, rename, removal, truncation and fsync, and the middle of each write. The exit code is printed.
# One process forks all children, because the imports are expensive.
DYING = """
import dataclasses, io, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.modules import WINDOW, validated, validated_first
from poet_runtime.registry import on_trial, rollback
from poet.build import check
from poet.build.publish import publish
from poet.build.render import render
from poet.workspace.upgrade import upgrade
from poet_runtime.registry import read_document
from poet_runtime.registry.changes import withdraw
said = {"who": "user/ana", "why": "a test", "at": "2026-01-01T00:00:00+00:00"}
modules = [validated(2), validated_first("generate_alerts")]
def otherwise(decisions):
    rendered = render(decisions)
    source = rendered.source.replace("VERSION =", "# of a later release\\nVERSION =")
    return dataclasses.replace(rendered, source=source)
commands = {
    "publish": lambda folder: publish(modules, folder, **said),
    "rollback": lambda folder: rollback(folder, WINDOW, **said),
    "upgrade": lambda folder: upgrade(folder, render, who="user/ana", at=said["at"]),
    "upgrade-later": lambda folder: upgrade(folder, otherwise, who="user/ana", at=said["at"]),
    "canary": lambda folder: on_trial(folder, WINDOW, 1, mode="canary", share=0.5, **said),
    "withdraw": lambda folder: withdraw(
        folder, WINDOW, 2, sha256=read_document(folder).policies[WINDOW].versions["2"].sha256, to=1,
        why="it failed", at=said["at"], patience_s=0.0,
    ),
}
left = 0
counts_reads = True  # a kill before a read has the same effect as one before the next write
def step(event, arguments):
    global left
    if event == "open" and not counts_reads and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return
    if event in ("open", "os.rename", "os.remove", "os.truncate", "fsync"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
class Mortal(io.FileIO):
    def write(self, content):
        step("fsync", ())
        half = super().write(memoryview(content)[: len(content) // 2])
        step("fsync", ())
        return half + super().write(memoryview(content)[half:])
    def truncate(self, size=None):
        step("fsync", ())
        return super().truncate(size)
opened = Path.open
def mortal(path, mode="r", *arguments, **keywords):
    if not set(mode) & set("wax+"):
        return opened(path, mode, *arguments, **keywords)
    raw = Mortal(str(path), mode.replace("b", ""))
    return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
def mortal_fdopen(descriptor, mode):
    return io.BufferedWriter(Mortal(descriptor, mode.replace("b", "")))
fsync = os.fsync
for line in sys.stdin:
    command, k, folder = line.split(maxsplit=2)
    child = os.fork()
    if child == 0:
        left = int(k)
        counts_reads = not command.startswith("upgrade")
        Path.open = mortal
        os.fdopen = mortal_fdopen
        sys.addaudithook(step)
        os.fsync = lambda handle: (sys.audit("fsync"), fsync(handle))
        commands[command](Path(folder.strip()))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class KilledCommands:
    """A process whose children are killed at a given step."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", DYING, str(Path(__file__).parents[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, command: str, step: int, generated: Path) -> bool:
        """Run a command up to a step, and return whether it ended before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(command, step, generated, file=self._process.stdin, flush=True)
        ended = int(self._process.stdout.readline())
        assert ended in (0, -9)
        return ended == 0


def copied(origin: Path, name: str) -> Path:
    """Return a copy of a folder of versions, next to it."""
    return Path(shutil.copytree(origin, origin.with_name(name)))


def is_new(generated: Path) -> bool:
    """Return whether the whole change is present, and check that no part of it is present otherwise."""
    document = read_document(generated)
    active, alerts = document.active(WINDOW), document.active(ALERTS)
    assert (active, alerts) in ((1, None), (2, 1))
    assert Registry(generated).policy(WINDOW)("f", 10.0, "normal") == {1: 5000, 2: 2000}[active or 0]
    assert [move.to for move in read_journal(generated) if move.policy == WINDOW][-1] == active
    return active == 2


def publish_again(generated: Path) -> None:
    """Check that the next run repairs everything."""
    publish([validated(2), validated_first(ALERTS)], generated, **SAID)
    assert is_new(generated)
    assert check_generated(generated, render) == []
    told = [(move.policy, move.from_, move.to) for move in read_journal(generated)]
    assert told == [(WINDOW, None, 1), (WINDOW, 1, 2), (ALERTS, None, 1)]


def test_a_kill_at_any_step_leaves_all_of_a_publication_or_nothing(tmp_path: Path) -> None:
    """Two policies. The next run recovers by itself and publishes."""
    origin = tmp_path / "origin"
    published(origin, 1)
    outcomes: list[bool] = []
    with KilledCommands() as dying:
        for step in range(1, 200):
            generated = copied(origin, str(step))
            ended = dying.run("publish", step, generated)
            outcomes.append(is_new(generated))
            publish_again(generated)
            if ended:
                break
    assert ended
    assert outcomes == sorted(outcomes)  # the old versions up to some step, the new ones from there on
    assert outcomes.count(False) > 40


def test_a_kill_during_recovery_is_recovered_from(tmp_path: Path) -> None:
    """Every second step of the first run with every fifth step of the second."""
    origin = tmp_path / "origin"
    published(origin, 1)
    with KilledCommands() as dying:
        for first in range(8, 60, 11):
            once = copied(origin, f"{first}")
            dying.run("publish", first, once)
            for second in range(5, 50, 12):
                twice = copied(once, f"{first}-{second}")
                dying.run("publish", second, twice)
                is_new(twice)
                publish_again(twice)


def test_a_kill_at_any_step_of_a_rollback_leaves_one_or_the_other(tmp_path: Path) -> None:
    """The journal records only changes that took effect."""
    origin = tmp_path / "origin"
    published(origin, 1, 2)
    actives: list[int | None] = []
    with KilledCommands() as dying:
        for step in range(1, 80):
            generated = copied(origin, str(step))
            ended = dying.run("rollback", step, generated)
            actives.append(read_document(generated).active(WINDOW))
            told = [move.to for move in read_journal(generated)]
            assert told == ([1, 2] if actives[-1] == 2 else [1, 2, 1])
            if ended:
                break
    assert ended
    assert actives == sorted(actives, reverse=True)  # type: ignore[type-var]
    assert set(actives) == {1, 2}


def test_a_kill_at_any_step_of_a_withdrawal_quarantines_and_moves_or_does_neither(tmp_path: Path) -> None:
    """A failed version is never both active and quarantined. The next guard repeats the withdrawal."""
    origin = tmp_path / "origin"
    published(origin, 1, 2)
    seen: list[tuple[int, bool, int]] = []
    with KilledCommands() as dying:
        for step in range(1, 80):
            generated = copied(origin, str(step))
            ended = dying.run("withdraw", step, generated)
            entry = read_document(generated).policies[WINDOW]
            told = [move.mode for move in read_journal(generated)][2:]
            seen.append((entry.active, entry.quarantined(2) is not None, len(told)))
            assert dying.run("withdraw", 10_000, generated)
            assert read_document(generated).policies[WINDOW].active == 1
            assert [move.mode for move in read_journal(generated)][2:] == ["active", "quarantine"]
            if ended:
                break
    assert ended
    assert set(seen) == {(2, False, 0), (1, True, 2)}
    assert seen == sorted(seen, reverse=True)


def test_a_kill_at_any_step_of_a_canary_starts_it_or_not(tmp_path: Path) -> None:
    """The active version answers in either case."""
    origin = tmp_path / "origin"
    published(origin, 1, 2)
    seen: list[bool] = []
    with KilledCommands() as dying:
        for step in range(1, 80):
            generated = copied(origin, str(step))
            ended = dying.run("canary", step, generated)
            entry = read_document(generated).policies[WINDOW]
            seen.append(entry.canary is not None)
            assert entry.active == 2
            assert [move.mode for move in read_journal(generated)][2:] == ["canary"] * seen[-1]
            published(generated, 3)
            after = read_document(generated).policies[WINDOW]
            assert (after.active, after.canary) == (3, None)
            if ended:
                break
    assert ended
    assert seen == sorted(seen)
    assert seen.count(False) > 20


def test_a_partial_line_at_the_end_of_the_journal_is_replaced(tmp_path: Path) -> None:
    """A kill or a power cut during a write leaves such a line."""
    published(tmp_path, 1)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"generation": 2, "fol')
    published(tmp_path, 2)
    assert [move.to for move in read_journal(tmp_path)] == [1, 2]
