"""What a report holds, brought together: versions, decisions, evidence over time, what a rule is about."""

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
from poet.report._history import MOMENTS, evidence_plots, moments, past_of
from poet.report._plots import Plot, Range, Ranges, ranges
from poet.review import Section, Sheet, diff_sheet, history_document, plan_sheet
from poet.workspace import Workspace

__all__ = ["Found", "OfPolicy", "gather"]

Told = Callable[[str, int, int], None]  # what is done, how many of how many


@dataclass(frozen=True, slots=True)
class OfPolicy:
    """One policy: its versions, what the one in force learned, and plots."""

    policy: str
    history: dict[str, Any]
    learned: Section | None  # the version in force against the one that it revises
    plots: tuple[Plot, ...] = ()
    intervals: tuple[Ranges, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...], str], ...] = ()  # rule, members, on what evidence
    problem: str = ""

    @property
    def has_learned(self) -> bool:
        """Whether there is more to tell than that the start decides."""
        return bool(self.learned or self.plots or self.intervals or self.groups or self.problem)


@dataclass(frozen=True, slots=True)
class Found:
    """All of it."""

    name: str
    log_position: int
    newest: str  # event time of the newest event
    counts: tuple[tuple[str, int], ...]
    policies: tuple[OfPolicy, ...]
    plan: Sheet


def gather(
    workspace: Workspace, *, count: int = MOMENTS, tell: Told = lambda _what, _done, _of: None
) -> Found:
    """Bring together what a workspace has learned; the same log and versions give the same report.

    Parameters
    ----------
    workspace
        Nothing in it is changed, but for sealed segments of the log.
    count
        At how many moments of the log the learners are asked what they would have said.
    tell
        Is called as work goes on: what is asked, how much of it is done, and of how much.
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
    return Found(
        name=workspace.path.name,
        log_position=position,
        newest=f"{newest:%Y-%m-%d %H:%M:%S} UTC" if newest else "",
        counts=tuple(whole.counts.items()) if whole else (),
        policies=policies,
        plan=plan_sheet(plan),
    )


def _policy(
    workspace: Workspace, name: str, known: Callable[[int], Any], at: list[int], tell: Callable[[], None]
) -> OfPolicy:
    history = history_document(workspace, name)
    active = history["active"]
    try:
        past = past_of(workspace, name, active, known, at, tell)
        learned = None
        if past.now.revises is not None:
            learned = diff_sheet(workspace.generated, name, past.now.revises, active).sections[0]
    except PoetError as error:
        return OfPolicy(name, history, None, problem=str(error))
    plots = [*evidence_plots(past)]
    spec = spec_of(name)
    if at and spec.plots is not None:
        plots += imported(spec, spec.plots)(past, known(at[-1]), at)
    rules = past.now.active
    return OfPolicy(
        policy=name,
        history=history,
        learned=learned,
        plots=tuple(plots),
        intervals=tuple(found for found in _intervals(rules, learned) if found),
        groups=tuple(_groups(rules)),
    )


def _intervals(rules: tuple[Rule, ...], learned: Section | None) -> Iterator[Ranges | None]:
    """Give precision before and after, what rules rest on, and what they save, where there is any."""
    flips = learned.against.flips if learned and learned.against else None
    if flips and flips.precision_before.n and flips.precision_after.n:
        precision = Range("precision of alerts", flips.precision_after, flips.precision_before)
        yield ranges(
            "Replay: precision before and after", [precision], x_label="share of alerts that were real"
        )
    rested: dict[str, list[Range]] = {}
    for rule in rules:
        for now, was in _pairs(rule):
            beside = f", beside {was.what}" if was is not None and was.what != now.what else ""
            rested.setdefault(now.what, []).append(Range(f"{rule.id}{beside}", now, was))
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
    yield ranges("What rules save", saved, x_label="saved per 1000 cases, in units of cost")


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
            said = (
                f"e-value {rule.evidence.e_value:.3g} ≥ {rule.evidence.bar:.3g}" if rule.evidence else "start"
            )
            yield rule.id, tuple(map(str, members)), said
