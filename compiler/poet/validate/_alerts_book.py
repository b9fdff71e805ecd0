"""What the decisions of `generate_alerts` say of a plan, in words of their own."""

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec

from poet.decisions import Decisions, Rule
from poet.policies.generate_alerts import Calm, Floor, Group, Many, Members, Pattern, Share
from poet.runtime.results import Alert, AlertPlan, DriftResult

__all__ = ["GRAVITY", "Book", "Row", "Said", "lot", "said", "severity", "who"]

GRAVITY = ("low", "medium", "high", "critical")
_Shape = TypeVar("_Shape")


class Row(NamedTuple):
    """What a policy is asked."""

    results: Sequence[DriftResult]
    history: Sequence[Any] = ()
    now: float | None = None


class Said(NamedTuple):
    """A plan without its order: every drifted result as often as it is there."""

    alerts: list[tuple[Any, ...]]
    suppressed: list[tuple[Any, ...]]


def said(plan: AlertPlan) -> Said:
    """Read a plan."""
    return Said(
        sorted(map(_told, plan.alerts)), sorted((each.rule, who(each.member)) for each in plan.suppressed)
    )


def severity(result: DriftResult) -> str:
    """Give how grave a result is; what nobody named is medium."""
    if result.business_impact == "none":
        return "low"
    return result.business_impact if result.business_impact in GRAVITY else "medium"


