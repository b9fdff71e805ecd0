"""Perceive: every answer of a policy becomes an execution that feedback can cite.

The caller gets an execution id and, on a uniform share of silent answers, the mark that a person should be
asked. What is costly, scoring every candidate statistic so that any other rule can be replayed later, is
done on a background thread.
"""

import hashlib
import logging
import math
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
from msgspec import to_builtins

from poet.background import EXIT_S, BackgroundWorker
from poet.errors import LogError
from poet.events import make
from poet.inbox import sketch
from poet.log import FeedbackLog
from poet.runtime.drift import score_all
from poet.runtime.results import Alert, AlertPlan, DriftResult, MonitoringOutcome, Score, Suppressed

__all__ = ["Recorder", "is_audited"]

_Waiting = tuple[str, DriftResult, Mapping[str, Any], float]
SHOWN_FROM = 5  # rows that have a value, for it to be named in a sketch
CAPACITY = 10_000  # answers waiting to be scored; beyond it the caller waits
_log = logging.getLogger("poet.recording")


def is_audited(execution_id: str, rate: float) -> bool:
    """Tell whether a silent execution is one that a person is asked about.

    Uniform in the id, so it depends on nothing the samples hold, and anyone can check it afterwards.
    """
    digest = hashlib.sha256(f"audit:{execution_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < rate * 2.0**64


class Recorder(BackgroundWorker):
    """The hook through which a registry's answers reach the feedback log."""

    _thread_name: ClassVar[str] = "poet-recorder"
    _exit_order: ClassVar[int] = 20  # before the log that it appends to

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
        self.reset_after_fork()
        super().__init__()

    def reset_after_fork(self) -> None:
        """Start empty; after a fork the parent records what it answered."""
        self._waiting: queue.Queue[_Waiting | threading.Event | None]  # an event is set when its turn comes
        self._waiting = queue.Queue(CAPACITY)
        self._failure: BaseException | None = None

    def __call__(
        self, policy: str, arguments: Mapping[str, Any], result: Any, *, when: float | None = None
    ) -> Any:
        """Give the result back with its ids and audit mark, and record it behind the caller.

        `when` is when the policy answered, in seconds since 1970, where that was not just now.
        """
        if isinstance(result, AlertPlan):
            return self._alerted(result)
        if isinstance(result, MonitoringOutcome):
            return self._ended(result)
        if not isinstance(result, DriftResult):
            return result
        execution_id = self._new_id()
        audit = not result.drifted and is_audited(execution_id, self._audit_rate)
        marked = replace(result, execution_id=execution_id, audit=audit)
        if self._thread is None:
            self._start_thread()
        self._waiting.put((policy, marked, _held(arguments), self._clock() if when is None else when))
        return marked

    def _alerted(self, plan: AlertPlan) -> AlertPlan:
        """Give every alert an id that answers can name, and tell the log what went out and what did not."""
        alerts = tuple(replace(alert, alert_id=self._new_id()) for alert in plan.alerts)
        now = self._clock()
        self._say("alert.raised", [_alert(alert) for alert in alerts], now)
        self._say("alert.raised", [_held_back(each, self._new_id()) for each in plan.suppressed], now)
        return replace(plan, alerts=alerts)

    def _ended(self, outcome: MonitoringOutcome) -> MonitoringOutcome:
        """Tell the log how long a monitored run took, what failed and what helped."""
        identity = self._new_id()
        for type_, data in _outcome(outcome, identity):
            self._say(type_, [data], self._clock())
        return replace(outcome, execution_id=identity)

    def _say(self, type_: str, told: list[dict[str, Any]], when: float) -> None:
        if told:
            self._log.append([make(type_, data, source=self._source, time=when) for data in told])

    def flush(self) -> None:
        """Wait until everything recorded so far is in the log's hands, whatever else comes meanwhile.

        Raises
        ------
        LogError
            An execution could not be recorded.
        """
        if self._thread is not None:
            turn = threading.Event()
            self._waiting.put(turn)
            turn.wait()
        else:
            self._record_here()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise LogError(f"an execution could not be recorded: {failure!r}") from failure

    def close(self) -> None:
        """Record what waits, then stop."""
        if self._thread is not None:
            self._stop_thread()
        self.flush()

    def close_at_exit(self, deadline: float) -> None:
        """Record what waits until the deadline, and report what is left."""
        if self._stop_thread(deadline) and not self._is_late:
            self.flush()
        elif left := self._waiting.qsize():
            _log.warning(
                "%d executions were not recorded: the program ended and %g s were not enough; "
                "close the workspace before the program ends",
                left,
                EXIT_S,
            )

    def _wake_thread(self) -> None:
        if self._thread is not None:
            with suppress(queue.Full):  # after the deadline the thread ends without being asked
                self._waiting.put(None, timeout=self._time_left)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            with self._step():
                self._take(item)
            if self._is_late:
                return

    def _record_here(self) -> None:
        """Record what waits where no thread could be started."""
        with suppress(queue.Empty):
            while True:
                self._take(self._waiting.get_nowait())

    def _take(self, item: "_Waiting | threading.Event | None") -> None:
        if item is None:
            return
        if isinstance(item, threading.Event):
            item.set()
            return
        try:
            self._record(*item)
        except BaseException as failure:  # noqa: BLE001 -- kept, and raised by the next flush
            self._failure = failure

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
            }
            | (_drawn(arguments) if result.drifted or result.audit else {}),
            source=self._source,
            id=result.execution_id,
            time=when,
        )
        self._log.append([event])


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "execution_ids": [member.execution_id for member in alert.members if member.execution_id],
        "features": sorted({member.feature for member in alert.members if member.feature}),
        "severity": alert.severity,
        "group": alert.group or None,
        "reason": alert.rule or None,
    }


