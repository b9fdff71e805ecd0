"""Access to the caller's context, which is a mapping or an object with attributes."""

from collections.abc import Iterable, Mapping
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any, Final, TypeAlias

__all__ = ["Context", "get", "get_names"]

Context: TypeAlias = Mapping[str, Any] | object  # None, which is an object, counts as an empty mapping

# Attributes of these lead from a value to the interpreter; no caller describes circumstances with them.
_CODE: Final = (
    BuiltinFunctionType, CodeType, FrameType, FunctionType, GeneratorType, MethodType, ModuleType,
    TracebackType, type,
)  # fmt: skip
_METHODS: Final = (BuiltinFunctionType, MethodType)


def get(context: Context, name: str, default: Any = None) -> Any:
    """Return a field of `context`, or `default` if the field is missing or None.

    Generated code calls this with names that the dialect cannot check as attributes. From an object it
    returns only data: no private attribute, no method, and nothing of modules, classes and functions.

    >>> from poet_runtime.context import get
    >>> get({"season": "black_friday"}, "season"), get({}, "season", "none")
    ('black_friday', 'none')
    """
    if not isinstance(context, Mapping) and (name.startswith("_") or isinstance(context, _CODE)):
        return default
    found = member(context, name, default)
    return default if not isinstance(context, Mapping) and isinstance(found, _METHODS) else found


def member(context: Context, name: str, default: Any = None) -> Any:
    """Return any member of `context`. For fixed names only; generated code may not call this."""
    if context is None:
        return default
    found = context.get(name) if isinstance(context, Mapping) else getattr(context, name, None)
    return default if found is None else found


def get_names(context: Context, name: str) -> frozenset[str]:
    """Return the strings in a field of `context`.

    A field that is a string counts as one element. A missing field has none, and other types are ignored.

    >>> from poet_runtime.context import get_names
    >>> sorted(get_names({"features": ["price", 3, "city"]}, "features")), get_names({}, "features")
    (['city', 'price'], frozenset())
    """
    value = get(context, name)
    if isinstance(value, str):
        return frozenset({value})
    if not isinstance(value, Iterable):
        return frozenset()
    return frozenset(each for each in value if isinstance(each, str))
