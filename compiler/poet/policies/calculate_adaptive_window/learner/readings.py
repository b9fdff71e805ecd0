"""Feedback on windows: one reading per event on fixed bands and a fixed grid, e-factors and tests.

E-factors compare readings within blocks that are formed without looking at outcomes. The readings of a block
depend on windows, features, bands and the order of events alone. So under the null (outcomes exchangeable)
the order of outcomes within a block is uniform, blocks are independent, and every hypothesis has an
e-process. Delays, the noise of windows, and runs go into disjoint blocks, which share one filtration and one
e-BH. Features are compared on the same noise readings again, in other blocks, so this hypothesis is tested
alone with its share of the risk.

The shares of the risk for all hypotheses are fixed before any data are seen.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poet.learning.configuration import LearnConfiguration
from poet.learning.e_factors import (
    EFactor,
    exchangeable_blocks,
    ordering_factor,
    outcome_order,
    threshold_factors,
)
from poet.learning.feedback_rows import (
    cap_bursts,
    dominant_sources,
    round_down,
    round_sizes,
    rows_excluding,
    sources_by_first_event,
)
from poet.learning.hypothesis_tests import (
    HypothesisTest,
    adversarial_notes,
    adversarial_sources,
    evaluate_hypotheses,
)
from poet.learning.rule_updates import RuleUpdate
from poet.policies.calculate_adaptive_window.policy import baseline
from poet.spec.decisions import Decisions, Interval, Rule
from poet.stats import log_ordering_evidence, median_interval

if TYPE_CHECKING:
    from poet.summaries import Summaries


# Fixed before any data are seen, so that no boundary depends on outcomes.
EDGES: Final = (50.0, 500.0, 5_000.0, 50_000.0)  # points per hour; band i lies above EDGES[i - 1]


@dataclass(frozen=True, slots=True)
class Reading:
    """One event: the outcome with a window, and its circumstances."""

    position: int
    event_id: str
    source: str
    time: float  # seconds
    feature: str
    window: int  # points, as reported
    size: int  # points, on the 1-2-5 grid
    band: int | None  # index into the velocity bands; None when the velocity is unknown
    outcome: float  # hours, false alarms per day, or 1 if a run hit a limit


def round_to_grid(window: int) -> int:
    """Return the size 1, 2 or 5 times a power of ten that is nearest to `window` (>= 1) by ratio."""
    below = round_down(window)
    above = min(size for size in round_sizes(window) if size >= window)
    return below if window * window <= below * above else above


def band_of(velocity: float | None) -> int | None:
    """Return the band of a velocity in points per hour; a band's upper edge belongs to it."""
    if velocity is None or math.isnan(velocity):
        return None
    return int(np.searchsorted(EDGES, velocity, side="left"))


def read(
    table: pa.Table,
    outcome: str,
    *,
    burst_limit: int,
    memory_cap_mb: float | None = None,
    grid: Callable[[int], int] = round_to_grid,
) -> tuple[list[Reading], int]:
    """Return the readings of a table by position, and the number of excluded rows.

    Rows without a window or outcome are excluded, and so are rows of a source beyond `burst_limit` per clock
    hour of event time. A run that used more than `memory_cap_mb` counts as a timeout.
    """
    rows = sorted(table.to_pylist(), key=lambda row: row["position"])
    usable: list[dict[str, Any]] = []
    for row in rows:
        value, window = row[outcome], row["window_size"]
        if memory_cap_mb is not None and (row["memory_usage_mb"] or 0.0) > memory_cap_mb:
            value = 1.0
        if value is not None and math.isfinite(value) and window and window >= 1:
            usable.append({**row, outcome: value})
    counted, _ = cap_bursts(usable, burst_limit)
    readings = [
        Reading(
            position=row["position"],
            event_id=row["event_id"],
            source=row["source"],
            time=row["time"],
            feature=row["feature"] or "",
            window=int(row["window_size"]),
            size=grid(int(row["window_size"])),
            band=band_of(row.get("data_velocity")),
            outcome=float(row[outcome]),
        )
        for row in counted
    ]
    return readings, len(rows) - len(readings)


_PER_DECADE: Final = (1.0, 3.0, 9.0)  # strength of a tenfold window
_PER_FEATURE: Final = (1.0, 2.0, 4.0)  # strength of being the feature
# Strength of a feature that always ranks last against one that always ranks first.
_PER_RANK: Final = (4.0, 8.0, 16.0)

