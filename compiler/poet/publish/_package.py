"""What makes ``generated/`` a package: written once, the same in every workspace."""

__all__ = ["STANDING"]

PACKAGE = '''"""The policies of this workspace. Written by poet; which version runs, registry.json says."""

from pathlib import Path

from poet.registry import Registry

_registry = Registry(Path(__file__).parent)


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    return _registry.attribute(name)


def __dir__():
    return sorted(_registry.names())
'''

STANDING = {"__init__.py": PACKAGE.encode(), ".gitignore": b".lock\n.tmp-*\n__pycache__/\n"}
