"""deepchecks: `FeatureDrift` with the condition of its own suite, a score of at most 0.2."""

import pandas as pd
from deepchecks.tabular import Dataset
from deepchecks.tabular.checks import FeatureDrift

from benchmarks.peers.adapters.kinds import Columns, Detect, Prepare, SampleInfo

MOST = 0.2  # add_condition_drift_score_less_than's own default for numbers


def default(reference: Columns, _known: SampleInfo) -> Detect:
    """Return a comparison with the reference as a data set, without figures."""
    before = Dataset(pd.DataFrame(reference), cat_features=[])
    check = FeatureDrift()

    def detect(current: Columns) -> dict[str, bool]:
        now = Dataset(pd.DataFrame(current), cat_features=[])
        scores = check.run(before, now, with_display=False).value
        return {name: bool(scores[name]["Drift score"] >= MOST) for name in reference}

    return detect


METHODS: dict[str, Prepare] = {"default": default}
