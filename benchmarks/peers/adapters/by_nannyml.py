"""NannyML: `UnivariateDriftCalculator` as it comes, Jensen-Shannon above three deviations of its chunks.

A chunk is as long as the current sample, but a sixth of the reference at most: its documentation calls six
chunks a reasonable minimum. A column drifted where any of the current chunks raises an alert.
"""

import warnings

import nannyml as nml
import pandas as pd

from benchmarks.peers.adapters.kinds import Ask, Columns, Known, Prepare

LEAST_CHUNKS = 6


def default(reference: Columns, known: Known) -> Ask:
    """Fit on the reference once."""
    names, length = list(reference), len(next(iter(reference.values())))
    size = max(1, min(known.length, length // LEAST_CHUNKS))
    calculator = nml.UnivariateDriftCalculator(column_names=names, chunk_size=size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calculator.fit(pd.DataFrame(reference))

    def ask(current: Columns) -> dict[str, bool]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one chunk is few: it is the current sample
            told = calculator.calculate(pd.DataFrame(current)).filter(period="analysis").to_df()
        return {name: bool(told[name].xs("alert", axis=1, level=-1).to_numpy().any()) for name in names}

    return ask


METHODS: dict[str, Prepare] = {"default": default}
