"""Perceive: every answer of a policy becomes an execution that feedback can cite.

The caller gets an execution id and, on a uniform share of silent answers, the mark that a person should be
asked. What is costly, scoring every candidate statistic so that any other rule can be replayed later, is
done on a background thread.
"""

import hashlib
import math
import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from poet.errors import LogError
from poet.events import make
from poet.log import FeedbackLog
from poet.runtime.drift import score_all
from poet.runtime.results import DriftResult, Score

__all__ = ["Recorder", "is_audited"]

CAPACITY = 10_000  # answers waiting to be scored; beyond it the caller waits


def is_audited(execution_id: str, rate: float) -> bool:
    """Tell whether a silent execution is one that a person is asked about.

    Uniform in the id, so it depends on nothing the samples hold, and anyone can check it afterwards.
    """
    digest = hashlib.sha256(f"audit:{execution_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < rate * 2.0**64


class Recorder:
    """The hook through which a registry's answers reach the feedback log."""

    def __init__(
        self,
        log: FeedbackLog,
        *,
        source: str,
        audit_rate: float,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._log = log
        self._source = source
        self._audit_rate = audit_rate
        self._clock = clock
        self._new_id = new_id
        self._begin()

    def _begin(self) -> None:
        """Start empty: also in a forked child, whose parent records what the parent answered."""
        self._pid = os.getpid()
        self._waiting: queue.Queue[tuple[str, DriftResult, Mapping[str, Any], float] | None]
        self._waiting = queue.Queue(CAPACITY)
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def __call__(self, policy: str, arguments: Mapping[str, Any], result: Any) -> Any:
        """Give the result back with its execution id and audit mark, and record it behind the caller."""
        if not isinstance(result, DriftResult):
            return result
        execution_id = self._new_id()
        audit = not result.drifted and is_audited(execution_id, self._audit_rate)
        marked = replace(result, execution_id=execution_id, audit=audit)
        self._after_fork()
        self._start()
        self._waiting.put((policy, marked, _held(arguments), self._clock()))
        return marked

    def flush(self) -> None:
        """Wait until everything recorded so far is in the log's hands.

        Raises
        ------
        LogError
            An execution could not be recorded.
        """
        self._after_fork()
        if self._thread is not None:
            self._waiting.join()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise LogError(f"an execution could not be recorded: {failure!r}") from failure

    def close(self) -> None:
        """Record what waits, then stop."""
        self._after_fork()
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None
        self.flush()

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            self._begin()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="poet-recorder", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            try:
                self._record(*item)
            except BaseException as failure:  # noqa: BLE001 -- kept, and raised by the next flush
                self._failure = failure
            finally:
                self._waiting.task_done()
        self._waiting.task_done()

    def _record(self, policy: str, result: DriftResult, arguments: Mapping[str, Any], when: float) -> None:
        # the answer's own scores come last: on whatever scale it was given, it can be replayed
        scores = score_all(**arguments) | dict(result.scores)
        event = make(
            "execution.recorded",
            {
                "execution_id": result.execution_id,
                "policy": policy,
                "version": result.policy_version,
                "feature": result.feature,
                "drifted": result.drifted,
                "test": result.test,
                "score": _finite(result.score),
                "threshold": _finite(result.threshold),
                "scores": {
                    test: _score(score) for test, score in scores.items() if math.isfinite(score.statistic)
                },
                "profile": {} if result.profile is None else asdict(result.profile),
                "audit": result.audit,
                "propensity": self._audit_rate if result.audit else 1.0,
            },
            source=self._source,
            id=result.execution_id,
            time=when,
        )
        self._log.append([event])


def _held(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the samples as they are now: the caller may fill its buffers again."""
    kept = dict(arguments)
    for name in ("current", "reference", "current_times", "reference_times"):
        if isinstance(kept.get(name), np.ndarray):
            kept[name] = kept[name].copy()
    return kept


def _score(score: Score) -> dict[str, float]:
    return {
        name: value for name, value in asdict(score).items() if value is not None and math.isfinite(value)
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
