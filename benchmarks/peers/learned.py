"""POET after learning from labels, evaluated on groups of series without labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import learning
from benchmarks.peers.quality import by_series
from benchmarks.real_series import SeriesCase, world_of

__all__ = ["learned"]

START = "ks"


def learned(cases: Sequence[SeriesCase], orders: int) -> dict[str, Any]:
    """Return a row as `quality.evaluate_tools` does, with the mean of the alarms over several orders.

    The alarms are from five-fold cross-validation by group.
    """
    ends = learning.curves(world_of(cases), START, orders)["end"]
    alarms = np.mean([flags.astype(float) for flags in ends], axis=0)
    return {
        "tool": "POET",
        "method": f"learned from start={START}, evaluated on groups without labels",
        "orders": orders,
        "raised": {},
        "series": by_series(cases, alarms),
    }
