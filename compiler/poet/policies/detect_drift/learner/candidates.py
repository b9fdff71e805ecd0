"""The candidate rules of the learner, fixed before any label is seen.

Thresholds lie on fixed grids, so the set of tested rules never depends on the data, and two machines that
read the same log choose among the same rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

import msgspec

from poet.policies.detect_drift.rules import Criterion, Preparation, Scale, Statistic

RATIOS: Final = (1.0, 1.15, 1.3, 1.5, 1.7, 2.0, 2.4, 3.0, 4.0, 6.0, 9.0)
KS_RATIO_LIMIT: Final = 6.0
MAXIMA: Final = (0.8, 0.9, 1.0, 1.15, 1.35, 1.6, 2.0, 3.0)
P_VALUES: Final = (0.01, 1e-3, 1e-4, 1e-6, 1e-9, 1e-15)
LEVELS: Final[tuple[Statistic, ...]] = ("wasserstein", "ks", "mean_shift", "median_shift")
SHAPES: Final[tuple[tuple[Statistic, Preparation], ...]] = (
    ("mean_absolute_difference", "raw"),
    ("mean_absolute_difference", "deseasonalized"),
    ("scale_shift", "raw"),
)
PREPARED: Final[tuple[Preparation, ...]] = ("raw", "deseasonalized")
BOTH: Final[tuple[tuple[Statistic, Statistic], ...]] = (
    ("wasserstein", "ks"),
    ("wasserstein", "mean_shift"),
    ("ks", "median_shift"),
)
RANKED: Final[tuple[tuple[Statistic, Preparation], ...]] = (
    ("ks", "raw"),
    ("ks", "phase_matched"),
    ("mann_whitney", "raw"),
)
MATCHED: Final[tuple[Statistic, ...]] = ("ks", "wasserstein")
COUNTED: Final[tuple[Statistic, ...]] = ("chi_square", "g_test")
EFFECTS: Final[dict[Statistic, tuple[float, ...]]] = {
    "wasserstein": (0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.5),
    "ks": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7),
    "mean_shift": (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.5),
    "median_shift": (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.5),
}
DIVERGENCES: Final[dict[Statistic, tuple[float, ...]]] = {
    "psi": (0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 4.0),
    "jensen_shannon": (0.05, 0.1, 0.2, 0.3, 0.4, 0.6),
}
SHARES: Final[dict[Statistic, tuple[float, ...]]] = {
    "total_variation": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6),
    "hellinger": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6),
}
KIN_COST: Final = 6.0  # prior cost of the default's statistics at other thresholds
OTHER_COST: Final = 9.0  # prior cost of all other candidates


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule that could be adopted: drift if at least `min_votes` of its criteria hold.

    `prior_cost` is the assumed excess cost over the default before any label, in units of cost (a false alarm
    is 1). A rule must save this much before it is preferred, so that a handful of labels does not select the
    luckiest of thousands of candidates.
    """

    criteria: tuple[Criterion, ...]
    min_votes: int = 1
    prior_cost: float = OTHER_COST

    @property
    def parameters(self) -> dict[str, object]:
        """Return the candidate as the parameters of a rule."""
        return {
            "criteria": [msgspec.to_builtins(criterion) for criterion in self.criteria],
            "min_votes": self.min_votes,
        }


def above(statistic: Statistic, preparation: Preparation, scale: Scale, threshold: float) -> Criterion:
    """Return the criterion that holds if the score is above the threshold."""
    return Criterion(
        statistic=statistic, preparation=preparation, scale=scale, direction="above", threshold=threshold
    )


def below(statistic: Statistic, preparation: Preparation, threshold: float) -> Criterion:
    """Return the criterion that holds if the p-value is below the threshold."""
    return Criterion(
        statistic=statistic, preparation=preparation, scale="p_value", direction="below", threshold=threshold
    )


def _calibrated() -> Iterator[Criterion]:
    for statistic, preparation in product(LEVELS, PREPARED):
        for ratio in RATIOS:
            yield above(statistic, preparation, "null_q90", ratio)
        for ratio in MAXIMA:
            yield above(statistic, preparation, "null_max", ratio)


