"""One attempt to run a monitor: what it found, or which kind of fault stopped it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from signal import SIGKILL
from typing import Any

from poet.runtime.recovery._child import CAN_FORK, Died, NotInTimeError, in_child

__all__ = ["Attempt", "Runner", "attempt", "running_with"]

Runner = Callable[[Callable[[], Any], float | None], Any]
_LEAVING = (KeyboardInterrupt, SystemExit, GeneratorExit)
_MOST = 300  # characters of a fault that a warning repeats


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it; `error` is empty when it came back with results."""

    results: Any = None
    error: str = ""  # "timeout", "memory", "crash", "value", "io", "other"
    said: str = ""
    has_no_deadline: bool = False  # one was asked for and cannot be kept on this system


def _run(work: Callable[[], Any], seconds: float | None) -> Any:
    return work() if seconds is None or not CAN_FORK else in_child(work, seconds)


_runner: ContextVar[Runner] = ContextVar("runner", default=_run)


@contextmanager
def running_with(runner: Runner) -> Iterator[None]:
    """Let `runner` run the work of every attempt made inside, for tests and where no process may start.

    It gets the work and its seconds (None: no deadline), and answers or raises as the work would.
    """
    token = _runner.set(runner)
    try:
        yield
    finally:
        _runner.reset(token)


def attempt(work: Callable[[], Any], seconds: float | None) -> Attempt:
    """Run `work`, with a deadline in a process of its own; no fault of it is raised."""
    is_unbounded = seconds is not None and not CAN_FORK
    try:
        return Attempt(results=_runner.get()(work, seconds), has_no_deadline=is_unbounded)
    except NotInTimeError:
        return Attempt(error="timeout", said=f"not done within {seconds:.3g} s")
    except Died as death:
        return Attempt(error="memory" if death.number == SIGKILL else "crash", said=str(death))
    except BaseException as fault:
        if isinstance(fault, _LEAVING):
            raise
        return Attempt(error=_kind(fault), said=f"{type(fault).__name__}: {fault}"[:_MOST])


def _kind(fault: BaseException) -> str:
    kinds: tuple[tuple[str, tuple[type[BaseException], ...]], ...] = (
        ("timeout", (TimeoutError,)),
        ("memory", (MemoryError,)),
        ("io", (OSError, EOFError)),
        ("value", (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)),
    )
    return next((kind for kind, types in kinds if isinstance(fault, types)), "other")
