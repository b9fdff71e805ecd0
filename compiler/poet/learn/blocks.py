"""Blocks: what readings say about a hypothesis, settled without looking at what the bet is about.

A block is a bet that is fair under its hypothesis' null: of an *order* (readings that are exchangeable
when nothing matters, sorted by outcome), of a *wager* (an outcome in [-1, 1] whose mean is at most
zero), or of a *coin* (something that happens at most so often). Blocks of one stratum multiply.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from poet.learn.evidence import log_ordering_evidence, log_rank_factors

__all__ = [
    "Block",
    "Voice",
    "about",
    "chunks",
    "coin",
    "contrasts",
    "drawn_order",
    "left_out",
    "limits",
    "ordered",
    "parts",
    "wager",
]

LENGTH = 24  # readings; local enough to live with slow trends, long enough that orders say much
_ALIKE = 8  # of readings that all have one score only the newest wait: they prove nothing by themselves
_PIECES = 4  # of a block whose readings came over a long time
_WAITING = 100  # readings that wait for a partner; older ones say little about today's machine
_MOST_OTHERS = 3  # readings that one large one is compared with
_STAKES = (0.2, 0.5, 0.9)  # of the wealth, on an outcome; fixed, so that sums of logs merge in any order
_STRENGTHS = (1.0, 2.0, 4.0)  # of having what is bet on: every kind of bet has three alternatives


class Voice(Protocol):
    """Whatever somebody said once."""

    @property
    def event_id(self) -> str:
        """The event's id."""
        ...

    @property
    def source(self) -> str:
        """Who said it."""
        ...

    @property
    def time(self) -> float:
        """Event time, seconds."""
        ...


V = TypeVar("V", bound=Voice)
Again = Callable[[Sequence[Any]], NDArray[np.float64] | None]


