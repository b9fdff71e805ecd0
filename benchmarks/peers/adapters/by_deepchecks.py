"""deepchecks: `FeatureDrift` with the condition of its own suite, a score of at most 0.2."""

import pandas as pd
from deepchecks.tabular import Dataset
from deepchecks.tabular.checks import FeatureDrift

from benchmarks.peers.adapters.kinds import Ask, Columns, Known, Prepare

MOST = 0.2  # add_condition_drift_score_less_than's own default for numbers


def default(reference: Columns, _known: Known) -> Ask:
    """Make the reference a data set once; figures are not drawn."""
    before = Dataset(pd.DataFrame(reference), cat_features=[])
    check = FeatureDrift()

    def ask(current: Columns) -> dict[str, bool]:
        now = Dataset(pd.DataFrame(current), cat_features=[])
        scores = check.run(before, now, with_display=False).value
        return {name: bool(scores[name]["Drift score"] >= MOST) for name in reference}

    return ask


METHODS: dict[str, Prepare] = {"default": default}
