"""The `@poet` decorator: makes a function or an agent learn from feedback."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from poet.monitor.agent import SmartMonitor
from poet.monitor.connection import Options, checked
from poet.monitor.function import PolicyFunction
from poet.spec import policy as spec_of
from poet_runtime.errors import MonitorError, PluginError, RenderError

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


P = ParamSpec("P")
R = TypeVar("R")
Agent = TypeVar("Agent", bound=SmartMonitor)


class _Decorator(Protocol):
    @overload
    def __call__(self, target: type[Agent], /) -> type[Agent]: ...  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, target: "staticmethod[P, R]", /
    ) -> "staticmethod[P, R]": ...
    @overload
    def __call__(self, target: Callable[P, R], /) -> PolicyFunction[P, R]: ...


def poet(
    *,
    domain: str = "ml_monitoring",
    learning: str = "continuous",
    learning_threshold: int | None = None,
    workspace: "Workspace | str | Path | None" = None,
    policy: str | None = None,
    **unknown: object,
) -> _Decorator:
    """Return a decorator that makes a function the body of a policy, or sets how an agent learns.

    Parameters
    ----------
    domain
        ``"ml_monitoring"``, or a domain that an installed package provides.
    learning
        ``"continuous"``: learn in the background as feedback arrives. ``"manual"``: record executions and
        feedback; learning happens when someone compiles.
    learning_threshold
        The number of feedback events that starts learning. None uses the value in poet.toml, which is
        initially 10.
    workspace
        A workspace or its folder. None uses the current folder at the first call. Until a workspace exists,
        the function's own body answers.
    policy
        The policy that a function implements; None uses the function's name.

    Raises
    ------
    MonitorError
        At decoration: an option is unknown, or the decorated object cannot be a policy or an agent.
    """
    options = checked(
        domain=domain,
        learning=learning,
        learning_threshold=learning_threshold,
        workspace=workspace,
        unknown=unknown,
    )

    def decorate(target: Any) -> Any:
        if isinstance(target, type):
            return _agent(target, policy, options)
        if isinstance(target, staticmethod | classmethod):
            return type(target)(_function(target.__func__, policy, options))
        return _function(target, policy, options)

    return decorate


def _agent(agent: type, policy: str | None, options: Options) -> type:
    if not issubclass(agent, SmartMonitor):
        raise MonitorError(f"{agent.__qualname__} is not an agent; derive it from poet.SmartMonitor")
    if policy is not None:
        raise MonitorError(f"{agent.__qualname__} is an agent and has all policies; omit the option policy")
    agent.options = options
    return agent


def _function(function: Callable[P, R], policy: str | None, options: Options) -> PolicyFunction[P, R]:
    if not callable(function):
        raise MonitorError(f"@poet cannot decorate {function!r}; decorate a function or a class")
    name = policy or str(getattr(function, "__name__", repr(function)))
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise MonitorError(f"{name} is asynchronous, a policy is not; decorate the plain function it awaits")
    try:
        spec = spec_of(name)
    except (PluginError, RenderError) as error:
        raise MonitorError(f"{error}; name the function after its policy, or pass policy=…") from error
    if spec.domain != options.domain:
        raise MonitorError(
            f"{name} belongs to the domain {spec.domain!r}, not to {options.domain!r}; correct domain=…"
        )
    return PolicyFunction(function, name, options)
