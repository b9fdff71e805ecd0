"""Files that several processes share: locks, atomic writes and JSON documents.

Locks are advisory and belong to a process. The operating system releases them when the process ends, even if
it is killed, so a leftover lock file is not a held lock. A forked child does not hold its parent's locks.
"""

import errno
import functools
import getpass
import math
import os
import socket
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Generic, Self, TypeVar

import filelock
import msgspec

from poet_runtime.background import call_after_fork_in_child, hold_while_forking
from poet_runtime.errors import PoetError, PublishError

IS_WINDOWS: Final = os.name == "nt"
CAN_INHERIT_DESCRIPTORS: Final = hasattr(os, "fork")  # Windows has neither
TEMPORARY: Final = ".tmp-"  # prefix of the names of unfinished files
FIRST_POLL_S: Final = 0.0001
LONGEST_POLL_S: Final = 0.05
FIRST_POLL_IN_QUEUE_S: Final = 0.004
SHORTEST_POLL_IN_QUEUE_S: Final = 0.0005
LONGEST_POLL_NEXT_IN_LINE_S: Final = 0.0005  # only one process at a time polls this often
HOLDER_BYTES: Final = 300
LOCK_EXCLUSIVE, LOCK_NO_WAIT, LOCK_RELEASE = 2, 4, 8  # flock(2), on Linux, macOS and the BSDs
WINDOWS_REPLACE_ATTEMPTS: Final = 20

ErrorType = Callable[[str], PoetError]
T = TypeVar("T")


class FileLock:
    """An exclusive lock between threads and processes, kept in a file that stays in place.

    A lock opens its file once and can be reused. A child process that inherits the descriptor
    (`subprocess.Popen(pass_fds=lock.descriptors())`) holds the lock too, and keeps it if its parent is
    killed. On Windows a child cannot inherit descriptors and has to acquire the lock itself.

    Parameters
    ----------
    path
        The lock file. It is created if it is missing. Content of an earlier holder is ignored.
    names_holder
        Whether the file names the holder of the lock. If false, acquiring writes nothing to disk.
    is_fair
        Whether a process that has just released the lock lets waiting processes go first. A second lock, in a
        file next to this one, decides which process is next in line.
    """

    def __init__(self, path: Path, *, names_holder: bool = True, is_fair: bool = False) -> None:
        self.path = path
        self._names_holder = names_holder
        self._queue = FileLock(path.with_name(f"{path.name}.next"), names_holder=False) if is_fair else None
        self._descriptor: int | None = None
        self._is_held = False
        self._threads = threading.Lock()  # the descriptor's lock does not exclude threads of this process
        _LOCKS.add(self)

    def try_acquire(self) -> bool:
        """Acquire the lock if no other thread or process holds it, and return whether that succeeded."""
        if not self._threads.acquire(blocking=False):
            return False
        try:
            self._is_held = _lock_descriptor(self._open())
            if self._is_held and not self._is_in_place():
                self._close_descriptor()  # somebody removed the file: others would lock a new one
                self._is_held = _lock_descriptor(self._open())
            if self._is_held and self._names_holder:
                _write_holder(self._open())
        except BaseException:
            self._is_held = False
            self._close_descriptor()
            self._threads.release()
            raise
        if not self._is_held:
            self._threads.release()
        return self._is_held

    def acquire(self, *, timeout_s: float = math.inf, error: ErrorType = PoetError) -> None:
        """Wait for the lock.

        Raises
        ------
        PoetError
            Another thread or process still holds the lock after `timeout_s`. The message names the holder.
        """
        deadline = time.monotonic() + timeout_s
        if self._queue is None:
            self._poll(deadline, _growing_pauses(LONGEST_POLL_S), error)
            return
        self._queue._poll(deadline, _shrinking_pauses(), error)  # noqa: SLF001 -- of this class
        try:
            self._poll(deadline, _growing_pauses(LONGEST_POLL_NEXT_IN_LINE_S), error)
        finally:
            self._queue.release()

    def release(self) -> None:
        """Release the lock. In a forked child, which does not hold it, this does nothing."""
        if not self._is_held:
            return
        self._is_held = False
        try:
            descriptor = self._open()
            if self._names_holder:
                with suppress(OSError):
                    os.ftruncate(descriptor, 0)
            # Closing would not release the lock while another process has the same descriptor.
            _unlock_descriptor(descriptor)
        finally:
            self._threads.release()

    def holder(self) -> str:
        """Return the holder of the lock, as written by the holder."""
        return _read_holder(self._open()) or "another process"

    def descriptors(self) -> tuple[int, ...]:
        """Return the descriptors that a child process must inherit to hold the lock; empty on Windows."""
        return (self._open(),) if CAN_INHERIT_DESCRIPTORS else ()

    def close(self) -> None:
        """Close the file. The lock is released unless a child process inherited it."""
        if self._queue is not None:
            self._queue.close()
        self._close_descriptor()
        if self._is_held:
            self._is_held = False
            self._threads.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self._close_descriptor()

    def _poll(self, deadline: float, pauses_s: Iterator[float], error: ErrorType) -> None:
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                raise error(
                    f"{self.path} is locked by {self.holder()}; "
                    "wait until it is done, or stop it, then try again"
                )
            time.sleep(next(pauses_s))

    def _open(self) -> int:
        with _OPENING:  # a fork in between would leave an unknown descriptor in the child
            if self._descriptor is None:
                flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
                self._descriptor = os.open(self.path, flags, 0o666)
            return self._descriptor

    def _is_in_place(self) -> bool:
        """Return whether the open file is still the one under the path. Windows keeps open files in place."""
        if IS_WINDOWS:
            return True
        try:
            return os.path.samestat(os.fstat(self._open()), self.path.lstat())
        except FileNotFoundError:
            return not self.path.parent.is_dir()  # without a folder no one can lock another file

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _reset_after_fork(self) -> None:
        with suppress(OSError):
            self._close_descriptor()
        self._is_held = False
        self._threads = threading.Lock()


