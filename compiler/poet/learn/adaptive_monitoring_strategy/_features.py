"""Which features stay when a model is monitored less: those whose drifts cost most."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from poet.learn.feedback_rows import FeedbackRow
from poet.stats import decay_weights

MOST = 10
_FEWEST = 3
_COVERED = 0.95  # of what all drifts cost
_BETTER = 1.5  # times: a feature in force gives way only to one that is this much better
_KNOWN = 30  # events before fewer than `MOST` features are thought to be enough


def top_features(
    impacts: Sequence[FeedbackRow],
    verdicts: Sequence[FeedbackRow],
    former: Iterable[str],
    former_top: int,
    *,
    half_life_days: float,
    newest: float,
) -> tuple[tuple[str, ...], int]:
    """Return the features that matter most, sorted by name, and how many of them are enough.

    By what their drifts cost models; without a word on that, by how often their drifts were real; without
    any word, those in force.
    """
    worth: defaultdict[str, float] = defaultdict(float)
    told = [(each, max(each["model_performance_drop"], 0.0)) for each in impacts]
    if not told:
        told = [(each, float(each["was_real_drift"])) for each in verdicts if each["feature"]]
    if not told:
        return tuple(sorted(former)), former_top
    weights = decay_weights([each.time for each, _ in told], half_life_days=half_life_days, newest=newest)
    for (each, value), weight in zip(told, weights, strict=True):
        worth[each["feature"]] += value * float(weight)
    kept = set(former)
    ranked = sorted(worth, key=lambda name: (-worth[name] * (_BETTER if name in kept else 1.0), name))
    enough = _enough([worth[name] for name in ranked]) if len(told) >= _KNOWN else MOST
    return tuple(sorted(ranked[:enough])), enough


def _enough(worths: Sequence[float]) -> int:
    total, covered = sum(worths), 0.0
    for k, worth in enumerate(worths, start=1):
        covered += worth
        if covered >= _COVERED * total:
            return min(max(k, _FEWEST), MOST)
    return MOST
