"""The plan of alerts that `generate_alerts` builds, one decision after another.

`plan_alerts` returns an `AlertPlanner` that holds every drifted result. Each decision takes results out of
those that remain and puts them into alerts or among the suppressed ones. `alert_individually` alerts on all
that remain and is the only way to an `AlertPlan`, so no result can be lost between two decisions. Results are
a multiset: two equal results count as two.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from itertools import groupby
from numbers import Real
from typing import Any, Final, Literal, Protocol, TypeAlias

from poet_runtime.results import Alert, AlertPlan, DriftResult, Suppressed

__all__ = ["AlertPlanner", "Time", "plan_alerts", "severity"]

SEVERITIES: Final = ("low", "medium", "high", "critical")

Severity: TypeAlias = Literal["low", "medium", "high", "critical"]
Results: TypeAlias = tuple[DriftResult, ...]


class Datetime64(Protocol):
    """A `numpy.datetime64`. numpy is not imported to read one."""

    @property
    def dtype(self) -> Any:
        """The unit."""
        ...

    def astype(self, dtype: Any, /) -> Any:
        """Return the time in another unit."""
        ...


Time: TypeAlias = (
    datetime | Datetime64 | float
)  # a datetime without a time zone is UTC; or seconds since 1970


def plan_alerts(
    drift_results: Iterable[DriftResult],
    *,
    history: Iterable[Alert | AlertPlan],
    now: Time | None,
    version: int,
) -> "AlertPlanner":
    """Return a planner that holds the results that drifted.

    `history` contains earlier alerts, also inside plans. `AlertPlanner.cool_down` reads it. Without `now`
    nothing is suppressed.

    Raises
    ------
    TypeError
        `now` is not a time, or an element of `drift_results` is not a DriftResult.
    """
    return AlertPlanner(drift_results, history=history, now=now, version=version)


class AlertPlanner:
    """The drifted results on which no decision was made yet, and the alerts that were planned.

    Parameters
    ----------
    drift_results, history, now, version
        As for `plan_alerts`.
    """

    def __init__(
        self,
        drift_results: Iterable[DriftResult],
        *,
        history: Iterable[Alert | AlertPlan],
        now: Time | None,
        version: int,
    ) -> None:
        self._now = to_timestamp(now)
        self._remaining = drifted(drift_results)
        self._history = history
        self._version = version
        self._recent: tuple[Alert, ...] = ()
        self._alerts: list[Alert] = []
        self._suppressed: list[Suppressed] = []
        self._thresholds: dict[str, float] = {}

    @property
    def remaining(self) -> tuple[DriftResult, ...]:
        """The results on which no decision was made yet, in an order that depends only on their content."""
        return self._remaining

    @property
    def n_remaining(self) -> int:
        """The number of remaining results."""
        return len(self._remaining)

    def count(self, features: AbstractSet[str]) -> int:
        """Return the number of remaining results of these features."""
        return sum(each.feature in features for each in self._remaining)

    def is_before(self, end: Time) -> bool:
        """Return whether `now` is before `end`. An unknown time is not."""
        seconds = to_timestamp(end)
        return self._now is not None and seconds is not None and self._now < seconds

    def has_recent_summary(self, group: str) -> bool:
        """Return whether an alert of `group` was raised within the cool-down, so that new members re-open it.

        Without a cool-down there is none.
        """
        return any(alert.group == group for alert in self._recent)

    def suppress(
        self,
        features: AbstractSet[str],
        *,
        severity_below: Severity,
        holdout: float,
        rule: str,
        ratio_at_most: float | None = None,
    ) -> None:
        """Suppress the remaining results of these features, except for a share that is alerted anyway.

        Parameters
        ----------
        features
            The names of the features.
        severity_below
            Results of this severity or a higher one are not suppressed. Critical ones never are.
        holdout
            The share of these results, between 0 and 1, that is alerted to get labels. The choice depends
            only on a digest of each execution id.
        rule
            The id of the rule.
        ratio_at_most
            Results whose score is further beyond its threshold than this many times are not suppressed.
        """
        found = self._take(
            lambda each: (
                each.feature in features
                and _is_below(each, severity_below)
                and (ratio_at_most is None or _ratio(each) <= ratio_at_most)
            )
        )
        held_out, suppressed = _split(found, lambda each: _lot(each) < holdout)
        self._alerts += [self._alert(each, rule, is_holdout=True) for each in held_out]
        self._suppressed += [Suppressed(member=each, rule=rule) for each in suppressed]

    def cool_down(
        self,
        *,
        seconds: float,
        factor: float,
        severity_below: Severity,
        rule: str,
        except_new_members_of: Mapping[str, AbstractSet[str]] | None = None,
    ) -> None:
        """Raise the thresholds of recently alerted features, and suppress what stays below.

        Parameters
        ----------
        seconds
            A feature is recently alerted if an alert about it was raised less than this long before `now`.
        factor
            The threshold is raised to this many times its value; that of a p-value is lowered likewise.
        severity_below
            Results of this severity or a higher one are not suppressed. Critical ones never are.
        rule
            The id of the rule.
        except_new_members_of
            The features of each group that later decisions summarize. If a recent alert summarizes a group,
            the features that no such summary had yet are not cooled down: an individual alert about them is
            not evidence about the common cause. They re-open the summary.

        Raises
        ------
        TypeError
            An element of the history is neither an Alert nor an AlertPlan.
        """
        self._recent = tuple(alert for alert in _alerts_in(self._history) if self._is_within(alert, seconds))
        features = _alerted_features(self._recent, except_new_members_of or {})
        self._thresholds = {
            each.feature: _raised_threshold(each, factor)
            for each in self._remaining
            if each.feature in features
        }
        found = self._take(
            lambda each: (
                each.feature in features
                and _is_below(each, severity_below)
                and _stays_below(each, _raised_threshold(each, factor))
            )
        )
        self._suppressed += [Suppressed(member=each, rule=rule) for each in found]

    def summarize(self, features: AbstractSet[str], *, rule: str) -> None:
        """Alert once on all remaining results of these features, with the highest of their severities."""
        self._summarize(self._take(lambda each: each.feature in features), rule)

    def summarize_remaining(self, *, rule: str) -> None:
        """Alert once on all remaining results, with the highest of their severities."""
        self._summarize(self._take(lambda _: True), rule)

    def alert_individually(self, *, rule: str) -> AlertPlan:
        """Alert on every remaining result, and return the plan, which contains every drifted result once."""
        self._alerts += [self._alert(each, rule) for each in self._take(lambda _: True)]
        return AlertPlan(
            alerts=tuple(self._alerts),
            suppressed=tuple(self._suppressed),
            thresholds=dict(self._thresholds),
            policy_version=self._version,
        )

    def _take(self, is_chosen: Callable[[DriftResult], bool]) -> Results:
        """Return the chosen ones of the remaining results, and keep the rest."""
        taken, self._remaining = _split(self._remaining, is_chosen)
        return taken

    def _is_within(self, alert: Alert, seconds: float) -> bool:
        if self._now is None or alert.raised_at is None:
            return False
        return 0.0 <= self._now - alert.raised_at < seconds

    def _alert(self, result: DriftResult, rule: str, *, is_holdout: bool = False) -> Alert:
        return Alert(
            members=(result,),
            severity=severity(result),
            rule=rule,
            raised_at=self._now,
            is_holdout=is_holdout,
        )

    def _summarize(self, members: Results, rule: str) -> None:
        if not members:
            return
        highest = max((severity(each) for each in members), key=SEVERITIES.index)
        self._alerts.append(
            Alert(
                members=members, severity=highest, group=rule, is_summary=True, rule=rule, raised_at=self._now
            )
        )


def severity(result: DriftResult) -> str:
    """Return the severity of a result: its business impact if one was given, else medium."""
    if result.business_impact in SEVERITIES:
        return result.business_impact
    return "low" if result.business_impact == "none" else "medium"


def drifted(results: Iterable[DriftResult]) -> Results:
    """Return the results that drifted, in an order that depends only on their content.

    >>> from poet_runtime.alerts import drifted
    >>> from poet_runtime.results import DriftResult
    >>> one = DriftResult(drifted=True, score=0.4, threshold=0.1, test="ks/raw/absolute", feature="age")
    >>> other = DriftResult(drifted=False, score=0.0, threshold=0.1, test="ks/raw/absolute", feature="city")
    >>> [result.feature for result in drifted([other, one])]
    ['age']

    Raises
    ------
    TypeError
        An element of `results` is not a DriftResult.
    """
    found = []
    for each in _all(results, "drift_results", "the answers of detect_drift, or the values of a table's"):
        if not isinstance(each, DriftResult):
            raise TypeError(
                f"drift_results holds {type(each).__name__}, expected DriftResult; "
                "pass the answers of detect_drift, or the values of a table's"
            )
        if each.drifted:
            found.append(each)
    found.sort(key=_told)
    return tuple(each for _, alike in groupby(found, key=_told) for each in _settled(list(alike)))


def to_timestamp(now: Any) -> float | None:
    """Return a time in seconds since 1970. A datetime without a time zone is UTC; None stays None.

    NaN and NaT are unknown times and treated like None: they are before no end and within no pause.

    >>> from datetime import datetime
    >>> from poet_runtime.alerts import to_timestamp
    >>> to_timestamp(datetime(1970, 1, 2)), to_timestamp(None)
    (86400.0, None)

    Raises
    ------
    TypeError
        `now` is not a time.
    """
    if now is None or _is_unknown(now):
        return None
    if isinstance(now, datetime):
        return (now if now.tzinfo else now.replace(tzinfo=UTC)).timestamp()
    if _is_datetime64(now):
        return float(now.astype("datetime64[us]").astype("int64")) / 1e6
    if isinstance(now, bool) or not isinstance(now, Real):
        raise TypeError(f"now is {now!r}; pass seconds since 1970, a datetime or a datetime64")
    return float(now)


def _told(result: DriftResult) -> tuple[str, ...]:
    return (result.feature, result.execution_id, result.test, repr(result.score), repr(result.threshold))


def _settled(alike: list[DriftResult]) -> list[DriftResult]:
    return alike if len(alike) == 1 else sorted(alike, key=repr)


def _is_datetime64(now: Any) -> bool:
    return str(getattr(now, "dtype", "")).startswith("datetime64") and not getattr(now, "shape", ())


def _is_unknown(now: Any) -> bool:
    """Return whether a time is NaN or NaT, the only values that differ from themselves."""
    return (isinstance(now, datetime | Real) or _is_datetime64(now)) and bool(now != now)  # noqa: PLR0124


def _split(results: Results, is_chosen: Callable[[DriftResult], bool]) -> tuple[Results, Results]:
    marks = [is_chosen(each) for each in results]
    return (
        tuple(each for each, mark in zip(results, marks, strict=True) if mark),
        tuple(each for each, mark in zip(results, marks, strict=True) if not mark),
    )


def _is_below(result: DriftResult, floor: Severity) -> bool:
    if floor not in SEVERITIES:
        raise ValueError(f"severity_below is {floor!r}; pass one of {', '.join(SEVERITIES)}")
    own = severity(result)
    return own != "critical" and SEVERITIES.index(own) < SEVERITIES.index(floor)


def _ratio(result: DriftResult) -> float:
    """Return how many times a score is beyond its threshold, or infinity if the ratio is undefined."""
    score, threshold = result.score, result.threshold
    above, below = (score, threshold) if result.direction == "above" else (threshold, score)
    ratio = above / below if below > 0.0 and above >= 0.0 else math.inf
    return math.inf if math.isnan(ratio) else ratio


def _raised_threshold(result: DriftResult, factor: float) -> float:
    """Return the threshold times `factor`, or divided by it for p-values; zero and less cannot be raised."""
    if not result.threshold > 0.0:
        return result.threshold
    return result.threshold * factor if result.direction == "above" else result.threshold / factor


def _stays_below(result: DriftResult, threshold: float) -> bool:
    return result.score <= threshold if result.direction == "above" else result.score >= threshold


def _alerted_features(alerts: tuple[Alert, ...], groups: Mapping[str, AbstractSet[str]]) -> frozenset[str]:
    """Return the features that these alerts are about, except new members of a summarized group."""
    summaries = [alert for alert in alerts if alert.group in groups]
    expected = frozenset(feature for alert in summaries for feature in groups[alert.group])
    return _features(alerts) - (expected - _features(summaries))


def _features(alerts: Iterable[Alert]) -> frozenset[str]:
    return frozenset(member.feature for alert in alerts for member in alert.members)


def _alerts_in(history: Iterable[Any]) -> Iterator[Alert]:
    for each in _all(history, "history", "earlier plans"):
        if isinstance(each, Alert):
            yield each
        elif isinstance(each, AlertPlan):
            yield from each.alerts
        else:
            raise TypeError(
                f"history holds {type(each).__name__}, expected Alert or AlertPlan; pass earlier plans"
            )


def _all(given: Any, name: str, wanted: str) -> Iterable[Any]:
    if not isinstance(given, Iterable):
        raise TypeError(f"{name} is {type(given).__name__}, expected a sequence; pass {wanted}")
    return given


def _lot(result: DriftResult) -> float:
    told = result.execution_id or repr(result)
    digest = hashlib.sha256(f"holdout:{told}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64