def _growing_pauses(longest_s: float) -> Iterator[float]:
    pause_s = FIRST_POLL_S
    while True:
        yield pause_s
        pause_s = min(2.0 * pause_s, longest_s)


def _shrinking_pauses() -> Iterator[float]:
    """Yield pauses that shrink, so that a long-waiting process is more likely to get the lock."""
    pause_s = FIRST_POLL_IN_QUEUE_S
    while True:
        yield pause_s
        pause_s = max(0.7 * pause_s, SHORTEST_POLL_IN_QUEUE_S)


def _lock_descriptor(descriptor: int) -> bool:
    """Lock a file without waiting; return False if another descriptor holds the lock."""
    if filelock.has_fcntl or IS_WINDOWS:
        return filelock.lock_descriptor(descriptor, blocking=False)
    try:
        _flock(descriptor, LOCK_EXCLUSIVE | LOCK_NO_WAIT)
    except BlockingIOError:
        return False
    return True


def _unlock_descriptor(descriptor: int) -> None:
    if filelock.has_fcntl or IS_WINDOWS:
        filelock.unlock_descriptor(descriptor)
    else:
        _flock(descriptor, LOCK_RELEASE)


def _flock(descriptor: int, operation: int) -> None:
    """Call flock(2) if this Python was built without the module `fcntl`."""
    import ctypes  # noqa: PLC0415 -- an import that other systems do not need

    if ctypes.CDLL(None, use_errno=True).flock(descriptor, operation):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


_LOCKS: Final["weakref.WeakSet[FileLock]"] = weakref.WeakSet()
_OPENING: Final = threading.RLock()


def _after_fork_in_child() -> None:
    for each in list(_LOCKS):
        each._reset_after_fork()  # noqa: SLF001 -- of this module


hold_while_forking(_OPENING)
call_after_fork_in_child(_after_fork_in_child)


@contextmanager
def lock(
    folder: Path, *, timeout_s: float, file_name: str = ".lock", error: ErrorType = PublishError
) -> Iterator[None]:
    """Acquire the lock of a folder for the duration of the block.

    Raises
    ------
    PoetError
        The folder does not exist, or another process still holds the lock after `timeout_s`. The message
        names the holder.
    """
    if not folder.is_dir():
        raise error(f"there is no folder {folder}; `poet init` creates a workspace")
    held = FileLock(folder / file_name)
    try:
        held.acquire(timeout_s=timeout_s, error=error)
        yield
    finally:
        held.release()
        held.close()


