"""Plain references are prepared once and known again by their content."""

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
    """Whatever object holds it."""
    known = KnownReferences()
    first = known(VALUES, times=TIMES, period=None)
    assert known(VALUES.copy(), times=list(TIMES), period=None) is first
    assert known(VALUES[::-1][::-1], times=TIMES, period=None) is first


def test_an_array_that_was_filled_again_is_another_reference() -> None:
    """The answer is about what the caller holds now."""
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
def test_whatever_makes_another_reference_is_part_of_what_is_known(
    values: object, times: object, period: float | None
) -> None:
    """Order, times, period, precision, and rows that are missing."""
    known = KnownReferences()
    first = known(VALUES, times=TIMES, period=None)
    assert known(values, times=times, period=period) is not first


def test_what_was_not_used_for_longest_is_forgotten_first() -> None:
    """The limit is on values, not on references."""
    known = KnownReferences(most_values=1200)
    columns = [VALUES + k for k in range(3)]
    kept = [known(column, times=None, period=None) for column in columns[:2]]
    assert known(columns[0], times=None, period=None) is kept[0]
    known(columns[2], times=None, period=None)
    assert known(columns[0], times=None, period=None) is kept[0]
    assert known(columns[1], times=None, period=None) is not kept[1]


def test_a_reference_beyond_the_limit_is_not_kept() -> None:
    """It is prepared each time."""
    known = KnownReferences(most_values=100)
    assert known(VALUES, times=None, period=None) is not known(VALUES, times=None, period=None)


def test_threads_may_share_what_is_known() -> None:
    """Each gets a reference of its own column."""
    known = KnownReferences(most_values=2000)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: known(VALUES + k % 7, times=None, period=None), range(200)))
    assert [reference.sample.values[0] for reference in found] == [VALUES[0] + k % 7 for k in range(200)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_waits_for_no_thread_of_its_parent() -> None:
    """Even when the parent held the lock."""
    from poet_runtime.drift import reference as _known

    with _known.known._lock:
        child = os.fork()
        if child == 0:
            compare(VALUES, VALUES)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def test_a_wrong_period_is_an_error_each_time() -> None:
    """Also for content that is known."""
    known = KnownReferences()
    known(VALUES, times=None, period=None)
    with pytest.raises(SampleError, match="positive number of seconds"):
        known(VALUES, times=None, period=-1.0)
