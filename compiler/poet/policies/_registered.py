"""The policies that are installed, POET's own six and anyone else's alike."""

import functools
from importlib.metadata import EntryPoint, entry_points

from poet.errors import RenderError
from poet.policies._spec import PolicySpec

__all__ = ["policies", "policy"]

_GROUP = "poet.policies"
_OWN = (
    "detect_drift",
    "calculate_adaptive_window",
    "calculate_feature_importance",
    "generate_alerts",
    "monitor_with_recovery",
    "adaptive_monitoring_strategy",
)


@functools.cache
def policies() -> tuple[PolicySpec, ...]:
    """Give every installed policy: the six in the order of their chapters, then plug-ins by name.

    Raises
    ------
    RenderError
        An entry point of the group ``poet.policies`` does not give a `PolicySpec` of its own name.
    """
    places = {name: place for place, name in enumerate(_OWN)}
    found = sorted(
        entry_points(group=_GROUP), key=lambda point: (places.get(point.name, len(_OWN)), point.name)
    )
    return tuple(_load(point) for point in found)


def policy(name: str) -> PolicySpec:
    """Give the policy called `name`.

    Raises
    ------
    RenderError
        No installed policy has this name.
    """
    for spec in policies():
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in policies())
    raise RenderError(
        f"no policy is called {name!r}, known are {known}; "
        f"a package registers its own under the entry point group {_GROUP}",
    )


def _load(point: EntryPoint) -> PolicySpec:
    spec = point.load()
    if not isinstance(spec, PolicySpec) or spec.name != point.name:
        raise RenderError(
            f"entry point {point.name} = {point.value} in {_GROUP}: "
            f"expected a PolicySpec named {point.name!r}, got {spec!r}; correct its package",
        )
    return spec
