"""Events of a simulated world as a learner gets them, without a log on disk."""

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

__all__ = ["Told", "Utterance", "module_of", "run"]


class Utterance:
    """One event in the making: type, payload, who and when (seconds)."""

    def __init__(self, type_: str, data: dict[str, Any], *, source: str, time: float) -> None:
        self.type, self.data, self.source, self.time = type_, data, source, time


class Told:
    """What a learner reads of the first `n` utterances; stands in for `Summaries`."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self._all: list[tuple[str, tuple[object, ...]]] = []
        self._tables: dict[str, tuple[pa.Table, list[int]]] = {}
        self._times: list[float] = []
        self._said = list(utterances)
        for position, each in enumerate(utterances, start=1):
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
        """Give the executions."""
        rows = [_execution(row) | {"score": row["score"], "threshold": row["threshold"]} | {
            name: row[name] for name in ("position", "time")} for row in self._executions()]  # fmt: skip
        return pa.Table.from_pylist(rows, schema=_RECORDED)

    @property
    def votes(self) -> pa.Table:
        """Give the votes on executions, recorded or not."""
        known = {row["execution_id"]: _execution(row) for row in self._executions()}
        rows: list[dict[str, Any]] = []
        for type_, origin, word in (
            ("drift.validation", "validation", "root_cause"),
            ("drift.false_positive", "false_positive", "reason"),
        ):
            rows += [
                {name: row.get(name) for name in _VOTES.names}
                | known.get(row["execution_id"], {})
                | {"was_real": row.get("was_real_drift", False), "origin": origin, "reason": row[word]}
                for row in self.events(type_).to_pylist()
            ]
        return pa.Table.from_pylist(sorted(rows, key=lambda row: row["position"]), schema=_VOTES)

    @property
    def scores(self) -> pa.Table:
        """Give the scores of executions."""
        blank = dict.fromkeys(_SCORES.names[2:])
        rows = [
            {"execution_id": each.data["execution_id"], "test": test} | blank | score
            for each in self._said[self._after :]
            if each.type == _EXECUTION
            for test, score in sorted(each.data["scores"].items())
        ]
        return pa.Table.from_pylist(rows, schema=_SCORES)

    @property
    def delays(self) -> pa.Table:
        """Give delays as window readings."""
        rows = self.events("drift.detection_delay").to_pylist()
        for row in rows:
            row["window_size"] = row["window_size_used"]
            row["delay_hours"] = (row["detected_at"] - row["actual_drift_start"]) / 3600.0
        kept = [{name: row[name] for name in _DELAYS.names} for row in rows]
        return pa.Table.from_pylist(kept, schema=_DELAYS)

    @property
    def noise(self) -> pa.Table:
        """Give noise issues with the velocity that delays told of their feature."""
        told: dict[str, list[float]] = {}
        for row in self.delays.to_pylist():
            told.setdefault(row["feature"], []).append(row["data_velocity"])
        rows = [
            {name: row.get(name) for name in _NOISE.names}
            | {"data_velocity": median(told[row["feature"]]) if row["feature"] in told else None}
            for row in self.events("drift.noise_issue").to_pylist()
        ]
        return pa.Table.from_pylist(rows, schema=_NOISE)

    @property
    def performance(self) -> pa.Table:
        """Give runs."""
        rows = self.events("monitoring.performance").to_pylist()
        kept = [{name: row.get(name) for name in _PERFORMANCE.names} for row in rows]
        return pa.Table.from_pylist(kept, schema=_PERFORMANCE)

    def _executions(self) -> list[dict[str, Any]]:
        return list(self.events(_EXECUTION).to_pylist())

    def first(self, n: int, *, page: int = 0) -> "Told":
        """Give what the first `n` said; with pages, what the newest whole one and the open one hold of it."""
        part = Told(())
        part._all, part._tables = self._all, self._tables
        part._times, part._said = self._times[:n], self._said[:n]
        part.log_position = n
        if page:
            part.epoch_index = max(n // page, 1)
            part._after = (part.epoch_index - 1) * page
        return part

    @property
    def newest_time(self) -> float:
        """Event time of the newest, seconds."""
        return max(self._times, default=0.0)

    def events(self, type_: str) -> pa.Table:
        """Give the rows of one event type."""
        whole, positions = self._whole(type_)
        begin, end = bisect_right(positions, self._after), bisect_right(positions, self.log_position)
        return whole.slice(begin, end - begin)

    def _whole(self, type_: str) -> tuple[pa.Table, list[int]]:
        """Give all rows of a type, made once for all prefixes."""
        if type_ not in self._tables:
            schema = arrow_schema(type_)
            rows = [row for name, row in self._all if name == type_]
            arrays = [pa.array([row[k] for row in rows], type=field.type) for k, field in enumerate(schema)]
            whole = pa.Table.from_arrays(arrays, schema=schema)
            self._tables[type_] = whole, whole["position"].to_pylist()
        return self._tables[type_]


def run(
    name: str,
    utterances: Sequence[Utterance],
    *,
    plans: int = 30,
    configuration: LearnConfiguration | None = None,
    start: Decisions | None = None,
    page: int = 0,
) -> list[tuple[int, Decisions]]:
    """Plan so many times, evenly spread, each version on top of the one before; give (said, decisions).

    With `page`, learners read pages of so many events; without, everything.
    """
    spec = policy(name)
    told = Told(utterances)
    champion = start or spec.version_1(spec.starts[0])
    path: list[tuple[int, Decisions]] = []
    for k in range(1, plans + 1):
        n = len(utterances) * k // plans
        part = told.first(n, page=page)
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
    """Render decisions and run the module."""
    return _compiled(render(decisions).source)
