"""Feedback on features: a slope per drift, memberships per degradation, a gap per report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from poet.learning.feedback_rows import FeedbackRow

LEVELS: Final = ("none", "low", "medium", "high", "critical")
_ARGUMENTS: Final = frozenset({"base_importance", "other_features"})  # policy arguments, not circumstances
_SMALLEST_DRIFT: Final = 0.02  # slopes of smaller drifts are not informative


@dataclass(frozen=True, slots=True)
class Impact:
    """The performance loss of a model per unit of drift score of a feature."""

    event_id: str
    source: str
    time: float
    position: int
    feature: str
    setting: tuple[tuple[str, str], ...]
    slope: float
    is_severe: bool  # the impact on a business metric was medium or higher


@dataclass(frozen=True, slots=True)
class Membership:
    """One feature of a degradation: whether it was correlated with the metric, and which others drifted."""

    event_id: str
    source: str
    time: float
    position: int
    feature: str
    setting: tuple[tuple[str, str], ...]
    others: frozenset[str]
    is_correlated: bool
    share: float  # of the listed features that are correlated


@dataclass(frozen=True, slots=True)
class Report:
    """A reported comparison of the combined impact of two features with the impact of one."""

    event_id: str
    source: str
    time: float
    position: int
    feature: str
    other: str
    gap: int  # levels from the individual to the combined impact


def impacts(rows: Sequence[FeedbackRow]) -> list[Impact]:
    """Return the impacts of ``feature.drift_impact``, without drifts that are too small for a slope."""
    return [
        Impact(
            event_id=each.event_id,
            source=each.source,
            time=each.time,
            position=each.position,
            feature=each["feature"],
            setting=_setting(each),
            slope=each["model_performance_drop"] / each["drift_score"],
            is_severe=(each["business_metric_impact"] or "none") not in LEVELS[:2],
        )
        for each in rows
        if each["drift_score"] >= _SMALLEST_DRIFT
    ]


def memberships(rows: Sequence[FeedbackRow]) -> list[Membership]:
    """Return the memberships of ``business.metric_degradation``: a row per listed feature."""
    return [row for each in rows for row in _rows(each)]


def _setting(each: FeedbackRow) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in each.setting if pair[0] not in _ARGUMENTS)


def _rows(each: FeedbackRow) -> Iterator[Membership]:
    correlated = set(each["correlated_drifted_features"] or ())
    uncorrelated = set(each["uncorrelated_drifted_features"] or ())
    correlated, uncorrelated = correlated - uncorrelated, uncorrelated - correlated
    listed = frozenset(correlated | uncorrelated)
    for feature in sorted(listed):
        yield Membership(
            event_id=f"{each.event_id}/{feature}",
            source=each.source,
            time=each.time,
            position=each.position,
            feature=feature,
            setting=_setting(each),
            others=listed - {feature},
            is_correlated=feature in correlated,
            share=len(correlated) / len(listed),
        )


def reports(rows: Sequence[FeedbackRow]) -> list[Report]:
    """Return the reports of ``feature.interaction_discovered`` that have an individual impact to compare."""
    return [
        Report(
            event_id=each.event_id,
            source=each.source,
            time=each.time,
            position=each.position,
            feature=each["primary_feature"],
            other=each["interacting_feature"],
            gap=LEVELS.index(each["combined_impact"]) - LEVELS.index(each["individual_impact"]),
        )
        for each in rows
        if each["individual_impact"] and each["primary_feature"] != each["interacting_feature"]
    ]
