"""alibi-detect: `KSDrift`, p < 0.05; in a table each column by itself, without its correction for many."""

import numpy as np
from alibi_detect.cd import KSDrift

from benchmarks.peers.adapters.kinds import Ask, Columns, Known, Prepare

LEVEL = 0.05


def ks(reference: Columns, _known: Known) -> Ask:
    """Keep the reference in a detector; of a table, tell the answer of each feature."""
    names = list(reference)
    detector = KSDrift(np.column_stack([reference[name] for name in names]), p_val=LEVEL)
    kind = "feature" if len(names) > 1 else "batch"

    def ask(current: Columns) -> dict[str, bool]:
        rows = np.column_stack([current[name] for name in names])
        drifted = np.atleast_1d(detector.predict(rows, drift_type=kind)["data"]["is_drift"])
        return {name: bool(each) for name, each in zip(names, drifted, strict=True)}

    return ask


METHODS: dict[str, Prepare] = {"KSDrift": ks}
