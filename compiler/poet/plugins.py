"""What installed packages bring: entry points, found by group and loaded one at a time.

A policy is brought under the group ``poet.policies``, an event type under ``poet.events``. A package that
cannot be used is told of by name and leaves the others alone.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from poet.errors import PluginError

__all__ = ["described", "entries", "load"]


@cache
def entries(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Give the entry points of a group by name, POET's own first.

    A package that is installed later is seen by the next process.
    """
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in sorted(entry_points(group=group), key=lambda each: (not _is_own(each), each.value)):
        found[point.name] = (*found.get(point.name, ()), point)
    return MappingProxyType(found)


def load(group: str, name: str) -> tuple[object, EntryPoint]:
    """Import what stands under a name, and give it with its entry point. POET's own comes before any other.

    Raises
    ------
    KeyError
        Nothing stands under this name.
    PluginError
        Several packages bring it, or the one that does cannot be imported.
    """
    point, *others = entries(group)[name]
    if others and not _is_own(point):
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


def _is_own(point: EntryPoint) -> bool:
    return point.module.partition(".")[0] == "poet"
