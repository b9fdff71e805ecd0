"""The policies of this workspace. Written by poet; which version runs, registry.json says."""

from pathlib import Path

from poet_runtime.registry import Registry

_registry = Registry(Path(__file__).parent)


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    return _registry.attribute(name)


def __dir__():
    return sorted(_registry.names())
