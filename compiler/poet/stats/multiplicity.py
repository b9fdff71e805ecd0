"""Multiple testing with continuous monitoring: weighted e-BH and alpha spending."""

from collections.abc import Iterable, Mapping
from typing import Final

from poet_runtime.errors import LearnError

_FIRST_EPOCH: Final = 0.9


def reject(e_values: Mapping[str, float], weights: Mapping[str, float], delta: float) -> set[str]:
    """Return the hypotheses that the *current* e-values reject at level `delta`.

    With e' = weight · E sorted descending, the first k* are rejected, k* = max{k : k · e'_(k) >= 1/delta}
    (e-BH, Wang and Ramdas 2022, with weights that sum to at most 1). The expected share of false
    rejections is at most `delta`. Moreover, when all hypotheses are true, the chance of *ever* rejecting
    anything is at most `delta` however often one looks: k · e'_(k) <= Σ weight · E, since the k largest
    terms are each at least the k-th, so a rejection means that Σ weight · E has reached 1/delta. That
    sum is an average of e-processes of one filtration, hence itself an e-process that starts at or below
    1, and Ville's inequality bounds the chance that it ever gets there.

    All values must belong to the same time. Running maxima are not e-values: the mean of a maximum
    over time is above 1 and grows without bound, and the sum of maxima reached at different times is a
    wealth that no strategy ever had.

    >>> from poet.stats import alpha_spending, reject
    >>> reject({"a": 60.0, "b": 10.0}, alpha_spending(["a", "b"]), delta=0.05)
    {'a'}

    Raises
    ------
    LearnError
        The weights sum to more than 1, or a hypothesis has none.
    """
    total = sum(weights[name] for name in e_values if name in weights)
    if total > 1.0 + 1e-9 or any(name not in weights for name in e_values):
        raise LearnError(
            f"weights of {len(e_values)} hypotheses sum to {total:g} and cover "
            f"{sum(name in weights for name in e_values)}; give each one a weight, in all at most 1"
        )
    weighted = sorted(((weights[name] * e, name) for name, e in e_values.items()), reverse=True)
    passed = [k for k, (value, _) in enumerate(weighted, start=1) if k * value * delta >= 1.0]
    return {name for _, name in weighted[: max(passed, default=0)]}


def e_value_threshold(weight: float, *, delta: float, others: int = 0) -> float:
    """Return the e-value that a hypothesis of this `weight` needs when `others` are rejected with it.

    >>> from poet.stats import e_value_threshold
    >>> round(e_value_threshold(0.5, delta=0.05), 6)
    40.0
    """
    return 1.0 / (delta * weight * (others + 1))


def alpha_spending(hypotheses: Iterable[str], *, share: float = 1.0) -> dict[str, float]:
    """Return weights for hypotheses in order of appearance: the k-th gets `share` / (k (k + 1)).

    The number of hypotheses is unlimited, and the first ones need the least evidence. The order must not
    depend on outcomes. The order in which events first named the hypotheses is valid.

    >>> from poet.stats import alpha_spending
    >>> alpha_spending(["first", "second", "first"])
    {'first': 0.5, 'second': 0.16666666666666666}
    """
    return {name: share / (k * (k + 1)) for k, name in enumerate(dict.fromkeys(hypotheses), start=1)}


def epoch_alpha(epoch_index: int) -> float:
    """Return the share of a policy's risk for what is learned from this epoch on.

    Evidence restarts where learners start to read. From each epoch on, the chance of ever acting on noise
    is at most its share of the risk (Ville's inequality), and all shares sum to 1. So it is at most the risk
    whichever epochs are read and however often. Reading from the start of the log has nine tenths, epoch
    k > 1 has ``0.1 / (k (k - 1))``.

    >>> from poet.stats import epoch_alpha
    >>> [round(epoch_alpha(index), 4) for index in (1, 2, 3)]
    [0.9, 0.05, 0.0167]

    Parameters
    ----------
    epoch_index
        `Summaries.epoch_index`: 1 is the start of the log, 2 the first later epoch from which learners read.
    """
    return _FIRST_EPOCH if epoch_index == 1 else (1.0 - _FIRST_EPOCH) / (epoch_index * (epoch_index - 1))
