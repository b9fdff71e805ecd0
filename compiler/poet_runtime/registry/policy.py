"""The stable callable of a policy, and the snapshot of versions that it reads."""

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
    """Which version of every policy answers. Never changed, only replaced whole."""

    versions: Mapping[str, LoadedVersion]
    calls: Mapping[str, Function]  # what a call runs: the version's function, within guard and hook if any


PINNED: Final[ContextVar[Mapping["Registry", Snapshot] | None]] = ContextVar("poet_pinned", default=None)


class Policy:
    """The stable callable of a policy: the same object whatever version answers.

    It travels by pickle as folder and name. In another process the registry there has no hook, so what
    it answers is recorded only if that process asks its own workspace for the policy.
    """

    def __init__(self, registry: "Registry", name: str) -> None:
        self._registry = registry
        self._name = name
        self.__name__ = self.__qualname__ = name
        self.__module__ = "generated"

    @property
    def __call__(self) -> Function:  # noqa: D102 -- calling it calls the active version
        # A property rather than a method: the interpreter hands the caller's arguments straight to the
        # function that is given here. Packing them as *args and **kwargs and unpacking them again in
        # a method costs more than everything below. What is given is one version's function, so the call
        # ends on the version it began with.
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
        return self  # as a function does; a copy must not lose the hook

    def __reduce__(self) -> tuple[Callable[[str, str], "Policy"], tuple[str, str]]:
        return reopened, (str(self._registry.generated), self._name)


def recorded(loaded: LoadedVersion, function: Function, on_result: OnResult) -> Function:
    """Run what answers within the hook, which sees the arguments by name and the version that answered."""
    policy, number, signature = loaded.policy, loaded.number, inspect.signature(loaded.function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        result, answered = function(*args, **kwargs), number
        if type(result) is AnsweredByPrevious:
            answered, result = result
        return on_result(policy, signature.bind(*args, **kwargs).arguments, result, answered)

    return call


def reopened(generated: str, name: str) -> Policy:
    """Unpickle a policy."""
    return _shared(generated).policy(name)


@cache
def _shared(generated: str) -> "Registry":
    from poet_runtime.registry.registry import Registry  # noqa: PLC0415 -- the registry makes policies

    return Registry(Path(generated))