def _plain() -> Iterator[Criterion]:
    for level in LEVELS:
        for preparation, threshold in product(PREPARED, EFFECTS[level]):
            yield above(level, preparation, "absolute", threshold)
    for matched in MATCHED:
        for threshold in EFFECTS[matched]:
            yield above(matched, "phase_matched", "absolute", threshold)
    for statistic, thresholds in DIVERGENCES.items():
        for threshold in thresholds:
            yield above(statistic, "raw", "absolute", threshold)
    for statistic, preparation in RANKED:
        for threshold in P_VALUES:
            yield below(statistic, preparation, threshold)


def _either() -> Iterator[Candidate]:
    """Yield pairs of a level and a shape statistic, both calibrated; they detect different drifts."""
    for level, shape in product(LEVELS, SHAPES):
        for at_level, at_shape in product(RATIOS, RATIOS):
            yield Candidate(
                (
                    above(level, "deseasonalized", "null_q90", at_level),
                    above(*shape, "null_q90", at_shape),
                )
            )


def _both() -> Iterator[Candidate]:
    for one, other in BOTH:
        for ratio in RATIOS:
            yield Candidate(
                (
                    above(one, "deseasonalized", "null_q90", ratio),
                    above(other, "deseasonalized", "null_q90", ratio),
                ),
                min_votes=2,
            )


def _with_prior(candidates: Iterator[Candidate], default: Candidate) -> tuple[Candidate, ...]:
    """Return the candidates with prior costs, without duplicates; the first is the default, at no cost."""
    kin = _measures(default)
    listed = {(default.criteria, default.min_votes)}
    ordered = [Candidate(default.criteria, default.min_votes, prior_cost=0.0)]
    for candidate in candidates:
        if (candidate.criteria, candidate.min_votes) in listed or _is_blind(candidate):
            continue
        listed.add((candidate.criteria, candidate.min_votes))
        cost = (
            KIN_COST
            if _measures(candidate) == kin and candidate.min_votes == default.min_votes
            else OTHER_COST
        )
        ordered.append(Candidate(candidate.criteria, candidate.min_votes, prior_cost=cost))
    return tuple(ordered)


def _is_blind(candidate: Candidate) -> bool:
    """Return whether it could miss a shift of 3 sd, which violates the contract: KS is at most 1."""
    return any(
        c.statistic == "ks" and c.scale == "null_q90" and c.threshold > KS_RATIO_LIMIT
        for c in candidate.criteria
    )


def _measures(candidate: Candidate) -> list[tuple[str, str, str]]:
    """Return the statistics that a candidate compares, without the thresholds."""
    return sorted((c.statistic, c.preparation, c.scale) for c in candidate.criteria)


def _tuned(default: Candidate) -> Iterator[Candidate]:
    """Yield the default's statistics at all combinations of grid thresholds."""
    grids = [RATIOS if c.scale == "null_q90" else MAXIMA for c in default.criteria]
    for thresholds in product(*grids):
        criteria = tuple(
            above(c.statistic, c.preparation, c.scale, threshold)
            for c, threshold in zip(default.criteria, thresholds, strict=True)
        )
        yield Candidate(criteria, default.min_votes)


def numeric_grid(default: Candidate) -> tuple[Candidate, ...]:
    """Return all candidates for numeric features; the first is `default`."""

    def candidates() -> Iterator[Candidate]:
        yield from _tuned(default)
        yield from (Candidate((criterion,)) for criterion in _calibrated())
        yield from (Candidate((criterion,)) for criterion in _plain())
        yield from _either()
        yield from _both()

    return _with_prior(candidates(), default)


def categorical_grid(default: Candidate) -> tuple[Candidate, ...]:
    """Return all candidates for categorical features; the first is `default`."""

    def criteria() -> Iterator[Criterion]:
        measured: dict[Statistic, tuple[float, ...]] = {**SHARES, **DIVERGENCES}
        for statistic, thresholds in measured.items():
            for threshold in thresholds:
                yield above(statistic, "raw", "absolute", threshold)
            for ratio in RATIOS:
                yield above(statistic, "raw", "null_q90", ratio)
        for counted, threshold in product(COUNTED, P_VALUES):
            yield below(counted, "raw", threshold)

    return _with_prior((Candidate((criterion,)) for criterion in criteria()), default)
