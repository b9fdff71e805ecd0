"""Calls of a user's function as calls of its policy: by position and by name, whatever the names."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any

from poet.errors import MonitorError

__all__ = ["Arguments", "Call"]

POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
NAMED = (*POSITIONAL, Parameter.KEYWORD_ONLY)
OF_A_METHOD = ("self", "cls")


@dataclass(frozen=True, slots=True)
class Call:
    """One call in both languages."""

    args: tuple[Any, ...]  # of the user's function …
    kwargs: Mapping[str, Any]
    of_policy: Mapping[str, Any]  # … and of the policy, all by name


class Arguments:
    """How the parameters of a function answer to those of its policy.

    A parameter that bears the name of one of the policy's is that one. The others take the policy's
    required parameters in their order. What the policy has besides can be given by name in any call: the
    function sees it if it takes it.

    Raises
    ------
    MonitorError
        A required parameter of either has no counterpart.
    """

    def __init__(self, function: Callable[..., Any], policy: str, of_policy: Signature) -> None:
        self._name = getattr(function, "__name__", policy)
        self._signature = inspect.signature(function)
        self._own = self._signature.parameters
        self._takes_any = next((p.name for p in self._own.values() if p.kind is Parameter.VAR_KEYWORD), None)
        self._known = tuple(of_policy.parameters)
        self._policy = policy
        self._to_policy = self._matched(of_policy)
        self._to_own = {name: own for own, name in self._to_policy.items()}

    def _matched(self, of_policy: Signature) -> dict[str, str]:
        names = [p.name for p in self._own.values() if p.kind in NAMED]
        if names and names[0] in OF_A_METHOD:
            names.pop(0)
        found = {name: name for name in names if name in of_policy.parameters}
        required = [p.name for p in of_policy.parameters.values() if p.default is Parameter.empty]
        open_ = [name for name in required if name not in found]
        strangers = [n for n in names if n not in found and self._own[n].kind in POSITIONAL]
        found |= dict(zip(strangers, open_, strict=False))
        lost = [n for n in names if n not in found and self._own[n].default is Parameter.empty]
        missing = open_[len(strangers) :]
        if lost or missing:
            problem = f"has no {', '.join(missing)}" if missing else f"requires {', '.join(lost)}"
            raise MonitorError(
                f"{self._name}{self._signature} {problem}; a body for {self._policy} takes "
                f"{', '.join(required)} in this order, under these names or its own; the rest needs defaults"
            )
        return found

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Read a call.

        Raises
        ------
        TypeError
            As for any function that is called wrongly.
        """
        own: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for given, value in kwargs.items():
            name = self._to_own.get(given, given)
            if name in own:
                raise TypeError(f"{self._name}() got multiple values for argument {name!r}")
            if name in self._own or self._takes_any:
                own[name] = value
            elif name in self._known:
                extra[name] = value
            else:
                known = ", ".join(self._known)
                raise TypeError(
                    f"{self._name}() got an unexpected keyword argument {name!r}; "
                    f"besides its own parameters it takes those of {self._policy}: {known}"
                )
        bound = self._signature.bind(*args, **own)
        bound.apply_defaults()
        values = bound.arguments
        of_policy = {name: values[own] for own, name in self._to_policy.items()} | extra
        if self._takes_any:
            of_policy |= {k: v for k, v in values[self._takes_any].items() if k in self._known}
        return Call(bound.args, bound.kwargs, of_policy)
