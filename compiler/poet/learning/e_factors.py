"""E-factors: single bets on hypotheses, formed without looking at the outcomes they bet on.

Under the null of its hypothesis the expected value of an e-factor is at most 1. There are three kinds: an
*order* (readings that are exchangeable under the null, sorted by outcome), a *bounded mean* (an outcome in
[-1, 1] whose mean is at most zero under the null), and a *Bernoulli* outcome (an event with at most a given
probability under the null). E-factors of one stratum multiply.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from poet.stats import log_likelihood_ratios, log_ordering_evidence, log_rank_factors, log_wealth_factors

LENGTH: Final = 24  # readings: few enough to tolerate slow trends, enough for orders to carry evidence
_ALIKE: Final = 8  # newest readings kept while all have the same score: such a block carries no evidence
_PIECES: Final = 4  # pieces of a block whose readings span a long time
_WAITING: Final = 100  # readings that wait for a partner; older ones say little about the current hardware
_MOST_OTHERS: Final = 3  # smaller readings that one larger reading is compared with
_STAKES: Final = (0.2, 0.5, 0.9)  # of the wealth; fixed, so that sums of logs merge in any order
_STRENGTHS: Final = (1.0, 2.0, 4.0)  # of the marked readings: every kind of bet has three alternatives


class ObservationLike(Protocol):
    """The fields of a reading that every e-factor needs."""

    @property
    def event_id(self) -> str:
        """The id of the event."""
        ...

    @property
    def source(self) -> str:
        """The source of the event."""
        ...

    @property
    def time(self) -> float:
        """Event time in seconds."""
        ...


V = TypeVar("V", bound=ObservationLike)
Recompute = Callable[[Sequence[Any]], NDArray[np.float64] | None]


@dataclass(frozen=True, slots=True)
class EFactor:
    """One bet on a hypothesis: its log e-values and the readings behind them."""

    hypothesis: str
    stratum: tuple[object, ...]  # e-factors of one stratum multiply; the effect may differ between strata
    factors: NDArray[np.float64]  # log e-values, one per alternative
    readings: tuple[ObservationLike, ...]
    recompute: Recompute | None = None  # the same bet on a subset of the readings; None: it cannot be split

    def without(self, source: str) -> "EFactor | None":
        """Return the e-factor without one source's readings, or None if nothing is left.

        The block was formed without outcomes, so the same bet on a subset of its readings is valid as well.
        """
        left = tuple(reading for reading in self.readings if reading.source != source)
        if len(left) == len(self.readings):
            return self
        factors = self.recompute(left) if self.recompute and len(left) > 1 else None
        return (
            None if factors is None else EFactor(self.hypothesis, self.stratum, factors, left, self.recompute)
        )

    def pieces(self, longest_s: float) -> tuple[tuple[float, NDArray[np.float64]], ...]:
        """Return the evidence over time: times, and the log e-values that the readings up to each time added.

        There is a single piece if the readings span at most `longest_s` seconds or cannot be split. The bet
        on a subset of the readings is valid as well, so the pieces add up to the whole.
        """
        if self.recompute is None or self.time - self.begins <= longest_s:
            return ((self.time, self.factors),)
        n = len(self.readings)
        ends = sorted({max(n * k // _PIECES, 2) for k in range(1, _PIECES + 1)})
        found: list[tuple[float, NDArray[np.float64]]] = []
        before = np.zeros_like(self.factors)
        for end in ends:
            upto = self.readings[:end]
            after = self.factors if end == n else self.recompute(upto)
            if after is None:
                return ((self.time, self.factors),)
            found.append((max(reading.time for reading in upto), after - before))
            before = after
        return tuple(found)

    @property
    def time(self) -> float:
        """Event time of the newest reading in seconds."""
        return max(reading.time for reading in self.readings)

    @property
    def begins(self) -> float:
        """Event time of the oldest reading in seconds."""
        return min(reading.time for reading in self.readings)


def hypothesis_key(*words: str) -> str:
    """Return the key of a hypothesis; `parse_key` restores the words for any characters they contain."""
    return "/".join(word.replace("%", "%25").replace("/", "%2F") for word in words)


def parse_key(hypothesis: str) -> tuple[str, ...]:
    """Return the words that `hypothesis_key` joined."""
    return tuple(word.replace("%2F", "/").replace("%25", "%") for word in hypothesis.split("/"))


def contrast_factors(
    hypothesis: str,
    readings: Iterable[V],
    has: Callable[[V], bool],
    *,
    outcome: Callable[[V], float],
    stratum: Callable[[V], tuple[Hashable, ...]] = lambda _reading: (),
    label: str = "",
) -> Iterator[EFactor]:
    """Yield e-factors, within each stratum, for larger outcomes of the readings that `has` marks."""
    for block in exchangeable_blocks(readings, stratum=stratum, level=has):
        yield ordering_factor(
            hypothesis,
            (label, *stratum(block[0])),
            block,
            outcome=outcome,
            score=lambda reading: float(has(reading)),
            strengths=_STRENGTHS,
        )


def exchangeable_blocks(
    readings: Iterable[V], *, stratum: Callable[[V], Hashable], level: Callable[[V], object]
) -> Iterator[list[V]]:
    """Yield blocks of up to `LENGTH` readings with at least two levels from each stratum.

    Neither `stratum` nor `level` may depend on outcomes.
    """
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


def ordering_factor(
    hypothesis: str,
    stratum: tuple[object, ...],
    block: Sequence[V],
    *,
    outcome: Callable[[V], float],
    score: Callable[[V], float],
    strengths: tuple[float, ...],
) -> EFactor:
    """Return the e-factor of "outcomes increase with scores" in a block; negative strengths: decrease."""

    def evidence(readings: Sequence[V]) -> NDArray[np.float64]:
        ascending = [score(readings[k]) for k in outcome_order(readings, outcome)]
        return log_ordering_evidence(ascending, strengths)

    return EFactor(hypothesis, stratum, evidence(block), tuple(block), evidence)


def bounded_mean_factor(
    hypothesis: str,
    reading: ObservationLike,
    outcome: float,
    *,
    stakes: tuple[float, ...] = _STAKES,
    stratum: tuple[object, ...] = (),
) -> EFactor:
    """Return the e-factor of "the mean is above zero" for outcomes above -1 / max(stakes)."""
    return EFactor(hypothesis, stratum, log_wealth_factors(outcome, stakes), (reading,))


def bernoulli_factor(
    hypothesis: str,
    reading: ObservationLike,
    *,
    happened: bool,
    chance: float,
    alternatives: tuple[float, ...],
    stratum: tuple[object, ...] = (),
) -> EFactor:
    """Return the e-factor of "the probability is one of `alternatives`, not `chance` (in (0, 1))"."""
    ratios = log_likelihood_ratios(alternatives, happened=happened, chance=chance)
    return EFactor(hypothesis, stratum, ratios, (reading,))


def threshold_factors(
    kind: str,
    readings: Iterable[V],
    sizes: Sequence[int],
    *,
    size: Callable[[V], int],
    outcome: Callable[[V], float],
) -> list[EFactor]:
    """Return e-factors against smaller readings: ``kind/S`` is "larger outcomes from size S on".

    `sizes` ascend; larger sizes count as the last one. Each reading is used in at most one block of one
    larger and up to three smaller readings. Most outcomes are tied, and ties are averaged out.
    """
    pool: list[tuple[int, V]] = []
    blocks: list[EFactor] = []
    for reading in readings:
        own = min(size(reading), sizes[-1])
        smaller = [entry for entry in reversed(pool) if entry[0] < own][:_MOST_OTHERS]
        larger = [entry for entry in reversed(pool) if entry[0] > own and entry[0] in sizes][:1]
        if own in sizes and smaller:
            blocks.append(
                _ranked(hypothesis_key(kind, str(own)), reading, [other for _, other in smaller], outcome)
            )
            pool = [entry for entry in pool if entry not in smaller]
        elif larger:
            blocks.append(_ranked(hypothesis_key(kind, str(larger[0][0])), larger[0][1], [reading], outcome))
            pool.remove(larger[0])
        else:
            pool = [*pool[1 - _WAITING :], (own, reading)]
    return blocks


def _ranked(hypothesis: str, one: V, others: Sequence[V], outcome: Callable[[V], float]) -> EFactor:
    def evidence(readings: Sequence[V]) -> NDArray[np.float64] | None:
        if readings[0] is not one:
            return None
        return log_rank_factors(outcome(one), [outcome(other) for other in readings[1:]])

    ranked = (one, *others)
    return EFactor(
        hypothesis, (), log_rank_factors(outcome(one), [outcome(o) for o in others]), ranked, evidence
    )


def factors_excluding(blocks: Iterable[EFactor], *sources: str) -> list[EFactor]:
    """Return the e-factors without these sources."""
    kept = list(blocks)
    for source in sources:
        kept = [left for block in kept if (left := block.without(source))]
    return kept


def outcome_order(block: Sequence[V], outcome: Callable[[V], float]) -> list[int]:
    """Return the indices sorted by outcome; a fixed digest of source and id breaks ties."""
    return sorted(range(len(block)), key=lambda k: (outcome(block[k]), _tie_break(block[k])))


def _tie_break(reading: ObservationLike) -> bytes:
    return hashlib.sha256(f"{reading.source}\n{reading.event_id}".encode()).digest()