@dataclass(frozen=True, slots=True)
class Block:
    """One bet: what it says about a hypothesis, from which readings."""

    hypothesis: str
    stratum: tuple[object, ...]  # blocks of one stratum multiply, strata may differ in what is true
    factors: NDArray[np.float64]  # log e-values, one per alternative
    readings: tuple[Voice, ...]
    again: Again | None = None  # the same bet on some of the readings; None: it stands or falls as a whole

    def without(self, source: str) -> "Block | None":
        """Give what is left when one source had said nothing, None when that is nothing.

        What some readings of a block say is what the block says of them: it was not formed by outcomes.
        """
        left = tuple(reading for reading in self.readings if reading.source != source)
        if len(left) == len(self.readings):
            return self
        factors = self.again(left) if self.again and len(left) > 1 else None
        return None if factors is None else Block(self.hypothesis, self.stratum, factors, left, self.again)

    def pieces(self, longest_s: float) -> tuple[tuple[float, NDArray[np.float64]], ...]:
        """Give what was said when: times, and the log e-values that the readings up to then added.

        One piece where readings lie at most `longest_s` apart or stand and fall together. What some readings
        say is what the block says of them, so the pieces add up to it.
        """
        if self.again is None or self.time - self.begins <= longest_s:
            return ((self.time, self.factors),)
        n = len(self.readings)
        ends = sorted({max(n * k // _PIECES, 2) for k in range(1, _PIECES + 1)})
        found: list[tuple[float, NDArray[np.float64]]] = []
        before = np.zeros_like(self.factors)
        for end in ends:
            upto = self.readings[:end]
            after = self.factors if end == n else self.again(upto)
            if after is None:
                return ((self.time, self.factors),)
            found.append((max(reading.time for reading in upto), after - before))
            before = after
        return tuple(found)

    @property
    def time(self) -> float:
        """Event time of the newest reading, seconds."""
        return max(reading.time for reading in self.readings)

    @property
    def begins(self) -> float:
        """Event time of the oldest reading, seconds."""
        return min(reading.time for reading in self.readings)


def about(*words: str) -> str:
    """Name a hypothesis by what it is about; `parts` takes it apart again, whatever the words hold."""
    return "/".join(word.replace("%", "%25").replace("/", "%2F") for word in words)


def parts(hypothesis: str) -> tuple[str, ...]:
    """Give the words that `about` put together."""
    return tuple(word.replace("%2F", "/").replace("%25", "%") for word in hypothesis.split("/"))


def contrasts(
    hypothesis: str,
    readings: Iterable[V],
    has: Callable[[V], bool],
    *,
    outcome: Callable[[V], float],
    stratum: Callable[[V], tuple[Hashable, ...]] = lambda _reading: (),
    label: str = "",
) -> Iterator[Block]:
    """Bet, inside each stratum, that outcomes are larger for the readings that `has` marks."""
    for block in chunks(readings, stratum=stratum, level=has):
        yield ordered(
            hypothesis,
            (label, *stratum(block[0])),
            block,
            outcome=outcome,
            score=lambda reading: float(has(reading)),
            strengths=_STRENGTHS,
        )


def chunks(
    readings: Iterable[V], *, stratum: Callable[[V], Hashable], level: Callable[[V], object]
) -> Iterator[list[V]]:
    """Cut each stratum into blocks of `LENGTH` that have at least two levels; neither may know outcomes."""
    open_blocks: defaultdict[Hashable, list[V]] = defaultdict(list)
    for reading in readings:
        block = open_blocks[stratum(reading)]
        block.append(reading)
        if _is_alike(block, level):
            del block[:-_ALIKE]
        elif len(block) == LENGTH:
            yield open_blocks.pop(stratum(reading))
    yield from (block for block in open_blocks.values() if not _is_alike(block, level))


def _is_alike(block: Sequence[V], level: Callable[[V], object]) -> bool:
    return len({level(reading) for reading in block}) == 1


def ordered(
    hypothesis: str,
    stratum: tuple[object, ...],
    block: Sequence[V],
    *,
    outcome: Callable[[V], float],
    score: Callable[[V], float],
    strengths: tuple[float, ...],
) -> Block:
    """Bet that outcomes grow with scores inside a block; a negative strength bets that they fall."""

    def evidence(readings: Sequence[V]) -> NDArray[np.float64]:
        ascending = [score(readings[k]) for k in drawn_order(readings, outcome)]
        return log_ordering_evidence(ascending, strengths)

    return Block(hypothesis, stratum, evidence(block), tuple(block), evidence)


def wager(hypothesis: str, reading: Voice, outcome: float, *, stratum: tuple[object, ...] = ()) -> Block:
    """Bet that outcomes in [-1, 1] are above zero in the mean."""
    return Block(hypothesis, stratum, np.log1p(np.multiply(_STAKES, outcome)), (reading,))


def coin(
    hypothesis: str,
    reading: Voice,
    *,
    happened: bool,
    chance: float,
    alternatives: tuple[float, ...],
    stratum: tuple[object, ...] = (),
) -> Block:
    """Bet that something of this `chance` (in (0, 1)) has one of the `alternatives` instead."""
    instead = np.asarray(alternatives, dtype=np.float64)
    ratios = instead / chance if happened else (1.0 - instead) / (1.0 - chance)
    return Block(hypothesis, stratum, np.log(ratios), (reading,))


def limits(
    kind: str,
    readings: Iterable[V],
    sizes: Sequence[int],
    *,
    size: Callable[[V], int],
    outcome: Callable[[V], float],
) -> list[Block]:
    """Compare readings of a size with smaller ones: ``kind/S`` says that outcomes are larger from S on.

    `sizes` ascend; what lies above the last one counts with it. Every reading goes into at most one block
    of one larger and up to three smaller ones: outcomes are mostly tied, and these ties are averaged out.
    """
    pool: list[tuple[int, V]] = []
    blocks: list[Block] = []
    for reading in readings:
        own = min(size(reading), sizes[-1])
        smaller = [entry for entry in reversed(pool) if entry[0] < own][:_MOST_OTHERS]
        larger = [entry for entry in reversed(pool) if entry[0] > own and entry[0] in sizes][:1]
        if own in sizes and smaller:
            blocks.append(_ranked(about(kind, str(own)), reading, [other for _, other in smaller], outcome))
            pool = [entry for entry in pool if entry not in smaller]
        elif larger:
            blocks.append(_ranked(about(kind, str(larger[0][0])), larger[0][1], [reading], outcome))
            pool.remove(larger[0])
        else:
            pool = [*pool[1 - _WAITING :], (own, reading)]
    return blocks


def _ranked(hypothesis: str, one: V, others: Sequence[V], outcome: Callable[[V], float]) -> Block:
    def evidence(readings: Sequence[V]) -> NDArray[np.float64] | None:
        if readings[0] is not one:
            return None
        return log_rank_factors(outcome(one), [outcome(other) for other in readings[1:]])

    ranked = (one, *others)
    return Block(
        hypothesis, (), log_rank_factors(outcome(one), [outcome(o) for o in others]), ranked, evidence
    )


def left_out(blocks: Iterable[Block], *sources: str) -> list[Block]:
    """Give what blocks say when these sources had said nothing."""
    kept = list(blocks)
    for source in sources:
        kept = [left for block in kept if (left := block.without(source))]
    return kept


def drawn_order(block: Sequence[V], outcome: Callable[[V], float]) -> list[int]:
    """Sort by outcome, ties by a lot that is drawn for good: the digest of who said it and under which id."""
    return sorted(range(len(block)), key=lambda k: (outcome(block[k]), _lot(block[k])))


def _lot(reading: Voice) -> bytes:
    return hashlib.sha256(f"{reading.source}\n{reading.event_id}".encode()).digest()
