"""Readings that are compared with each other: disjoint blocks, matched without looking at outcomes.

Every reading goes into at most one block, and which readings meet depends on windows, features, bands,
the order of events and the results of *earlier* blocks, never on the outcomes of the readings themselves.
Under the null (outcomes exchangeable) the ranks within blocks are therefore independent and uniform, across
all hypotheses together, which is what lets one e-BH look at all of them after any event.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poet.learn.calculate_adaptive_window._readings import Reading
from poet.learn.evidence import log_rank_factors

__all__ = ["Block", "cap_blocks", "delay_blocks", "noise_blocks"]

_MOST_OTHERS = 3  # a fourth adds little to a rank and starves later blocks


@dataclass(frozen=True, slots=True)
class Block:
    """One comparison: what it says about a hypothesis, from which readings."""

    hypothesis: str
    factors: NDArray[np.float64]  # log e-values, one per alternative
    readings: tuple[Reading, ...]

    @property
    def time(self) -> float:
        """Event time of the newest reading, seconds."""
        return max(reading.time for reading in self.readings)

    @property
    def sources(self) -> frozenset[str]:
        """Who is behind it."""
        return frozenset(reading.source for reading in self.readings)


def delay_blocks(readings: Iterable[Reading]) -> list[Block]:
    """Compare delays of different windows within a band: "delay grows with the window"."""
    pools: defaultdict[int, list[Reading]] = defaultdict(list)
    blocks: list[Block] = []
    for reading in readings:
        if reading.band is None:
            continue
        pool = pools[reading.band]
        others = _nearest(reading, (other for other in pool if other.size != reading.size))
        if others:  # then the whole pool is of one other size: different sizes never wait together
            sign = 1.0 if reading.size > others[0].size else -1.0
            blocks.append(_block(f"delay/{reading.band}", reading, others, sign))
            pools[reading.band] = [other for other in pool if other not in others]
        else:
            pool.append(reading)
    return blocks


def noise_blocks(readings: Iterable[Reading]) -> list[Block]:
    """Compare false alarms: of windows within a band, and of features at one window of a band.

    The first pairs say "false alarms fall with the window", the second, mirrored, of each of two features
    "it has more than others". Both kinds draw on the same readings, so they take turns.
    """
    pools: defaultdict[int | None, list[Reading]] = defaultdict(list)
    turns: defaultdict[int | None, int] = defaultdict(int)  # pairs of windows minus pairs of features
    leads: defaultdict[str, int] = defaultdict(int)
    blocks: list[Block] = []
    for reading in readings:
        band, pool = reading.band, pools[reading.band]
        slower = _nearest(reading, (o for o in pool if o.size != reading.size and band is not None))[:1]
        rivals = [o for o in pool if o.size == reading.size and o.feature and o.feature != reading.feature]
        rival = _rival(reading, rivals, leads)
        if slower and (rival is None or turns[band] <= 0):
            sign = -1.0 if reading.size > slower[0].size else 1.0
            blocks.append(_block(f"noise/{band}", reading, slower, sign))
            turns[band] += 1
            pool.remove(slower[0])
        elif rival is not None and reading.feature:
            blocks.append(_block(f"stable/{reading.feature}", reading, [rival], 1.0))
            blocks.append(_block(f"stable/{rival.feature}", rival, [reading], 1.0))
            turns[band] -= 1
            leads[reading.feature] += _sign(reading.outcome - rival.outcome)
            leads[rival.feature] += _sign(rival.outcome - reading.outcome)
            pool.remove(rival)
        else:
            pool.append(reading)
    return blocks


def cap_blocks(readings: Iterable[Reading], sizes: Sequence[int]) -> list[Block]:
    """Compare runs of a size with runs of smaller ones: "they bite on a limit from this size on".

    `sizes` ascend; what lies above the last one counts with it.
    """
    pool: list[tuple[int, Reading]] = []
    blocks: list[Block] = []
    for reading in readings:
        size = min(reading.size, sizes[-1])
        smaller = [entry for entry in reversed(pool) if entry[0] < size][:_MOST_OTHERS]
        larger = [entry for entry in reversed(pool) if entry[0] > size and entry[0] in sizes][:1]
        if size in sizes and smaller:
            blocks.append(_block(f"cap/{size}", reading, [other for _, other in smaller], 1.0))
            pool = [entry for entry in pool if entry not in smaller]
        elif larger:
            blocks.append(_block(f"cap/{larger[0][0]}", larger[0][1], [reading], 1.0))
            pool.remove(larger[0])
        else:
            pool.append((size, reading))
    return blocks


def _block(hypothesis: str, one: Reading, others: Sequence[Reading], sign: float) -> Block:
    factors = log_rank_factors(sign * one.outcome, [sign * other.outcome for other in others])
    return Block(hypothesis, factors, (one, *others))


def _nearest(reading: Reading, others: Iterable[Reading]) -> list[Reading]:
    """Give up to three others, those of the same feature first, then the most recent."""
    order = sorted(others, key=lambda other: (other.feature != reading.feature, -other.position))
    return order[:_MOST_OTHERS]


def _rival(reading: Reading, rivals: Sequence[Reading], leads: dict[str, int]) -> Reading | None:
    """Give the rival whose feature fared most differently in earlier blocks: two noisy ones teach nothing."""
    own = leads.get(reading.feature, 0)
    return max(rivals, key=lambda o: (abs(own - leads.get(o.feature, 0)), o.position), default=None)


def _sign(difference: float) -> int:
    return (difference > 0) - (difference < 0)
