"""POET: version 1 of `detect_drift` with two presets, rendered as in a workspace.

References are prepared once. Only `with times` passes the times and the length of a season; the other methods
get the same input as the other tools.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.peers.adapters.kinds import Columns, Detect, Prepare, SampleInfo
from poet.build.probes import loaded
from poet.build.render import render
from poet.spec import policy
from poet_runtime.drift.reference import Reference
from poet_runtime.drift.table import detect_drift_table


def version_1(start: str) -> Callable[..., Any]:
    """Return the policy of a new workspace."""
    module: Any = loaded(render(policy("detect_drift").version_1(start)).source, start)
    return module.detect_drift  # type: ignore[no-any-return]


def _starting(start: str, *, knows_times: bool = False) -> Prepare:
    def prepare(reference: Columns, known: SampleInfo) -> Detect:
        detect = version_1(start)
        times = known.reference_times if knows_times else None
        period = known.period if knows_times else 0.0
        prepared = {
            name: Reference.prepare(values, times=times, period=period or None)
            for name, values in reference.items()
        }
        later = known.current_times if knows_times else None
        if len(prepared) > 1:
            return lambda current: {
                name: result.drifted
                for name, result in detect_drift_table(detect, current, prepared, current_times=later).items()
            }
        return lambda current: {
            name: detect(current[name], before, feature=name, current_times=later).drifted
            for name, before in prepared.items()
        }

    return prepare


METHODS: dict[str, Prepare] = {
    "start=ks": _starting("ks"),
    "start=calibrated": _starting("calibrated"),
    "start=calibrated, with times": _starting("calibrated", knows_times=True),
}