def atomic_write(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Replace a file atomically. The data are on disk when this returns.

    If the process is killed, the file has either the old or the new content.

    Parameters
    ----------
    path
        The file to replace. A symbolic link is replaced and not followed.
    data
        The new content.
    mode
        The permissions, reduced by the umask.

    Raises
    ------
    OSError
        The file cannot be written, or `path` is a device, a pipe or a folder.
    """
    with open_atomic(path, mode=mode) as file:
        file.write(data)


@contextmanager
def open_atomic(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a new file that replaces `path` when the block ends, and is removed if the block raises.

    See `atomic_write`.
    """
    _require_replaceable(path)
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{os.urandom(4).hex()}")
    # O_EXCL: an existing file or link with this name is neither followed nor truncated
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    fsync_directory(path.parent)


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file that must not exist yet, with exactly these permissions if the platform supports them.

    Raises
    ------
    OSError
        The file or a symbolic link with its name exists, or the file cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        if not IS_WINDOWS:
            os.fchmod(file.fileno(), mode)  # the umask does not apply
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fsync_directory(path.parent)


def append(path: Path, data: bytes) -> None:
    """Append to a file in one write, so that the data of several processes are not interleaved.

    Windows moves to the end and writes in two steps. There, a lock in a file next to this one excludes other
    processes.
    """
    guard = FileLock(path.with_name(f"{path.name}.lock"), names_holder=False) if IS_WINDOWS else None
    with ExitStack() as leaving:
        if guard is not None:
            leaving.callback(guard.close)
            leaving.enter_context(guard)
        with path.open("ab", buffering=0) as file:
            file.write(data)


def is_open_to_others(mode: int) -> bool:
    """Return whether a file's mode gives access to users other than its owner. Windows has no such bits."""
    return not IS_WINDOWS and bool(mode & (stat.S_IRWXG | stat.S_IRWXO))


def fsync_directory(folder: Path) -> None:
    """Force the entries of a directory to disk. Windows has no such call and does not need it."""
    if IS_WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # unsupported by some network file systems
            raise
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file if it exists. On Windows a file that is being read stays, to be removed later."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        if not IS_WINDOWS:
            raise


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of killed writers. Only safe while no process can write to the folder."""
    for path in folder.glob(f"{TEMPORARY}*"):
        remove(path)


def set_aside(path: Path) -> Path | None:
    """Rename a damaged file to an unused name, and return the new path; None if renaming fails."""
    aside = path.with_name(f"{path.name}.damaged")
    try:
        path.replace(aside)
    except OSError:
        return None
    return aside


class _Versioned(msgspec.Struct, frozen=True):
    format: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonDocument(Generic[T]):
    """Reader for one kind of JSON document, with its error messages.

    Parameters
    ----------
    type
        The `msgspec` type of the document.
    name
        What the document is, with an article: "a manifest".
    next_step
        What to do if it is damaged: "restore it from version control".
    error
        The type of the error to raise.
    format
        The only value that the document's field ``format`` may have; None if it has no such field.
    former
        Conversions of the JSON objects of earlier formats to the present one, by format.
    """

    type: type[T]
    name: str
    next_step: str
    error: ErrorType
    format: int | None = None
    former: Mapping[int, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = field(default_factory=dict)

    def read(self, path: Path) -> T:
        """Read a document.

        Raises
        ------
        PoetError
            The file is missing, cannot be read, or is not such a document.
        """
        found = self.read_if_exists(path)
        if found is None:
            raise self.error(f"{path} is not {self.name}: there is no such file; {self.next_step}")
        return found

    def read_if_exists(self, path: Path) -> T | None:
        """Read a document; None if there is no such file.

        Raises
        ------
        PoetError
            The file cannot be read, or is not such a document.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.error(
                f"{path} cannot be read ({error.strerror}); check its permissions, then try again"
            ) from error
        return self.decode(content, path)

    def decode(self, content: bytes, path: Path) -> T:
        """Decode the content of a document. The path is only used in error messages.

        Raises
        ------
        PoetError
            The content is not such a document.
        """
        try:
            found = self._converted(content) or msgspec.json.decode(content, type=self.type)
        except (msgspec.DecodeError, RecursionError) as error:
            # A document of another release may lack fields; then an error about its format is clearer.
            self._require_format(_format_of(content), path)
            raise self.error(f"{path} is not {self.name} ({error}); {self.next_step}") from error
        self._require_format(getattr(found, "format", None), path)
        return found

    def _converted(self, content: bytes) -> T | None:
        """Return a document of an earlier format in the present one; None for every other content."""
        convert = self.former.get(_format_of(content) or 0) if self.former else None
        if convert is None:
            return None
        return msgspec.convert(convert(msgspec.json.decode(content)), self.type)

    def _require_format(self, found: int | None, path: Path) -> None:
        if self.format is not None and found is not None and found != self.format:
            raise self.error(
                f"{path} has format {found}, this release reads {self.format}; {self.next_step}, "
                "or use the release that wrote it"
            )


def _format_of(content: bytes) -> int | None:
    try:
        return msgspec.json.decode(content, type=_Versioned).format
    except (msgspec.DecodeError, RecursionError):
        return None


def to_json(document: object, *, indent: int = 2, is_sorted: bool = True) -> bytes:
    """Return a document as indented JSON with a newline at its end; by default with sorted keys."""
    compact = msgspec.json.encode(document, order="sorted" if is_sorted else None)
    return msgspec.json.format(compact, indent=indent) + b"\n"


def _require_replaceable(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # missing, or a dangling link
    if not stat.S_ISREG(mode):
        what = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(what, "Is a directory" if stat.S_ISDIR(mode) else "Not a regular file", str(path))


def _replace(source: Path, target: Path) -> None:
    for attempt in range(WINDOWS_REPLACE_ATTEMPTS):
        try:
            source.replace(target)
        except PermissionError:  # on Windows while a reader has the target open
            if not IS_WINDOWS or attempt == WINDOWS_REPLACE_ATTEMPTS - 1:
                raise
            time.sleep(LONGEST_POLL_S)
        else:
            return


def _write_holder(descriptor: int) -> None:
    # Windows locks the first byte for readers too, so the text starts after it.
    text = f"\nprocess {os.getpid()} of {_user()} on {socket.gethostname()}"
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text.encode())


def _read_holder(descriptor: int) -> str:
    for start in (0, 1):
        with suppress(PermissionError):
            os.lseek(descriptor, start, os.SEEK_SET)
            return os.read(descriptor, HOLDER_BYTES).decode(errors="replace").strip("\0 \n")
    return ""


@functools.cache
def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # neither an environment variable nor an entry for this user
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "an unknown user"
