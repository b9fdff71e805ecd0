"""A canary answers for a share of features; by hash, so that a feature stays on one side."""

import hashlib
import inspect
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, Final

from poet_runtime.policies.policy import runtime_policy

REMEMBERED: Final = 4096  # sides kept, so that a call does not hash again


@lru_cache(REMEMBERED)
def is_on_canary(policy: str, version: int, feature: str, model: str, share: float) -> bool:
    """Tell whether calls about this feature of this model are the canary's.

    Each canary draws anew. Calls that name neither stay with the active version.
    """
    if not feature and not model:
        return False
    digest = hashlib.sha256(f"canary:{policy}:{version}:{feature}\0{model}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


def has_sides(policy: str, function: Callable[..., Any]) -> bool:
    """Return whether a policy's calls name a feature or a model at all."""
    return runtime_policy(policy).names_sides(inspect.signature(function).parameters)


def split(
    policy: str,
    *,
    version: int,
    share: float,
    champion: Callable[..., Any],
    canary: Callable[..., Any],
) -> Callable[..., Any]:
    """Give a call that each feature has answered by its side."""
    signature, asked = inspect.signature(champion), runtime_policy(policy)

    @wraps(champion)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            arguments = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return champion(*args, **kwargs)  # raises what the caller did wrong in Python's own words
        feature, model = asked.feature_of(arguments), asked.model_of(arguments)
        chosen = canary if is_on_canary(policy, version, feature, model, share) else champion
        return chosen(*args, **kwargs)

    return call
