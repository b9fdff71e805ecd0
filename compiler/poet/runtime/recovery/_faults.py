"""What went wrong with a run, as a kind that a rule can speak of and a text that people can read."""

import errno
import signal
from dataclasses import dataclass
from typing import Any

__all__ = ["KINDS", "STOPS", "Answer", "Fault", "ended_by", "kind_of", "told"]

KINDS = ("timeout", "memory", "crash", "value", "io", "other")
STOPS = (KeyboardInterrupt, SystemExit, GeneratorExit)  # somebody wants the program to end: no fault
_LONGEST = 500  # characters of a text
_VALUE = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no result."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a monitor found."""

    results: Any


def kind_of(error: BaseException) -> str:
    """Give the kind of an error."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "memory"
    if isinstance(error, OSError | EOFError):
        return "io"
    return "value" if isinstance(error, _VALUE) else "other"


def told(error: BaseException) -> str:
    """Write an error down, also one that cannot speak for itself."""
    try:
        text = repr(error)
    except Exception:  # noqa: BLE001 -- whatever its repr raises is no reason to lose the error
        text = type(error).__name__
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def ended_by(status: int) -> Fault:
    """Say how a process ended that gave no answer, by its wait status.

    Nobody but the system's guard of memory kills without a warning.
    """
    if (number := status & 0x7F) == 0:
        return Fault("crash", f"the monitor's process ended with status {status >> 8} and no answer")
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if name == "SIGKILL":
        return Fault("memory", "the monitor's process was killed (SIGKILL), as happens when memory runs out")
    return Fault("crash", f"the monitor's process died of {name}")
