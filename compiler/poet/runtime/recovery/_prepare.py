"""The beginning of every run: what is monitored, by what, and how large it is."""

import time
from collections.abc import Callable
from typing import Any

from poet.errors import SampleError
from poet.runtime.context import field
from poet.runtime.recovery._default import drift_monitor, drift_pair
from poet.runtime.recovery._faults import Answer
from poet.runtime.recovery._message import attempt
from poet.runtime.recovery._run import Run
from poet.runtime.recovery._views import Measures, measure

__all__ = ["prepare"]


def prepare(data: Any, monitor: Callable[[Any], Any] | None, context: Any, *, version: int) -> Run:
    """Measure `data` and hold it ready for `monitor`.

    Parameters
    ----------
    data
        What the monitor takes. A mapping of columns, a pandas, polars or pyarrow table, an array, a list of
        rows, and a pair of such tables (`current`, `reference`) are measured; all else is passed on as it is.
    monitor
        Called with the data. None: drift of `current` against `reference` (of the data, or of the context)
        by the context's `detect_drift`, or by the calibrated rule.
    context
        A mapping or an object; `computation` names the work.
    version
        Of the policy.

    Raises
    ------
    SampleError
        `monitor`, or the context's `detect_drift`, is no function.
    """
    started = time.monotonic()
    if monitor is None:
        monitor = drift_monitor(context)
        paired = attempt(lambda: drift_pair(data, context))
        if isinstance(paired, Answer) and paired.results.reference is not None:
            data = paired.results  # otherwise the monitor will say what is wrong with them
    elif not callable(monitor):
        raise SampleError(f"monitor must be a function of the data, or None, got {type(monitor).__name__}")
    measured = attempt(lambda: measure(data))
    size = measured.results if isinstance(measured, Answer) else Measures()
    computation = field(context, "computation", "")
    return Run(
        data=data,
        monitor=monitor,
        version=version,
        started=started,
        rows=size.rows,
        features=size.features,
        missing_share=size.missing_share,
        shares=size.missing_shares,
        computation=computation if isinstance(computation, str) else "",
    )
