"""Writing so that a kill at any moment leaves either the old file or the new one."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poet.errors import PublishError

__all__ = ["exclusive", "replace", "sync_folder", "tidy", "write_new"]

TEMPORARY = ".tmp-"
POLL_S = 0.05


def replace(path: Path, content: bytes) -> None:
    """Put content under a name: written aside, forced to disk, then renamed."""
    aside = path.with_name(f"{TEMPORARY}{path.name}")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync_folder(path.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that stays as it is for ever; the same content again changes nothing.

    Only names that no registry mentions come here, so whatever stands there is what a kill left behind.
    """
    if not path.exists() or path.read_bytes() != content:
        replace(path, content)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def tidy(folder: Path) -> None:
    """Remove what a kill left aside."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        leftover.unlink(missing_ok=True)


@contextmanager
def exclusive(folder: Path, *, patience_s: float) -> Iterator[None]:
    """Hold the folder's lock; it goes with the process, however that ends.

    Raises
    ------
    PublishError
        Another process holds it for longer than `patience_s`; says which.
    """
    with (folder / ".lock").open("a+b") as file:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    file.seek(0)
                    holder = file.read(80).decode(errors="replace") or "another process"
                    raise PublishError(
                        f"{folder} is locked by {holder}; wait until it is done, or end it, then try again"
                    ) from None
                time.sleep(POLL_S)
        file.truncate(0)
        file.write(f"process {os.getpid()}".encode())
        file.flush()
        yield
