"""Arguments by name, for stand-ins that are called in one way, question after question."""

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["binder"]

_KNOWN = 256  # calls; a comparison makes few kinds of them


def binder(function: Callable[..., Any]) -> Callable[..., Mapping[str, Any]]:
    """Give what names the arguments of a call of `function`; a call that does not fit raises TypeError."""
    signature = inspect.signature(function)

    @lru_cache(maxsize=_KNOWN, typed=True)
    def known(arguments: tuple[Any, ...], keywords: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
        return signature.bind(*arguments, **dict(keywords)).arguments

    def bind(*arguments: Any, **keywords: Any) -> Mapping[str, Any]:
        try:
            return known(arguments, tuple(keywords.items()))
        except TypeError:  # something without a hash, or a call that does not fit
            return signature.bind(*arguments, **keywords).arguments

    return bind
