"""Combine groups and sources: shrinkage, the weighted median, leave-one-source-out.

*Shrinkage* is empirical Bayes by moments, deterministic.

*Leave one source out.* A single adversarial source, one that reports the opposite of all others, must neither
carry a decision nor block one. Half of an e-value bets on all sources, the other half on all but one of
the first eight, in equal shares. A mean of e-values is an e-value, and the order in which sources first
appear does not depend on what they report. So the mixture costs at most a factor of two where all sources
agree, and an adversarial source costs a factor of sixteen instead of everything.

Exponential decay of old evidence, on event time.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_EXCLUDABLE: Final = 8  # sources that may turn out to be the adversarial one
_MIN_SOURCES: Final = 3  # with fewer, nothing tells which one is adversarial
_SCARCE: Final = 2.0  # imagined observations of the common value when groups show no spread worth estimating
_STRONGEST: Final = 1e6  # groups without any spread of their own: all take the common value


class ValueWithout(Protocol):
    """A statistic as a function of the excluded sources; None where the others report too little."""

    def __call__(self, *excluded: str) -> float | None:
        """Return the statistic without these sources."""
        ...


def excludable_sources(sources: Sequence[str]) -> Sequence[str]:
    """Return the sources that may be left out, given all in the order of their first event.

    >>> from poet.stats import excludable_sources
    >>> excludable_sources(["ana", "ben", "bot"]), excludable_sources(["ana", "ben"])
    (['ana', 'ben', 'bot'], ())
    """
    return sources[:MAX_EXCLUDABLE] if len(sources) >= _MIN_SOURCES else ()


def leave_one_out_mixture(whole: float, parts: Sequence[float]) -> float:
    """Return the e-value with half of the wealth on all sources, a sixteenth on all but each of eight.

    >>> from poet.stats import leave_one_out_mixture
    >>> leave_one_out_mixture(1.0, [1.0, 1.0, 97.0])
    7.0

    Parameters
    ----------
    whole
        The e-value of all sources.
    parts
        The e-values with one source left out each, at most eight; empty where none may be left out.
    """
    if not parts:
        return whole
    absent = MAX_EXCLUDABLE - len(parts)  # a source that has not appeared yet is left out already
    return whole / 2.0 + (sum(parts) + absent * whole) / (2.0 * MAX_EXCLUDABLE)


def outlier_source(whole: float, parts: Mapping[str, float]) -> str:
    """Return the source without which the e-value grows by more than the mixture costs, "" without one.

    >>> from poet.stats import outlier_source
    >>> outlier_source(1.0, {"ana": 0.5, "ben": 0.7, "bot": 97.0})
    'bot'
    """
    if not parts:
        return ""
    source = max(parts, key=lambda each: parts[each])
    gain = math.log(max(parts[source], 1e-300)) - math.log(max(whole, 1e-300))
    return source if gain > math.log(2.0 * MAX_EXCLUDABLE) else ""


def best_excluding_one(
    whole: float, value: Callable[[str], float | None], excludable: Iterable[str]
) -> float:
    """Return `whole`, or if it is negative the largest value with at most one source left out.

    >>> from poet.stats import best_excluding_one
    >>> without = {"ana": -2.0, "bot": 3.0}
    >>> best_excluding_one(-1.0, without.get, ["ana", "bot"])
    3.0
    """
    if whole >= 0.0:
        return whole
    return max([whole, *(part for source in excludable if (part := value(source)) is not None)])


def leave_one_source_out(
    value: ValueWithout, sources: Iterable[str], excludable: Sequence[str]
) -> Iterator[float]:
    """Yield what the other sources report when each of `sources` is left out in turn.

    A negative value speaks against the change. One more source may be adversarial, so a negative value is
    replaced by the best with one of the `excludable` left out as well. Where the others report too little,
    nothing is yielded: one source without contradiction counts.

    >>> from poet.stats import leave_one_source_out
    >>> votes = {"ana": 1.0, "ben": 2.0, "bot": -1.0}
    >>> def total(*excluded):
    ...     return sum(vote for source, vote in votes.items() if source not in excluded)
    >>> list(leave_one_source_out(total, ["ana", "bot"], ["ana", "ben", "bot"]))
    [1.0, 3.0]
    """
    for source in sources:
        rest = value(source)
        if rest is not None:
            others = [other for other in excludable if other != source]
            yield best_excluding_one(rest, partial(value, source), others)


def weighted_median(values: ArrayLike, weights: Iterable[float]) -> float:
    """Return the lowest value at which half of the weight is reached; NaN without values.

    >>> from poet.stats import weighted_median
    >>> weighted_median([10.0, 20.0, 90.0], weights=[1.0, 1.0, 1.0])
    20.0
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return float("nan")
    order = np.argsort(x, kind="stable")
    shares = np.cumsum(np.asarray(list(weights), dtype=np.float64)[order])
    return float(x[order][np.searchsorted(shares, shares[-1] / 2.0)])