def _held_back(each: Suppressed, alert_id: str) -> dict[str, Any]:
    member = each.member
    return {
        "alert_id": alert_id,
        "execution_ids": [member.execution_id] if member.execution_id else [],
        "features": [member.feature] if member.feature else [],
        "suppressed": True,
        "reason": each.rule,
    }


def _outcome(outcome: MonitoringOutcome, identity: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Say of an outcome what the learner of recovery reads: a run that shows what sizes cost, what helped."""
    size = {"data_size": outcome.rows, "feature_count": outcome.features, "computation": outcome.computation}
    is_out_of_room = outcome.error in ("timeout", "memory")
    if outcome.rows and (is_out_of_room or not outcome.error):
        yield (
            "monitoring.performance",
            {
                "window_size": outcome.rows,
                "computation_time_ms": outcome.duration_ms,
                "timeout_occurred": is_out_of_room,
                "context": {"feature_count": outcome.features, "computation": outcome.computation},
            },
        )
    if outcome.error:
        known = {name: value for name, value in size.items() if value}
        yield "error.occurred", {"error_id": identity, "error_type": outcome.error, "context": known}
        if outcome.strategy != "failed":
            yield (
                "error.recovery",
                {"error_id": identity, "recovery_strategy": outcome.strategy, "success": True},
            )


def _held(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the samples as they are now: the caller may fill its buffers again."""
    kept = dict(arguments)
    for name in ("current", "reference", "current_times", "reference_times"):
        if isinstance(kept.get(name), np.ndarray):
            kept[name] = kept[name].copy()
    return kept


def _drawn(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Give both samples as whoever is asked sees them; values of single rows are nobody's business."""
    try:
        drawn = sketch(arguments.get("current"), arguments.get("reference"), least=SHOWN_FROM)
    except Exception:  # noqa: BLE001 -- what cannot be drawn must not cost the record
        return {}
    return {} if drawn is None else {"sketch": to_builtins(drawn)}


def _score(score: Score) -> dict[str, float]:
    return {
        name: value for name, value in asdict(score).items() if value is not None and math.isfinite(value)
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
