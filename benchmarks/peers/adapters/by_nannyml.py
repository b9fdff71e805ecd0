"""NannyML: `UnivariateDriftCalculator` with defaults, Jensen-Shannon above three deviations of its chunks.

A chunk is as long as the current sample, but at most a sixth of the reference: its documentation calls six
chunks a reasonable minimum. A column drifted if any of the current chunks raises an alert.
"""

import warnings

import nannyml as nml
import pandas as pd

from benchmarks.peers.adapters.kinds import Columns, Detect, Prepare, SampleInfo

LEAST_CHUNKS = 6


def default(reference: Columns, known: SampleInfo) -> Detect:
    """Return a comparison with a calculator fitted on the reference."""
    names, length = list(reference), len(next(iter(reference.values())))
    size = max(1, min(known.length, length // LEAST_CHUNKS))
    calculator = nml.UnivariateDriftCalculator(column_names=names, chunk_size=size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calculator.fit(pd.DataFrame(reference))

    def detect(current: Columns) -> dict[str, bool]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a single chunk: it is the current sample
            output = calculator.calculate(pd.DataFrame(current)).filter(period="analysis").to_df()
        return {name: bool(output[name].xs("alert", axis=1, level=-1).to_numpy().any()) for name in names}

    return detect


METHODS: dict[str, Prepare] = {"default": default}
