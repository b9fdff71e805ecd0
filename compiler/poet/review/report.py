"""The report of everything a workspace has learned: versions, decisions and evidence over time.

To show how the evidence developed, the learners run again at several positions of the log.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import msgspec

from poet.build.publish import published_manifest
from poet.learning.configuration import LearnConfiguration
from poet.learning.learn import imported, learn
from poet.review.changes import diff_document, plan_document
from poet.review.document import DiffDocument, HistoryDocument, PlanDocument
from poet.review.plots import Plot, Range, Ranges, Series, curves, ranges
from poet.review.status import history_document
from poet.review.words import against_threshold
from poet.spec import policy as spec_of
from poet.spec.decisions import Decisions, Evidence, Interval, Rule
from poet.workspace.pipeline import summaries_until
from poet.workspace.workspace import Workspace
from poet_runtime.errors import PoetError
from poet_runtime.registry import read_document

if TYPE_CHECKING:
    from poet.summaries import Summaries


MOMENTS: Final = 8  # of the whole log; half as many from one version to the next
MOST_RULES: Final = 5  # in one plot
Known = Callable[[int], "Summaries"]
EVENTS: Final = "events in the log"


@dataclass(frozen=True, slots=True)
class Past:
    """The decisions of a learner at each position, starting from the version that was active then."""

    policy: str
    now: Decisions
    champion: Decisions  # the version that the active one revises; itself for a preset
    configuration: LearnConfiguration
    decided: tuple[tuple[int, Decisions], ...]


def moments(position: int, count: int) -> list[int]:
    """Return the ends of equal parts of a log."""
    return sorted({max(1, position * part // count) for part in range(1, count + 1)})


def past_of(
    workspace: Workspace, policy: str, version: int, known: Known, at: Sequence[int], tell: Callable[[], None]
) -> Past:
    """Run a policy's learner at some log positions, and where its versions were learned."""
    chain = _chain(workspace, policy, version)
    learned = [0, *(each.log_position for each in chain if each.revises is not None)]
    on_the_way = {
        before + position
        for before, until in pairwise(learned)
        if before < until
        for position in moments(until - before, max(1, len(at) // 2))
    }
    asked = sorted({*at, *on_the_way})
    decided = []
    for position in asked:
        index = max(k for k, each in enumerate(chain) if k == 0 or each.log_position < position)
        following = chain[min(index + 1, len(chain) - 1)]
        found = learn(spec_of(policy), known(position), chain[index], _configuration(workspace, following))
        decided.append((position, found))
        tell()
    now = chain[-1]
    return Past(policy, now, chain[max(len(chain) - 2, 0)], _configuration(workspace, now), tuple(decided))


def _chain(workspace: Workspace, policy: str, version: int) -> list[Decisions]:
    """Return the ancestors of a version, oldest first."""
    found = [published_manifest(workspace.generated, policy, version).decisions]
    while (older := found[0].revises) is not None:
        found.insert(0, published_manifest(workspace.generated, policy, older).decisions)
    return found


def _configuration(workspace: Workspace, decisions: Decisions) -> LearnConfiguration:
    if decisions.revises is None:
        return workspace.configuration.learn
    return msgspec.convert(decisions.configuration, LearnConfiguration)


def evidence_plots(past: Past) -> Iterator[Plot]:
    """Yield the evidence of each learned rule and candidate over time, and the estimated quantity.

    The evidence of a rule ends at its adoption, because outcomes without the rule are no longer recorded.
    """
    named = {rule.id: rule.id for rule in past.now.active if rule.evidence}
    for rule in past.decided[-1][1].rules if past.decided else ():
        if rule.evidence and rule.status in ("adopted", "candidate"):
            named.setdefault(rule.id.removeprefix("candidate-"), rule.id)
    tracks = {name: track for name in list(named)[:MOST_RULES] if (track := _track(past, name))}
    series = [
        Series(
            name, [(at, max(evidence.e_value, 1e-6) / evidence.e_value_threshold) for at, evidence in track]
        )
        for name, track in tracks.items()
    ]
    if series:
        ends = (past.decided[0][0], past.decided[-1][0])
        needed = Series("needed to adopt", [(end, 1.0) for end in ends], is_quiet=True)
        drawn = curves(
            f"Evidence of {past.policy} as the log grew",
            [*series, needed],
            x_label=EVENTS,
            y_label="e-value / threshold",
            is_log_y=True,
        )
        yield from [drawn] if drawn else []
    for name, track in tracks.items():
        yield from _sequence(name, track)


def _track(past: Past, name: str) -> list[tuple[int, Evidence]]:
    found = []
    for at, decisions in past.decided:
        rules = {rule.id: rule for rule in decisions.rules}
        for rule in (rules.get(name), rules.get(f"candidate-{name}")):
            if rule is not None and rule.evidence is not None:
                found.append((at, rule.evidence))
                break
        if name in rules and rules[name].status == "adopted":
            break
    return found


def _sequence(name: str, track: Sequence[tuple[int, Evidence]]) -> Iterator[Plot]:
    """Yield the first quantity of a rule's evidence with its interval, with the rule and without."""
    whats = [each.what for _, evidence in track for each in evidence.after[:1]]
    if len(whats) < 2:
        return
    what = whats[-1]
    now = [(at, one) for at, evidence in track for one in evidence.after if one.what == what]
    was = [(at, one) for at, evidence in track for one in evidence.before if one.what == what]
    series = [
        Series(
            label, [(at, one.estimate) for at, one in found], [(at, one.low, one.high) for at, one in found]
        )
        for label, found in (("with the rule", now), ("without it", was))
        if found
    ]
    drawn = curves(f"{name}: {what}", series, x_label=EVENTS, y_label="estimate and interval", has_zero=True)
    yield from [drawn] if drawn else []


Progress = Callable[[str, int, int], None]  # policy, runs done, runs in total


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
        """Return whether there is more to show than a preset."""
        return bool(self.learned or self.plots or self.intervals or self.groups or self.problem)


@dataclass(frozen=True, slots=True)
class Report:
    """All policies of a workspace, and the changes that a compile would make."""

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
        It does not change, except that segments of its log are sealed.
    count
        The number of log positions at which the learners run again.
    tell
        Called after each run of a learner with the policy, the number of runs done and the total.
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
    """Yield precision before and after, the evidence of rules, and their known savings."""
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
