"""What `monitor_with_recovery` calls: measure a table, thin it out, run a monitor so that it comes back."""

from poet.runtime.recovery._attempt import Attempt, Runner, running_with
from poet.runtime.recovery._run import Run, prepare
from poet.runtime.recovery._tables import Size, sample_rows, size_of, sparse_view

__all__ = [
    "Attempt",
    "Run",
    "Runner",
    "Size",
    "prepare",
    "running_with",
    "sample_rows",
    "size_of",
    "sparse_view",
]
