"""`Workspace`: the public interface to a folder with poet.toml, templates, generated and feedback_log."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec

from poet.build.manifest import Version
from poet.build.publish import ATTRIBUTES, Difference, check_generated
from poet.build.render import RenderedModule
from poet.events import Event, make, new_id
from poet.log import BufferedLog, open_log
from poet.spec import policies
from poet.spec import policy as spec_of
from poet.spec.decisions import Decisions
from poet.workspace import compile_lock, edits, overrides, pipeline
from poet.workspace import plan as saved_plan
from poet.workspace import upgrade as upgrades
from poet.workspace.configuration import Configuration, EngineName, initial_text, read_configuration
from poet.workspace.overrides import Override
from poet.workspace.pipeline import Plan
from poet.workspace.plan import verify
from poet.workspace.recording import Recorder
from poet_runtime.errors import EditError, LearnError, WorkspaceError
from poet_runtime.registry import Policy, Registry, activate, on_trial, release, rollback
from poet_runtime.results import DriftResult

FIRST_MAX_EXAMPLES: Final = (
    25  # examples per property for version 1, which the package's own tests check with many more
)
IGNORED: Final = "*\n!.gitignore\n"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a compile: the plan it applied, and the new versions by policy."""

    plan: Plan
    versions: Mapping[str, int]


