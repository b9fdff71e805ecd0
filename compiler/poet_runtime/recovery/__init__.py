"""Functions that a generated `monitor_with_recovery` calls to measure, reduce, time-limit and retry a run.

    run = prepare_run(data, monitor, context, version=VERSION)   # rows, features, missing share
    run = run.sampled(10_000, quality_loss=0.05)             # or .sparse(…), .with_deadline(…), .isolated()
    outcome = run.execute()
    outcome = run.recover(outcome, ("sampled", 0.05), ("retry", 0.0), sample_rows=10_000)

A deadline applies to the whole call: the run and all recovery attempts. With a deadline, the monitor runs in
a forked process. When the time is over, this process and all processes that it started are killed. Only the
monitor's return value, which must be picklable, reaches the caller (`poet_runtime.recovery.process` describes
the mechanism, and the consequences of a fork for a program with threads). Windows cannot fork. There the
monitor runs in the caller's process, is not stopped, and the outcome has a warning. A monitor can read its
`deadline`. The `rows` of an outcome are those of the first run, after up-front sampling; its `missing_share`
is that of the original data.
"""

from poet_runtime.recovery.run import Context, Data, Monitor, Run, deadline, prepare_run
from poet_runtime.recovery.views import Measures, measure, sample_rows, sparse_view

__all__ = [
    "Context",
    "Data",
    "Measures",
    "Monitor",
    "Run",
    "deadline",
    "measure",
    "prepare_run",
    "sample_rows",
    "sparse_view",
]
