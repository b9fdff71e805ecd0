"""How much: medians of slopes, old ones fading, drawn to a short list of multipliers."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poet.decisions import Interval
from poet.learn.calculate_feature_importance._readings import Impact, Report
from poet.stats import decay_weights, median_interval, weighted_median

MULTIPLIERS = (1.5, 2.0, 3.0, 5.0, 10.0)
_FEWEST = 3  # slopes behind a median
_SHRINKAGE = 1.0  # imagined slope without any effect, beside the fewer of the two groups
_LEAST = 1.35  # times: an effect below is not worth a rule
_STAYS = 1.4  # times: an estimate this near to a multiplier in force changes nothing
_PER_LEVEL = 0.25  # of the importance, for each level that the combined impact is above the individual one


@dataclass(frozen=True, slots=True)
class Effects:
    """Estimates from slopes and reports."""

    impacts: Sequence[Impact]
    reports: Sequence[Report]
    half_life_days: float
    newest: float
    risk: float

    def of_feature(self, feature: str) -> float | None:
        """Return a feature's slope over the others', the least over the settings in which both were seen."""
        ratios = [
            self._ratio(
                [row for row in same if row.feature == feature],
                [row for row in same if row.feature != feature],
            )
            for same in self._by_setting().values()
        ]
        return min((ratio for ratio in ratios if ratio is not None), default=None)

    def of_context(self, feature: str, setting: tuple[str, str]) -> float | None:
        """Return a feature's slope in a setting over its slope elsewhere."""
        own = [row for row in self.impacts if row.feature == feature]
        return self._ratio(
            [row for row in own if setting in row.setting],
            [row for row in own if setting not in row.setting],
        )

    def of_pair(self, feature: str, other: str) -> float | None:
        """Return a multiplier for two features together: a quarter for each level of impact that they add."""
        said = [row for row in self.reports if (row.feature, row.other) == (feature, other)]
        if not said:
            return None
        gap = weighted_median([row.gap for row in said], self._weights([row.time for row in said]))
        return 1.0 + _PER_LEVEL * max(gap, 0.0)

    def slopes(self, what: str, chosen: Callable[[Impact], bool]) -> tuple[Interval, ...]:
        """Return the median slope of the chosen readings with its interval, () while they are too few."""
        values = [row.slope for row in self.impacts if chosen(row)]
        ends = median_interval(values, risk=self.risk) if values else None
        if ends is None:
            return ()
        middle = weighted_median(values, [1.0] * len(values))
        return (Interval(what=what, estimate=middle, low=ends[0], high=ends[1], n=len(values)),)

    def median(self, chosen: Callable[[Impact], bool]) -> float | None:
        """Return the faded median slope of the chosen readings, None while they are too few."""
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


def drawn(ratio: float | None, former: float | None) -> float:
    """Draw an estimate to the list; without one, the smallest; near to the one in force, that one."""
    if ratio is None:
        return former or MULTIPLIERS[0]
    if former and former / _STAYS <= ratio <= former * _STAYS:
        return former
    if ratio < _LEAST:
        return 1.0
    return min(MULTIPLIERS, key=lambda each: abs(math.log(each / ratio)))
