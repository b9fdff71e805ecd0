"""POET after learning from answers, judged on series of groups that gave none."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import learning
from benchmarks.peers.quality import by_series
from benchmarks.real_series import Case, world_of

__all__ = ["taught"]

START = "ks"


def taught(cases: Sequence[Case], orders: int) -> dict[str, Any]:
    """Learn from four fifths of the groups, answer for the fifth, each fifth in turn, in several orders.

    Gives a row like those of `quality.judged`; alarms are the mean over the orders.
    """
    ends = learning.curves(world_of(cases), START, orders)["end"]
    alarms = np.mean([flags.astype(float) for flags in ends], axis=0)
    return {
        "tool": "POET",
        "method": f"learned from start={START}, judged on groups that gave no answers",
        "orders": orders,
        "raised": {},
        "series": by_series(cases, alarms),
    }
