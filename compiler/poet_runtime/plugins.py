"""Entry points of installed packages, found by group and loaded one at a time.

A package registers a policy in the group ``poet.policies``, the policy's runtime part in ``poet_runtime``,
and an event type in ``poet.events``. The error for an unusable package names that package. The other packages
are not affected.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from poet_runtime.errors import PluginError


@cache
def entries(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a group by name, without POET's own policies.

    The result is cached. A package that is installed later becomes visible in the next process.
    """
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in sorted(entry_points(group=group), key=lambda each: each.value):
        if point.module.partition(".")[0] == "poet":  # metadata of an older POET, left over from an upgrade
            continue
        found[point.name] = (*found.get(point.name, ()), point)
    return MappingProxyType(found)


def load(group: str, name: str) -> tuple[object, EntryPoint]:
    """Import the object that a name refers to, and return it with its entry point.

    Raises
    ------
    KeyError
        No package registers this name.
    PluginError
        Several packages register the name, or the package that does cannot be imported.
    """
    point, *others = entries(group)[name]
    if others:
        raise PluginError(
            f"{name} is registered more than once: {', '.join(map(described, (point, *others)))}; "
            "uninstall all but one"
        )
    try:
        return point.load(), point
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{described(point)} cannot be imported: {error!r}; correct or uninstall the package"
        ) from error


def described(point: EntryPoint) -> str:
    """Return a description of an entry point and the package that registers it."""
    package = point.dist.name if point.dist else point.module
    return f"package {package} ({point.group}: {point.name} = {point.value})"
