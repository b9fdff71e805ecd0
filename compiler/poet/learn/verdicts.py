"""What the blocks say about each hypothesis, all looked at together."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from poet.decisions import Evidence, Interval, Replay
from poet.learn.blocks import Block
from poet.learn.configuration import LearnConfiguration
from poet.learn.contrary import mixed, spared, told_apart
from poet.learn.evidence import bar, effective_n, fading_weights, log_restarting_evidence, reject

__all__ = [
    "LARGEST_LOG",
    "Verdict",
    "apart_notes",
    "contrary",
    "judge",
    "log_faded_evidence",
    "shares_by_appearance",
]

_DAY = 86_400.0
LARGEST_LOG = 230.0  # e-values are kept finite for JSON: 1e100 is certainty enough
_ALONE_AGAINST = 0.0  # log e-value of its own words below which a source does not say what all others do
_SAMPLE = 5
_PIECES_PER_HALF_LIFE = 4  # a block that is longer than this part of a half-life fades piece by piece
_CONTRADICTED = -1.0  # a rule that stands falls only when all but one source say clearly otherwise


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
    contrary: str = ""  # the source that says the contrary of all others, where one was told apart

    @property
    def holds(self) -> bool:
        """Whether a rule may stand on it: shown, still so, and not one source against the others."""
        return self.is_rejected and min(self.log_faded, self.log_without) >= 0.0

    @property
    def has_turned(self) -> bool:
        """Whether what is known now speaks against it."""
        return self.log_faded < 0.0 or self.log_without < _CONTRADICTED

    def evidence(
        self,
        *,
        before: tuple[Interval, ...] = (),
        after: tuple[Interval, ...] = (),
        replay: Replay | None = None,
    ) -> Evidence:
        """Give the statistics behind a rule that stands, or would stand, on it."""
        return Evidence(
            e_value=self.e_value,
            bar=self.bar,
            before=before,
            after=after,
            n_effective=self.n_effective,
            sources=self.sources,
            replay=replay,
            events_needed=self.events_needed,
            sample_events=self.sample_events,
        )


def judge(
    compare: Callable[..., list[Block]],
    weights: Mapping[str, float],
    *,
    sources: Sequence[str],
    newest: float,
    configuration: LearnConfiguration,
    together: Collection[str] = (),
    has_rules: bool = True,
    voices: Sequence[str] = (),
) -> dict[str, Verdict]:
    """Weigh all hypotheses that have a block at the workspace's risk.

    `compare` gives the blocks of all readings but those of the sources it is given. `weights` says which
    share of the risk each hypothesis has, fixed without looking at outcomes, in all at most 1. A hypothesis
    stands alone with its share (Ville's inequality and a union bound, whatever the hypotheses have in
    common), or goes through e-BH with the others of `together`, which must share one filtration. Without
    learned rules in force and without anything to adopt, nobody asks what is left when a source is left out.

    `voices` are the sources in the order in which they spoke first: one that says the contrary of all others
    is spared (`poet.learn.contrary`).
    """
    everything = _by_hypothesis(compare())
    half_life = configuration.half_life_days
    e_values = {name: _e_value(blocks, half_life) for name, blocks in everything.items()}
    parts = {voice: _by_hypothesis(compare(voice)) for voice in spared(voices)}
    without_voice = {
        name: {voice: _e_value(part.get(name, ()), half_life) for voice, part in parts.items()}
        for name in e_values
    }
    suspects = {name: told_apart(e, without_voice[name]) for name, e in e_values.items()}
    e_values = {name: mixed(e, list(without_voice[name].values())) for name, e in e_values.items()}
    rejected = _rejected(e_values, weights, configuration.risk, together)
    fade = partial(log_faded_evidence, half_life_days=half_life, newest=newest)
    asked = sources if rejected or has_rules else ()
    left = _Left(compare, fade, can_spare=bool(parts))
    without = left.least(asked)
    verdicts: dict[str, Verdict] = {}
    for name, blocks in everything.items():
        others = len((rejected & set(together)) - {name}) if name in together else 0
        height = bar(weights[name], delta=configuration.risk, others=others)
        verdicts[name] = Verdict(
            hypothesis=name,
            e_value=float(f"{e_values[name]:.6g}"),
            bar=float(f"{height:.6g}"),
            is_rejected=name in rejected,
            log_faded=left.best(name, fade(blocks), asked),
            log_without=without.get(name, 0.0),
            n_effective=_n_effective(blocks, half_life, newest),
            sources=dict(sorted(Counter(r.source for b in blocks for r in b.readings).items())),
            events_needed=None if name in rejected else _events_needed(blocks, height / e_values[name]),
            sample_events=tuple(r.event_id for b in blocks for r in b.readings)[:_SAMPLE],
            contrary=suspects[name]
            if name in rejected and left.alone(name, suspects[name], voices) < _ALONE_AGAINST
            else "",
        )
    return verdicts


def contrary(verdicts: Mapping[str, Verdict]) -> frozenset[str]:
    """Give the source that says the contrary of all others of most hypotheses that are shown, at most one.

    Numbers of rules are made without it. Under the null nothing is shown, and nobody is left out.
    """
    named = Counter(verdict.contrary for verdict in verdicts.values() if verdict.contrary)
    return frozenset(source for source, _ in named.most_common(1))


class _Left:
    """What is left of each hypothesis when sources are left out, each asked once."""

    def __init__(
        self,
        compare: Callable[..., list[Block]],
        fade: Callable[[Sequence[Block]], float],
        *,
        can_spare: bool,
    ) -> None:
        self._compare, self._fade, self._can_spare = compare, fade, can_spare
        self._known: dict[tuple[str, ...], dict[str, float]] = {}

    def _of(self, *sources: str) -> dict[str, float]:
        key = tuple(sorted(sources))
        if key not in self._known:
            blocks = _by_hypothesis(self._compare(*key))
            self._known[key] = {name: self._fade(found) for name, found in blocks.items()}
        return self._known[key]

    def alone(self, name: str, source: str, voices: Sequence[str]) -> float:
        """Give what one source says when all others are left out; 0 where it says nothing."""
        return self._of(*(voice for voice in voices if voice != source)).get(name, 0.0) if source else 0.0

    def best(self, name: str, whole: float, sources: Sequence[str]) -> float:
        """Give the evidence, without the one source that says the contrary of the others where one may."""
        if whole >= 0.0 or not self._can_spare:
            return whole
        return max([whole, *(self._of(source).get(name, whole) for source in sources)])

    def least(self, sources: Sequence[str]) -> dict[str, float]:
        """Leave each source out in turn and keep what the rest says at the least, by hypothesis.

        A hypothesis of which the rest says nothing is missing: one voice without contradiction counts.
        """
        least: dict[str, float] = {}
        for source in sources:
            for name, log in self._of(source).items():
                spared = log
                if log < 0.0 and self._can_spare:
                    others = (other for other in sources if other != source)
                    spared = max([log, *(self._of(source, other).get(name, log) for other in others)])
                least[name] = min(least.get(name, math.inf), spared)
        return least


def _rejected(
    e_values: Mapping[str, float], weights: Mapping[str, float], risk: float, together: Collection[str]
) -> set[str]:
    alone = [{name: e} for name, e in e_values.items() if name not in together]
    family = {name: e for name, e in e_values.items() if name in together}
    return set().union(*(reject(each, weights, risk) for each in (family, *alone)))


def _by_hypothesis(blocks: Iterable[Block]) -> dict[str, list[Block]]:
    by_name: dict[str, list[Block]] = {}
    for block in blocks:
        by_name.setdefault(block.hypothesis, []).append(block)
    return by_name


def apart_notes(apart: Iterable[str]) -> list[str]:
    """Say who is left out."""
    return [
        f"{source} says the contrary of all others: no number is made of what it says" for source in apart
    ]


def shares_by_appearance(hypotheses: Iterable[str], *, share: float = 1.0) -> dict[str, float]:
    """Give the k-th hypothesis that came up 1 / (k (k + 1)) of `share`: any number fits, the first pay least.

    The order must not depend on outcomes; the one in which events first named them does not.
    """
    return {name: share / (k * (k + 1)) for k, name in enumerate(dict.fromkeys(hypotheses), start=1)}


def _e_value(blocks: Sequence[Block], half_life_days: float) -> float:
    """Multiply over strata, in each of which the effect may be absent or begin late."""
    log = 0.0
    for stratum in _strata(blocks):
        begins = np.array([block.begins for block in stratum])
        epochs = np.maximum(begins - begins[0], 0.0) // (half_life_days * _DAY)
        log += log_restarting_evidence(_factors(stratum), epochs.astype(np.int64))
    return math.exp(min(log, LARGEST_LOG))


def log_faded_evidence(blocks: Sequence[Block], *, half_life_days: float, newest: float) -> float:
    """Give what blocks say once old ones fade: below 0 they speak against the hypothesis in every stratum.

    A mean over strata and alternatives, so that strata without the effect do not hide one that has it.
    """
    longest = half_life_days * _DAY / _PIECES_PER_HALF_LIFE
    logs: list[float] = []
    for stratum in _strata(blocks):
        pieces = [piece for block in stratum for piece in block.pieces(longest)]
        fading = fading_weights([time for time, _ in pieces], half_life_days=half_life_days, newest=newest)
        logs.extend(fading @ np.array([factors for _, factors in pieces]))
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))


def _strata(blocks: Sequence[Block]) -> list[list[Block]]:
    by_stratum: dict[tuple[object, ...], list[Block]] = {}
    for block in blocks:
        by_stratum.setdefault(block.stratum, []).append(block)
    return list(by_stratum.values())


def _n_effective(blocks: Sequence[Block], half_life_days: float, newest: float) -> float:
    times = [reading.time for block in blocks for reading in block.readings]
    return round(effective_n(fading_weights(times, half_life_days=half_life_days, newest=newest)), 2)


def _events_needed(blocks: Sequence[Block], ratio: float) -> int | None:
    """Extrapolate the growth so far: about how many more events until the bar, None if it does not grow."""
    growth = float(_factors(blocks).sum(axis=0).max()) / sum(len(block.readings) for block in blocks)
    return math.ceil(max(math.log(ratio), 0.0) / growth) if growth > 0.0 else None


def _factors(blocks: Sequence[Block]) -> NDArray[np.float64]:
    return np.array([block.factors for block in blocks])
