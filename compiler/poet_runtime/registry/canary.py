"""Canaries, which answer for a share of features, chosen by hash so that a feature keeps its side."""

import hashlib
import inspect
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, Final

from poet_runtime.policies.policy import runtime_policy

REMEMBERED: Final = 4096  # cached sides, so that a repeated call does not compute the hash


@lru_cache(REMEMBERED)
def is_on_canary(policy: str, version: int, feature: str, model: str, share: float) -> bool:
    """Return whether the canary answers calls about this feature of this model.

    Each canary version draws independently. The active version answers calls that name neither a feature nor
    a model.
    """
    if not feature and not model:
        return False
    digest = hashlib.sha256(f"canary:{policy}:{version}:{feature}\0{model}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


def has_sides(policy: str, function: Callable[..., Any]) -> bool:
    """Return whether a policy's calls can name a feature or a model."""
    return runtime_policy(policy).names_sides(inspect.signature(function).parameters)


def split(
    policy: str,
    *,
    version: int,
    share: float,
    champion: Callable[..., Any],
    canary: Callable[..., Any],
) -> Callable[..., Any]:
    """Return a function that passes each call to the champion or the canary, by feature and model."""
    signature, runtime = inspect.signature(champion), runtime_policy(policy)

    @wraps(champion)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            arguments = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return champion(*args, **kwargs)  # raises Python's own TypeError for the caller's mistake
        feature, model = runtime.feature_of(arguments), runtime.model_of(arguments)
        chosen = canary if is_on_canary(policy, version, feature, model, share) else champion
        return chosen(*args, **kwargs)

    return call
