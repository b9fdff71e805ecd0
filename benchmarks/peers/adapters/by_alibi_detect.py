"""alibi-detect: `KSDrift`, p < 0.05; in a table each column separately, without multiplicity correction."""

import numpy as np
from alibi_detect.cd import KSDrift

from benchmarks.peers.adapters.kinds import Columns, Detect, Prepare, SampleInfo

LEVEL = 0.05


def ks(reference: Columns, _known: SampleInfo) -> Detect:
    """Return a comparison with a detector of the reference; a table gets one answer per feature."""
    names = list(reference)
    detector = KSDrift(np.column_stack([reference[name] for name in names]), p_val=LEVEL)
    kind = "feature" if len(names) > 1 else "batch"

    def detect(current: Columns) -> dict[str, bool]:
        rows = np.column_stack([current[name] for name in names])
        drifted = np.atleast_1d(detector.predict(rows, drift_type=kind)["data"]["is_drift"])
        return {name: bool(each) for name, each in zip(names, drifted, strict=True)}

    return detect


METHODS: dict[str, Prepare] = {"KSDrift": ks}
