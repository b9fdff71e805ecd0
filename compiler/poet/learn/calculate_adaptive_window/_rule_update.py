"""The readings and tests of one round of learning."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from poet.decisions import Decisions, Interval, Rule
from poet.learn.calculate_adaptive_window._e_factors import (
    cap_factors,
    delay_factors,
    feature_factors,
    noise_factors,
)
from poet.learn.calculate_adaptive_window._readings import Reading, read
from poet.learn.calculate_adaptive_window._weights import hypothesis_weights, is_with_others
from poet.learn.configuration import LearnConfiguration
from poet.learn.e_factors import EFactor
from poet.learn.feedback_rows import dominant_sources, floored, rows_excluding, sources_by_first_event
from poet.learn.hypothesis_tests import (
    HypothesisTest,
    adversarial_notes,
    adversarial_sources,
    evaluate_hypotheses,
)
from poet.learn.rule_updates import RuleUpdate
from poet.policies.calculate_adaptive_window import baseline
from poet.stats import median_interval

if TYPE_CHECKING:  # the tables are all that is used; the engine behind them stays out of the way
    from poet.summaries import Summaries

_GRID = tuple(step * 10**decade for decade in range(7) for step in (1, 2, 5))


@dataclass(frozen=True, slots=True)
class WindowRuleUpdate(RuleUpdate):
    """The update with its readings and tests."""

    newest: float
    delays: Sequence[Reading]
    noise: Sequence[Reading]
    runs: Sequence[Reading]
    tests: dict[str, HypothesisTest]
    cap_sizes: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def start(self) -> dict[str, Rule]:
        """The untuned rules, by id."""
        return {rule.id: rule for rule in baseline(self.champion.start)}

    def interval(self, what: str, readings: Sequence[Reading]) -> tuple[Interval, ...]:
        """Return the median outcome with an interval, or nothing while there are too few readings."""
        values = [reading.outcome for reading in readings]
        ends = median_interval(values, risk=self.configuration.risk) if values else None
        if ends is None:
            return ()
        middle = float(np.median(values))
        return (Interval(what=f"median {what}", estimate=middle, low=ends[0], high=ends[1], n=len(values)),)


def gather(
    summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration
) -> WindowRuleUpdate:
    """Read the summaries and test every hypothesis."""
    limit = configuration.burst_limit
    delays, late_aside = read(summaries.delays, "delay_hours", burst_limit=limit)
    noise, loud_aside = read(summaries.noise, "false_alarms_per_day", burst_limit=limit)
    memory = configuration.bounds.memory_cap_mb
    runs, runs_aside = read(
        summaries.performance, "timeout_occurred", burst_limit=limit, memory_cap_mb=memory, grid=floored
    )
    sizes = _cap_sizes(champion, configuration)

    def compare(*without: str) -> list[EFactor]:
        late, loud, ran = (rows_excluding(rows, without) for rows in (delays, noise, runs))
        capped = cap_factors(ran, sizes) if sizes else []
        return [*delay_factors(late), *noise_factors(loud), *capped, *feature_factors(loud)]

    sources = dominant_sources(*_by_band(delays, noise, runs))
    weights = hypothesis_weights(sizes)
    tests = evaluate_hypotheses(
        compare,
        weights,
        sources=sources,
        newest=summaries.newest_time,
        configuration=configuration,
        together=set(filter(is_with_others, weights)),
        sources_by_first_event=sources_by_first_event(delays, noise, runs),
    )
    aside = late_aside + loud_aside + runs_aside
    notes = [f"{len(delays)} delays, {len(noise)} reports of noise and {len(runs)} runs were read"]
    adversarial = adversarial_sources(tests)
    notes += adversarial_notes(adversarial)
    if aside:
        notes.append(f"{aside} rows are set aside: without a window or outcome, or beyond the burst limit")
    return WindowRuleUpdate(
        champion=champion,
        configuration=configuration,
        newest=summaries.newest_time,
        log_position=summaries.log_position,
        delays=rows_excluding(delays, adversarial),
        noise=rows_excluding(noise, adversarial),
        runs=rows_excluding(runs, adversarial),
        tests=tests,
        cap_sizes=sizes,
        notes=tuple(notes),
    )


def _by_band(*tables: Sequence[Reading]) -> list[list[Reading]]:
    """Return the readings of each table and band: a source is dominant if it is in one of them."""
    groups: defaultdict[tuple[int, int | None], list[Reading]] = defaultdict(list)
    for number, readings in enumerate(tables):
        for reading in readings:
            groups[number, reading.band].append(reading)
    return list(groups.values())


def _cap_sizes(champion: Decisions, configuration: LearnConfiguration) -> tuple[int, ...]:
    """Return the sizes that may turn out too large: above the untuned window, up to the untuned cap."""
    start = {rule.id: rule.parameters for rule in baseline(champion.start)}
    window = cast("int", start["window"]["window"])
    cap = min(cast("int", start["bounds"]["cap"]), configuration.bounds.window_cap)
    return tuple(size for size in _GRID if window < size <= cap)
