"""What a caller says of the circumstances: a mapping or an object with attributes, read alike."""

from collections.abc import Iterable, Mapping
from typing import Any


def field(context: Any, name: str, default: Any = None) -> Any:
    """Give a field of `context`, or `default` where there is none or it is None."""
    if context is None:
        return default
    found = context.get(name) if isinstance(context, Mapping) else getattr(context, name, None)
    return default if found is None else found


def names(value: Any) -> frozenset[str]:
    """Give the texts in `value`: a single text counts as one, anything that is no text is left out."""
    if isinstance(value, str):
        return frozenset({value})
    if not isinstance(value, Iterable):
        return frozenset()
    return frozenset(each for each in value if isinstance(each, str))
