"""Tests of the cache of references, which recognizes plain references by their content."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from poet_runtime.drift.comparison import compare
from poet_runtime.drift.reference import KnownReferences
from poet_runtime.errors import SampleError

VALUES = np.random.default_rng(0).normal(size=500)
TIMES = np.arange(500) * 60.0


def test_the_same_content_is_the_same_reference() -> None:
    """The object that contains the values does not matter."""
    known = KnownReferences()
    first = known(VALUES, times=TIMES, period=None)
    assert known(VALUES.copy(), times=list(TIMES), period=None) is first
    assert known(VALUES[::-1][::-1], times=TIMES, period=None) is first


def test_an_overwritten_array_is_another_reference() -> None:
    """The answer is based on the values at the time of the call."""
    values = VALUES.copy()
    before = compare(VALUES, values).score("mean_shift", "raw").statistic
    values += 3.0
    assert before == 0.0
    assert compare(VALUES, values).score("mean_shift", "raw").statistic > 2.0


@pytest.mark.parametrize(
    ("values", "times", "period"),
    [
        (VALUES[::-1], TIMES, None),
        (VALUES, TIMES + 1, None),
        (VALUES, None, None),
        (VALUES, TIMES, 3600.0),
        (VALUES.astype(np.float32), TIMES, None),
        (np.append(VALUES, np.nan), np.append(TIMES, 1e6), None),
    ],
)
def test_everything_that_affects_a_reference_is_part_of_the_key(
    values: object, times: object, period: float | None
) -> None:
    """The key includes order, times, period, precision and missing rows."""
    known = KnownReferences()
    first = known(VALUES, times=TIMES, period=None)
    assert known(values, times=times, period=period) is not first


def test_the_least_recently_used_reference_is_evicted_first() -> None:
    """The limit applies to the number of values and not of references."""
    known = KnownReferences(most_values=1200)
    columns = [VALUES + k for k in range(3)]
    kept = [known(column, times=None, period=None) for column in columns[:2]]
    assert known(columns[0], times=None, period=None) is kept[0]
    known(columns[2], times=None, period=None)
    assert known(columns[0], times=None, period=None) is kept[0]
    assert known(columns[1], times=None, period=None) is not kept[1]


def test_a_reference_above_the_limit_is_not_cached() -> None:
    """It is prepared for every call."""
    known = KnownReferences(most_values=100)
    assert known(VALUES, times=None, period=None) is not known(VALUES, times=None, period=None)


def test_threads_may_share_the_cache() -> None:
    """Each thread gets the reference of its own column."""
    known = KnownReferences(most_values=2000)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: known(VALUES + k % 7, times=None, period=None), range(200)))
    assert [reference.sample.values[0] for reference in found] == [VALUES[0] + k % 7 for k in range(200)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_does_not_inherit_a_held_lock() -> None:
    """It can compare even if the parent held the lock."""
    from poet_runtime.drift import reference as _known

    with _known.known._lock:
        child = os.fork()
        if child == 0:
            compare(VALUES, VALUES)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def test_an_invalid_period_always_raises_an_error() -> None:
    """A reference with the same content in the cache does not matter."""
    known = KnownReferences()
    known(VALUES, times=None, period=None)
    with pytest.raises(SampleError, match="positive number of seconds"):
        known(VALUES, times=None, period=-1.0)
