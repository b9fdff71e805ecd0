"""How evidence came about: the learners run again at some positions of the log."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

from poet.decisions import Decisions, Evidence
from poet.learn import learn
from poet.learn.configuration import LearnConfiguration
from poet.policies import policy as spec_of
from poet.publish import published_manifest
from poet.review._plots import Plot, Series, curves
from poet.workspace import Workspace

if TYPE_CHECKING:
    from poet.summaries import Summaries

MOMENTS: Final = 8  # of the whole log; half as many from one version to the next
MOST_RULES: Final = 5  # in one plot
Known = Callable[[int], "Summaries"]
EVENTS: Final = "events in the log"


@dataclass(frozen=True, slots=True)
class Past:
    """What a learner decided at each position, starting from the version that was active then."""

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
    """Return the versions that led to one, oldest first."""
    found = [published_manifest(workspace.generated, policy, version).decisions]
    while (older := found[0].revises) is not None:
        found.insert(0, published_manifest(workspace.generated, policy, older).decisions)
    return found


def _configuration(workspace: Workspace, decisions: Decisions) -> LearnConfiguration:
    if decisions.revises is None:
        return workspace.configuration.learn
    return msgspec.convert(decisions.configuration, LearnConfiguration)


def evidence_plots(past: Past) -> Iterator[Plot]:
    """Yield the evidence of each learned rule and candidate over time, and the quantity that it is about.

    The evidence of a rule ends where it was adopted: nothing is recorded of what would happen without it.
    """
    named = {rule.id: rule.id for rule in past.now.active if rule.evidence}
    for rule in past.decided[-1][1].rules if past.decided else ():
        if rule.evidence and rule.status in ("adopted", "held"):
            named.setdefault(rule.id.removeprefix("held-"), rule.id)
    tracks = {name: track for name in list(named)[:MOST_RULES] if (track := _track(past, name))}
    series = [
        Series(name, [(at, max(evidence.e_value, 1e-6) / evidence.bar) for at, evidence in track])
        for name, track in tracks.items()
    ]
    if series:
        ends = (past.decided[0][0], past.decided[-1][0])
        needed = Series("needed to adopt", [(end, 1.0) for end in ends], is_quiet=True)
        drawn = curves(
            f"Evidence of {past.policy} as the log grew",
            [*series, needed],
            x_label=EVENTS,
            y_label="e-value / its bar",
            is_log_y=True,
        )
        yield from [drawn] if drawn else []
    for name, track in tracks.items():
        yield from _sequence(name, track)


def _track(past: Past, name: str) -> list[tuple[int, Evidence]]:
    found = []
    for at, decisions in past.decided:
        rules = {rule.id: rule for rule in decisions.rules}
        for rule in (rules.get(name), rules.get(f"held-{name}")):
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
