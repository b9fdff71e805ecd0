"""What a caller says of the circumstances: a mapping or an object with attributes, read alike."""

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
from typing import Any, Final

__all__ = ["field", "names"]

# Attributes of these lead from a value to the interpreter; no caller describes circumstances with them.
_CODE: Final = (
    BuiltinFunctionType, CodeType, FrameType, FunctionType, GeneratorType, MethodType, ModuleType,
    TracebackType, type,
)  # fmt: skip
_METHODS: Final = (BuiltinFunctionType, MethodType)


def field(context: Any, name: str, default: Any = None) -> Any:
    """Give a field of `context`, or `default` where there is none or it is None.

    Generated code calls this with names that the dialect cannot check as attributes. So of an object it gives
    data alone: no private attribute, no method, and nothing of modules, classes and functions.
    """
    if not isinstance(context, Mapping) and (name.startswith("_") or isinstance(context, _CODE)):
        return default
    found = member(context, name, default)
    return default if not isinstance(context, Mapping) and isinstance(found, _METHODS) else found


def member(context: Any, name: str, default: Any = None) -> Any:
    """Give any member of `context`, for names of our own alone; generated code may not call this."""
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
