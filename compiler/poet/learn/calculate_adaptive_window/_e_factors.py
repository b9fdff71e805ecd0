"""Readings that are compared with each other: blocks, formed without looking at outcomes.

Which readings meet depends on windows, features, bands and the order of events alone. So under the null
(outcomes exchangeable) the order of outcomes inside a block is uniform, blocks are independent, and every
hypothesis has an e-process. Delays, windows' noise and runs go into disjoint blocks, which share one
filtration and one e-BH; features are compared on the same noise readings once more, in other blocks,
so this question stands alone with its share of the risk.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from poet.learn.calculate_adaptive_window._readings import Reading
from poet.learn.e_factors import EFactor, chunks, drawn_order, ordering_factor, threshold_factors
from poet.stats import log_ordering_evidence

_PER_DECADE = (1.0, 3.0, 9.0)  # strength of a tenfold window
_PER_FEATURE = (1.0, 2.0, 4.0)  # strength of being the feature
_PER_PLACE = (4.0, 8.0, 16.0)  # strength of a feature that is always the last against one always the first

_Places = dict[str, tuple[float, int]]  # feature: sum and number of places so far


def delay_factors(readings: Iterable[Reading]) -> list[EFactor]:
    """Compare windows within a band: "delay grows with the window"."""
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
        for block in chunks(known, stratum=lambda r: (r.band,), level=lambda r: r.size)
    ]


def noise_factors(readings: Iterable[Reading]) -> list[EFactor]:
    """Compare windows within a feature and band: "false alarms fall with the window"."""
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
        for block in chunks(known, stratum=lambda r: (r.band, r.feature), level=lambda r: r.size)
    ]


def feature_factors(readings: Iterable[Reading]) -> list[EFactor]:
    """Compare features within a band and window: "some raise more false alarms than others".

    Which ones is not picked by looking: each reading's place among those before it is bet on with scores
    made of the earlier places of its feature, in this band and window.
    """
    named = (reading for reading in readings if reading.feature)
    past: defaultdict[tuple[object, ...], _Places] = defaultdict(dict)
    found: list[EFactor] = []
    for block in chunks(named, stratum=lambda r: (r.band, r.size), level=lambda r: r.feature):
        stratum = (block[0].band, block[0].size)
        factors = sum(
            (_placed(block[:n], past[stratum]) for n in range(2, len(block) + 1)), np.zeros(len(_PER_PLACE))
        )
        found.append(EFactor("features", stratum, factors, tuple(block)))
        past[stratum] = _with_places(past[stratum], block)
    return found


def loud_factors(readings: Iterable[Reading], feature: str, loud: Collection[str]) -> list[EFactor]:
    """Compare one feature with those that are not `loud`, within a band and window."""
    ring = (reading for reading in readings if reading.feature == feature or reading.feature not in loud)
    return [
        ordering_factor(
            feature,
            (block[0].band, block[0].size),
            block,
            outcome=_outcome,
            score=lambda r: float(r.feature == feature),
            strengths=_PER_FEATURE,
        )
        for block in chunks(ring, stratum=lambda r: (r.band, r.size), level=lambda r: r.feature == feature)
    ]


def cap_factors(readings: Iterable[Reading], sizes: Sequence[int]) -> list[EFactor]:
    """Compare runs of a size with runs of smaller ones: "they bite on a limit from this size on"."""
    return threshold_factors("cap", readings, sizes, size=lambda r: r.size, outcome=_outcome)


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
    return log_ordering_evidence([scores[block[k].feature] for k in drawn_order(block, _outcome)], _PER_PLACE)


def _with_places(past: _Places, block: Sequence[Reading]) -> _Places:
    """Add up, by feature, the places in a block: 0 the fewest false alarms, 1 the most."""
    places = dict(past)
    for place, k in enumerate(drawn_order(block, _outcome)):
        total, n = places.get(block[k].feature, (0.0, 0))
        places[block[k].feature] = (total + place / max(len(block) - 1, 1), n + 1)
    return places


def _outcome(reading: Reading) -> float:
    return reading.outcome
