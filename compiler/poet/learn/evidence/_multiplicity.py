"""Many hypotheses at once, looked at as often as one likes: weighted e-BH."""

from collections.abc import Mapping

from poet.errors import LearnError

__all__ = ["bar", "reject"]


def reject(e_values: Mapping[str, float], weights: Mapping[str, float], delta: float) -> set[str]:
    """Give the hypotheses that the *current* e-values reject at level `delta`.

    With e' = weight · E sorted descending, the first k* are rejected, k* = max{k : k · e'_(k) >= 1/delta}
    (e-BH, Wang and Ramdas 2022, with weights that sum to at most 1). The expected share of false
    rejections is at most `delta`. Moreover, when all hypotheses are true, the chance of *ever* rejecting
    anything is at most `delta` however often one looks: k · e'_(k) <= Σ weight · E, since the k largest
    terms are each at least the k-th, so a rejection means that Σ weight · E has reached 1/delta. That
    sum is an average of e-processes of one filtration, hence itself an e-process that starts at or below
    1, and Ville's inequality bounds the chance that it ever gets there.

    This needs values of one and the same moment. Running maxima are no e-values: the mean of a maximum
    over time is above 1, without bound as time goes on, and the sum of maxima reached at different
    moments is a fortune that nobody ever held.

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
    shares = sorted(((weights[name] * e, name) for name, e in e_values.items()), reverse=True)
    passed = [k for k, (share, _) in enumerate(shares, start=1) if k * share * delta >= 1.0]
    return {name for _, name in shares[: max(passed, default=0)]}


def bar(weight: float, *, delta: float, others: int = 0) -> float:
    """Give the e-value that a hypothesis of this `weight` needs when `others` are rejected beside it."""
    return 1.0 / (delta * weight * (others + 1))