def shrunk_means(means: ArrayLike, n: ArrayLike, variance: float) -> NDArray[np.float64]:
    """Return each group's mean, shrunk towards the mean of all by the variance within and between groups.

    `variance` is that of one observation within its group. A group with n = 0 takes the common mean.

    >>> from poet.stats import shrunk_means
    >>> shrunk_means([0.0, 10.0, 5.0], n=[50, 50, 0], variance=4.0).round(2).tolist()
    [0.01, 9.99, 5.0]
    """
    m = np.asarray(means, dtype=np.float64)
    sizes = np.asarray(n, dtype=np.float64)
    if sizes.sum() <= 0:
        return m.copy()
    known = np.where(sizes > 0, m, 0.0)
    common = float((sizes * known).sum() / sizes.sum())
    strength = _prior_strength(known, sizes, common, variance)
    return np.asarray((sizes * known + strength * common) / (sizes + strength), dtype=np.float64)


def _prior_strength(
    values: NDArray[np.float64], n: NDArray[np.float64], common: float, variance: float
) -> float:
    """Return the number of observations that the common value is worth: within over between variance."""
    seen = n > 0
    if seen.sum() < 2 or variance <= 0:
        return _SCARCE
    sizes = n[seen]
    excess = float((sizes * (values[seen] - common) ** 2).sum()) - (sizes.size - 1) * variance
    room = float(sizes.sum() - (sizes**2).sum() / sizes.sum())
    between = excess / room if room > 0 else 0.0
    return min(variance / between, _STRONGEST) if between > 0 else _STRONGEST


_DAY: Final = 86_400.0


def decay_weights(times: ArrayLike, *, half_life_days: float, newest: float) -> NDArray[np.float64]:
    """Return each event's weight: 1 at time `newest` (seconds), halved every `half_life_days`.

    Age counts from the newest event, not from a clock, so the same log always gives the same weights.
    An event later than `newest` has weight 1.

    >>> from poet.stats import decay_weights
    >>> day = 86_400.0
    >>> decay_weights([0.0, 90 * day], half_life_days=90, newest=90 * day).tolist()
    [0.5, 1.0]
    """
    age = np.maximum(newest - np.asarray(times, dtype=np.float64), 0.0)
    return np.asarray(np.exp2(-age / (half_life_days * _DAY)), dtype=np.float64)


def effective_sample_size(weights: ArrayLike) -> float:
    """Return Kish's effective sample size, (Σw)² / Σw²; 0 without observations.

    >>> from poet.stats import effective_sample_size
    >>> effective_sample_size([1.0, 1.0, 1.0]), effective_sample_size([1.0, 0.0, 0.0])
    (3.0, 1.0)
    """
    w = np.asarray(weights, dtype=np.float64)
    squares = float((w * w).sum())
    return float(w.sum()) ** 2 / squares if squares > 0 else 0.0
