"""frouros: the batch `KSTest`, fitted once, and the streaming `IncrementalKSTest`, fed value by value.

Both give a p-value and leave the level to the caller; 0.05, as in its documentation. The stream has a
window of ten values, as in its documentation's example; a column drifted where any window says so.
"""

from frouros.detectors.data_drift import IncrementalKSTest, KSTest

from benchmarks.peers.adapters.kinds import Ask, Columns, Floats, Known, Prepare

LEVEL = 0.05
WINDOW = 10


def batch(reference: Columns, _known: Known) -> Ask:
    """Fit a detector for each column."""
    detectors = {name: KSTest() for name in reference}
    for name, detector in detectors.items():
        detector.fit(X=reference[name])
    return lambda current: {
        name: bool(detector.compare(X=current[name])[0].p_value < LEVEL)
        for name, detector in detectors.items()
    }


def stream(reference: Columns, _known: Known) -> Ask:
    """Fit a detector for each column, and feed it current values one by one, from call to call."""
    detectors = {name: IncrementalKSTest(window_size=WINDOW) for name in reference}
    for name, detector in detectors.items():
        detector.fit(X=reference[name])
    return lambda current: {name: _fed(detectors[name], current[name]) for name in reference}


def _fed(detector: IncrementalKSTest, values: Floats) -> bool:
    drifted = False
    for value in values.tolist():
        told, _ = detector.update(value=value)
        drifted |= told is not None and bool(told.p_value < LEVEL)
    return drifted


METHODS: dict[str, Prepare] = {"KSTest": batch, "IncrementalKSTest": stream}
