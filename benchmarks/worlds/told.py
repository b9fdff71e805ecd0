"""Events of a simulated world as a learner gets them, without a log on disk."""

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any, cast

import pyarrow as pa

from poet.decisions import Decisions
from poet.events import make
from poet.learn import learn
from poet.learn.configuration import LearnConfiguration
from poet.log import StoredEvent
from poet.policies import policy
from poet.render import render
from poet.summaries._answer import _RECORDED, _VOTES
from poet.summaries._columns import arrow_schema, rows_of

__all__ = ["Told", "Utterance", "module_of", "run"]


class Utterance:
    """One event in the making: type, payload, who and when (seconds)."""

    def __init__(self, type_: str, data: dict[str, Any], *, source: str, time: float) -> None:
        self.type, self.data, self.source, self.time = type_, data, source, time


class Told:
    """What a learner reads of the first `n` utterances; stands in for `Summaries`."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self._rows: list[tuple[str, tuple[object, ...]]] = []
        self._times: list[float] = []
        for position, each in enumerate(utterances, start=1):
            event = make(each.type, each.data, source=each.source, time=each.time, id=f"e{position}")
            self._rows += [
                row for row in rows_of(StoredEvent(position=position, event=event)) if row[0] == each.type
            ]
            self._times.append(each.time)
        self.log_position = len(self._rows)
        self.log_prefix = ""

    @property
    def recorded(self) -> pa.Table:
        """Give executions: there are none in these worlds."""
        return _RECORDED.empty_table()

    @property
    def votes(self) -> pa.Table:
        """Give votes on executions, none of which was recorded."""
        rows: list[dict[str, Any]] = []
        for type_, origin, word in (
            ("drift.validation", "validation", "root_cause"),
            ("drift.false_positive", "false_positive", "reason"),
        ):
            rows += [
                {name: row.get(name) for name in _VOTES.names}
                | {"was_real": row.get("was_real_drift", False), "origin": origin, "reason": row[word]}
                for row in self.events(type_).to_pylist()
            ]
        return pa.Table.from_pylist(sorted(rows, key=lambda row: row["position"]), schema=_VOTES)

    def first(self, n: int) -> "Told":
        """Give what the first `n` said."""
        part = Told(())
        part._rows, part._times = self._rows[:n], self._times[:n]
        part.log_position = n
        return part

    @property
    def newest_time(self) -> float:
        """Event time of the newest, seconds."""
        return max(self._times, default=0.0)

    def events(self, type_: str) -> pa.Table:
        """Give the rows of one event type."""
        schema = arrow_schema(type_)
        rows = [row for name, row in self._rows if name == type_]
        arrays = [pa.array([row[k] for row in rows], type=field.type) for k, field in enumerate(schema)]
        return pa.Table.from_arrays(arrays, schema=schema)


def run(
    name: str,
    utterances: Sequence[Utterance],
    *,
    every: int = 10,
    configuration: LearnConfiguration | None = None,
    start: Decisions | None = None,
) -> list[tuple[int, Decisions]]:
    """Plan after every so many events, each version on top of the one before; give (events, decisions)."""
    spec = policy(name)
    told = Told(utterances)
    champion = start or spec.version_1(spec.starts[0])
    path: list[tuple[int, Decisions]] = []
    for n in range(every, len(utterances) + 1, every):
        part = told.first(n)
        decided = learn(spec, cast("Any", part), champion, configuration or LearnConfiguration())
        if not decided.behaves_as(champion):
            champion = decided
        path.append((n, champion))
    return path


@cache
def _compiled(source: str) -> ModuleType:
    module = ModuleType("candidate")
    exec(compile(source, "candidate", "exec"), module.__dict__)  # noqa: S102 -- rendered and checked by us
    return module


def module_of(decisions: Decisions) -> ModuleType:
    """Render decisions and run the module."""
    return _compiled(render(decisions).source)
