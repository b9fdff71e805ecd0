"""References of callers who pass plain arrays each time, kept by content: prepared once, like any other.

What is known is found by a digest of the numbers, so an array that was filled again is another reference.
"""

import hashlib
import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from poet.background import call_after_fork_in_child
from poet.runtime.reference import Reference
from poet.runtime.sample import Sample, read

__all__ = ["KnownReferences", "known"]

MOST_VALUES = 1 << 21  # in all that is kept; with what is computed from them, about 100 MB at most

Key = tuple[bytes, int, bool, float | None]


class KnownReferences:
    """Prepared numeric references, least recently used first. Threads may share it."""

    def __init__(self, most_values: int = MOST_VALUES) -> None:
        self.most_values = most_values
        self._kept: OrderedDict[Key, Reference] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, values: Any, *, times: Any, period: float | None) -> Reference:
        """Give the reference that `Reference.prepare` would, from among those it gave before if it can.

        Categories are prepared anew: to read them is what takes the time.

        Raises
        ------
        SampleError
            The argument is not a column, or the period is not a positive number.
        """
        sample = read(values, times=times, name="reference")
        if sample.kind != "numeric":
            return Reference.of(sample, period)
        key = _digest(sample), sample.n, sample.is_single, period
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        reference = Reference.of(sample, period)
        self._keep(key, reference)
        return reference

    def forget(self) -> None:
        """Keep nothing; a process that was forked has no use for the lock of its parent's threads."""
        self._lock = threading.Lock()
        self._kept = OrderedDict()

    def _keep(self, key: Key, reference: Reference) -> None:
        with self._lock:
            self._kept[key] = reference
            while sum(each.n for each in self._kept.values()) > self.most_values:
                self._kept.popitem(last=False)


def _digest(sample: Sample) -> bytes:
    digest = hashlib.sha256(sample.values.dtype.str.encode(), usedforsecurity=False)
    digest.update(np.ascontiguousarray(sample.values).data)
    if sample.times is not None:
        digest.update(b"times")
        digest.update(np.ascontiguousarray(sample.times).data)
    return digest.digest()


known = KnownReferences()
call_after_fork_in_child(known.forget)
