"""Access to the caller's context, which is a mapping or an object with attributes."""

from collections.abc import Iterable, Mapping
from typing import Any


def field(context: Any, name: str, default: Any = None) -> Any:
    """Return a field of `context`, or `default` if the field is missing or None."""
    if context is None:
        return default
    found = context.get(name) if isinstance(context, Mapping) else getattr(context, name, None)
    return default if found is None else found


def names(value: Any) -> frozenset[str]:
    """Return the strings in `value`. A single string counts as one element; other types are ignored."""
    if isinstance(value, str):
        return frozenset({value})
    if not isinstance(value, Iterable):
        return frozenset()
    return frozenset(each for each in value if isinstance(each, str))
