"""Calls of a user's function as calls of its policy: by position and by name, whatever the names."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any

from poet.errors import MonitorError
from poet.monitor._recent import Recent

__all__ = ["Arguments", "Call"]

POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
NAMED = (*POSITIONAL, Parameter.KEYWORD_ONLY)
OF_A_METHOD = ("self", "cls")
FORMS = 256  # ways to call a function that are remembered: reading one anew costs 30 µs


class _Place(int):
    """Where a value stands among those of a call, positional ones first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What all calls with as many positional arguments and the same keywords have in common."""

    n_args: int
    of_body: tuple[tuple[str, _Place], ...]
    of_policy: tuple[tuple[str, _Place], ...]
    defaults: Mapping[str, Any]  # the user's own, for parameters that the policy has too


@dataclass(frozen=True, slots=True)
class Call:
    """One call in both languages."""

    form: _Form
    values: tuple[Any, ...]

    def of_policy(self) -> dict[str, Any]:
        """Give the policy's arguments, all by name."""
        found = dict(self.form.defaults)
        for name, place in self.form.of_policy:
            found[name] = self.values[place]
        return found

    def of_body(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give the arguments of the user's function as it was called, its own names, nothing besides."""
        by_name = {name: self.values[place] for name, place in self.form.of_body}
        return self.values[: self.form.n_args], by_name


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
        self._forms: Recent[tuple[object, ...], _Form] = Recent(FORMS)

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

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Read a call.

        Raises
        ------
        TypeError
            As for any function that is called wrongly.
        """
        shape = (len(args), *kwargs)
        form = self._forms.get(shape)
        if form is None:
            form = self._form(len(args), kwargs)
            self._forms.keep(shape, form)
        return Call(form, (*args, *kwargs.values()))

    def _form(self, n_args: int, keywords: Iterable[str]) -> _Form:
        own: dict[str, _Place] = {}
        extra: dict[str, _Place] = {}
        for place, given in enumerate(keywords, start=n_args):
            name = self._to_own.get(given, given)
            if name in own:
                raise TypeError(f"{self._name}() got multiple values for argument {name!r}")
            if name in self._own or self._takes_any:
                own[name] = _Place(place)
            elif name in self._known:
                extra[name] = _Place(place)
            else:
                known = ", ".join(self._known)
                raise TypeError(
                    f"{self._name}() got an unexpected keyword argument {name!r}; "
                    f"besides its own parameters it takes those of {self._policy}: {known}"
                )
        bound = self._signature.bind(*map(_Place, range(n_args)), **own)
        bound.apply_defaults()
        values = bound.arguments
        of_policy = {name: values[own_name] for own_name, name in self._to_policy.items()} | extra
        if self._takes_any:
            of_policy |= {k: v for k, v in values[self._takes_any].items() if k in self._known}
        return _Form(
            n_args=n_args,
            of_body=tuple(own.items()),
            of_policy=tuple((k, v) for k, v in of_policy.items() if isinstance(v, _Place)),
            defaults={k: v for k, v in of_policy.items() if not isinstance(v, _Place)},
        )