_Ranks = dict[str, tuple[float, int]]  # feature: sum and number of ranks so far


def delay_factors(readings: Iterable[Reading]) -> list[EFactor]:
    """Return the e-factors of "delay grows with the window", which compare windows within a band."""
    known = (reading for reading in readings if reading.band is not None)
    return [
        ordering_factor(
            f"delay/{block[0].band}",
            (),
            block,
            outcome=_outcome,
            score=lambda r: float(np.log10(r.size)),
            strengths=_PER_DECADE,
        )
        for block in exchangeable_blocks(known, stratum=lambda r: (r.band,), level=lambda r: r.size)
    ]


def noise_factors(readings: Iterable[Reading]) -> list[EFactor]:
    """Return the e-factors of "false alarms fall with the window", within a feature and band."""
    known = (reading for reading in readings if reading.band is not None)
    return [
        ordering_factor(
            f"noise/{block[0].band}",
            (block[0].feature,),
            block,
            outcome=_outcome,
            score=lambda r: -float(np.log10(r.size)),
            strengths=_PER_DECADE,
        )
        for block in exchangeable_blocks(known, stratum=lambda r: (r.band, r.feature), level=lambda r: r.size)
    ]


def feature_factors(readings: Iterable[Reading]) -> list[EFactor]:
    """Return the e-factors of "some features raise more false alarms than others", within a band and window.

    The features are not selected by outcomes: the bet on each reading's rank among those before it uses
    scores made of the earlier ranks of its feature, in this band and window.
    """
    named = (reading for reading in readings if reading.feature)
    past: defaultdict[tuple[object, ...], _Ranks] = defaultdict(dict)
    found: list[EFactor] = []
    for block in exchangeable_blocks(named, stratum=lambda r: (r.band, r.size), level=lambda r: r.feature):
        stratum = (block[0].band, block[0].size)
        factors = sum(
            (_rank_evidence(block[:n], past[stratum]) for n in range(2, len(block) + 1)),
            np.zeros(len(_PER_RANK)),
        )
        found.append(EFactor("features", stratum, factors, tuple(block)))
        past[stratum] = _with_ranks(past[stratum], block)
    return found


def noisy_factors(readings: Iterable[Reading], feature: str, noisy: Collection[str]) -> list[EFactor]:
    """Return e-factors that compare one feature with those that are not `noisy`, within a band and window."""
    compared = (reading for reading in readings if reading.feature == feature or reading.feature not in noisy)
    return [
        ordering_factor(
            feature,
            (block[0].band, block[0].size),
            block,
            outcome=_outcome,
            score=lambda r: float(r.feature == feature),
            strengths=_PER_FEATURE,
        )
        for block in exchangeable_blocks(
            compared, stratum=lambda r: (r.band, r.size), level=lambda r: r.feature == feature
        )
    ]


def cap_factors(readings: Iterable[Reading], sizes: Sequence[int]) -> list[EFactor]:
    """Return the e-factors of "runs hit a limit from this size on", against runs of smaller sizes."""
    return threshold_factors("cap", readings, sizes, size=lambda r: r.size, outcome=_outcome)


def _rank_evidence(block: Sequence[Reading], past: _Ranks) -> NDArray[np.float64]:
    """Return the log e-values of the bet on the rank of the last reading among those before it."""
    before = block[:-1]
    ranks = _with_ranks(past, before)
    scores = {r.feature: _mean_rank(ranks.get(r.feature, (0.0, 0))) for r in block}
    return _score(block, scores) - _score(before, scores)


def _mean_rank(ranks: tuple[float, int]) -> float:
    total, n = ranks
    return (total + 1.0) / (n + 2)  # two pseudo-observations in the middle


def _score(block: Sequence[Reading], scores: Mapping[str, float]) -> NDArray[np.float64]:
    return log_ordering_evidence(
        [scores[block[k].feature] for k in outcome_order(block, _outcome)], _PER_RANK
    )


def _with_ranks(past: _Ranks, block: Sequence[Reading]) -> _Ranks:
    """Return the sums of ranks so far plus a block's, by feature: 0 fewest false alarms, 1 most."""
    ranks = dict(past)
    for rank, k in enumerate(outcome_order(block, _outcome)):
        total, n = ranks.get(block[k].feature, (0.0, 0))
        ranks[block[k].feature] = (total + rank / max(len(block) - 1, 1), n + 1)
    return ranks


def _outcome(reading: Reading) -> float:
    return reading.outcome


