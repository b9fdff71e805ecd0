"""A canary answers for a share of features; by hash, so that a feature stays on one side."""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any

__all__ = ["has_sides", "is_on_canary", "split"]

FEATURE = ("feature", "feature_name")
MODEL = ("model", "model_id", "model_name")
CONTEXT = ("context", "model_context")  # a mapping that may hold a model
REMEMBERED = 4096  # sides kept, so that a call does not hash again


@lru_cache(REMEMBERED)
def is_on_canary(policy: str, version: int, feature: str, model: str, share: float) -> bool:
    """Tell whether calls about this feature of this model are the canary's.

    Each canary draws anew. Calls that name neither stay with the active version.
    """
    if not feature and not model:
        return False
    digest = hashlib.sha256(f"canary:{policy}:{version}:{feature}\0{model}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


def has_sides(function: Callable[..., Any]) -> bool:
    """Tell whether a policy's calls name a feature or a model at all."""
    return not {*FEATURE, *MODEL, *CONTEXT}.isdisjoint(inspect.signature(function).parameters)


def split(
    policy: str,
    *,
    version: int,
    share: float,
    champion: Callable[..., Any],
    canary: Callable[..., Any],
) -> Callable[..., Any]:
    """Give a call that each feature has answered by its side."""
    signature = inspect.signature(champion)

    @wraps(champion)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            arguments = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return champion(*args, **kwargs)  # raises what the caller did wrong in Python's own words
        feature, model = _named(arguments, FEATURE), _model(arguments)
        chosen = canary if is_on_canary(policy, version, feature, model, share) else champion
        return chosen(*args, **kwargs)

    return call


def _named(arguments: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = (arguments.get(name) for name in names)
    return next((str(value) for value in found if isinstance(value, str | int) and value != ""), "")


def _model(arguments: Mapping[str, Any]) -> str:
    contexts = [arguments[name] for name in CONTEXT if isinstance(arguments.get(name), Mapping)]
    return _named(arguments, MODEL) or next(
        (found for each in contexts if (found := _named(each, MODEL))), ""
    )
