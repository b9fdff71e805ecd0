"""Feedback on alerts: one cause or several, useful or not, too soon after another alert or not.

An ignored alert is not a label, since no one looked at it. Free text counts only if it contains one of a few
known phrases. Any other text stays in the log and is not used here.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from poet.learning.feedback_rows import FeedbackRow, Observation
from poet.learning.labels import LabelTable

_SAME_CAUSE: Final = ("same_root_cause", "same_cause", "duplicate", "correlated", "one_cause")
_TOO_MANY: Final = ("too_many", "similar", "repeated", "again")
_INVESTIGATED: Final = frozenset({"investigated", "resolved", "escalated"})
_COFIRING_S: Final = 3600.0  # executions within this time fired together
_MOST_PARTNERS: Final = 5  # earlier executions that one execution is compared with
_PREFIXES: Final = ("drift_alert_", "drift-")
_DEFAULT_GAP_S: Final = 3600.0  # for a complaint about an alert that was never recorded


@dataclass(frozen=True, slots=True)
class Pair(Observation):
    """Two features that fired together, and whether they had one cause."""

    features: tuple[str, str]
    is_one: bool


@dataclass(frozen=True, slots=True)
class Size(Observation):
    """A batch of `n` alerts, and whether one summary would have sufficed."""

    n: int
    is_one: bool


@dataclass(frozen=True, slots=True)
class Use(Observation):
    """An alert about a feature, and whether it was useless."""

    feature: str
    is_useless: bool
    reason: str
    ratio: float | None  # of its score to its threshold


@dataclass(frozen=True, slots=True)
class Repeat(Observation):
    """An alert `gap_s` seconds after a similar one, and whether it was one too many."""

    gap_s: float
    is_too_much: bool


@dataclass(frozen=True, slots=True)
class _Raised:
    features: tuple[str, ...]
    time: float | None
    gap_s: float | None  # to the previous alert that shares a feature


class Alerts:
    """Features by alert id, and the time since the previous similar alert."""

    def __init__(self, raised: Sequence[FeedbackRow], features_of: Mapping[str, str]) -> None:
        self._raised: dict[str, _Raised] = {}
        self._features_of = features_of
        last: dict[str, float] = {}
        for each in sorted(raised, key=lambda row: (row.time, row.position)):
            features = tuple(sorted(set(each["features"] or ())))
            before = [last[feature] for feature in features if feature in last]
            gap = each.time - max(before) if before else None
            self._raised.setdefault(each["alert_id"], _Raised(features, each.time, gap))
            if not each["suppressed"]:
                last |= dict.fromkeys(features, each.time)

    def features(self, alert_id: str) -> tuple[str, ...]:
        """Return the features of an alert, or of the execution in its id; an empty tuple if unknown."""
        if alert_id in self._raised:
            return self._raised[alert_id].features
        for prefix in ("", *_PREFIXES):
            feature = self._features_of.get(alert_id.removeprefix(prefix))
            if feature:
                return (feature,)
        return ()

    def gap_s(self, alert_id: str) -> float | None:
        """Return the seconds since a similar alert; the default gap if the alert was never recorded."""
        return self._raised[alert_id].gap_s if alert_id in self._raised else _DEFAULT_GAP_S


def pairs(usefulness: Iterable[FeedbackRow], alerts: Alerts) -> Iterator[Pair]:
    """Yield the pairs of ``alert.usefulness``: features with one cause, or investigated separately."""
    for each in usefulness:
        is_one = _one_cause(each)
        if is_one is None:
            continue
        alert_ids = each["alert_batch"] if is_one else each["investigated"]
        features = sorted({feature for alert in alert_ids for feature in alerts.features(alert)})
        for one, other in combinations(features, 2):
            yield Pair(_part(each, one, other), each.source, each.time, (one, other), is_one)


def cause_pairs(votes: Iterable[Mapping[str, Any]], times: Mapping[str, float]) -> Iterator[Pair]:
    """Yield pairs of validated drifts within an hour of each other, and whether their cause is the same."""
    real = [
        row
        for row in votes
        if row["was_real"] and row["origin"] == "validation" and row["reason"] and row["feature"]
    ]
    fired = sorted((times.get(row["execution_id"], row["time"]), row["position"], row) for row in real)
    starts = [when for when, _, _ in fired]
    for k, (when, _, row) in enumerate(fired):
        near = fired[max(bisect_left(starts, when - _COFIRING_S), k - _MOST_PARTNERS) : k]
        for _, _, other in near:
            if other["feature"] != row["feature"]:
                one, two = sorted((row["feature"], other["feature"]))
                later = max(row, other, key=lambda each: each["position"])
                yield Pair(
                    f"{row['event_id']}/{other['event_id']}",
                    later["source"],
                    later["time"],
                    (one, two),
                    row["reason"] == other["reason"],
                )


def sizes(usefulness: Iterable[FeedbackRow]) -> Iterator[Size]:
    """Yield the sizes of batches in ``alert.usefulness``, and whether one summary would have been better."""
    for each in usefulness:
        n, is_one = len(set(each["alert_batch"])), _one_cause(each)
        if n > 1 and is_one is not None:
            yield Size(each.event_id, each.source, each.time, n, is_one)


def uses(
    usefulness: Iterable[FeedbackRow],
    responses: Iterable[FeedbackRow],
    alerts: Alerts,
    label_table: LabelTable,
    ratios: Mapping[str, float],
) -> Iterator[Use]:
    """Yield the usefulness of alerts: labels, feedback on batches, actions taken."""
    yield from _voted(label_table, ratios)
    for each in usefulness:
        if _one_cause(each):
            continue  # such feedback concerns grouping: the cause may have been worth an alert
        alert_ids = each["investigated"] if each["useful"] else each["alert_batch"]
        for feature in sorted({feature for alert in alert_ids or () for feature in alerts.features(alert)}):
            yield Use(
                _part(each, feature), each.source, each.time, feature, not each["useful"],
                each["feedback"] or "", None,
            )  # fmt: skip
    for each in responses:
        if each["action_taken"] in ("resolved", "escalated"):
            for feature in alerts.features(each["alert_id"]):
                yield Use(_part(each, feature), each.source, each.time, feature, False, "", None)  # noqa: FBT003


def _voted(label_table: LabelTable, ratios: Mapping[str, float]) -> Iterator[Use]:
    for k in range(len(label_table)):
        label, feature = float(label_table.label[k]), str(label_table.features[k])
        if feature and label != 0.5 and (label_table.drifted[k] or not label_table.is_recorded[k]):
            identity = str(label_table.execution_ids[k])
            yield Use(
                str(label_table.event_ids[k]),
                ",".join(label_table.sources[k]),
                float(label_table.times[k]),
                feature,
                label < 0.5,
                str(label_table.origin[k]),
                ratios.get(identity),
            )


def repeats(
    usefulness: Iterable[FeedbackRow], responses: Iterable[FeedbackRow], alerts: Alerts
) -> Iterator[Repeat]:
    """Yield the responses to alerts that followed a similar one."""
    for each in responses:
        gap, reason = alerts.gap_s(each["alert_id"]), each["reason"] or ""
        is_complaint = _mentions(reason, _TOO_MANY)
        if gap is not None and (is_complaint or each["action_taken"] in _INVESTIGATED):
            yield Repeat(each.event_id, each.source, each.time, gap, is_complaint)
    for each in usefulness:
        gaps = [gap for alert in each["alert_batch"] if (gap := alerts.gap_s(alert)) is not None]
        is_complaint = _mentions(each["feedback"] or "", _TOO_MANY)
        if gaps and (is_complaint or each["useful"]):
            yield Repeat(each.event_id, each.source, each.time, max(gaps), is_complaint)


def _one_cause(each: FeedbackRow) -> bool | None:
    """Return whether a batch had one cause; None if the feedback does not tell."""
    if _mentions(each["feedback"] or "", _SAME_CAUSE):
        return True
    batch, investigated = set(each["alert_batch"]), set(each["investigated"] or ())
    if each["useful"] and len(investigated & batch) > 1:
        return False
    return None


def _mentions(text: str, words: Iterable[str]) -> bool:
    plain = text.lower().replace(" ", "_").replace("-", "_")
    return any(word in plain for word in words)


def _part(each: FeedbackRow, *features: str) -> str:
    return "/".join((each.event_id, *features))


def by_feature(rows: Iterable[Use]) -> dict[str, list[Use]]:
    """Return uses by feature."""
    found: defaultdict[str, list[Use]] = defaultdict(list)
    for row in rows:
        found[row.feature].append(row)
    return dict(found)
