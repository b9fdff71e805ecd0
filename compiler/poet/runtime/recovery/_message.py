"""What a child process sends home: a result, a fault, or the wish to end the program."""

import io
import pickle
import struct
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from poet.runtime.recovery._faults import STOPS, Answer, Fault, kind_of, told

__all__ = ["Inbox", "attempt", "written"]

_HEAD = struct.Struct("=8sQ")
_MAGIC = b"poet run"


def attempt(call: Callable[[], Any]) -> Answer | Fault:
    """Call, and give what it raises as a fault; what asks the program to end is raised as it is."""
    try:
        return Answer(call())
    except STOPS:
        raise
    except BaseException as error:  # noqa: BLE001 -- a monitor may raise what it likes and not stop us
        return Fault(kind_of(error), told(error))


def written(call: Callable[[], Any]) -> bytes:
    """Call, and write down what came of it."""
    found: Answer | Fault | _Stop
    try:
        found = attempt(call)
    except STOPS as stop:
        found = _Stop(stop)
    try:
        body = _pickled(found)
    except STOPS:
        raise
    except BaseException as error:  # noqa: BLE001 -- a result may refuse in any way
        text = f"the result cannot leave the monitor's process: {told(error)}; give plain data instead"
        body = _pickled(Fault(kind_of(error), text))
    return _HEAD.pack(_MAGIC, len(body)) + body


class Inbox:
    """The bytes of one message as they come."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._size = _HEAD.size

    def add(self, chunk: bytes) -> bool:
        """Take more bytes, and tell whether the message is there."""
        self._bytes += chunk
        if self._size == _HEAD.size and len(self._bytes) >= _HEAD.size:
            magic, length = _HEAD.unpack_from(self._bytes)
            self._size += length if magic == _MAGIC else 0
        return len(self._bytes) >= self._size

    def read(self) -> Answer | Fault:
        """Give what came.

        Raises
        ------
        KeyboardInterrupt, SystemExit, GeneratorExit
            The monitor raised it.
        """
        if not self._bytes.startswith(_MAGIC):
            return Fault("crash", "the monitor wrote over its own answer")
        body = memoryview(self._bytes)[_HEAD.size : self._size]
        found = attempt(lambda: pickle.loads(body))  # noqa: S301 -- our own child wrote it
        if isinstance(found, Fault):
            return Fault(found.kind, f"the result cannot be read outside the monitor's process: {found.text}")
        sent: Answer | Fault | _Stop = found.results
        if isinstance(sent, _Stop):
            raise sent.again()
        return sent


class _Stop:
    """A KeyboardInterrupt, SystemExit or GeneratorExit of a monitor."""

    def __init__(self, stop: BaseException) -> None:
        self._name = type(stop).__name__
        self._code = (stop.code,) if isinstance(stop, SystemExit) else ()

    def again(self) -> BaseException:
        """Give it as it was raised there."""
        return next(stop for stop in STOPS if stop.__name__ == self._name)(*self._code)


class _Pickler(pickle.Pickler):
    """Pickles what results of this package hold: read-only mappings too."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is MappingProxyType:
            return _read_only, (dict(obj),)
        return NotImplemented


def _read_only(held: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """Make the mapping again; its own type has no name that pickle could find."""
    return MappingProxyType(held)


def _pickled(found: object) -> bytes:
    body = io.BytesIO()
    _Pickler(body, protocol=pickle.HIGHEST_PROTOCOL).dump(found)
    return body.getvalue()
