"""Evidently: the test it chooses itself, `ValueDrift` for one column and `DataDriftPreset` for a table.

The reference is made a `Dataset` once. The current one arrives as a data frame and is made a `Dataset` in
the call. A test on the metric says whether its own threshold is passed.
"""

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset

from benchmarks.peers.adapters.kinds import Ask, Columns, Known, Prepare


def default(reference: Columns, _known: Known) -> Ask:
    """Let Evidently choose the test by the reference's length."""
    definition = DataDefinition(numerical_columns=list(reference))
    before = Dataset.from_pandas(pd.DataFrame(reference), data_definition=definition)
    metrics = [ValueDrift(column=name) for name in reference] if len(reference) == 1 else [DataDriftPreset()]

    def ask(current: Columns) -> dict[str, bool]:
        now = Dataset.from_pandas(pd.DataFrame(current), data_definition=definition)
        told = Report(metrics, include_tests=True).run(now, before).dict()["tests"]
        drifted = {
            each["metric_config"]["params"]["column"]: each["status"].name == "FAIL"
            for each in told
            if each["metric_config"]["params"].get("column") is not None
        }
        return {name: drifted[name] for name in reference}

    return ask


METHODS: dict[str, Prepare] = {"default": default}
