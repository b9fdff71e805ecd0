"""Events of a simulated world as a learner reads them, without a log on disk."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache, partial
from statistics import median
from types import ModuleType
from typing import Any, cast

import pyarrow as pa

from poet.build.probes import loaded
from poet.build.render import render
from poet.events import make
from poet.learning.configuration import LearnConfiguration
from poet.learning.costs import with_estimated_costs
from poet.learning.learn import learn
from poet.log import StoredEvent
from poet.spec import policy
from poet.spec.decisions import Decisions
from poet.summaries.columns import EXECUTION as _EXECUTION
from poet.summaries.columns import arrow_schema, rows_of
from poet.summaries.summaries import _DELAYS, _NOISE, _PERFORMANCE, _RECORDED, _SCORES, _VOTES

__all__ = ["SimulatedEvent", "SimulatedSummaries", "module_of", "run"]


class SimulatedEvent:
    """One event to be created: type, payload, source and time in seconds."""

    def __init__(self, type_: str, data: dict[str, Any], *, source: str, time: float) -> None:
        self.type, self.data, self.source, self.time = type_, data, source, time


class SimulatedSummaries:
    """The tables of a list of events; a substitute for `Summaries`."""

    def __init__(self, events: Sequence[SimulatedEvent]) -> None:
        self._all: list[tuple[str, tuple[object, ...]]] = []
        self._tables: dict[str, tuple[pa.Table, list[int]]] = {}
        self._times: list[float] = []
        self._events = list(events)
        for position, each in enumerate(events, start=1):
            event = make(each.type, each.data, source=each.source, time=each.time, id=f"e{position}")
            self._all += [
                row for row in rows_of(StoredEvent(position=position, event=event)) if row[0] == each.type
            ]
            self._times.append(each.time)
        self.log_position = len(self._all)
        self.log_prefix = ""
        self.epoch_index = 1
        self._after = 0

    @property
    def recorded(self) -> pa.Table:
        """The executions."""
        rows = [_execution(row) | {"score": row["score"], "threshold": row["threshold"]} | {
            name: row[name] for name in ("position", "time")} for row in self._executions()]  # fmt: skip
        return pa.Table.from_pylist(rows, schema=_RECORDED)

    @property
    def votes(self) -> pa.Table:
        """The votes on executions, recorded or not."""
        known = {row["execution_id"]: _execution(row) for row in self._executions()}
        rows: list[dict[str, Any]] = []
        for type_, origin, reason_column in (
            ("drift.validation", "validation", "root_cause"),
            ("drift.false_positive", "false_positive", "reason"),
        ):
            rows += [
                {name: row.get(name) for name in _VOTES.names}
                | known.get(row["execution_id"], {})
                | {
                    "was_real": row.get("was_real_drift", False),
                    "origin": origin,
                    "reason": row[reason_column],
                }
                for row in self.events(type_).to_pylist()
            ]
        return pa.Table.from_pylist(sorted(rows, key=lambda row: row["position"]), schema=_VOTES)

    @property
    def scores(self) -> pa.Table:
        """The scores of executions."""
        blank = dict.fromkeys(_SCORES.names[2:])
        rows = [
            {"execution_id": each.data["execution_id"], "test": test} | blank | score
            for each in self._events[self._after :]
            if each.type == _EXECUTION
            for test, score in sorted(each.data["scores"].items())
        ]
        return pa.Table.from_pylist(rows, schema=_SCORES)

    @property
    def delays(self) -> pa.Table:
        """The delays as window readings."""
        rows = self.events("drift.detection_delay").to_pylist()
        for row in rows:
            row["window_size"] = row["window_size_used"]
            row["delay_hours"] = (row["detected_at"] - row["actual_drift_start"]) / 3600.0
        readings = [{name: row[name] for name in _DELAYS.names} for row in rows]
        return pa.Table.from_pylist(readings, schema=_DELAYS)

    @property
    def noise(self) -> pa.Table:
        """The noise issues, with the velocity of their feature from the delays."""
        velocities: dict[str, list[float]] = {}
        for row in self.delays.to_pylist():
            velocities.setdefault(row["feature"], []).append(row["data_velocity"])
        rows = [
            {name: row.get(name) for name in _NOISE.names}
            | {"data_velocity": median(velocities[row["feature"]]) if row["feature"] in velocities else None}
            for row in self.events("drift.noise_issue").to_pylist()
        ]
        return pa.Table.from_pylist(rows, schema=_NOISE)

    @property
    def performance(self) -> pa.Table:
        """The runs."""
        rows = self.events("monitoring.performance").to_pylist()
        readings = [{name: row.get(name) for name in _PERFORMANCE.names} for row in rows]
        return pa.Table.from_pylist(readings, schema=_PERFORMANCE)

    def _executions(self) -> list[dict[str, Any]]:
        return list(self.events(_EXECUTION).to_pylist())

    def first(self, n: int, *, epoch_events: int = 0) -> "SimulatedSummaries":
        """Return the tables of the first `n` events, or with epochs of the newest full and the open epoch."""
        part = SimulatedSummaries(())
        part._all, part._tables = self._all, self._tables
        part._times, part._events = self._times[:n], self._events[:n]
        part.log_position = n
        if epoch_events:
            part.epoch_index = max(n // epoch_events, 1)
            part._after = (part.epoch_index - 1) * epoch_events
        return part

    @property
    def newest_time(self) -> float:
        """Event time of the newest event in seconds."""
        return max(self._times, default=0.0)

    def events(self, type_: str) -> pa.Table:
        """Return the rows of one event type."""
        whole, positions = self._whole(type_)
        begin, end = bisect_right(positions, self._after), bisect_right(positions, self.log_position)
        return whole.slice(begin, end - begin)

    def _whole(self, type_: str) -> tuple[pa.Table, list[int]]:
        """Return all rows of a type, cached for all prefixes."""
        if type_ not in self._tables:
            schema = arrow_schema(type_)
            rows = [row for name, row in self._all if name == type_]
            arrays = [pa.array([row[k] for row in rows], type=field.type) for k, field in enumerate(schema)]
            whole = pa.Table.from_arrays(arrays, schema=schema)
            self._tables[type_] = whole, whole["position"].to_pylist()
        return self._tables[type_]


def run(
    name: str,
    events: Sequence[SimulatedEvent],
    *,
    plans: int = 30,
    configuration: LearnConfiguration | None = None,
    start: Decisions | None = None,
    epoch_events: int = 0,
) -> list[tuple[int, Decisions]]:
    """Return the number of events and the decisions after each of `plans` evenly spaced plans.

    Each version is learned on top of the previous one. With `epoch_events`, learners read epochs of this many
    events; otherwise they read all events.
    """
    spec = policy(name)
    summaries = SimulatedSummaries(events)
    champion = start or spec.version_1(spec.starts[0])
    path: list[tuple[int, Decisions]] = []
    for k in range(1, plans + 1):
        n = len(events) * k // plans
        part = summaries.first(n, epoch_events=epoch_events)
        costed = with_estimated_costs(cast("Any", part), configuration or LearnConfiguration())
        decided = learn(spec, cast("Any", part), champion, costed)
        if not decided.behaves_as(champion):
            champion = decided
        path.append((n, champion))
    return path


def _execution(row: dict[str, Any]) -> dict[str, Any]:
    names = ("execution_id", "feature", "drifted", "audit", "propensity", "kind", "is_seasonal", "n_current",
             "n_reference")  # fmt: skip
    return {name: row[name] for name in names} | {"policy_version": row["version"]}


_compiled = cache(partial(loaded, name="candidate"))


def module_of(decisions: Decisions) -> ModuleType:
    """Return the module rendered from decisions."""
    return _compiled(render(decisions).source)
