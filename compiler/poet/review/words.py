"""Phrases shared by the renderers: a rule, its evidence, an interval, a replay."""

from collections.abc import Callable
from functools import cache
from typing import Final

from poet.build.compare import Comparison, Flips, Side
from poet.learning.learn import imported
from poet.spec import policies
from poet.spec.decisions import Evidence, Interval, Replay, Rule

SHARES: Final = ("false alarms among alerts", "real drifts found")  # printed in percent
SIGNS: Final = {"adopted": "+", "retired": "-", "candidate": "?", "pinned": "=", "vetoed": "x", "start": " "}


def clean(text: str) -> str:
    """Return text from feedback without control characters, safe for a terminal."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def counted(n: int, what: str) -> str:
    """Return a count with its noun; the plural takes an s."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def in_words(rule: Rule) -> str:
    """Return when a rule applies and what it then does."""
    when = ", ".join(f"{name} {_value(value)}" for name, value in sorted(rule.condition.items()))
    does = (_words_of(rule.kind) or _parameters)(rule)
    return clean(f"{does} (where {when})" if when else does)


@cache
def _words_of(kind: str) -> Callable[[Rule], str] | None:
    """Return the function that describes rules of this kind, if the policy provides one."""
    for spec in policies():
        if point := dict(spec.rule_words).get(kind):
            found: Callable[[Rule], str] = imported(spec, point)
            return found
    return None


def _parameters(rule: Rule) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in sorted(rule.parameters.items()))


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def interval_words(interval: Interval) -> str:
    """Return an estimate with its interval, shares in percent."""
    if interval.what in SHARES:
        return f"{100 * interval.estimate:.0f} % ({100 * interval.low:.0f} … {100 * interval.high:.0f})"
    return f"{interval.estimate:.3g} ({interval.low:.3g} … {interval.high:.3g})"


def against_threshold(evidence: Evidence, *, strong: str = "") -> str:
    """Return the e-value next to the threshold for adoption; `strong` encloses the e-value."""
    sign = "≥" if evidence.e_value >= evidence.e_value_threshold else "of"
    return f"e-value {strong}{evidence.e_value:.3g}{strong} {sign} {evidence.e_value_threshold:.3g}"


def needed_words(evidence: Evidence) -> str:
    """Return the approximate number of events that would decide a candidate; empty if unknown."""
    return f"about {counted(evidence.events_needed, 'more event')}" if evidence.events_needed else ""


def saving_words(replay: Replay) -> str:
    """Return the savings of a rule on recorded executions."""
    return (
        f"saves {replay.saving_per_1000:g} per 1000 executions "
        f"({replay.saving_low:g} … {replay.saving_high:g}), in the cost unit of poet.toml"
    )


def coverage_words(comparison: Comparison) -> str:
    """Return the inputs on which two versions were compared."""
    return "on every input" if comparison.is_exact else f"on a sample of {comparison.probes} inputs"


def turned(flips: Flips) -> tuple[tuple[str, Side], ...]:
    """Return both sides of a replay with their headings."""
    return ("no longer alert", flips.fewer_alerts), ("now alert", flips.more_alerts)


def labels_of(side: Side) -> str:
    """Return the labels of the executions whose answer changed."""
    return f"{side.false_alarms} labeled false alarms, {side.real} real, {side.unlabeled} unlabeled"


def precision_words(share: Interval) -> str:
    """Return the share of alerts that were real, with its interval."""
    return f"{share.estimate:.2f} [{share.low:.2f}, {share.high:.2f}]" if share.n else "unknown"
