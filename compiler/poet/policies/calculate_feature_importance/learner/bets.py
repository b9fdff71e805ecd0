"""Bets on the importance of features, and estimates of their effects.

There are four kinds of hypotheses. Under the null, features, settings and lists carry no information.

``more/F``           F's drift costs more than that of other features in the same setting
``context/K=V/F``    F's drift costs more where K is V than elsewhere
``never/F``          F's drift costs almost nothing: its median slope is below a share of the others'
``interaction/F/G``  F matters more when G drifts too

Slopes are compared by rank within blocks of exchangeable readings, never by size, so an extreme loss has no
more influence than any other reading. Each hypothesis is tested alone with its share of the risk.

Effects are medians of slopes with decaying weights, rounded to a short list of multipliers.
"""

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from poet.learning.e_factors import EFactor, bernoulli_factor, contrast_factors, hypothesis_key
from poet.policies.calculate_feature_importance.learner.readings import Impact, Membership, Report
from poet.spec.decisions import Interval
from poet.stats import alpha_spending, decay_weights, median_interval, weighted_median

_ODDS: Final = (2.0, 4.0, 16.0)  # of being on the list of features correlated with the metric
_MOSTLY: Final = (0.7, 0.85, 0.97)  # alternatives for the rate of irrelevant slopes, against one half
_FEWEST_OTHERS: Final = 5  # slopes of other features needed to know which slopes matter
_EVEN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """All feedback that the bets use, by kind."""

    impacts: Sequence[Impact]
    memberships: Sequence[Membership]
    reports: Sequence[Report]


def bets(evidence: Evidence, *, relevant_share: float) -> list[EFactor]:
    """Return all e-factors; slopes below `relevant_share` times the others' median slope are irrelevant."""
    return [
        *_more(evidence.impacts),
        *_listed(evidence.memberships),
        *_in_context(evidence.impacts, evidence.memberships),
        *_never(evidence.impacts, relevant_share),
        *_together(evidence.reports, evidence.memberships),
    ]


def hypothesis_weights(evidence: Evidence) -> dict[str, float]:
    """Return the weights: a quarter for each kind of hypothesis, within a kind by first appearance.

    Reported pairs have a separate share, since lists contain every pair sooner or later.
    """
    rows: list[Impact | Membership] = sorted(
        [*evidence.impacts, *evidence.memberships], key=lambda row: (row.position, row.feature)
    )
    contexts = [hypothesis_key("context", *setting, row.feature) for row in rows for setting in row.setting]
    reported = alpha_spending(
        (hypothesis_key("interaction", report.feature, report.other) for report in evidence.reports),
        share=0.15,
    )
    listed = alpha_spending(
        (
            hypothesis_key("interaction", row.feature, other)
            for row in evidence.memberships
            for other in sorted(row.others)
        ),
        share=0.1,
    )
    return {
        **alpha_spending((hypothesis_key("more", row.feature) for row in rows), share=0.25),
        **alpha_spending((hypothesis_key("never", row.feature) for row in rows), share=0.25),
        **alpha_spending(contexts, share=0.25),
        **{pair: reported.get(pair, 0.0) + listed.get(pair, 0.0) for pair in {*reported, *listed}},
    }


def _more(impacts: Sequence[Impact]) -> Iterator[EFactor]:
    for feature in sorted({row.feature for row in impacts}):
        yield from contrast_factors(
            hypothesis_key("more", feature),
            impacts,
            _is_about(feature),
            outcome=_slope,
            stratum=lambda row: row.setting,
            label="impact",
        )


def _listed(memberships: Iterable[Membership]) -> Iterator[EFactor]:
    """Yield bets on the lists; under the null a feature is correlated with a probability of `share`."""
    for row in memberships:
        if 0.0 < row.share < 1.0:
            for hypothesis, odds in (("more", _ODDS), ("never", tuple(1.0 / each for each in _ODDS))):
                yield bernoulli_factor(
                    hypothesis_key(hypothesis, row.feature),
                    row,
                    happened=row.is_correlated,
                    chance=row.share,
                    alternatives=tuple(o * row.share / (1.0 - row.share + o * row.share) for o in odds),
                    stratum=("listed",),
                )


def _in_context(impacts: Sequence[Impact], memberships: Sequence[Membership]) -> Iterator[EFactor]:
    drifted = {row.feature for row in impacts} | {row.feature for row in memberships}
    for feature in sorted(drifted):
        slopes = [row for row in impacts if row.feature == feature]
        lists = [row for row in memberships if row.feature == feature]
        settings = {pair for row in slopes for pair in row.setting}
        for setting in sorted(settings | {pair for row in lists for pair in row.setting}):
            name, has = hypothesis_key("context", *setting, feature), _is_in(setting)
            yield from contrast_factors(name, slopes, has, outcome=_slope, label="impact")
            yield from contrast_factors(name, lists, has, outcome=_correlated, label="listed")


def _never(impacts: Sequence[Impact], relevant_share: float) -> Iterator[EFactor]:
    """Yield bets that most slopes of a feature are irrelevant next to other features' earlier slopes."""
    past: defaultdict[str, list[float]] = defaultdict(list)
    for row in impacts:
        others = [slope for feature, slopes in past.items() if feature != row.feature for slope in slopes]
        insort(past[row.feature], row.slope)
        median = float(np.median(others)) if len(others) >= _FEWEST_OTHERS else 0.0
        if median > 0.0:
            yield bernoulli_factor(
                hypothesis_key("never", row.feature),
                row,
                happened=row.slope < relevant_share * median and not row.is_severe,
                chance=_EVEN,
                alternatives=_MOSTLY,
                stratum=("impact",),
            )