class Workspace:
    """A workspace: records executions, accepts feedback, plans, compiles and serves versions.

    Parameters
    ----------
    path
        The folder; `create` makes a new one, `open` opens an existing one.
    clock
        Returns seconds since 1970; a simulation passes its own.
    new_execution_id
        Returns execution ids; random by default.
    who
        The author of changes to versions, such as ``user/ana``; by default the user who runs the process.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Callable[[], float] = time.time,
        new_execution_id: Callable[[], str] = new_id,
        who: str = "",
    ) -> None:
        self.path = path = Path(path)
        self.who = who or _who()
        self.generated = path / "generated"
        self.configuration: Configuration = read_configuration(path / "poet.toml")
        self.clock = clock
        store = self.configuration.store
        self.log: BufferedLog = open_log(
            store.address or path / "feedback_log", capacity=store.capacity, on_full=store.on_full
        )
        self._recorder = Recorder(
            self.log,
            source=self.configuration.source,
            audit_rate=self.configuration.learn.audit_rate,
            clock=clock,
            new_id=new_execution_id,
        )
        self.registry = Registry(self.generated, on_result=self._recorder, clock=clock)
        self._listeners: tuple[Callable[[Event], None], ...] = ()

    @classmethod
    def open(
        cls,
        path: str | Path = ".",
        *,
        clock: Callable[[], float] = time.time,
        new_execution_id: Callable[[], str] = new_id,
        who: str = "",
    ) -> Self:
        """Open the workspace in a folder.

        Raises
        ------
        WorkspaceError
            The folder is not a workspace, or its poet.toml is invalid.
        """
        return cls(Path(path).resolve(), clock=clock, new_execution_id=new_execution_id, who=who)

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        start: str = "calibrated",
        clock: Callable[[], float] = time.time,
        new_execution_id: Callable[[], str] = new_id,
        progress: pipeline.Progress = lambda _stage: None,
    ) -> Self:
        """Create a workspace with version 1 of every policy.

        Raises
        ------
        WorkspaceError
            The folder is a workspace already, or `start` is unknown.
        """
        folder = Path(path).resolve()
        starts = [start for spec in policies() if len(spec.starts) > 1 for start in spec.starts]
        if start not in starts:
            raise WorkspaceError(f"unknown start {start!r}; choose one of {', '.join(starts)}")
        if (folder / "poet.toml").exists():
            raise WorkspaceError(f"{folder} is a workspace already; open it, or choose another folder")
        for name in ("templates", "generated", "feedback_log"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "feedback_log" / ".gitignore").write_text(IGNORED, encoding="utf-8", newline="\n")
        (folder / "generated" / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8", newline="\n")
        pipeline.apply(
            pipeline.first_versions(start),
            folder / "generated",
            templates=None,
            who=_who(),
            why=f"start = {start}",
            at=_at(clock),
            max_examples=FIRST_MAX_EXAMPLES,
            progress=progress,
        )
        (folder / "poet.toml").write_text(initial_text(start=start), encoding="utf-8", newline="\n")
        return cls(folder, clock=clock, new_execution_id=new_execution_id)

    def emit(
        self,
        type: str,  # noqa: A002 -- CloudEvents' own word
        data: Mapping[str, object],
        *,
        source: str | None = None,
        time: float | str | datetime | None = None,
        id: str | None = None,  # noqa: A002
        subject: str | None = None,
        durable: bool = False,
    ) -> Event:
        """Append one event and return it; a refused event raises `EventError` and changes nothing."""
        event = make(
            type,
            data,
            source=source or self.configuration.source,
            time=time,
            id=id,
            subject=subject,
            now=self.clock,
        )
        self.append(event, durable=durable)
        return event

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Append an existing event; one that is already in the log changes nothing."""
        self.log.append([event], durable=durable)
        for listener in self._listeners:
            listener(event)

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Register a listener for events appended by this object; return the function that removes it."""
        self._listeners = (*self._listeners, listener)

        def end() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return end

    def policy(self, name: str) -> Policy:
        """Return the stable callable of a policy; its answers are recorded."""
        return self.registry.policy(name)

    def record(
        self, policy: str, arguments: Mapping[str, Any], result: Any, *, when: float | None = None
    ) -> Any:
        """Record an answer from outside POET as an execution of a policy; return it with its id.

        `when` is the time of the answer in seconds since 1970; the default is now. Only answers about drift
        may be older.
        """
        return self._recorder(policy, arguments, result, when=when)

    def last_execution_id(self) -> str:
        """Return the id of the last execution that was recorded in this thread or task.

        Feedback cites it. An answer with a field `execution_id` contains it as well; a plain number does not.
        """
        return self._recorder.last_execution_id()

    def detect_drift_table(self, current: Any, reference: Any, **keywords: Any) -> dict[str, DriftResult]:
        """Run `detect_drift` over the columns of two tables, one recorded result each, on one version."""
        from poet_runtime.drift.table import detect_drift_table  # noqa: PLC0415 -- only needed for tables

        with self.pin():
            detect: Any = self.policy("detect_drift")
            return detect_drift_table(detect, current, reference, **keywords)

    def pin(self) -> AbstractContextManager[None]:
        """Pin the active versions for all calls inside the context."""
        return self.registry.pin()

    def plan(
        self, policies: Iterable[str] = (), *, until: int | None = None, engine: EngineName | None = None
    ) -> Plan:
        """Return what a compile would do; write no version, only sealed segments of the log.

        The first time that a long log is not read from its start, an event records where reading began.

        With `until`, the plan is made as if the log ended at this position. `engine` replaces the configured
        engine.
        """
        self._recorder.flush()
        choice = self.configuration.engine
        if engine:
            choice = msgspec.structs.replace(choice, name=engine)
        segments = self.path / "feedback_log" / "segments"
        summaries = pipeline.summaries_of(self.log, segments, until=until, engine=choice)
        return pipeline.plan(
            self.generated,
            summaries,
            self.configuration.learn,
            policies,
            start=self.configuration.start,
            templates=self.path / "templates",
            who=self.who,
            at=_at(self.clock),
        )

    def compile(
        self,
        policies: Iterable[str] = (),
        *,
        plan_file: Path | None = None,
        allow_new_events: bool = False,
        activate: bool = True,
        rollout: pipeline.Mode | None = None,
        share: float = 0.1,
        engine: EngineName | None = None,
        progress: pipeline.Progress = lambda _stage: None,
    ) -> Report:
        """Plan, then render, check, validate, publish and activate what changed.

        Modules that are missing, or that have other line endings after a checkout, are restored as published.

        `plan_file` is a saved plan: it is applied exactly, or refused if anything has changed since. With
        `allow_new_events` the log may have grown: the plan is made again at its own log position.

        With `rollout` the new versions run as a shadow or a canary on this share instead of being activated.

        Raises
        ------
        PoetError
            The subclass of the stage that refused; the active versions do not change.
        """
        edits.restore_modules(self.generated)
        planned = (
            self.plan(policies, engine=engine)
            if plan_file is None
            else self._saved_plan(plan_file, allow_new_events=allow_new_events)
        )
        versions: tuple[Version, ...] = ()
        if planned.changes:
            for each in planned.changes if rollout == "canary" else ():
                self.registry.require_sides(each.policy)
            versions = pipeline.apply(
                planned.changes,
                self.generated,
                templates=self.path / "templates",
                who=self.who,
                why=f"learned from feedback up to log position {planned.log_position}",
                at=_at(self.clock),
                activate=activate,
                counterexamples=self.path / "feedback_log" / "counterexamples",
                rollout=rollout,
                share=share,
                progress=progress,
            )
            self.registry.refresh()
            self._emit_adjustments(planned)
        covered = len(planned.policies) + len(planned.skipped)
        if covered == len(
            self.registry.names()
        ):  # not if only some policies were compiled: the others are still due
            compile_lock.save_checkpoint(self.path, planned.log_position)
        return Report(planned, {version.policy: version.number for version in versions})

    def saved(self, plan: Plan) -> bytes:
        """Return a plan as the content of a file for `compile`."""
        return saved_plan.encode(saved_plan.saved(plan, self._render()))

    def _saved_plan(self, path: Path, *, allow_new_events: bool) -> Plan:
        saved = saved_plan.read_plan(path)
        until = min(saved.log_position, self.log.position()) if allow_new_events else None
        now = self.plan([each.policy for each in saved.policies], until=until)
        if reasons := list(saved_plan.stale_reasons(saved, now, self._render())):
            raise LearnError(
                f"{path} is out of date: {'; '.join(reasons)}. Run `poet plan` again and review the new plan"
            )
        return now

    def _render(self) -> Callable[[Decisions], RenderedModule]:
        return pipeline.render_in(self.path / "templates")

    def overrides(self) -> tuple[Override, ...]:
        """Return the pins and vetoes in effect."""
        stored = overrides.current_overrides(overrides.read_overrides(self.generated))
        return tuple(each for each in stored.values() if each.action != "release")

    def pin_rule(
        self, policy: str, rule: str, *, values: Mapping[str, object] | None = None, why: str = ""
    ) -> None:
        """Pin a rule, optionally with other parameters; the next compile applies it.

        Raises
        ------
        EditError
            The active version has no such rule, or the values are not valid for it.
        """
        override = edits.pin_override(
            self.generated,
            policy,
            rule,
            values or {},
            self._render(),
            who=self.who,
            at=_at(self.clock),
            why=why,
        )
        overrides.append(self.generated, [override])

    def veto_rule(self, policy: str, rule: str, *, why: str = "") -> None:
        """Veto a rule until it is released; the next compile removes it."""
        spec_of(policy)
        self._append_override(policy, rule, "veto", why)

    def release_rule(self, policy: str, rule: str, *, why: str = "") -> None:
        """Remove a pin or a veto.

        Raises
        ------
        EditError
            The rule has neither a pin nor a veto.
        """
        known = {(each.policy, each.rule) for each in self.overrides()}
        if (policy, rule) not in known:
            named = ", ".join(f"{name} {each}" for name, each in sorted(known)) or "none"
            raise EditError(f"{rule} of {policy} is neither pinned nor vetoed; pinned or vetoed are: {named}")
        self._append_override(policy, rule, "release", why)

    def _append_override(self, policy: str, rule: str, action: Literal["veto", "release"], why: str) -> None:
        override = Override(
            policy=policy, rule=rule, action=action, who=self.who, when=_at(self.clock), why=why
        )
        overrides.append(self.generated, [override])

    def verify(self, policy: str, version: int) -> str:
        """Relearn a version from its log prefix; return the first difference, empty if there is none."""
        upgrades.require_current(self.generated, policy, version)
        segments = self.path / "feedback_log" / "segments"
        pipeline.summaries_of(self.log, segments)
        return verify(self.generated, policy, version, pipeline.summaries_until(segments), self._render())

    def _emit_adjustments(self, plan: Plan) -> None:
        for each in plan.changes:
            for type_, data, source, identity in edits.adjustments(each.champion, each.edits, each.overrides):
                self.emit(type_, data, source=source, id=identity)

    def check(self) -> list[Difference]:
        """Return which generated files do not match their manifests."""
        return check_generated(self.generated, self._render())

    def upgrade(self, *, is_check: bool = False) -> upgrades.Upgrade:
        """Render the published versions again with the templates of this release, decisions unchanged.

        With `is_check` nothing is written. The result lists what cannot be rendered and is left unchanged.

        Raises
        ------
        PublishError
            A module was edited, or a manifest is damaged. Nothing was written.
        """
        found = upgrades.upgrade(
            self.generated,
            self._render(),
            who=self.who,
            at=_at(self.clock),
            is_check=is_check,
            counterexamples=self.path / "feedback_log" / "counterexamples",
        )
        if not is_check:
            self.registry.refresh()
        return found

    def activate(
        self,
        policy: str,
        version: int,
        *,
        why: str = "activated by hand",
        despite_quarantine: bool = False,
    ) -> None:
        """Activate a published version; a running shadow or canary ends."""
        activate(
            self.generated,
            policy,
            version,
            who=self.who,
            why=why,
            at=_at(self.clock),
            despite_quarantine=despite_quarantine,
        )
        self.registry.refresh()

    def shadow(self, policy: str, version: int, *, share: float = 0.1, why: str = "shadow by hand") -> None:
        """Run a published version as a shadow on a share of the calls; a shadow never answers."""
        self._on_trial("shadow", policy, version, share=share, why=why)

    def canary(
        self,
        policy: str,
        version: int,
        *,
        share: float = 0.1,
        why: str = "canary by hand",
        despite_quarantine: bool = False,
    ) -> None:
        """Run a published version as a canary: it answers for a share of the features."""
        self.registry.require_sides(policy)
        self._on_trial("canary", policy, version, share=share, why=why, despite_quarantine=despite_quarantine)

    def _on_trial(
        self,
        mode: pipeline.Mode,
        policy: str,
        version: int,
        *,
        share: float,
        why: str,
        despite_quarantine: bool = False,
    ) -> None:
        on_trial(
            self.generated,
            policy,
            version,
            mode=mode,
            share=share,
            who=self.who,
            why=why,
            at=_at(self.clock),
            despite_quarantine=despite_quarantine,
        )
        self.registry.refresh()

    def release(self, policy: str, version: int, *, why: str = "released by hand") -> None:
        """Release a quarantined version, so that it may be proposed and activated again."""
        release(self.generated, policy, version, who=self.who, why=why, at=_at(self.clock))
        self.registry.refresh()

    def rollback(self, policy: str, *, why: str = "rolled back by hand") -> int:
        """Activate the previous version, or end a canary; return the version that is active then."""
        number = rollback(self.generated, policy, who=self.who, why=why, at=_at(self.clock))
        self.registry.refresh()
        return number

    def flush(self) -> None:
        """Block until everything recorded and emitted so far is on disk."""
        self.registry.flush()
        self._recorder.flush()
        self.log.flush()

    def close(self) -> None:
        """Flush and close the log; closing twice has no effect."""
        self.registry.flush()
        self._recorder.close()
        self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _who() -> str:
    return f"user/{os.environ.get('USER') or os.environ.get('LOGNAME') or 'unknown'}"


def _at(clock: Callable[[], float]) -> str:
    return datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
