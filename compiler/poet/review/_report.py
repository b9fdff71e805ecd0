"""All that a workspace has learned, as a document: versions, decisions, evidence over time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from poet.decisions import Interval, Rule
from poet.errors import PoetError
from poet.learn import imported
from poet.pipeline import summaries_until
from poet.policies import policy as spec_of
from poet.registry import read_document
from poet.review._diff import diff_document
from poet.review._document import DiffDocument, HistoryDocument, PlanDocument
from poet.review._history import MOMENTS, evidence_plots, moments, past_of
from poet.review._plan import plan_document
from poet.review._plots import Plot, Range, Ranges, ranges
from poet.review._status import history_document
from poet.review._words import against_threshold
from poet.workspace import Workspace

Progress = Callable[[str, int, int], None]  # what runs, how many of how many


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """One policy: its versions, what the active one learned, and plots."""

    policy: str
    history: HistoryDocument
    learned: DiffDocument | None  # the active version against the one that it revises
    plots: tuple[Plot, ...] = ()
    intervals: tuple[Ranges, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...], str], ...] = ()  # rule, members, evidence
    problem: str = ""

    @property
    def has_learned(self) -> bool:
        """Whether there is more to show than a preset."""
        return bool(self.learned or self.plots or self.intervals or self.groups or self.problem)


@dataclass(frozen=True, slots=True)
class Report:
    """All policies of a workspace, and what a compile would change."""

    name: str
    log_position: int
    newest: str  # event time of the newest event
    counts: tuple[tuple[str, int], ...]
    policies: tuple[PolicyReport, ...]
    plan: PlanDocument


def report_document(
    workspace: Workspace, *, count: int = MOMENTS, tell: Progress = lambda _what, _done, _of: None
) -> Report:
    """Return what a workspace has learned; the same log and versions give the same report.

    Parameters
    ----------
    workspace
        Nothing in it changes, except that segments of its log are sealed.
    count
        At how many positions of the log the learners run again.
    tell
        Is called after each run of a learner: the policy, how many runs are done, and how many there are.
    """
    plan = workspace.plan()
    segments = workspace.path / "feedback_log" / "segments"
    known = lru_cache(maxsize=None)(summaries_until(segments))
    position = plan.log_position
    whole = known(position) if position else None
    names = sorted(read_document(workspace.generated).policies)
    at = moments(position, count) if position else []
    done = 0

    def step(name: str) -> None:
        nonlocal done
        done += 1
        tell(name, done, max(done, len(names) * len(at)))

    policies = tuple(_policy(workspace, name, known, at, lambda name=name: step(name)) for name in names)  # type: ignore[misc]
    newest = datetime.fromtimestamp(whole.newest_time, UTC) if whole else None
    return Report(
        name=workspace.path.name,
        log_position=position,
        newest=f"{newest:%Y-%m-%d %H:%M:%S} UTC" if newest else "",
        counts=tuple(whole.counts.items()) if whole else (),
        policies=policies,
        plan=plan_document(plan),
    )


def _policy(
    workspace: Workspace, name: str, known: Callable[[int], Any], at: list[int], tell: Callable[[], None]
) -> PolicyReport:
    history = history_document(workspace, name)
    try:
        past = past_of(workspace, name, history.active, known, at, tell)
        learned = None
        if past.now.revises is not None:
            learned = diff_document(workspace.generated, name, past.now.revises, history.active)
    except PoetError as error:
        return PolicyReport(name, history, None, problem=str(error))
    plots = [*evidence_plots(past)]
    spec = spec_of(name)
    if at and spec.plots is not None:
        plots += imported(spec, spec.plots)(past, known(at[-1]), at)
    rules = past.now.active
    return PolicyReport(
        policy=name,
        history=history,
        learned=learned,
        plots=tuple(plots),
        intervals=tuple(found for found in _intervals(rules, learned) if found),
        groups=tuple(_groups(rules)),
    )


def _intervals(rules: tuple[Rule, ...], learned: DiffDocument | None) -> Iterator[Ranges | None]:
    """Yield precision before and after, what rules rest on, and what they save, where it is known."""
    flips = learned.against.flips if learned and learned.against else None
    if flips and flips.precision_before.n and flips.precision_after.n:
        precision = Range("precision of alerts", flips.precision_after, flips.precision_before)
        yield ranges(
            "Replay: precision before and after", [precision], x_label="share of alerts that were real"
        )
    rested: dict[str, list[Range]] = {}
    for rule in rules:
        for now, was in _pairs(rule):
            other = f", compared with {was.what}" if was is not None and was.what != now.what else ""
            rested.setdefault(now.what, []).append(Range(f"{rule.id}{other}", now, was))
    for what, found in rested.items():
        yield ranges(f"What rules rest on: {what}", found, x_label=what)
    saved = [
        Range(
            rule.id,
            Interval(
                what="saved",
                estimate=one.saving_per_1000,
                low=one.saving_low,
                high=one.saving_high,
                n=one.replayed,
            ),
        )
        for rule in rules
        if rule.evidence and (one := rule.evidence.replay)
    ]
    yield ranges("What rules save", saved, x_label="saved per 1000 executions, in units of cost")


def _pairs(rule: Rule) -> Iterator[tuple[Interval, Interval | None]]:
    if rule.evidence is None:
        return
    before = {each.what: each for each in rule.evidence.before}
    for place, now in enumerate(rule.evidence.after):
        others = rule.evidence.before
        yield now, before.get(now.what) or (others[place] if place < len(others) else None)


def _groups(rules: tuple[Rule, ...]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    for rule in rules:
        members = rule.condition.get("features")
        if rule.kind == "group" and isinstance(members, list | tuple):
            evidence = against_threshold(rule.evidence) if rule.evidence else "start"
            yield rule.id, tuple(map(str, members)), evidence
