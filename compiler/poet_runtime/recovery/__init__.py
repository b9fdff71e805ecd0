"""What a generated `monitor_with_recovery` calls: measure, make smaller, keep a deadline, try again.

    run = prepare(data, monitor, context, version=VERSION)   # rows, features, missing share
    run = run.sampled(10_000, quality_loss=0.05)             # or .sparse(…), .within(…), .isolated()
    outcome = run.full()
    outcome = run.recovered(outcome, ("sampled", "retry"), quality_losses=(0.05, 0.0), rows=10_000)

A deadline is for the whole call: the run and what is tried after it. Under one, the monitor runs in a
forked process that is killed with all it started when time is over, whatever it does: only what it returns,
which must be picklable, comes home (`poet_runtime.recovery.process` says how, and what fork means for a
program with threads). Windows cannot fork. There the monitor runs in the caller's process, nothing ends it,
and the outcome carries a warning. A monitor may ask for its `deadline`. An outcome's `rows` are those of the
first run, after up-front sampling; its `missing_share` is that of the data as they came.
"""

from poet_runtime.recovery.run import Run, deadline, prepare
from poet_runtime.recovery.views import Measures, measure, sample_rows, sparse_view

__all__ = ["Measures", "Run", "deadline", "measure", "prepare", "sample_rows", "sparse_view"]
