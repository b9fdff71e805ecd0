"""Serving policies from bundles in a program that follows a source."""

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
    """Policies from a bundle, on a machine without a workspace.

    Creating it makes no request: the last good bundle in the folder answers immediately, even while the
    source is down.

    Parameters
    ----------
    folder
        The folder for pulled versions.
    source
        A path, or an http or https address.
    trust
        The trusted public keys.
    require
        For each named policy, the version that must be active in a bundle to be accepted.
    every_s
        The interval at which a background thread pulls, in seconds; None starts no thread. A forked child has
        no such thread, but still follows the folder.
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
            import poet.build  # noqa: F401, PLC0415 -- imported by pulls; now, so that no fork interrupts the import in the thread

            self._start_thread()

    def policy(self, name: str) -> Policy:
        """Return the stable callable of a policy.

        Raises
        ------
        RegistryError
            No pulled bundle contains the policy yet.
        """
        return self.registry.policy(name)

    def pull(self, *, allow_older: bool = False) -> Pulled:
        """Pull the bundle of the source; its versions answer from the next call on.

        Raises
        ------
        BundleError
            The bundle was rejected or could not be read. The previous versions stay active.
        """
        pulled = pull(self._source, self.folder, self._trust, require=self._require, allow_older=allow_older)
        self.registry.refresh()
        return pulled

    def state(self) -> State:
        """Return which bundle is served, and why the last pull was rejected."""
        return state(self.folder)

    def close(self) -> None:
        """Stop the thread, if there is one; the policies keep answering."""
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
