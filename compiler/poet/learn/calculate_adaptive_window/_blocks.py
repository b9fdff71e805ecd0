"""Readings that are compared with each other: blocks, formed without looking at outcomes.

Which readings meet depends on windows, features, bands and the order of events alone. So under the null
(outcomes exchangeable) the order of outcomes inside a block is uniform, blocks are independent, and every
hypothesis has an e-process. Delays, windows' noise and runs go into disjoint blocks, which share one
filtration and one e-BH; features are compared on the same noise readings once more, in other blocks,
so this question stands alone with its share of the risk.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poet.learn.calculate_adaptive_window._readings import Reading
from poet.learn.evidence import log_ordering_evidence, log_rank_factors

__all__ = ["Block", "cap_blocks", "delay_blocks", "feature_blocks", "loud_blocks", "noise_blocks"]

_LENGTH = 24  # readings; local enough to live with slow trends, long enough that orders say much
_ALIKE = 8  # of readings that all have one score only the newest wait: they prove nothing by themselves
_WAITING = 100  # runs that wait for a partner; older ones say little about today's machine
_MOST_OTHERS = 3  # runs that one large run is compared with
_PER_DECADE = (1.0, 3.0, 9.0)  # strength of a tenfold window
_PER_FEATURE = (1.0, 2.0, 4.0)  # strength of being the feature
_PER_PLACE = (4.0, 8.0, 16.0)  # strength of a feature that is always the last against one always the first

_Places = dict[str, tuple[float, int]]  # feature: sum and number of places so far


@dataclass(frozen=True, slots=True)
class Block:
    """One comparison: what it says about a hypothesis, from which readings."""

    hypothesis: str
    stratum: tuple[object, ...]  # blocks of one stratum multiply, strata may differ in what is true
    factors: NDArray[np.float64]  # log e-values, one per alternative
    readings: tuple[Reading, ...]

    @property
    def time(self) -> float:
        """Event time of the newest reading, seconds."""
        return max(reading.time for reading in self.readings)

    @property
    def begins(self) -> float:
        """Event time of the oldest reading, seconds."""
        return min(reading.time for reading in self.readings)


def delay_blocks(readings: Iterable[Reading]) -> list[Block]:
    """Compare windows within a band: "delay grows with the window"."""
    known = (reading for reading in readings if reading.band is not None)
    return [
        _ordered(f"delay/{block[0].band}", (), block, [np.log10(r.size) for r in block], _PER_DECADE)
        for block in _blocks(known, stratum=lambda r: (r.band,), level=lambda r: r.size)
    ]


def noise_blocks(readings: Iterable[Reading]) -> list[Block]:
    """Compare windows within a feature and band: "false alarms fall with the window"."""
    known = (reading for reading in readings if reading.band is not None)
    return [
        _ordered(
            f"noise/{block[0].band}",
            (block[0].feature,),
            block,
            [-np.log10(r.size) for r in block],
            _PER_DECADE,
        )
        for block in _blocks(known, stratum=lambda r: (r.band, r.feature), level=lambda r: r.size)
    ]


def feature_blocks(readings: Iterable[Reading]) -> list[Block]:
    """Compare features within a band and window: "some raise more false alarms than others".

    Which ones is not picked by looking: each reading's place among those before it is bet on with scores
    made of the earlier places of its feature, in this band and window.
    """
    named = (reading for reading in readings if reading.feature)
    past: defaultdict[tuple[object, ...], _Places] = defaultdict(dict)
    found: list[Block] = []
    for block in _blocks(named, stratum=lambda r: (r.band, r.size), level=lambda r: r.feature):
        stratum = (block[0].band, block[0].size)
        factors = sum(
            (_placed(block[:n], past[stratum]) for n in range(2, len(block) + 1)), np.zeros(len(_PER_PLACE))
        )
        found.append(Block("features", stratum, factors, tuple(block)))
        past[stratum] = _with_places(past[stratum], block)
    return found


def loud_blocks(readings: Iterable[Reading], feature: str, loud: Collection[str]) -> list[Block]:
    """Compare one feature with those that are not `loud`, within a band and window."""
    ring = (reading for reading in readings if reading.feature == feature or reading.feature not in loud)
    return [
        _ordered(
            feature,
            (block[0].band, block[0].size),
            block,
            [float(r.feature == feature) for r in block],
            _PER_FEATURE,
        )
        for block in _blocks(ring, stratum=lambda r: (r.band, r.size), level=lambda r: r.feature == feature)
    ]


def cap_blocks(readings: Iterable[Reading], sizes: Sequence[int]) -> list[Block]:
    """Compare runs of a size with runs of smaller ones: "they bite on a limit from this size on".

    `sizes` ascend; what lies above the last one counts with it. Every run goes into at most one block of
    one larger and up to three smaller ones: outcomes are mostly tied, and these ties are averaged out.
    """
    pool: list[tuple[int, Reading]] = []
    blocks: list[Block] = []
    for reading in readings:
        size = min(reading.size, sizes[-1])
        smaller = [entry for entry in reversed(pool) if entry[0] < size][:_MOST_OTHERS]
        larger = [entry for entry in reversed(pool) if entry[0] > size and entry[0] in sizes][:1]
        if size in sizes and smaller:
            blocks.append(_ranked(f"cap/{size}", reading, [other for _, other in smaller]))
            pool = [entry for entry in pool if entry not in smaller]
        elif larger:
            blocks.append(_ranked(f"cap/{larger[0][0]}", larger[0][1], [reading]))
            pool.remove(larger[0])
        else:
            pool = [*pool[1 - _WAITING :], (size, reading)]
    return blocks


def _blocks(
    readings: Iterable[Reading],
    *,
    stratum: Callable[[Reading], tuple[object, ...]],
    level: Callable[[Reading], object],
) -> Iterator[list[Reading]]:
    """Cut each stratum into blocks of `_LENGTH` that have at least two levels."""
    open_blocks: defaultdict[tuple[object, ...], list[Reading]] = defaultdict(list)
    for reading in readings:
        block = open_blocks[stratum(reading)]
        block.append(reading)
        if _is_alike(block, level):
            del block[:-_ALIKE]
        elif len(block) == _LENGTH:
            yield open_blocks.pop(stratum(reading))
    yield from (block for block in open_blocks.values() if not _is_alike(block, level))


def _is_alike(block: Sequence[Reading], level: Callable[[Reading], object]) -> bool:
    return len({level(reading) for reading in block}) == 1


def _ordered(
    hypothesis: str,
    stratum: tuple[object, ...],
    block: Sequence[Reading],
    scores: Sequence[float],
    strengths: tuple[float, ...],
) -> Block:
    ascending = [scores[k] for k in _order(block)]
    return Block(hypothesis, stratum, log_ordering_evidence(ascending, strengths), tuple(block))


def _order(block: Sequence[Reading]) -> list[int]:
    """Sort by outcome, ties by a lot that is drawn for good: the digest of who said it and under which id."""
    return sorted(range(len(block)), key=lambda k: (block[k].outcome, _lot(block[k])))


def _placed(block: Sequence[Reading], past: _Places) -> NDArray[np.float64]:
    """Settle the bet on the place of the last reading among those before it."""
    before = block[:-1]
    places = _with_places(past, before)
    scores = {r.feature: _mean_place(places.get(r.feature, (0.0, 0))) for r in block}
    return _score(block, scores) - _score(before, scores)


def _mean_place(places: tuple[float, int]) -> float:
    total, n = places
    return (total + 1.0) / (n + 2)  # two imagined places in the middle


def _score(block: Sequence[Reading], scores: Mapping[str, float]) -> NDArray[np.float64]:
    return log_ordering_evidence([scores[block[k].feature] for k in _order(block)], _PER_PLACE)


def _with_places(past: _Places, block: Sequence[Reading]) -> _Places:
    """Add up, by feature, the places in a block: 0 the fewest false alarms, 1 the most."""
    places = dict(past)
    for place, k in enumerate(_order(block)):
        total, n = places.get(block[k].feature, (0.0, 0))
        places[block[k].feature] = (total + place / max(len(block) - 1, 1), n + 1)
    return places


def _ranked(hypothesis: str, one: Reading, others: Sequence[Reading]) -> Block:
    factors = log_rank_factors(one.outcome, [other.outcome for other in others])
    return Block(hypothesis, (), factors, (one, *others))


def _lot(reading: Reading) -> bytes:
    return hashlib.sha256(f"{reading.source}\n{reading.event_id}".encode()).digest()