_BANDS_SHARE: Final = 0.4
_CAPS_SHARE: Final = 0.3
_FEATURES_SHARE: Final = 0.3


def hypothesis_weights(sizes: Sequence[int]) -> dict[str, float]:
    """Return the share of the risk of each hypothesis: two slopes per band, caps, features."""
    weights = {
        f"{what}/{band}": _BANDS_SHARE / (2 * (len(EDGES) + 1))
        for band in range(len(EDGES) + 1)
        for what in ("delay", "noise")
    }
    weights |= {f"cap/{size}": _CAPS_SHARE / 2**k for k, size in enumerate(reversed(sizes), start=1)}
    return weights | {"features": _FEATURES_SHARE}


def shares_filtration(hypothesis: str) -> bool:
    """Return whether a hypothesis shares its filtration with others: all except "features" do."""
    return hypothesis != "features"


_GRID: Final = tuple(step * 10**decade for decade in range(7) for step in (1, 2, 5))


@dataclass(frozen=True, slots=True)
class WindowRuleUpdate(RuleUpdate):
    """A rule update with its readings and tests."""

    newest: float
    delays: Sequence[Reading]
    noise: Sequence[Reading]
    runs: Sequence[Reading]
    tests: dict[str, HypothesisTest]
    cap_sizes: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def start(self) -> dict[str, Rule]:
        """Return the untuned rules, by id."""
        return {rule.id: rule for rule in baseline(self.champion.start)}

    def interval(self, what: str, readings: Sequence[Reading]) -> tuple[Interval, ...]:
        """Return the median outcome with an interval; an empty tuple if there are too few readings."""
        values = [reading.outcome for reading in readings]
        ends = median_interval(values, risk=self.configuration.risk) if values else None
        if ends is None:
            return ()
        middle = float(np.median(values))
        return (Interval(what=f"median {what}", estimate=middle, low=ends[0], high=ends[1], n=len(values)),)


def gather(
    summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration
) -> WindowRuleUpdate:
    """Return the readings of the summaries, with the tests of all hypotheses."""
    limit = configuration.burst_limit
    delays, delays_excluded = read(summaries.delays, "delay_hours", burst_limit=limit)
    noise, noise_excluded = read(summaries.noise, "false_alarms_per_day", burst_limit=limit)
    memory = configuration.bounds.memory_cap_mb
    runs, runs_excluded = read(
        summaries.performance, "timeout_occurred", burst_limit=limit, memory_cap_mb=memory, grid=round_down
    )
    sizes = _cap_sizes(champion, configuration)

    def compare(*without: str) -> list[EFactor]:
        delays_left, noise_left, runs_left = (rows_excluding(rows, without) for rows in (delays, noise, runs))
        capped = cap_factors(runs_left, sizes) if sizes else []
        return [
            *delay_factors(delays_left),
            *noise_factors(noise_left),
            *capped,
            *feature_factors(noise_left),
        ]

    sources = dominant_sources(*_by_band(delays, noise, runs))
    weights = hypothesis_weights(sizes)
    tests = evaluate_hypotheses(
        compare,
        weights,
        sources=sources,
        newest=summaries.newest_time,
        configuration=configuration,
        together=set(filter(shares_filtration, weights)),
        sources_by_first_event=sources_by_first_event(delays, noise, runs),
    )
    n_excluded = delays_excluded + noise_excluded + runs_excluded
    notes = [f"{len(delays)} delays, {len(noise)} reports of noise and {len(runs)} runs were read"]
    adversarial = adversarial_sources(tests)
    notes += adversarial_notes(adversarial)
    if n_excluded:
        notes.append(f"{n_excluded} rows are ignored: no window, no outcome, or beyond the burst limit")
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
    """Return the readings by table and band; a source is dominant if it is so in one of these groups."""
    groups: defaultdict[tuple[int, int | None], list[Reading]] = defaultdict(list)
    for number, readings in enumerate(tables):
        for reading in readings:
            groups[number, reading.band].append(reading)
    return list(groups.values())


def _cap_sizes(champion: Decisions, configuration: LearnConfiguration) -> tuple[int, ...]:
    """Return the sizes that could be too large: above the untuned window, up to the untuned cap."""
    start = {rule.id: rule.parameters for rule in baseline(champion.start)}
    window = cast("int", start["window"]["window"])
    cap = min(cast("int", start["bounds"]["cap"]), configuration.bounds.window_cap)
    return tuple(size for size in _GRID if window < size <= cap)
