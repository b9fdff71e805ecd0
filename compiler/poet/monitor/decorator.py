"""`@poet`: a function or an agent that learns."""

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
    """Make a function the body of a policy, or set how an agent learns.

    Parameters
    ----------
    domain
        ``"ml_monitoring"``, or one that an installed package brings.
    learning
        ``"continuous"``: in the background, as feedback comes. ``"manual"``: answers and feedback are
        recorded, and learned from when somebody compiles.
    learning_threshold
        So many feedback events start a learning; None: as poet.toml says, which says 10 at first.
    workspace
        A workspace or its folder; None: the folder that is current at the first call. Until there is one, a
        function's own body answers.
    policy
        Which policy a function is; None: the one of its name.

    Raises
    ------
    MonitorError
        Something is unknown, or the decorated thing cannot be what is asked; at decoration.
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
        raise MonitorError(f"{agent.__qualname__} is no agent; derive it from poet.SmartMonitor")
    if policy is not None:
        raise MonitorError(f"{agent.__qualname__} is an agent and has all policies; leave policy out")
    agent.options = options
    return agent


def _function(function: Callable[P, R], policy: str | None, options: Options) -> PolicyFunction[P, R]:
    if not callable(function):
        raise MonitorError(f"@poet takes a function or a class, not {function!r}")
    name = policy or str(getattr(function, "__name__", repr(function)))
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise MonitorError(f"{name} is asynchronous, a policy is not; decorate the plain function it awaits")
    try:
        spec = spec_of(name)
    except (PluginError, RenderError) as error:
        raise MonitorError(f"{error}; name the function after its policy, or say policy=…") from error
    if spec.domain != options.domain:
        raise MonitorError(f"{name} belongs to the domain {spec.domain!r}, not to {options.domain!r}")
    return PolicyFunction(function, name, options)
