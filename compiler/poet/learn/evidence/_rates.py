"""E-process and confidence sequence for a rate: the beta mixture."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["log_rate_evidence", "rate_interval"]

_BISECTIONS = 60  # halves the unit interval to below one float spacing


def log_rate_evidence(
    successes: ArrayLike, n: ArrayLike, *, p0: float, a: float = 1.0, b: float = 1.0
) -> NDArray[np.float64]:
    """Give the log of the beta-mixture e-process against "the rate is at most `p0`".

    E = B(a+s, b+n-s) (1 - I_p0(a+s, b+n-s)) / [B(a, b) (1 - I_p0(a, b))] / (p0^s (1-p0)^(n-s)):
    the likelihood averaged over a Beta(a, b) prior that was cut to the rates above `p0`, over the
    likelihood at `p0`. Shapes broadcast. `successes` and `n` are the whole counts so far; look as often
    as you like, act at ``>= log(1 / delta)``.
    """
    from scipy import special  # noqa: PLC0415 -- a third of a second that only learning pays

    s = np.asarray(successes, dtype=float)
    f = np.asarray(n, dtype=float) - s
    with np.errstate(divide="ignore"):  # a tail that underflows is an e-value of zero, which is one
        tail = np.log(special.betaincc(a + s, b + f, p0))
    prior = special.betaln(a, b) + np.log(special.betaincc(a, b, p0))
    likelihood = special.xlogy(s, p0) + special.xlog1py(f, -p0)
    return np.asarray(special.betaln(a + s, b + f) + tail - prior - likelihood, dtype=np.float64)


def rate_interval(successes: float, n: float, *, risk: float) -> tuple[float, float]:
    """Give a two-sided interval for a rate that holds at all times at once with chance 1 - `risk`.

    All p at which the mixture martingale B(1+s, 1+n-s) / (p^s (1-p)^(n-s)) stays below 1 / `risk`
    (Robbins 1970). It is convex in log terms with its minimum at s / n, so each end is one bisection.
    """
    from scipy import special  # noqa: PLC0415 -- a third of a second that only learning pays

    if n <= 0:
        return 0.0, 1.0
    failures = n - successes
    mixture = float(special.betaln(1.0 + successes, 1.0 + failures))
    bar = -float(np.log(risk))

    def is_inside(p: float) -> bool:
        from scipy import special  # noqa: PLC0415 -- a third of a second that only learning pays

        likelihood = special.xlogy(successes, p) + special.xlog1py(failures, -p)
        return bool(mixture - likelihood < bar)

    centre = successes / n
    return _edge(is_inside, centre, 0.0), _edge(is_inside, centre, 1.0)


def _edge(is_inside: Callable[[float], bool], inside: float, outside: float) -> float:
    if is_inside(outside):
        return outside
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2.0
        if is_inside(middle):
            inside = middle
        else:
            outside = middle
    return outside
