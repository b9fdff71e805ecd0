"""Writing so that a kill at any moment leaves either the old file or the new one."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poet.errors import PublishError

__all__ = ["TEMPORARY", "exclusive", "place", "sync_folder"]

TEMPORARY = ".tmp-"
POLL_S = 0.05


def place(path: Path, content: bytes) -> None:
    """Put content under a name: written aside, forced to disk, then renamed. `sync_folder` makes it last."""
    aside = path.with_name(f"{TEMPORARY}{path.name}")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def exclusive(folder: Path, *, patience_s: float) -> Iterator[None]:
    """Hold the folder's lock; it goes with the process, however that ends.

    Raises
    ------
    PublishError
        There is no such folder, or another process holds the lock for longer than `patience_s`: says which.
    """
    if not folder.is_dir():
        raise PublishError(f"there is no folder {folder}; `poet init` makes a workspace")
    with (folder / ".lock").open("a+b") as file:
        deadline = time.monotonic() + patience_s
        while not _locked(file.fileno()):
            if time.monotonic() >= deadline:
                file.seek(0)
                holder = file.read(200).decode(errors="replace") or "another process"
                raise PublishError(
                    f"{folder} is locked by {holder}; wait until it is done, or end it, then try again"
                )
            time.sleep(POLL_S)
        try:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            file.flush()
            yield
        finally:
            # In words rather than by closing: a child forked meanwhile has the same file open.
            file.truncate(0)
            fcntl.flock(file, fcntl.LOCK_UN)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
