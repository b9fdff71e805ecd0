"""river: `drift.ADWIN` as it comes, a stream of single values: first the reference's, then the current ones.

A column drifted where the detector says so at any of the current values. In repeated calls the stream goes
on: a detector cannot be set back to where the reference ended but by copying it, which costs as well.
"""

from river import drift

from benchmarks.peers.adapters.kinds import Ask, Columns, Known, Prepare


def adwin(reference: Columns, _known: Known) -> Ask:
    """Feed the reference to a detector for each column."""
    detectors = {name: drift.ADWIN() for name in reference}
    for name, detector in detectors.items():
        for value in reference[name].tolist():
            detector.update(value)

    def ask(current: Columns) -> dict[str, bool]:
        drifted = dict.fromkeys(detectors, False)
        for name, detector in detectors.items():
            for value in current[name].tolist():
                detector.update(value)
                drifted[name] |= detector.drift_detected
        return drifted

    return ask


METHODS: dict[str, Prepare] = {"ADWIN": adwin}
