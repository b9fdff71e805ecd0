"""whylogs: a profile of either sample, and `calculate_drift_scores` between them with its own thresholds.

The reference's profile is kept. The call profiles the current data frame; its category DRIFT is an alarm.
"""

import pandas as pd
import whylogs as why
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

from benchmarks.peers.adapters.kinds import Ask, Columns, Known, Prepare


def default(reference: Columns, _known: Known) -> Ask:
    """Profile the reference once."""
    before = why.log(pd.DataFrame(reference)).view()

    def ask(current: Columns) -> dict[str, bool]:
        now = why.log(pd.DataFrame(current)).view()
        scores = calculate_drift_scores(target_view=now, reference_view=before, with_thresholds=True)
        return {name: scores[name]["drift_category"] == "DRIFT" for name in reference}

    return ask


METHODS: dict[str, Prepare] = {"default": default}
