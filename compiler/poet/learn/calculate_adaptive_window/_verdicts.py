"""What the blocks say about each hypothesis, all looked at together."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from poet.decisions import Evidence, Interval
from poet.learn.calculate_adaptive_window._blocks import Block
from poet.learn.calculate_adaptive_window._readings import EDGES
from poet.learn.configuration import LearnConfiguration
from poet.learn.evidence import bar, effective_n, fading_weights, log_restarting_evidence, reject

__all__ = ["Verdict", "judge"]

_DAY = 86_400.0
_LARGEST_LOG = 230.0  # e-values are kept finite for JSON: 1e100 is certainty enough
_SAMPLE = 5
_CONTRADICTED = -1.0  # a rule that stands falls only when all but one source say clearly otherwise

# How the risk is shared out, before any data: to every band two slopes, to caps, to features.
_BANDS_SHARE = 0.4
_CAPS_SHARE = 0.3
_FEATURES_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where one hypothesis stands."""

    hypothesis: str
    e_value: float
    bar: float
    is_rejected: bool  # by e-BH at the workspace's risk: there is an effect
    log_faded: float  # the same evidence with old blocks fading: below 0 it has turned
    n_effective: float
    log_without: float  # the least that is left of `log_faded` when one source is left out
    sources: dict[str, int]
    events_needed: int | None
    sample_events: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether a rule may stand on it: shown, still so, and not one source against the others."""
        return self.is_rejected and min(self.log_faded, self.log_without) >= 0.0

    @property
    def has_turned(self) -> bool:
        """Whether what is known now speaks against it."""
        return self.log_faded < 0.0 or self.log_without < _CONTRADICTED

    def evidence(self, *, before: tuple[Interval, ...] = (), after: tuple[Interval, ...] = ()) -> Evidence:
        """Give the statistics behind a rule that stands, or would stand, on it."""
        return Evidence(
            e_value=self.e_value,
            bar=self.bar,
            before=before,
            after=after,
            n_effective=self.n_effective,
            sources=self.sources,
            events_needed=self.events_needed,
            sample_events=self.sample_events,
        )


def judge(
    blocks: Iterable[Block], sizes: Sequence[int], *, newest: float, configuration: LearnConfiguration
) -> dict[str, Verdict]:
    """Weigh all hypotheses that have a block at the workspace's risk."""
    by_name: defaultdict[str, list[Block]] = defaultdict(list)
    for block in blocks:
        by_name[block.hypothesis].append(block)
    weights = _weights(by_name, sizes)
    half_life = configuration.half_life_days
    logs = {name: _log_evidence(found, half_life) for name, found in by_name.items()}
    e_values = {name: math.exp(min(log, _LARGEST_LOG)) for name, log in logs.items()}
    rejected = reject(e_values, weights, configuration.risk)
    verdicts: dict[str, Verdict] = {}
    for name, found in by_name.items():
        height = bar(weights[name], delta=configuration.risk, others=len(rejected - {name}))
        fading = fading_weights([b.time for b in found], half_life_days=half_life, newest=newest)
        verdicts[name] = Verdict(
            hypothesis=name,
            e_value=float(f"{e_values[name]:.6g}"),
            bar=float(f"{height:.6g}"),
            is_rejected=name in rejected,
            log_faded=_log_mixture(fading[:, None] * _factors(found)),
            n_effective=round(effective_n(fading) * sum(len(b.readings) for b in found) / len(found), 2),
            log_without=_log_without_one(found, fading),
            sources=dict(sorted(Counter(r.source for b in found for r in b.readings).items())),
            events_needed=None if name in rejected else _events_needed(found, height / e_values[name]),
            sample_events=tuple(r.event_id for b in found for r in b.readings)[:_SAMPLE],
        )
    return verdicts


def _weights(by_name: dict[str, list[Block]], sizes: Sequence[int]) -> dict[str, float]:
    """Give each hypothesis its share of the risk; a feature's is known when it first meets another."""
    weights = {
        f"{what}/{band}": _BANDS_SHARE / (2 * (len(EDGES) + 1))
        for band in range(len(EDGES) + 1)
        for what in ("delay", "noise")
    }
    weights |= {f"cap/{size}": _CAPS_SHARE / 2**k for k, size in enumerate(reversed(sizes), start=1)}
    features = [name for name in by_name if name.startswith("stable/")]  # in the order of their first block
    weights |= {name: _FEATURES_SHARE / ((k + 1) * (k + 2)) for k, name in enumerate(features)}
    return weights


def _log_evidence(blocks: Sequence[Block], half_life_days: float) -> float:
    times = np.array([block.time for block in blocks])
    epochs = np.maximum(times - times[0], 0.0) // (half_life_days * _DAY)
    return log_restarting_evidence(_factors(blocks), epochs.astype(np.int64))


def _log_mixture(factors: NDArray[np.float64]) -> float:
    sums = factors.sum(axis=0)
    return float(special.logsumexp(sums) - np.log(sums.size))


def _log_without_one(blocks: Sequence[Block], weights: NDArray[np.float64]) -> float:
    """Leave each source out in turn; 0 where that leaves nothing: one voice without contradiction counts."""
    factors = weights[:, None] * _factors(blocks)
    left = [0.0]
    for source in {source for block in blocks for source in block.sources}:
        rest = np.array([source not in block.sources for block in blocks])
        left.append(_log_mixture(factors[rest]))
    return min(left)


def _events_needed(blocks: Sequence[Block], ratio: float) -> int | None:
    """Extrapolate the growth so far: about how many more events until the bar, None if it does not grow."""
    growth = float(_factors(blocks).sum(axis=0).max()) / len(blocks)
    if growth <= 0.0:
        return None
    readings = sum(len(block.readings) for block in blocks) / len(blocks)
    return math.ceil(max(math.log(ratio), 0.0) / growth * readings)


def _factors(blocks: Sequence[Block]) -> NDArray[np.float64]:
    return np.array([block.factors for block in blocks])
