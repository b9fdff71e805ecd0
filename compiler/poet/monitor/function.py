"""Decorated functions: the policy's active version answers if there is one, else the user's own body.

The module maps calls of a user's function to calls of its policy, by position and by name, even if the
parameter names differ.
"""

import functools
import inspect
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from time import monotonic
from types import MethodType
from typing import Any, Concatenate, Final, Generic, ParamSpec, Self, TypeVar, cast, overload

from poet.monitor.connection import Connection, Options, connect
from poet.monitor.feedback import Recent
from poet_runtime.errors import MonitorError, PoetError, RegistryError
from poet_runtime.policies.policy import runtime_policy
from poet_runtime.registry import Policy

POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
NAMED: Final = (*POSITIONAL, Parameter.KEYWORD_ONLY)
OF_A_METHOD: Final = ("self", "cls")
FORMS: Final = 256  # cached call shapes of a function; analyzing a new one takes 30 µs


class _Index(int):
    """The index of a value among those of a call, positional values first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """The mapping shared by all calls with the same number of positional arguments and the same keywords."""

    n_args: int
    of_body: tuple[tuple[str, _Index], ...]
    of_policy: tuple[tuple[str, _Index], ...]
    defaults: Mapping[str, Any]  # the user's defaults of parameters that the policy also has


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as arguments of the user's function and of the policy."""

    form: _Form
    values: tuple[Any, ...]

    def of_policy(self) -> dict[str, Any]:
        """Return the policy's arguments, all by name."""
        found = dict(self.form.defaults)
        for name, index in self.form.of_policy:
            found[name] = self.values[index]
        return found

    def of_body(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of the user's function as called, under its own parameter names."""
        by_name = {name: self.values[index] for name, index in self.form.of_body}
        return self.values[: self.form.n_args], by_name


class Arguments:
    """The mapping between the parameters of a function and those of its policy.

    Parameters with the same name correspond. The remaining parameters of the function correspond to the
    policy's remaining required parameters, in order. Any other parameter of the policy can be passed by name
    in any call; the function receives it if it accepts it.

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
        unmatched = [n for n in names if n not in found and self._own[n].kind in POSITIONAL]
        found |= dict(zip(unmatched, open_, strict=False))
        lost = [n for n in names if n not in found and self._own[n].default is Parameter.empty]
        missing = open_[len(unmatched) :]
        if lost or missing:
            problem = f"has no {', '.join(missing)}" if missing else f"requires {', '.join(lost)}"
            raise MonitorError(
                f"{self._name}{self._signature} {problem}; a body for {self._policy} takes "
                f"{', '.join(required)} in this order, under these or other names; give all others defaults"
            )
        return found

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Return the parsed call.

        Raises
        ------
        TypeError
            The arguments do not fit the signature, as for any Python function.
        """
        shape = (len(args), *kwargs)
        form = self._forms.get(shape)
        if form is None:
            form = self._form(len(args), kwargs)
            self._forms.keep(shape, form)
        return Call(form, (*args, *kwargs.values()))

    def _form(self, n_args: int, keywords: Iterable[str]) -> _Form:
        own: dict[str, _Index] = {}
        extra: dict[str, _Index] = {}
        for index, given in enumerate(keywords, start=n_args):
            name = self._to_own.get(given, given)
            if name in own:
                raise TypeError(f"{self._name}() got multiple values for argument {name!r}")
            if name in self._own or self._takes_any:
                own[name] = _Index(index)
            elif name in self._known:
                extra[name] = _Index(index)
            else:
                known = ", ".join(self._known)
                raise TypeError(
                    f"{self._name}() got an unexpected keyword argument {name!r}; "
                    f"in addition to its own parameters it takes those of {self._policy}: {known}"
                )
        bound = self._signature.bind(*map(_Index, range(n_args)), **own)
        bound.apply_defaults()
        values = bound.arguments
        of_policy = {name: values[own_name] for own_name, name in self._to_policy.items()} | extra
        if self._takes_any:
            of_policy |= {k: v for k, v in values[self._takes_any].items() if k in self._known}
        return _Form(
            n_args=n_args,
            of_body=tuple(own.items()),
            of_policy=tuple((k, v) for k, v in of_policy.items() if isinstance(v, _Index)),
            defaults={k: v for k, v in of_policy.items() if not isinstance(v, _Index)},
        )


RETRY_S: Final = 1.0  # between two lookups of a missing workspace or policy
P = ParamSpec("P")
Q = ParamSpec("Q")
S = TypeVar("S")
R = TypeVar("R")
_log = logging.getLogger("poet.monitor")


class PolicyFunction(Generic[P, R]):
    """A function decorated with `@poet`; it is called like the original.

    `policy` is the name of its policy. `version` is the number of the active version (0: the body).
    `fallbacks` counts how often a version raised and the body answered instead. `__wrapped__` is the body.
    """

    __wrapped__: Callable[P, R]

    def __init__(self, function: Callable[P, R], policy: str, options: Options) -> None:
        functools.update_wrapper(self, function)
        self.policy = policy
        self.options = options
        self.fallbacks = 0
        self._connection: Connection | None = None
        self._callable: Policy | None = None
        self._next_look = 0.0
        self._said = ""
        self._lock = threading.Lock()
        known = runtime_policy(policy).signature
        self._arguments = None if known is None else Arguments(function, policy, known)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the active version's result; if it raises, count a fallback and return the body's result."""
        policy = self._resolved()
        if self._arguments is None:  # a plug-in's policy without a loaded version
            return self.__wrapped__(*args, **kwargs)
        call = self._arguments.read(args, kwargs)
        if policy is not None:
            try:
                return cast("R", policy(**call.of_policy()))
            except Exception as error:  # noqa: BLE001 -- counted and logged; a monitor must not fail
                self._fell_back(policy, error)
        return self._body(call)

    @property
    def version(self) -> int:
        """Return the number of the active version; 0 is the function's own body."""
        policy = self._resolved()
        return 0 if policy is None or self._connection is None else self._connection.active(self.policy)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: "PolicyFunction[Concatenate[S, Q], R]", instance: S, owner: type
    ) -> "PolicyFunction[Q, R]": ...
    def __get__(self, instance: object, owner: type) -> object:
        """Return the bound method, as functions do; it has the same attributes."""
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<{self.policy} with the body {self.__wrapped__!r}>"

    def __reduce__(self) -> str:
        return self.__wrapped__.__qualname__

    def _body(self, call: Call) -> R:
        args, kwargs = call.of_body()
        result = self.__wrapped__(*args, **kwargs)
        if self._connection is None:
            return result
        return cast("R", self._connection.workspace.record(self.policy, call.of_policy(), result))

    def _fell_back(self, policy: Policy, error: Exception) -> None:
        with self._lock:
            self.fallbacks += 1
        _log.warning("%r raised %r; using the function's own body", policy, error, exc_info=error)

    def _resolved(self) -> Policy | None:
        """Return the policy's stable callable, or None while there is none."""
        if self._callable is None and monotonic() >= self._next_look:
            with self._lock:
                if self._callable is None:
                    self._resolve()
                    self._next_look = monotonic() + RETRY_S
        return self._callable

    def _resolve(self) -> None:
        try:
            if self._connection is None:
                self._connection = connect(self.options.workspace)
                if self.options.learning == "continuous":
                    self._connection.follow_feedback(self.options.learning_threshold)
            self._callable = self._connection.workspace.policy(self.policy)
            if self._arguments is None:
                self._arguments = Arguments(self.__wrapped__, self.policy, self._callable.__signature__)
        except PoetError as error:
            self._callable = None
            if str(error) != self._said:
                self._said = str(error)
                level = logging.INFO if isinstance(error, RegistryError) else logging.WARNING
                _log.log(level, "%s; using the body of %s", error, self.__wrapped__.__qualname__)
