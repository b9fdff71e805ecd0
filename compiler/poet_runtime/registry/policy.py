"""The stable callable of a policy and the snapshot of versions that it reads."""

import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self

from poet_runtime.registry.guard import AnsweredByPrevious
from poet_runtime.registry.load import LoadedVersion

if TYPE_CHECKING:
    from poet_runtime.registry.registry import Registry


OnResult = Callable[[str, Mapping[str, Any], Any, int], Any]  # policy, arguments, result, version
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The version of every policy that answers. A snapshot never changes; it is replaced as a whole."""

    versions: Mapping[str, LoadedVersion]
    calls: Mapping[str, Function]  # the function that a call runs, with guard and hook if any


PINNED: Final[ContextVar[Mapping["Registry", Snapshot] | None]] = ContextVar("poet_pinned", default=None)


class Policy:
    """The stable callable of a policy, which is the same object for all versions.

    It is pickled as folder and name. In another process the unpickled policy's registry has no hook, so its
    answers are recorded only if that process gets the policy from its own workspace.
    """

    def __init__(self, registry: "Registry", name: str) -> None:
        self._registry = registry
        self._name = name
        self.__name__ = self.__qualname__ = name
        self.__module__ = "generated"

    @property
    def __call__(self) -> Function:  # noqa: D102 -- calling it calls the active version
        # A property and not a method, so that the interpreter passes the caller's arguments directly to the
        # returned function. Packing them as *args and **kwargs and unpacking them again in a method costs
        # more than everything below. The returned function belongs to one version, so a call ends with the
        # version it started with.
        if monotonic() < (registry := self._registry).next_look:
            return registry.calls[self._name]
        return registry.called(self._name)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._registry.loaded(self._name).function.__doc__

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._registry.loaded(self._name).function)

    def __repr__(self) -> str:
        return f"<policy {self._name} of {self._registry.generated}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # as for a function; a copy must not lose the hook

    def __reduce__(self) -> tuple[Callable[[str, str], "Policy"], tuple[str, str]]:
        return reopened, (str(self._registry.generated), self._name)


def recorded(loaded: LoadedVersion, function: Function, on_result: OnResult) -> Function:
    """Return a function that passes each answer to the hook, with arguments by name and the version."""
    policy, number, signature = loaded.policy, loaded.number, inspect.signature(loaded.function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        result, answered = function(*args, **kwargs), number
        if type(result) is AnsweredByPrevious:
            answered, result = result
        return on_result(policy, signature.bind(*args, **kwargs).arguments, result, answered)

    return call


def reopened(generated: str, name: str) -> Policy:
    """Return the policy of an unpickled folder and name."""
    return _shared(generated).policy(name)


@cache
def _shared(generated: str) -> "Registry":
    from poet_runtime.registry.registry import Registry  # noqa: PLC0415 -- the registry makes policies

    return Registry(Path(generated))
