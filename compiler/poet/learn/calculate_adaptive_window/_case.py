"""Everything that one round of learning looks at."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from poet.decisions import Decisions, Interval, Rule
from poet.learn.blocks import Block
from poet.learn.calculate_adaptive_window._blocks import (
    cap_blocks,
    delay_blocks,
    feature_blocks,
    noise_blocks,
)
from poet.learn.calculate_adaptive_window._readings import Reading, read
from poet.learn.calculate_adaptive_window._weights import hypothesis_weights, is_with_others
from poet.learn.configuration import LearnConfiguration
from poet.learn.evidence import median_interval
from poet.learn.grid import floored
from poet.learn.rulebook import Rulebook
from poet.learn.statements import voices
from poet.learn.verdicts import Verdict, apart_notes, contrary, judge
from poet.policies.calculate_adaptive_window import baseline

if TYPE_CHECKING:  # the tables are all that is used; the engine behind them stays out of the way
    from poet.summaries import Summaries

__all__ = ["Case", "gather"]

_WEIGHTY = 8
_GRID = tuple(step * 10**decade for decade in range(7) for step in (1, 2, 5))


@dataclass(frozen=True, slots=True)
class Case(Rulebook):
    """The readings, what they say, the policy in force, and the workspace's word."""

    newest: float
    delays: Sequence[Reading]
    noise: Sequence[Reading]
    runs: Sequence[Reading]
    verdicts: dict[str, Verdict]
    cap_sizes: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def start(self) -> dict[str, Rule]:
        """The untuned rules, by id."""
        return {rule.id: rule for rule in baseline(self.champion.start)}

    def interval(self, what: str, readings: Sequence[Reading]) -> tuple[Interval, ...]:
        """Give the median outcome with an interval, or nothing while there are too few readings."""
        values = [reading.outcome for reading in readings]
        ends = median_interval(values, risk=self.configuration.risk) if values else None
        if ends is None:
            return ()
        middle = float(np.median(values))
        return (Interval(what=f"median {what}", estimate=middle, low=ends[0], high=ends[1], n=len(values)),)


def gather(summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration) -> Case:
    """Read the summaries and weigh every hypothesis."""
    limit = configuration.burst_limit
    delays, late_aside = read(summaries.delays, "delay_hours", burst_limit=limit)
    noise, loud_aside = read(summaries.noise, "false_alarms_per_day", burst_limit=limit)
    memory = configuration.bounds.memory_cap_mb
    runs, runs_aside = read(
        summaries.performance, "timeout_occurred", burst_limit=limit, memory_cap_mb=memory, grid=floored
    )
    sizes = _cap_sizes(champion, configuration)

    def compare(*without: str) -> list[Block]:
        late, loud, ran = ([r for r in said if r.source not in without] for said in (delays, noise, runs))
        capped = cap_blocks(ran, sizes) if sizes else []
        return [*delay_blocks(late), *noise_blocks(loud), *capped, *feature_blocks(loud)]

    sources = _weighty_sources(delays, noise, runs)
    weights = hypothesis_weights(sizes)
    verdicts = judge(
        compare,
        weights,
        sources=sources,
        newest=summaries.newest_time,
        configuration=configuration,
        together=set(filter(is_with_others, weights)),
        voices=voices(delays, noise, runs),
    )
    aside = late_aside + loud_aside + runs_aside
    notes = [f"{len(delays)} delays, {len(noise)} reports of noise and {len(runs)} runs were read"]
    apart = contrary(verdicts)
    notes += apart_notes(apart)
    if aside:
        notes.append(f"{aside} rows are set aside: without a window or outcome, or beyond the burst limit")
    return Case(
        champion=champion,
        configuration=configuration,
        newest=summaries.newest_time,
        log_position=summaries.log_position,
        delays=_heard(delays, apart),
        noise=_heard(noise, apart),
        runs=_heard(runs, apart),
        verdicts=verdicts,
        cap_sizes=sizes,
        notes=tuple(notes),
    )


def _heard(readings: Sequence[Reading], apart: frozenset[str]) -> list[Reading]:
    return [reading for reading in readings if reading.source not in apart]


def _weighty_sources(*tables: Sequence[Reading]) -> list[str]:
    """Give the sources that say enough somewhere to carry a rule alone: an eighth of a band's readings."""
    weighty: set[str] = set()
    for readings in tables:
        total = Counter(reading.band for reading in readings)
        said = Counter((reading.source, reading.band) for reading in readings)
        weighty |= {source for (source, band), n in said.items() if n * _WEIGHTY >= total[band]}
    return sorted(weighty)


def _cap_sizes(champion: Decisions, configuration: LearnConfiguration) -> tuple[int, ...]:
    """Give the sizes that may turn out too large: above the untuned window, up to the untuned cap."""
    start = {rule.id: rule.parameters for rule in baseline(champion.start)}
    window = cast("int", start["window"]["window"])
    cap = min(cast("int", start["bounds"]["cap"]), configuration.bounds.window_cap)
    return tuple(size for size in _GRID if window < size <= cap)
