"""Evidently: the test it chooses itself, `ValueDrift` for one column and `DataDriftPreset` for a table.

The reference is converted to a `Dataset` once. The current sample arrives as a data frame and is converted in
the call. A test on the metric applies its own threshold.
"""

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset

from benchmarks.peers.adapters.kinds import Columns, Detect, Prepare, SampleInfo


def default(reference: Columns, _known: SampleInfo) -> Detect:
    """Return a comparison with the test that Evidently chooses by the length of the reference."""
    definition = DataDefinition(numerical_columns=list(reference))
    before = Dataset.from_pandas(pd.DataFrame(reference), data_definition=definition)
    metrics = [ValueDrift(column=name) for name in reference] if len(reference) == 1 else [DataDriftPreset()]

    def detect(current: Columns) -> dict[str, bool]:
        now = Dataset.from_pandas(pd.DataFrame(current), data_definition=definition)
        output = Report(metrics, include_tests=True).run(now, before).dict()["tests"]
        drifted = {
            each["metric_config"]["params"]["column"]: each["status"].name == "FAIL"
            for each in output
            if each["metric_config"]["params"].get("column") is not None
        }
        return {name: drifted[name] for name in reference}

    return detect


METHODS: dict[str, Prepare] = {"default": default}
