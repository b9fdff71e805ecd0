"""The compile pipeline: summaries → decisions → source → checked → validated → published.

Each function is one step. The pipeline itself makes no decisions.
"""

import importlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from poet.build.compare import Against, compare
from poet.build.gates import ValidatedModule
from poet.build.manifest import Version, module_name, read_manifest
from poet.build.publish import publish, published_manifest, published_source
from poet.build.render import RenderedModule, render
from poet.build.validate import validate
from poet.events import make
from poet.learning.configuration import LearnConfiguration
from poet.learning.costs import CostEstimate, learned_costs
from poet.learning.learn import learn, replay
from poet.spec import PolicySpec, policies, policy
from poet.spec.decisions import Decisions, Rule
from poet.workspace.configuration import Engine
from poet.workspace.edits import Edit, manual_edits, with_overrides
from poet.workspace.overrides import Override, amend, append, read_overrides
from poet.workspace.upgrade import require_current
from poet_runtime.errors import EditError, LearnError, PluginError, PublishError, RenderError
from poet_runtime.files import atomic_write, lock
from poet_runtime.registry import PolicyEntry, RegistryDocument, read_document

if TYPE_CHECKING:
    from poet.build.check import CheckedModule
    from poet.log import FeedbackLog
    from poet.summaries import Summaries


