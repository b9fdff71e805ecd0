"""Types of the adapters; this module imports nothing that an environment of a tool may lack."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Columns", "Detect", "Floats", "Prepare", "SampleInfo"]

Floats = NDArray[np.float64]
Columns = dict[str, Floats]  # by name, all of one length
Detect = Callable[[Columns], dict[str, bool]]  # whether each column drifted


@dataclass(frozen=True)
class SampleInfo:
    """Facts about the samples besides the values of the reference.

    `length` is the number of values of the current sample. The times (seconds) and the period (seconds, 0:
    none) are only for tools that take them.
    """

    length: int
    reference_times: Floats | None = None
    current_times: Floats | None = None
    period: float = 0.0


Prepare = Callable[[Columns, SampleInfo], Detect]