def lot(result: DriftResult) -> float:
    """Draw whether a result is let through: in public, by a digest of its id, or of all it says."""
    told = f"holdout:{result.execution_id or repr(result)}"
    return int.from_bytes(hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2.0**64


class Book:
    """The decisions of one version, read."""

    def __init__(self, decisions: Decisions) -> None:
        self.version = decisions.version
        self.suppressions = [
            (rule.id, _read(rule.condition, Pattern), _read(rule.parameters, Share).holdout)
            for rule in _of(decisions, "suppress")
        ]
        pauses = _of(decisions, "cool_down")
        self.pause = pauses[0].id if pauses else ""
        self.calm = _read(pauses[0].parameters, Calm) if pauses else None
        self.floor = _read(pauses[0].condition, Floor).severity_below if pauses else "medium"
        self.groups = [
            (rule.id, _read(rule.condition, Group).features, _read(rule.parameters, Members).at_least)
            for rule in _of(decisions, "group")
        ]
        self.batches = [(rule.id, _read(rule.condition, Many).at_least) for rule in _of(decisions, "batch")]
        (self.every,) = (rule.id for rule in _of(decisions, "individual"))

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature that a rule names."""
        named = [pattern.features for _, pattern, _ in self.suppressions]
        return tuple(
            sorted({each for some in (*named, *(group[1] for group in self.groups)) for each in some})
        )

    def plan(self, row: Row) -> Said:
        """Say what becomes of every result."""
        waiting = [each for each in row.results if each.drifted]
        alerts: list[Alert] = []
        suppressed: list[tuple[Any, ...]] = []
        for rule, pattern, share in self.suppressions:
            taken, waiting = _split(waiting, partial(_suppresses, pattern, row.now))
            asked = [each for each in taken if lot(each) < share]
            alerts += [_alert([each], rule, row.now, is_holdout=True) for each in asked]
            suppressed += [(rule, who(each)) for each in taken if lot(each) >= share]
        cooling = self.cooling(row)
        taken, waiting = _split(waiting, lambda each: each.feature in cooling and self._is_within(each))
        suppressed += [(self.pause, who(each)) for each in taken]
        for rule, features, least in self.groups:
            members = [each for each in waiting if each.feature in features]
            is_open = any(each.group == rule for each in self._earlier(row))
            if members and (len(members) >= least or is_open):
                alerts.append(_alert(members, rule, row.now, is_summary=True))
                waiting = [each for each in waiting if each.feature not in features]
        for rule, least in self.batches:
            if len(waiting) >= least:
                alerts.append(_alert(waiting, rule, row.now, is_summary=True))
                waiting = []
        alerts += [_alert([each], self.every, row.now) for each in waiting]
        return Said(sorted(map(_told, alerts)), sorted(suppressed))

    def bars(self, row: Row) -> dict[str, set[str]]:
        """Say which bars a plan may give each feature that is cooling down and still waits."""
        cooling, found = self.cooling(row), dict[str, set[str]]()
        for each in row.results:
            is_taken = any(_suppresses(pattern, row.now, each) for _, pattern, _ in self.suppressions)
            if each.drifted and each.feature in cooling and not is_taken:
                found.setdefault(each.feature, set()).add(repr(self._bar(each)))
        return found

    def cooling(self, row: Row) -> set[str]:
        """Say which features were alerted lately, but for new members of a summary."""
        earlier, groups = self._earlier(row), {rule: features for rule, features, _ in self.groups}
        summed = [each for each in earlier if each.group in groups]
        known = {member.feature for each in summed for member in each.members}
        new = {feature for each in summed for feature in groups[each.group] if feature not in known}
        return {member.feature for each in earlier for member in each.members} - new

    def _earlier(self, row: Row) -> list[Alert]:
        if self.calm is None or row.now is None:
            return []
        plans = [each.alerts if isinstance(each, AlertPlan) else (each,) for each in row.history]
        gaps = [
            (row.now - each.raised_at, each) for some in plans for each in some if each.raised_at is not None
        ]
        return [each for gap, each in gaps if 0.0 <= gap < self.calm.seconds]

    def _bar(self, result: DriftResult) -> float:
        factor = self.calm.factor if self.calm and result.threshold > 0.0 else 1.0
        return result.threshold * factor if result.direction == "above" else result.threshold / factor

    def _is_within(self, result: DriftResult) -> bool:
        bar = self._bar(result)
        is_within = result.score <= bar if result.direction == "above" else result.score >= bar
        return is_within and _is_below(result, self.floor)


def _suppresses(pattern: Pattern, now: float | None, result: DriftResult) -> bool:
    if now is None or not now < pattern.until or result.feature not in pattern.features:
        return False
    is_covered = pattern.ratio_at_most is None or _ratio(result) <= pattern.ratio_at_most
    return is_covered and _is_below(result, pattern.severity_below)


def _ratio(result: DriftResult) -> float:
    """Give how many times a score lies beyond its threshold; NaN where nobody can say."""
    over, under = result.score, result.threshold
    if result.direction == "below":
        over, under = under, over
    return over / under if under > 0.0 and over >= 0.0 else math.nan


def _is_below(result: DriftResult, floor: str) -> bool:
    own = severity(result)
    return own != "critical" and GRAVITY.index(own) < GRAVITY.index(floor)


def _split(
    results: Sequence[DriftResult], is_chosen: Callable[[DriftResult], bool]
) -> tuple[list[DriftResult], list[DriftResult]]:
    marked = [(is_chosen(each), each) for each in results]
    return [each for mark, each in marked if mark], [each for mark, each in marked if not mark]


def _alert(
    members: Sequence[DriftResult],
    rule: str,
    now: float | None,
    *,
    is_summary: bool = False,
    is_holdout: bool = False,
) -> Alert:
    return Alert(
        members=tuple(members),
        severity=max(map(severity, members), key=GRAVITY.index),
        group=rule if is_summary else "",
        is_summary=is_summary,
        is_holdout=is_holdout,
        rule=rule,
        raised_at=now,
    )


def _told(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.rule,
        sorted(map(who, alert.members)),
        alert.severity,
        alert.group,
        alert.is_summary,
        alert.is_holdout,
        repr(alert.raised_at),
    )


def who(result: DriftResult) -> tuple[str, ...]:
    """Tell a result from all others; NaN from NaN as well."""
    return (
        result.feature,
        result.execution_id,
        f"{result.score!r} {result.direction} {result.threshold!r}",
        result.business_impact,
    )


def _of(decisions: Decisions, kind: str) -> list[Rule]:
    return sorted((rule for rule in decisions.active if rule.kind == kind), key=lambda rule: rule.id)


def _read(document: dict[str, object], shape: type[_Shape]) -> _Shape:
    return msgspec.convert(document, shape)
