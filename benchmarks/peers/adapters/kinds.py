"""What goes into an adapter and what comes out; imports nothing that a tool's environment may lack."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ask", "Columns", "Floats", "Known", "Prepare"]

Floats = NDArray[np.float64]
Columns = dict[str, Floats]  # by name, all of one length
Ask = Callable[[Columns], dict[str, bool]]  # whether each column drifted


@dataclass(frozen=True)
class Known:
    """What is known besides the reference's values.

    `length` is how many values the current sample has. The times (seconds) and the period (seconds, 0: none)
    are only for tools that take them.
    """

    length: int
    reference_times: Floats | None = None
    current_times: Floats | None = None
    period: float = 0.0


Prepare = Callable[[Columns, Known], Ask]
