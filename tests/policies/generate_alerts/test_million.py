"""No drifted result is ever lost in a million generated cases, and nothing critical is suppressed.

The suite plans a share of the million; with ``POET_FULL=1`` it plans all of them, and so does
``python -m tests.policies.generate_alerts.million_alerts``.
"""

import os

import pytest

from tests.policies.generate_alerts.million_alerts import lost

CASES = 1_000_000 if os.environ.get("POET_FULL") == "1" else 20_000
SEEDS = 4


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_drifted_result_is_lost_and_nothing_critical_is_suppressed(seed: int) -> None:
    """Two suppressions, a cool-down, overlapping groups, a batch: each result exactly once."""
    assert lost(CASES // SEEDS, seed=seed) == 0
