"""whylogs: profiles of both samples, and `calculate_drift_scores` between them with its own thresholds.

The reference is profiled once. The call profiles the current data frame; its category DRIFT is an alarm.
"""

import pandas as pd
import whylogs as why
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

from benchmarks.peers.adapters.kinds import Columns, Detect, Prepare, SampleInfo


def default(reference: Columns, _known: SampleInfo) -> Detect:
    """Return a comparison with the profile of the reference."""
    before = why.log(pd.DataFrame(reference)).view()

    def detect(current: Columns) -> dict[str, bool]:
        now = why.log(pd.DataFrame(current)).view()
        scores = calculate_drift_scores(target_view=now, reference_view=before, with_thresholds=True)
        return {name: scores[name]["drift_category"] == "DRIFT" for name in reference}

    return detect


METHODS: dict[str, Prepare] = {"default": default}
