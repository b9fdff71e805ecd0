"""Publish, activate, roll back, fail, crash and tamper in any order, and compare with a small model."""

import contextlib
import hashlib
import pkgutil
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from poet_runtime.errors import PublishError
from poet_runtime.files import atomic_write, lock
from poet_runtime.registry import (
    Change,
    PolicyEntry,
    Registry,
    Timers,
    VersionEntry,
    activate,
    is_on_canary,
    on_trial,
    read_document,
    read_journal,
    release,
    rollback,
    with_active_version,
)

PROVENANCE: dict[str, Any] = {"who": "user/ana", "why": "a test", "at": "2026-01-01T00:00:00+00:00"}
SOURCE = """VERSION = {number}


def one(feature="", fails=(), spend=None) -> int:
    if VERSION in fails:
        raise OSError(VERSION)
    if spend is not None:
        spend.by(VERSION)
    return VERSION
"""
SHARE = 0.5
FEATURES = ("age", "income", "city")
STEPS = (
    "poet_runtime.registry.changes.fsync_directory",
    "poet_runtime.registry.changes.atomic_write",
    "poet_runtime.files._replace",
    "poet_runtime.registry.changes.fsync_directory",
)


class Crash(BaseException):
    """A simulated end of the process."""


class Spending:
    """Clocks, and an argument that advances them by two seconds for one version."""

    def __init__(self) -> None:
        self.seconds, self.slow = 0.0, 0
        self.timers = Timers(wall=lambda: self.seconds, cpu=lambda: self.seconds)

    def by(self, version: int) -> None:
        """Advance the time for a version."""
        self.seconds += 2.0 if version == self.slow else 0.001


@dataclass
class Model:
    """The expected state."""

    active: int = 0
    previous: int | None = None
    canary: int | None = None
    shadow: int | None = None
    versions: list[int] = field(default_factory=list)
    quarantined: set[int] = field(default_factory=set)
    slow: set[int] = field(default_factory=set)
    tampered: set[int] = field(default_factory=set)
    answering: int = 0  # in the process of the registry under test

    def move(self, number: int) -> None:
        """Activate a version."""
        if number != self.active:
            self.active, self.previous = number, self.active or None
        self.canary = self.shadow = None
        self.slow.discard(number)