EMBEDDED: Final = Engine()
WORKERS: Final = 2
LOCK_TIMEOUT_S: Final = 30.0
Progress = Callable[[str], None]
Mode = Literal["shadow", "canary"]


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """The effect of a compile on one policy."""

    champion: Decisions
    decisions: Decisions
    is_first: bool = False  # the policy was installed after the last compile: its version 1
    refused: str = ""  # why this must not become a version (again)
    against: Against | None = None  # how the new version behaves differently from the champion
    champion_source: str = ""
    source: str = ""  # of the new version
    edits: tuple[Edit, ...] = ()  # what a person changed in the champion's module
    overrides: tuple[Override, ...] = ()  # the overrides that these edits express, to be added to the others

    @property
    def policy(self) -> str:
        """Return the policy's name."""
        return self.decisions.policy

    @property
    def is_change(self) -> bool:
        """Return whether there would be a new version."""
        return not self.refused and (self.is_first or not self.decisions.behaves_as(self.champion))

    def with_status(self, *statuses: str) -> tuple[Rule, ...]:
        """Return the rules that have one of these statuses now and were different or inactive before."""
        before = {rule.id: rule for rule in self.champion.active}
        return tuple(
            rule for rule in self.decisions.rules if rule.status in statuses and before.get(rule.id) != rule
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The effect of a compile."""

    policies: tuple[PolicyPlan, ...]
    log_position: int
    costs: tuple[CostEstimate, ...] = ()  # the costs that the plan was made with
    skipped: Mapping[str, str] = field(default_factory=dict)  # policies, and why

    @property
    def changes(self) -> tuple[PolicyPlan, ...]:
        """Return the policies that would get a new version."""
        return tuple(each for each in self.policies if each.is_change)

    @property
    def _offered(self) -> tuple[PolicyPlan, ...]:
        return tuple(each for each in self.policies if not each.refused)

    @property
    def adopted(self) -> tuple[Rule, ...]:
        """Return the rules that would be adopted or changed."""
        return tuple(rule for each in self._offered for rule in each.with_status("adopted", "pinned"))

    @property
    def candidates(self) -> tuple[Rule, ...]:
        """Return the candidates without enough evidence, nearest to adoption first in each policy."""
        return tuple(
            rule for each in self.policies for rule in each.decisions.rules if rule.status == "candidate"
        )

    @property
    def retired(self) -> tuple[Rule, ...]:
        """Return the rules that would be retired because their evidence turned."""
        return tuple(rule for each in self._offered for rule in each.with_status("retired"))


def summaries_of(
    log: "FeedbackLog", folder: Path, *, until: int | None = None, engine: Engine = EMBEDDED
) -> "Summaries":
    """Seal the new part of the log and summarize the log up to position `until`.

    The first time that this does not begin at the start of a long log, an event records where it began.
    """
    from poet.summaries import open_engine, seal, summarise  # noqa: PLC0415 -- takes a second; only learning needs it

    log.flush()
    seal(log, folder)
    with open_engine(folder, engine.name, engine.master) as opened:
        summaries = summarise(folder, until=until, engine=opened)
    if not summaries.is_start_recorded and until is None:
        started = make(
            "learning.epoch_started",
            {"epoch": summaries.first_epoch},
            source="poet",
            id="learning.epoch_started",
        )
        log.append([started], durable=True)
    return summaries


def summaries_until(folder: Path) -> Callable[[int], "Summaries"]:
    """Return a function that summarizes a sealed log up to a position."""
    from poet.summaries import summarise  # noqa: PLC0415 -- takes a second; only learning needs it

    return lambda until: summarise(folder, until=until)


def plan(
    generated: Path,
    summaries: "Summaries",
    configuration: LearnConfiguration,
    names: Iterable[str] = (),
    *,
    start: str = "",
    templates: Path | None = None,
    who: str = "user/unknown",
    at: str = "",
) -> Plan:
    """Run the learners of these policies (default: of all that are published or installed).

    A policy that is not published yet begins at `start`. Policies whose package is broken or missing, or
    whose module has an edit that cannot be interpreted, are skipped unless they are named. `who` and `at`
    are recorded for edits where git provides no author.
    """
    costs, spent = learned_costs(summaries, configuration)
    costed = msgspec.structs.replace(configuration, costs=costs)
    document = read_document(generated)
    rendering, overrides = render_in(templates), read_overrides(generated)
    named = sorted(names)
    found: list[PolicyPlan] = []
    skipped: dict[str, str] = {}
    for name in named or sorted({*document.policies, *(spec.name for spec in policies())}):
        try:
            if (active := document.active(name)) is not None:
                require_current(generated, name, active)
            edits, new = manual_edits(name, document, generated, _overriding(templates), who, at)
            planned = _planned(name, document, generated, summaries, costed, start, (*overrides, *new))
            planned = replace(planned, edits=edits, overrides=new)
            found.append(_compared(planned, generated, summaries, costed, rendering))
        except (EditError, LearnError, PluginError, PublishError, RenderError) as error:
            if named:
                raise
            skipped[name] = str(error)
    return Plan(tuple(found), summaries.log_position, spent, skipped)


def _planned(
    name: str,
    document: RegistryDocument,
    generated: Path,
    summaries: "Summaries",
    configuration: LearnConfiguration,
    start: str,
    overrides: Sequence[Override] = (),
) -> PolicyPlan:
    spec, active = policy(name), document.active(name)
    if active is None:
        return first_versions(start, [spec])[0]
    entry = document.policies[name]
    champion = published_manifest(generated, name, active).decisions
    decided = learn(spec, summaries, amend(champion, overrides), with_overrides(configuration, overrides))
    decided = _numbered(decided, champion, max(map(int, entry.versions)))
    refused = "" if decided.behaves_as(champion) else _refused(decided, entry, generated)
    return PolicyPlan(champion, decided, refused=refused)


def _refused(decided: Decisions, entry: PolicyEntry, generated: Path) -> str:
    """Return which version with these decisions was withdrawn or is on trial; empty if none."""
    reasons = {
        number: f"quarantined by {quarantine.who} since {quarantine.when}: {quarantine.why}; "
        f"`poet release {decided.policy} {number}` lets it be offered again"
        for number in sorted(map(int, entry.versions))
        if (quarantine := entry.quarantined(number)) is not None
    }
    for number in sorted(map(int, entry.versions)):
        if (found := entry.slowness(number)) is not None:
            reasons.setdefault(
                number,
                f"set aside as slow by {found.who} since {found.when}: {found.why}; "
                f"`poet activate {decided.policy} {number}` lets it answer again",
            )
    for mode, trial in (("canary", entry.canary), ("shadow", entry.shadow)):
        if trial is not None:
            reasons.setdefault(trial.version, f"on trial as a {mode} since {trial.since}")
    for number, reason in reasons.items():
        if read_manifest(generated, decided.policy, number).decisions.behaves_as(decided):
            return f"it would be version {number} again, which is {reason}"
    return ""


def _checked(rendered: RenderedModule) -> "CheckedModule":
    from poet.build.check import check  # noqa: PLC0415 -- importing libcst is slow; only changes need it

    return check(rendered)


def _compared(
    planned: PolicyPlan,
    generated: Path,
    summaries: "Summaries",
    configuration: LearnConfiguration,
    rendering: Callable[[Decisions], RenderedModule],
) -> PolicyPlan:
    """Compare a new version with the champion: on every input, and on the recorded executions."""
    if planned.is_first:
        return replace(planned, source=_checked(rendering(planned.decisions)).rendered.source)
    if not planned.is_change:
        return planned
    spec, champion, decisions = policy(planned.policy), planned.champion, planned.decisions
    try:
        source = published_source(generated, planned.policy, champion.version)
    except PublishError:  # an edited module whose manifest contains no source
        source = rendering(champion).source
    comparison, new = None, _checked(rendering(decisions)).rendered.source
    if spec.behaviour:
        comparison = compare(source, new, importlib.import_module(spec.behaviour).BEHAVIOUR)
    flips = replay(spec, summaries, champion, decisions, configuration)
    return replace(
        planned,
        refused=flips.refusal if flips else "",
        champion_source=source,
        source=new,
        against=Against(version=champion.version, comparison=comparison, flips=flips),
    )


def _numbered(decided: Decisions, champion: Decisions, newest: int) -> Decisions:
    """Set the number of decisions: the champion's, or the next free one if they behave differently.

    The learner may have started from amended decisions, and after a rollback the champion is not the newest.
    """
    if decided.behaves_as(champion):
        return msgspec.structs.replace(decided, version=champion.version, revises=champion.revises)
    return msgspec.structs.replace(decided, version=newest + 1, revises=champion.version)


def render_in(templates: Path | None) -> Callable[[Decisions], RenderedModule]:
    """Return the renderer of a workspace with these template overrides."""
    overrides = _overriding(templates)
    return lambda decisions: render(decisions, overrides=overrides)


def _overriding(templates: Path | None) -> Path | None:
    """Return the folder if it contains any templates."""
    return templates if templates is not None and any(templates.glob("*.jinja")) else None


def first_versions(start: str, specs: Sequence[PolicySpec] | None = None) -> tuple[PolicyPlan, ...]:
    """Return version 1 of every policy; a policy that does not know `start` uses its own default."""
    first = (
        spec.version_1(start if start in spec.starts else spec.starts[0]) for spec in specs or policies()
    )
    return tuple(PolicyPlan(each, each, is_first=True) for each in first)


def apply(
    changes: Sequence[PolicyPlan],
    generated: Path,
    *,
    templates: Path | None,
    who: str,
    why: str,
    at: str,
    activate: bool = True,
    rollout: Mode | None = None,
    share: float = 0.1,
    max_examples: int = 100,
    counterexamples: Path | None = None,
    progress: Progress = lambda _stage: None,
) -> tuple[Version, ...]:
    """Render, check, validate and publish; publish nothing unless everything passes.

    `counterexamples` is the folder of inputs on which candidates failed; later candidates run them first.

    Raises
    ------
    PoetError
        The subclass of the stage that refused.
    """
    rendering = render_in(templates)
    checked = [_checked(rendering(each.decisions)) for each in changes]
    progress("rendered and checked")
    with tempfile.TemporaryDirectory(prefix="poet-staging-") as staging, ThreadPoolExecutor(WORKERS) as pool:

        def prove(index: int) -> ValidatedModule:
            validated = validate(
                checked[index],
                staging=Path(staging),
                effort=max_examples,
                counterexamples=counterexamples,
                champion=changes[index].champion_source,
            )
            progress(f"{changes[index].policy} keeps its contract")
            return validated

        validated = list(pool.map(prove, range(len(checked))))
    against = {each.policy: each.against for each in changes if each.against}
    # before the versions, so that a kill loses no override
    append(generated, [override for each in changes for override in each.overrides])
    versions = publish(
        validated,
        generated,
        who=who,
        why=why,
        at=at,
        activate=activate,
        trial=rollout,
        share=share,
        against=against,
    )
    for each in changes:
        if each.edits:  # the new version contains the edit; the old one is restored as published
            name = f"{module_name(each.policy, each.champion.version)}.py"
            with lock(generated, timeout_s=LOCK_TIMEOUT_S):
                atomic_write(generated / name, rendering(each.champion).source.encode())
    return versions
