"""What installed packages bring: entry points, found by group and loaded one at a time.

A policy is brought under the group ``poet.policies``, what production asks about it under ``poet_runtime``,
an event type under ``poet.events``. A package that cannot be used is named and leaves the others alone.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from poet_runtime.errors import PluginError


@cache
def entries(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a group by name. POET's own policies are not among them.

    A package that is installed later is seen by the next process.
    """
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in sorted(entry_points(group=group), key=lambda each: each.value):
        if point.module.partition(".")[0] == "poet":  # an older POET's metadata, left behind by an upgrade
            continue
        found[point.name] = (*found.get(point.name, ()), point)
    return MappingProxyType(found)


def load(group: str, name: str) -> tuple[object, EntryPoint]:
    """Import what a name refers to, and return it with its entry point.

    Raises
    ------
    KeyError
        Nothing stands under this name.
    PluginError
        Several packages bring it, or the one that does cannot be imported.
    """
    point, *others = entries(group)[name]
    if others:
        raise PluginError(
            f"{name} is brought more than once: {', '.join(map(described, (point, *others)))}; "
            "uninstall all but one"
        )
    try:
        return point.load(), point
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{described(point)} cannot be imported: {error!r}; correct or uninstall the package"
        ) from error


def described(point: EntryPoint) -> str:
    """Name an entry point and the package that it came with."""
    package = point.dist.name if point.dist else point.module
    return f"package {package} ({point.group}: {point.name} = {point.value})"