class RegistryMachine(RuleBasedStateMachine):
    """One long-lived registry, while its folder is changed."""

    numbers: ClassVar[Any] = st.integers(1, 4)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="poet-machine-"))
        self.model = Model()
        self.publish()
        self.spending = Spending()
        self.registry = Registry(self.folder, timers=self.spending.timers)
        self.one = self.registry.policy("one")

    def teardown(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)

    @precondition(lambda self: len(self.model.versions) < 4)
    @rule()
    def publish(self) -> None:
        """Publish the next version, active immediately."""
        number = len(self.model.versions) + 1
        source = SOURCE.format(number=number).encode()
        manifest = msgspec.json.encode(
            {"policy": "one", "version": number, "source_sha256": hashlib.sha256(source).hexdigest()}
        )
        entry = VersionEntry(
            module=f"one_v{number}.py",
            sha256=hashlib.sha256(source).hexdigest(),
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        )
        with lock(self.folder, timeout_s=1.0):
            change = Change(self.folder, **PROVENANCE)
            atomic_write(self.folder / f"one_v{number}.json", manifest)
            atomic_write(self.folder / entry.module, source)
            known = change.before.policies.get("one")
            if known is None:
                after = PolicyEntry(active=number, previous=None, versions={str(number): entry})
            else:
                added = msgspec.structs.replace(known, versions=known.versions | {str(number): entry})
                after = with_active_version(added, number)
            change.commit_one("one", after)
        self.model.versions.append(number)
        self.model.move(number)
        self.model.answering = self.model.answering or number

    def _is_fit(self, number: int | None) -> bool:
        return number in self.model.versions and number not in self.model.tampered

    @rule(number=numbers, despite=st.booleans())
    def activate(self, number: int, *, despite: bool) -> None:
        """Activate a version, quarantined or not."""
        allowed = self._is_fit(number) and (despite or number not in self.model.quarantined)
        if self._is_done(
            allowed, lambda: activate(self.folder, "one", number, **PROVENANCE, despite_quarantine=despite)
        ):
            self.model.quarantined.discard(number)
            self.model.move(number)

    @rule()
    def roll_back(self) -> None:
        """End the canary, or activate the previous version."""
        model = self.model
        to = model.previous
        allowed = model.canary is not None or (self._is_fit(to) and to not in model.quarantined)
        if self._is_done(allowed, lambda: rollback(self.folder, "one", **PROVENANCE)):
            if model.canary is not None:
                model.canary = None
            elif to is not None:
                model.move(to)

    @rule(number=numbers)
    def canary(self, number: int) -> None:
        """Start a canary for half of the features."""
        allowed = self._is_fit(number) and number not in {self.model.active, *self.model.quarantined}

        def put() -> None:
            on_trial(self.folder, "one", number, mode="canary", share=SHARE, **PROVENANCE)

        if self._is_done(allowed, put):
            self.model.canary = number

    @rule(number=numbers)
    def shadow(self, number: int) -> None:
        """Start a shadow, which changes no answer."""
        allowed = self._is_fit(number) and number != self.model.active

        def put() -> None:
            on_trial(self.folder, "one", number, mode="shadow", share=1.0, **PROVENANCE)

        if self._is_done(allowed, put):
            self.model.shadow = number

    @rule(number=numbers)
    def release(self, number: int) -> None:
        """Release a version."""
        allowed = number in self.model.quarantined
        if self._is_done(allowed, lambda: release(self.folder, "one", number, **PROVENANCE)):
            self.model.quarantined.discard(number)

    @rule(number=numbers, suffix=st.sampled_from([".py", ".json"]))
    def tamper(self, number: int, suffix: str) -> None:
        """Change a file: processes that have it in memory continue, and no process loads it again."""
        path = self.folder / f"one_v{number}{suffix}"
        if path.exists() and number != self.model.active and number not in self.model.tampered:
            self._settle()
            path.write_bytes(path.read_bytes() + b" ")
            self.model.tampered.add(number)

    @rule(number=numbers)
    def restore(self, number: int) -> None:
        """Restore both files from version control."""
        if number in self.model.tampered:
            for suffix in (".py", ".json"):
                path = self.folder / f"one_v{number}{suffix}"
                path.write_bytes(path.read_bytes().rstrip(b" "))
            self.model.tampered.discard(number)

    @rule(number=numbers, step=st.sampled_from(STEPS), skip=st.integers(0, 1))
    def crash_while_activating(self, number: int, step: str, skip: int) -> None:
        """Crash before one of the writes: the change is complete or missing."""
        left = skip
        real = pkgutil.resolve_name(step)

        def dying(*arguments: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Crash
            left -= 1
            return real(*arguments)

        before = read_document(self.folder)
        # after a crash or a refusal, the folder has the state of the model or the complete change
        with contextlib.suppress(Crash, PublishError), mock.patch(step, dying):
            activate(self.folder, "one", number, **PROVENANCE)
        after = read_document(self.folder)
        if after != before:
            assert after.policies["one"].active == number
            self.model.move(number)

    @rule()
    def fail_in_production(self) -> None:
        """Fail in every call: the previous version answers, and the active one is withdrawn."""
        failed, to = self.model.active, self._guarding()
        if to is None:
            return
        for _ in range(5):
            assert self.one(fails=(failed,)) == to
        self._withdraw(to)
        self.model.quarantined.add(failed)

    @rule()
    def be_slow_in_production(self) -> None:
        """Be far slower: the previous version is activated, and nothing is quarantined."""
        slow, to = self.model.active, self._guarding()
        if to is None:
            return
        self.spending.slow = slow
        for _ in range(50):
            if self.one(spend=self.spending) == to:
                break
        assert self.one() == to
        self._withdraw(to)
        self.model.slow.add(slow)

    def _guarding(self) -> int | None:
        """Return the version that guards the active one; None if there is none or it must not answer."""
        model = self.model
        self._settle()
        assert read_document(self.folder).policies["one"].active == model.active
        is_newer = model.previous is not None and model.previous < model.active
        if not is_newer or model.previous in model.quarantined | model.tampered or model.canary is not None:
            return None
        return model.previous

    def _withdraw(self, to: int) -> None:
        model = self.model
        out = model.quarantined | model.slow
        older = [each for each in model.versions if each < to and each not in out]
        model.active, model.previous = to, max(older, default=None)
        model.canary = model.shadow = None

    def _is_done(self, allowed: bool, act: Any) -> bool:  # noqa: FBT001 -- the two always stand together
        if allowed:
            act()
            return True
        before = read_document(self.folder)
        try:
            act()
        except PublishError:
            assert read_document(self.folder) == before
            return False
        raise AssertionError("this should have been refused")

    def _settle(self) -> None:
        self.registry.refresh()
        self.model.answering = self.model.active

    @invariant()
    def calls_are_answered_as_in_the_model(self) -> None:
        """Check that the active version answers, or the canary for its features."""
        self._settle()
        for feature in FEATURES:
            canary = self.model.canary
            is_canary = canary is not None and is_on_canary("one", canary, feature, "", SHARE)
            assert self.one(feature) == (canary if is_canary else self.model.active)

    @invariant()
    def the_file_has_the_state_of_the_model(self) -> None:
        """Check the file after every step and crash, and that the journal leads to the same state."""
        entry = read_document(self.folder).policies["one"]
        model = self.model
        assert (entry.active, entry.previous) == (model.active, model.previous)
        trials = [None if each is None else each.version for each in (entry.canary, entry.shadow)]
        assert trials == [model.canary, model.shadow]
        assert {each for each in model.versions if entry.quarantined(each)} == model.quarantined
        assert {each for each in model.versions if entry.slowness(each)} == model.slow
        answered = [move.to for move in read_journal(self.folder) if move.mode == "active"]
        assert answered[-1] == model.active


RegistryMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
test_registry_machine = RegistryMachine.TestCase
