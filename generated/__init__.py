"""The policies of this workspace. Written by poet; registry.json says which version runs."""

from pathlib import Path

from poet_runtime.registry import Registry

_registry = Registry(Path(__file__).parent)


def __getattr__(name: str) -> object:
    """Return the policy of this name, which runs its active version."""
    if name.startswith("_"):
        raise AttributeError(name)
    return _registry.attribute(name)


def __dir__() -> list[str]:
    """Return the names of the policies."""
    return sorted(_registry.names())
