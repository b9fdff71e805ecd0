"""A decorated function: the policy's active version answers where there is one, else the user's own body."""

import functools
import logging
import threading
from collections.abc import Callable
from time import monotonic
from types import MethodType
from typing import Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from poet.errors import PoetError, RegistryError
from poet.monitor._arguments import Arguments, Call
from poet.monitor._connection import Connection, connect
from poet.monitor._options import Options
from poet.registry import Policy
from poet.runtime.policies import runtime_policy

__all__ = ["PolicyFunction"]

RETRY_S = 1.0  # between two looks for a workspace, or for a policy in it, that was not there
P = ParamSpec("P")
Q = ParamSpec("Q")
S = TypeVar("S")
R = TypeVar("R")
_log = logging.getLogger("poet.monitor")


class PolicyFunction(Generic[P, R]):
    """What `@poet` makes of a function; it is called like the function.

    `policy` is the name of its policy, `version` the number of the version that answers now (0: the body),
    `fallbacks` how often a version raised and the body answered in its place, `__wrapped__` the body.
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
        """Answer as the active version does; a version that raises is counted, and the body answers."""
        policy = self._resolved()
        if self._arguments is None:  # a plug-in's policy of which no version was seen yet
            return self.__wrapped__(*args, **kwargs)
        call = self._arguments.read(args, kwargs)
        if policy is not None:
            try:
                return cast("R", policy(**call.of_policy()))
            except Exception as error:  # noqa: BLE001 -- counted and logged; a monitor must go on
                self._fell_back(policy, error)
        return self._body(call)

    @property
    def version(self) -> int:
        """The number of the version that answers now; 0 is the function's own body."""
        policy = self._resolved()
        return 0 if policy is None or self._connection is None else self._connection.active(self.policy)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: "PolicyFunction[Concatenate[S, Q], R]", instance: S, owner: type
    ) -> "PolicyFunction[Q, R]": ...
    def __get__(self, instance: object, owner: type) -> object:
        """Bind a method, as a function does; the bound one has the same attributes."""
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
        _log.warning("%r raised %r; the function's own body answers", policy, error, exc_info=error)

    def _resolved(self) -> Policy | None:
        """Give the policy's stable callable, once there is one."""
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
                    self._connection.learn_as_feedback_comes(self.options.learning_threshold)
            self._callable = self._connection.workspace.policy(self.policy)
            if self._arguments is None:
                self._arguments = Arguments(self.__wrapped__, self.policy, self._callable.__signature__)
        except PoetError as error:
            self._callable = None
            if str(error) != self._said:
                self._said = str(error)
                level = logging.INFO if isinstance(error, RegistryError) else logging.WARNING
                _log.log(level, "%s; the body of %s answers", error, self.__wrapped__.__qualname__)
