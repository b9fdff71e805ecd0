"""Functions that `generate_alerts` uses to partition, suppress and summarize drifted results.

Results are a multiset: two equal results count as two. Every function that selects results also returns the
rest, so no result can be lost between two steps.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from numbers import Real
from typing import Any, Final

from poet_runtime.results import Alert, AlertPlan, DriftResult, Suppressed

SEVERITIES: Final = ("low", "medium", "high", "critical")

Results = tuple[DriftResult, ...]


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


def _told(result: DriftResult) -> tuple[str, ...]:
    return (result.feature, result.execution_id, result.test, repr(result.score), repr(result.threshold))


def _settled(alike: list[DriftResult]) -> list[DriftResult]:
    return alike if len(alike) == 1 else sorted(alike, key=repr)


def severity(result: DriftResult) -> str:
    """Return the severity of a result: its business impact if one was given, else medium."""
    if result.business_impact in SEVERITIES:
        return result.business_impact
    return "low" if result.business_impact == "none" else "medium"


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


def partition(
    waiting: Results,
    features: frozenset[str],
    *,
    severity_below: str = "",
    ratio_at_most: float | None = None,
) -> tuple[Results, Results]:
    """Return the results of these features, and the rest.

    With `severity_below`, select only results of a lower severity, and never critical ones. With
    `ratio_at_most`, select only results whose score is at most this many times beyond its threshold.
    """
    return _split(
        waiting,
        lambda each: (
            each.feature in features
            and (not severity_below or _is_below(each, severity_below))
            and (ratio_at_most is None or _ratio(each) <= ratio_at_most)
        ),
    )


def holdout(taken: Results, share: float) -> tuple[Results, Results]:
    """Return a uniform share that is alerted despite the suppression, and the rest.

    The choice depends only on a digest of each execution id.
    """
    return _split(taken, lambda each: _lot(each) < share)


def suppress(taken: Results, rule: str) -> list[Suppressed]:
    """Return the results as suppressed by a rule."""
    return [Suppressed(member=each, rule=rule) for each in taken]


def recent_alerts(history: Iterable[Any], now: float | None, within_s: float) -> tuple[Alert, ...]:
    """Return the alerts, also those inside plans, that were raised less than `within_s` seconds before `now`.

    Raises
    ------
    TypeError
        An element of `history` is neither an Alert nor an AlertPlan.
    """
    return tuple(
        alert
        for alert in _alerts(history)
        if now is not None and alert.raised_at is not None and 0.0 <= now - alert.raised_at < within_s
    )


def recent_features(
    alerts: Iterable[Alert], *, groups: Mapping[str, frozenset[str]] | None = None
) -> frozenset[str]:
    """Return the features that these alerts are about, except new members of a summarized group.

    A feature of a summarized group that was never part of the summary re-opens the summary: an individual
    alert about the feature is not evidence about the common cause.
    """
    alerts, groups = tuple(alerts), groups or {}
    summaries = [alert for alert in alerts if alert.group in groups]
    expected = frozenset(feature for alert in summaries for feature in groups[alert.group])
    return _features(alerts) - (expected - _features(summaries))


def is_open(group: str, alerts: Iterable[Alert]) -> bool:
    """Return whether one of these alerts summarizes the group, so that a new member belongs to it."""
    return any(alert.group == group for alert in alerts)


def raised_thresholds(waiting: Results, features: frozenset[str], factor: float) -> dict[str, float]:
    """Return, by feature, `factor` times the threshold of the recently alerted features."""
    return {each.feature: _bar(each, factor) for each in waiting if each.feature in features}


def below_threshold(
    waiting: Results, features: frozenset[str], factor: float, *, severity_below: str
) -> tuple[Results, Results]:
    """Return the results that stay below the raised threshold and below a severity, and the rest."""
    return _split(
        waiting,
        lambda each: (
            each.feature in features and _is_below(each, severity_below) and _is_within(each, factor)
        ),
    )


def individual_alerts(
    results: Results, *, rule: str, now: float | None, is_holdout: bool = False
) -> list[Alert]:
    """Return one alert for each result."""
    return [
        Alert(members=(each,), severity=severity(each), rule=rule, raised_at=now, is_holdout=is_holdout)
        for each in results
    ]


def summary(members: Results, *, rule: str, now: float | None) -> Alert:
    """Return one alert about several results, with the highest of their severities."""
    highest = max((severity(each) for each in members), key=SEVERITIES.index)
    return Alert(members=members, severity=highest, group=rule, is_summary=True, rule=rule, raised_at=now)


def _is_datetime64(now: Any) -> bool:
    return str(getattr(now, "dtype", "")).startswith("datetime64") and not getattr(now, "shape", ())


def _is_unknown(now: Any) -> bool:
    """Return whether a time is NaN or NaT, the only values that differ from themselves."""
    return (isinstance(now, datetime | Real) or _is_datetime64(now)) and bool(now != now)  # noqa: PLR0124


def _split(waiting: Results, chosen: Callable[[DriftResult], bool]) -> tuple[Results, Results]:
    marks = [chosen(each) for each in waiting]
    return (
        tuple(each for each, is_chosen in zip(waiting, marks, strict=True) if is_chosen),
        tuple(each for each, is_chosen in zip(waiting, marks, strict=True) if not is_chosen),
    )


def _is_below(result: DriftResult, floor: str) -> bool:
    own = severity(result)
    return own != "critical" and SEVERITIES.index(own) < SEVERITIES.index(floor)


def _ratio(result: DriftResult) -> float:
    """Return how many times a score is beyond its threshold, or infinity if the ratio is undefined."""
    score, threshold = result.score, result.threshold
    above, below = (score, threshold) if result.direction == "above" else (threshold, score)
    ratio = above / below if below > 0.0 and above >= 0.0 else math.inf
    return math.inf if math.isnan(ratio) else ratio


def _bar(result: DriftResult, factor: float) -> float:
    if not result.threshold > 0.0:
        return result.threshold
    return result.threshold * factor if result.direction == "above" else result.threshold / factor


def _is_within(result: DriftResult, factor: float) -> bool:
    bar = _bar(result, factor)
    return result.score <= bar if result.direction == "above" else result.score >= bar


def _features(alerts: Iterable[Alert]) -> frozenset[str]:
    return frozenset(member.feature for alert in alerts for member in alert.members)


def _alerts(history: Iterable[Any]) -> Iterator[Alert]:
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
