"""river: `drift.ADWIN` with defaults, a stream of values: first the reference, then the current sample.

A column drifted if the detector reports drift at any of the current values. In repeated calls the stream
continues: only a copy could reset a detector to the end of the reference, and a copy costs time as well.
"""

from river import drift

from benchmarks.peers.adapters.kinds import Columns, Detect, Prepare, SampleInfo


def adwin(reference: Columns, _known: SampleInfo) -> Detect:
    """Return a comparison with one detector per column that has processed the reference."""
    detectors = {name: drift.ADWIN() for name in reference}
    for name, detector in detectors.items():
        for value in reference[name].tolist():
            detector.update(value)

    def detect(current: Columns) -> dict[str, bool]:
        drifted = dict.fromkeys(detectors, False)
        for name, detector in detectors.items():
            for value in current[name].tolist():
                detector.update(value)
                drifted[name] |= detector.drift_detected
        return drifted

    return detect


METHODS: dict[str, Prepare] = {"ADWIN": adwin}
