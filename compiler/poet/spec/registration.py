"""The registry of installed policies, both built-in ones and those of plug-in packages."""

import functools
import keyword
import re
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Final

from poet.spec.policy_spec import PolicySpec
from poet_runtime import plugins
from poet_runtime.errors import PluginError, RenderError
from poet_runtime.policies.policy import BUILT_IN, load_runtime_policy

_GROUP: Final = "poet.policies"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")


def policies() -> tuple[PolicySpec, ...]:
    """Return every usable policy: the built-in ones in the order of `BUILT_IN`, then plug-ins by name."""
    return tuple(_installed()[0].values())


def broken_policies() -> Mapping[str, PluginError]:
    """Return the errors of unusable plug-in policies, by policy name."""
    return _installed()[1]


def domains() -> tuple[str, ...]:
    """Return the domains that have a policy."""
    return tuple(dict.fromkeys(spec.domain for spec in policies()))


def policy(name: str) -> PolicySpec:
    """Return the specification of the policy called `name`.

    Raises
    ------
    RenderError
        No installed policy has this name.
    PluginError
        The package that provides it is unusable.
    """
    specs, broken = _installed()
    if name in specs:
        return specs[name]
    if name in broken:
        raise PluginError(str(broken[name])) from broken[name]
    raise RenderError(
        f"no policy is called {name!r}, known are {', '.join(specs)}; "
        f"a package registers its own under the entry point group {_GROUP}",
    )


@functools.cache
def _installed() -> tuple[Mapping[str, PolicySpec], Mapping[str, PluginError]]:
    specs: dict[str, PolicySpec] = {}
    broken: dict[str, PluginError] = {}
    for name in BUILT_IN:
        specs[name] = import_module(f"poet.policies.{name}.policy").SPEC
        if others := plugins.entries(_GROUP).get(name):
            brought = " and ".join(map(plugins.described, others))
            broken[name] = PluginError(f"{brought} uses the name of a built-in policy; choose another name")
    for name in sorted(plugins.entries(_GROUP).keys() - set(BUILT_IN)):
        try:
            specs[name] = _load(name)
        except PluginError as error:
            broken[name] = error
    return specs, broken


def _load(name: str) -> PolicySpec:
    spec, point = plugins.load(_GROUP, name)
    if not isinstance(spec, PolicySpec) or spec.name != name:
        raise _unusable(point, f"expected a PolicySpec named {name!r}, got {spec!r:.200}")
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise _unusable(point, "the name of a policy must be a letter, then letters, digits and _")
    if not spec.starts:
        raise _unusable(point, "starts is empty; name at least one")
    try:
        for start in spec.starts:
            spec.version_1(start)
    except Exception as error:
        raise _unusable(point, f"its rules of version 1 cannot be made: {error!r}") from error
    load_runtime_policy(name)  # an unusable one is refused here, before production uses it
    return spec


def _unusable(point: EntryPoint, message: str) -> PluginError:
    return PluginError(f"{plugins.described(point)}: {message}; correct or uninstall the package")
