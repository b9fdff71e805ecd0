"""frouros: the batch `KSTest`, fitted once, and the streaming `IncrementalKSTest`, fed value by value.

Both return a p-value and leave the level to the caller: 0.05, as in the documentation. The stream has a
window of ten values, as in the example of the documentation. A column drifted if any window drifted.
"""

from frouros.detectors.data_drift import IncrementalKSTest, KSTest

from benchmarks.peers.adapters.kinds import Columns, Detect, Floats, Prepare, SampleInfo

LEVEL = 0.05
WINDOW = 10


def batch(reference: Columns, _known: SampleInfo) -> Detect:
    """Return a comparison with one fitted detector per column."""
    detectors = {name: KSTest() for name in reference}
    for name, detector in detectors.items():
        detector.fit(X=reference[name])
    return lambda current: {
        name: bool(detector.compare(X=current[name])[0].p_value < LEVEL)
        for name, detector in detectors.items()
    }


def stream(reference: Columns, _known: SampleInfo) -> Detect:
    """Return a comparison that feeds current values one by one to a fitted detector per column."""
    detectors = {name: IncrementalKSTest(window_size=WINDOW) for name in reference}
    for name, detector in detectors.items():
        detector.fit(X=reference[name])
    return lambda current: {name: _fed(detectors[name], current[name]) for name in reference}


def _fed(detector: IncrementalKSTest, values: Floats) -> bool:
    drifted = False
    for value in values.tolist():
        output, _ = detector.update(value=value)
        drifted |= output is not None and bool(output.p_value < LEVEL)
    return drifted


METHODS: dict[str, Prepare] = {"KSTest": batch, "IncrementalKSTest": stream}
