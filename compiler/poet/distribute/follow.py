"""A program that follows bundles."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from poet.distribute.fetch import Pulled, State, pull, state
from poet.distribute.keys import TrustedKey, trusted
from poet_runtime.background import BackgroundWorker
from poet_runtime.errors import BundleError
from poet_runtime.registry import Policy, Registry

_log = logging.getLogger("poet.distribute")


class BundleRuntime(BackgroundWorker):
    """Policies from a bundle, on a machine that has no workspace.

    Made, it asks nobody: the last good bundle in the folder answers at once, also while the source is down.

    Parameters
    ----------
    folder
        Where pulled versions are kept.
    source
        A path, or an http or https address.
    trust
        The public keys whose signatures count.
    require
        By policy, the version that a bundle must bring to be taken.
    every_s
        How often a thread of its own pulls; none unless it is told. A forked child has no such thread, but
        follows the folder all the same.
    """

    _thread_name: ClassVar[str] = "poet-bundle"

    def __init__(
        self,
        folder: str | Path,
        source: str | Path,
        *,
        trust: Iterable[str | TrustedKey],
        require: Mapping[str, int] | None = None,
        every_s: float | None = None,
    ) -> None:
        if every_s is not None and not every_s > 0.0:
            raise BundleError(f"every_s is {every_s!r}, expected seconds above 0, or None for no thread")
        self.folder = Path(folder)
        self.registry = Registry(self.folder)
        self._source = source
        self._trust = trusted(trust)
        self._require = dict(require or {})
        self._every_s = every_s
        super().__init__()
        if every_s is not None:
            import poet.build  # noqa: F401, PLC0415 -- what pulls import, before a fork can meet the thread

            self._start_thread()

    def policy(self, name: str) -> Policy:
        """Give the stable callable of a policy.

        Raises
        ------
        RegistryError
            No bundle has brought it yet.
        """
        return self.registry.policy(name)

    def pull(self, *, allow_older: bool = False) -> Pulled:
        """Take what the source offers, and let it answer from the next call on.

        Raises
        ------
        BundleError
            It was refused or did not come; what answered before goes on.
        """
        pulled = pull(self._source, self.folder, self._trust, require=self._require, allow_older=allow_older)
        self.registry.refresh()
        return pulled

    def state(self) -> State:
        """Say which bundle is served, and why the last pull changed nothing."""
        return state(self.folder)

    def close(self) -> None:
        """End the thread, if there is one; the policies go on."""
        self._stop_thread()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self.pull()
            except BundleError as error:
                _log.warning("%s", error)
            self._sleep(self._every_s)
