"""How long a run may take: a high quantile of what completed runs took, by rows and features."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poet.errors import LearnError
from poet.learn.e_factors import EFactor, bounded_mean_factor, hypothesis_key
from poet.learn.monitor_with_recovery._readings import Run

FEWEST = 20  # completed runs before a quantile is fitted
_QUANTILE = 0.95
_SLACK = 2.0  # times the quantile: being patient costs seconds, cutting a good run costs the result
_SHORTEST_S = 0.5
_NEWEST = 400  # runs behind a fit


@dataclass(frozen=True, slots=True)
class Deadline:
    """Seconds as ``seconds * rows**per_rows * features**per_features``."""

    seconds: float
    per_rows: float
    per_features: float

    def of(self, run: Run) -> float:
        """Return the deadline of a run of this size, in seconds."""
        return float(
            self.seconds * max(run.rows, 1) ** self.per_rows * max(run.features, 1) ** self.per_features
        )


def fitted(completed: Sequence[Run]) -> Deadline | None:
    """Fit the .95 quantile of log seconds on log rows and log features, doubled; None with too few runs.

    Quantile regression (Koenker and Bassett 1978) as a linear program, solved exactly; exponents that
    would let a larger run have less time are set to zero.
    """
    runs = [run for run in completed if run.seconds][-_NEWEST:]
    if len(runs) < FEWEST:
        return None
    y = np.log([max(run.seconds or 0.0, 1e-6) for run in runs])
    columns = {
        "per_rows": np.log([float(max(run.rows, 1)) for run in runs]),
        "per_features": np.log([float(max(run.features, 1)) for run in runs]),
    }
    kept = [name for name, column in columns.items() if np.ptp(column) > 0.0]
    fit = _quantile_fit([columns[name] for name in kept], y)
    while falling := [name for name, slope in zip(kept, fit[1:], strict=True) if slope < 0.0]:
        kept = [name for name in kept if name not in falling]
        fit = _quantile_fit([columns[name] for name in kept], y)
    slopes = dict(zip(kept, fit[1:], strict=True))
    return Deadline(
        seconds=_rounded(max(_SLACK * math.exp(fit[0]), 1e-9)),
        per_rows=_rounded(slopes.get("per_rows", 0.0)),
        per_features=_rounded(slopes.get("per_features", 0.0)),
    )


def _quantile_fit(columns: Sequence[NDArray[np.float64]], y: NDArray[np.float64]) -> list[float]:
    """Return intercept and slopes that minimise the pinball loss."""
    from scipy import optimize, sparse  # noqa: PLC0415 -- a third of a second that only learning pays

    n, k = y.size, len(columns) + 1
    design = np.column_stack([np.ones(n), *columns])
    one = sparse.identity(n, format="csr")
    equations = sparse.hstack([sparse.csr_matrix(design), one, -one], format="csr")
    cost = np.concatenate([np.zeros(k), np.full(n, _QUANTILE), np.full(n, 1.0 - _QUANTILE)])
    bounds = [(None, None)] * k + [(0.0, None)] * (2 * n)
    solved = optimize.linprog(cost, A_eq=equations, b_eq=y, bounds=bounds, method="highs")
    if solved.x is None:  # bounded below by zero and always feasible: it has a solution
        raise LearnError(f"no quantile fit of {n} runs: {solved.message}; report the log that shows it")
    return [float(value) for value in solved.x[:k]]


def deadline_bets(runs: Sequence[Run]) -> Iterator[EFactor]:
    """Yield bets that runs over the deadline, as fitted on the runs before, mostly do not end well.

    The deadline is fitted anew after every `FEWEST` completed runs. A failed run of unknown length counts
    as one over it.
    """
    for computation in sorted({run.computation for run in runs}):
        completed: list[Run] = []
        deadline: Deadline | None = None
        for run in (each for each in runs if each.computation == computation):
            if deadline and (run.seconds is None or run.seconds > deadline.of(run)):
                yield bounded_mean_factor(
                    hypothesis_key("deadline", computation), run, 1.0 if run.has_failed else -1.0
                )
            if not run.has_failed:
                completed.append(run)
                if len(completed) % FEWEST == 0:
                    deadline = fitted(completed)


def shortest(deadline: Deadline, runs: Sequence[Run]) -> Deadline:
    """Leave at least half a second to the smallest of these runs."""
    least = min(deadline.of(run) for run in runs)
    if least >= _SHORTEST_S:
        return deadline
    return Deadline(
        _rounded(deadline.seconds * _SHORTEST_S / least), deadline.per_rows, deadline.per_features
    )


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
