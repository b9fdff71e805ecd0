"""Events from many requests into few commits: a request is answered when its events are on disk."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from poet.events import Event
from poet.log import FeedbackLog

__all__ = ["Full", "Intake"]

CAPACITY = 20_000  # events that wait for a commit; a request beyond it is told to come again


class Full(Exception):  # noqa: N818 -- not a fault: the sender comes again
    """More events wait for the disk than the server holds."""


class Intake:
    """What comes while one commit is under way goes into the next one."""

    def __init__(self, log: FeedbackLog) -> None:
        self._log = log
        self._waiting: list[tuple[Sequence[Event], asyncio.Future[None]]] = []
        self._size = 0
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="poet-intake")
        self.accepted = 0  # events acknowledged as durable
        self.commits = 0

    async def append(self, events: Sequence[Event]) -> None:
        """Return when the events are on disk.

        Raises
        ------
        LogError
            They are not; the log keeps them and tries again, and to send them again is harmless.
        Full
            There is no room for them now.
        """
        if not events:
            return
        if self._size + len(events) > CAPACITY:
            raise Full
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((events, done))
        self._size += len(events)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        await asyncio.shield(done)

    async def close(self) -> None:
        """Return when nothing waits."""
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            events = [event for brought, _ in group for event in brought]
            problem: Exception | None = None
            try:
                await loop.run_in_executor(self._thread, self._commit, events)
            except Exception as error:  # noqa: BLE001 -- raised to each who waits
                problem = error
            self._size -= len(events)
            self.commits += 1
            self.accepted += 0 if problem else len(events)
            for _, done in group:
                if done.done():
                    continue
                if problem is None:
                    done.set_result(None)
                else:
                    done.set_exception(problem)

    def _commit(self, events: list[Event]) -> None:
        self._log.append(events, durable=True)