def _together(reports: Sequence[Report], memberships: Sequence[Membership]) -> Iterator[EFactor]:
    for report in reports:
        if report.gap:
            yield bernoulli_factor(
                hypothesis_key("interaction", report.feature, report.other),
                report,
                happened=report.gap > 0,
                chance=_EVEN,
                alternatives=_MOSTLY,
                stratum=("report",),
            )
    for feature in sorted({row.feature for row in memberships}):
        own = [row for row in memberships if row.feature == feature]
        for other in sorted({each for row in own for each in row.others}):
            name, has = hypothesis_key("interaction", feature, other), _drifts_with(other)
            yield from contrast_factors(name, own, has, outcome=_correlated, label="listed")


def _is_about(feature: str) -> Callable[[Impact], bool]:
    return lambda row: row.feature == feature


def _is_in(setting: tuple[str, str]) -> Callable[[Impact | Membership], bool]:
    return lambda row: setting in row.setting


def _drifts_with(other: str) -> Callable[[Membership], bool]:
    return lambda row: other in row.others


def _slope(row: Impact) -> float:
    return row.slope


def _correlated(row: Membership) -> float:
    return float(row.is_correlated)


MULTIPLIERS: Final = (1.5, 2.0, 3.0, 5.0, 10.0)
_FEWEST: Final = 3  # slopes needed for a median
_SHRINKAGE: Final = 1.0  # pseudo-observations without any effect, added to the smaller of the two groups
_LEAST: Final = 1.35  # a smaller ratio is not worth a rule
_TOLERANCE: Final = 1.4  # an estimate within this factor of the multiplier in force changes nothing
_PER_LEVEL: Final = 0.25  # of the importance, per level of the combined impact above the individual one


@dataclass(frozen=True, slots=True)
class Effects:
    """Estimates from slopes and reports."""

    impacts: Sequence[Impact]
    reports: Sequence[Report]
    half_life_days: float
    newest: float
    risk: float

    def of_feature(self, feature: str) -> float | None:
        """Return the ratio of a feature's slope to the others', the minimum over settings with both."""
        ratios = [
            self._ratio(
                [row for row in same if row.feature == feature],
                [row for row in same if row.feature != feature],
            )
            for same in self._by_setting().values()
        ]
        return min((ratio for ratio in ratios if ratio is not None), default=None)

    def of_context(self, feature: str, setting: tuple[str, str]) -> float | None:
        """Return the ratio of a feature's slope in a setting to its slope elsewhere."""
        own = [row for row in self.impacts if row.feature == feature]
        return self._ratio(
            [row for row in own if setting in row.setting],
            [row for row in own if setting not in row.setting],
        )

    def of_pair(self, feature: str, other: str) -> float | None:
        """Return a multiplier for two features together: a quarter per level of impact that they add."""
        reports = [row for row in self.reports if (row.feature, row.other) == (feature, other)]
        if not reports:
            return None
        gap = weighted_median([row.gap for row in reports], self._weights([row.time for row in reports]))
        return 1.0 + _PER_LEVEL * max(gap, 0.0)

    def slopes(self, what: str, chosen: Callable[[Impact], bool]) -> tuple[Interval, ...]:
        """Return the median slope of the chosen readings with its interval; () if they are too few."""
        values = [row.slope for row in self.impacts if chosen(row)]
        ends = median_interval(values, risk=self.risk) if values else None
        if ends is None:
            return ()
        middle = weighted_median(values, [1.0] * len(values))
        return (Interval(what=what, estimate=middle, low=ends[0], high=ends[1], n=len(values)),)

    def median(self, chosen: Callable[[Impact], bool]) -> float | None:
        """Return the median slope of the chosen readings with decay; None if they are too few."""
        return self._median([row for row in self.impacts if chosen(row)])

    def _by_setting(self) -> dict[object, list[Impact]]:
        by_setting: defaultdict[object, list[Impact]] = defaultdict(list)
        for row in self.impacts:
            by_setting[row.setting].append(row)
        return by_setting

    def _ratio(self, chosen: Sequence[Impact], against: Sequence[Impact]) -> float | None:
        one, other = self._median(chosen), self._median(against)
        if one is None or other is None:
            return None
        if one <= 0.0 or other <= 0.0:
            return 1.0 if one <= 0.0 else MULTIPLIERS[-1]
        n = min(len(chosen), len(against))
        return math.exp(math.log(one / other) * n / (n + _SHRINKAGE))

    def _median(self, rows: Sequence[Impact]) -> float | None:
        if len(rows) < _FEWEST:
            return None
        return weighted_median([row.slope for row in rows], self._weights([row.time for row in rows]))

    def _weights(self, times: Sequence[float]) -> list[float]:
        weights = decay_weights(times, half_life_days=self.half_life_days, newest=self.newest)
        return [float(weight) for weight in weights]


def nearest_multiplier(ratio: float | None, former: float | None) -> float:
    """Return the multiplier nearest to an estimate.

    The multiplier in force is kept if the estimate is close to it or missing. If neither exists, return the
    smallest.
    """
    if ratio is None:
        return former or MULTIPLIERS[0]
    if former and former / _TOLERANCE <= ratio <= former * _TOLERANCE:
        return former
    if ratio < _LEAST:
        return 1.0
    return min(MULTIPLIERS, key=lambda each: abs(math.log(each / ratio)))
