"""`poet watch`: compile whenever there is enough new feedback, until interrupted."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from poet.workspace.compile_lock import LOCK_FILE, WATCH_LOCK_FILE, NewFeedback, save_checkpoint
from poet.workspace.workspace import Report, Workspace
from poet_runtime.errors import LogError, PoetError, PublishError, RegistryError, SummaryError, WorkspaceError
from poet_runtime.files import FileLock

SETTLE_AT_MOST: Final = 10  # debounce periods: bounds the wait in a stream without pauses
LOCK_POLL_S: Final = 0.2
PASSING: Final = (LogError, SummaryError, PublishError, RegistryError, WorkspaceError, OSError)
Echo = Callable[[str], None]


def compile_with_checkpoint(workspace: Workspace, *, progress: Echo = lambda _stage: None) -> Report:
    """Compile; record a refusal, because the same feedback would be refused again.

    Raises
    ------
    PoetError
        As `Workspace.compile`. A failure caused by the disk or another process may be retried.
    """
    position = workspace.log.position()
    try:
        return workspace.compile(progress=progress)
    except PASSING:
        raise
    except Exception as error:
        save_checkpoint(workspace.path, position, refused=str(error) or repr(error))
        raise


def compile_job(workspace: Workspace, _arguments: Mapping[str, str], progress: Echo) -> Mapping[str, int]:
    """Compile as a job in a separate process."""
    return compile_with_checkpoint(workspace, progress=progress).versions


def watch(
    folder: Path,
    *,
    once: bool = False,
    interval_s: float = 2.0,
    debounce_s: float = 5.0,
    echo: Echo,
    compiled: Callable[[Report], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Compile whenever `learning_threshold` feedback events have arrived since the last compile.

    Parameters
    ----------
    folder
        The workspace; its poet.toml is read again after every compile.
    once
        Check once: compile if there is enough feedback, and return; errors are raised.
    interval_s
        Seconds between two checks of the log.
    debounce_s
        A compile starts after so many seconds without new events, or at the latest after ten times that.
    echo, compiled
        Called with messages and with the report of each compile.

    Raises
    ------
    WorkspaceError
        There is no workspace to watch.
    """
    Workspace.open(folder).close()
    with closing(FileLock(folder / WATCH_LOCK_FILE)) as lock:
        _acquire(lock, "watched", echo, sleep)
        last_error = ""
        while True:
            try:
                with Workspace.open(folder) as workspace:
                    _compile_when_due(
                        workspace,
                        once=once,
                        interval_s=interval_s,
                        debounce_s=debounce_s,
                        echo=echo,
                        compiled=compiled,
                        sleep=sleep,
                    )
                last_error = ""
            except Exception as error:
                if once:
                    raise
                last_error = _echo_error(error, last_error, echo)
                sleep(interval_s)
            if once:
                return


def _compile_when_due(
    workspace: Workspace,
    *,
    once: bool,
    interval_s: float,
    debounce_s: float,
    echo: Echo,
    compiled: Callable[[Report], None],
    sleep: Callable[[float], None],
) -> None:
    """Wait until there is enough feedback and no more arrives, then compile under the lock."""
    new = NewFeedback(workspace.path, workspace.log)
    threshold = workspace.configuration.learn.learning_threshold
    while (count := new.count()) < threshold:
        if once:
            echo(f"{count} of {threshold} feedback events since the last compile: nothing to do")
            return
        sleep(interval_s)
    if not once:
        count = _settled(new, count, debounce_s, sleep)
    with closing(FileLock(workspace.path / LOCK_FILE)) as lock:
        _acquire(lock, "compiled", echo, sleep)
        if new.count() >= threshold:  # the previous holder of the lock may have compiled it
            echo(f"{count} feedback events since the last compile: compiling")
            compiled(compile_with_checkpoint(workspace, progress=lambda stage: echo(f"  {stage}")))


def _settled(new: NewFeedback, count: int, debounce_s: float, sleep: Callable[[float], None]) -> int:
    for _ in range(SETTLE_AT_MOST):
        sleep(debounce_s)
        before, count = count, new.count()
        if count == before:
            break
    return count


def _acquire(lock: FileLock, what: str, echo: Echo, sleep: Callable[[float], None]) -> None:
    is_reported = False
    while not lock.try_acquire():
        if not is_reported:
            echo(f"the workspace is being {what} by {lock.holder()}; waiting until that ends")
            is_reported = True
        sleep(LOCK_POLL_S)


def _echo_error(error: Exception, last_error: str, echo: Echo) -> str:
    """Report an error unless it was the last message."""
    text = str(error) if isinstance(error, PoetError) else f"unexpected {error!r}; still watching"
    if text != last_error:
        echo(f"poet: {text}")
    return text
