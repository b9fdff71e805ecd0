"""One rule in words: what it does, what it was, on how much evidence."""

from collections.abc import Callable, Iterator
from functools import cache

from poet.decisions import Evidence, Interval, Rule
from poet.learn import imported
from poet.policies import policies

__all__ = ["SHARES", "SIGNS", "clean", "counted", "in_words", "interval_pairs", "rule_lines"]

SHARES = ("false alarms among alerts", "real drifts found")  # printed in per cent
SIGNS = {"adopted": "+", "retired": "-", "held": "?", "pinned": "=", "vetoed": "x", "start": " "}


def clean(text: str) -> str:
    """Make text that may come from feedback safe for a terminal: no control characters."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def counted(n: int, what: str) -> str:
    """Say how many there are of something whose plural takes an s."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def in_words(rule: Rule) -> str:
    """Say when a rule applies and what it then does."""
    when = ", ".join(f"{name} {_value(value)}" for name, value in sorted(rule.condition.items()))
    does = (_words_of(rule.kind) or _parameters)(rule)
    return clean(f"{does} (where {when})" if when else does)


@cache
def _words_of(kind: str) -> Callable[[Rule], str] | None:
    """Return what describes rules of this kind, where a policy brings it."""
    for spec in policies():
        if point := dict(spec.rule_words).get(kind):
            found: Callable[[Rule], str] = imported(spec, point)
            return found
    return None


def _parameters(rule: Rule) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in sorted(rule.parameters.items()))


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def rule_lines(rule: Rule) -> Iterator[str]:
    """Give a rule with its evidence, the rule first."""
    yield f"{SIGNS[rule.status]} {rule.id}: {in_words(rule)}"
    if rule.was:
        yield f"    was {clean(rule.was)}"
    if rule.reason:
        yield f"    {clean(rule.reason)}"
    if rule.evidence is not None:
        yield from _evidence_lines(rule.evidence)


def _evidence_lines(evidence: Evidence) -> Iterator[str]:
    verdict = "clears" if evidence.e_value >= evidence.bar else "of"
    yield f"    evidence {evidence.e_value:.4g} {verdict} the {evidence.bar:.4g} it needs"
    yield from _intervals(evidence)
    if evidence.replay is not None:
        replay = evidence.replay
        left_out = "; ".join(f"{count} {reason}" for reason, count in sorted(replay.left_out.items()))
        rest = f" ({left_out})" if left_out else ""
        yield f"    replayed {replay.replayed} of {replay.of} executions{rest}"
        yield (
            f"    saves {replay.saving_per_1000:g} per 1000 executions "
            f"({replay.saving_low:g} … {replay.saving_high:g}), in the units of its costs"
        )
    if evidence.events_needed:
        yield f"    about {evidence.events_needed} more like these would settle it"


def interval_pairs(evidence: Evidence) -> list[tuple[str, Interval | None, Interval | None]]:
    """Give each quantity with what it was and what it is, in the order of the evidence."""
    before, after = ({each.what: each for each in side} for side in (evidence.before, evidence.after))
    return [(what, before.get(what), after.get(what)) for what in (before | after)]


def _intervals(evidence: Evidence) -> Iterator[str]:
    """Give what was and what is in one line where both are of one thing, else each in its own."""
    paired = min(len(evidence.before), len(evidence.after))
    for before, after in zip(evidence.before[:paired], evidence.after[:paired], strict=True):
        if before.what == after.what:
            yield f"    {before.what}: {_interval(before)} → {_interval(after)}, n = {before.n:g}"
        else:
            yield f"    {after.what}: {_interval(after)}, n = {after.n:g}"
            yield f"    {before.what}: {_interval(before)}, n = {before.n:g}"
    for each in (*evidence.before[paired:], *evidence.after[paired:]):
        yield f"    {each.what}: {_interval(each)}, n = {each.n:g}"


def _interval(interval: Interval) -> str:
    if interval.what in SHARES:
        return f"{100 * interval.estimate:.0f} % ({100 * interval.low:.0f} … {100 * interval.high:.0f})"
    return f"{interval.estimate:.3g} ({interval.low:.3g} … {interval.high:.3g})"
