"""Simulation of a monitor and its labels in memory: executions with known scores, labeled as people would.

The benchmarks share this module. It runs only the learner, on the same tables as those of a log. The answers
of a rule are computed once for all cases.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poet.learning.configuration import LearnConfiguration
from poet.policies.detect_drift.learner.learn import learn
from poet.policies.detect_drift.learner.scopes import champion_fires
from poet.policies.detect_drift.learner.steps import Executions
from poet.spec import policy
from poet.spec.decisions import Decisions
from poet.summaries import Summaries

COLUMNS = ("statistic", "p_value", "null_q90", "null_max", "null_mean", "null_sd")
HOUR_S = 3600.0
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """Cases with known truth and the scores that an execution of each records."""

    label: Flags
    group: NDArray[np.object_]
    is_seasonal: Flags
    n_reference: NDArray[np.int64]
    scores: dict[tuple[str, str], NDArray[np.float64]]  # (test, column): by case

    def executions(self) -> Executions:
        """Return all cases as executions, to replay a version on them."""
        n = len(self.label)
        return Executions(
            ids=[str(row) for row in range(n)],
            positions=np.arange(n),
            times=np.zeros(n),
            features=[""] * n,
            drifted=np.zeros(n, bool),
            audit=np.zeros(n, bool),
            propensity=np.ones(n),
            is_categorical=np.zeros(n, bool),
            is_seasonal=self.is_seasonal,
            n_reference=self.n_reference.astype(float),
            measures=self.scores,
        )


@dataclass
class History:
    """The result of one run: number of labels, adoptions, and alerts after some numbers of labels."""

    answers: int = 0
    adoptions: list[tuple[int, Decisions]] = field(default_factory=list)
    alerts_at: dict[int, Flags] = field(default_factory=dict)
    last: Flags = field(default_factory=lambda: np.zeros(0, bool))


@dataclass
class LabelingBehavior:
    """How people label executions."""

    audit_rate: float = 0.02
    reported_misses: float = 0.5
    every: int = 20  # labels between two plans


def run(
    world: World,
    order: NDArray[np.int64],
    *,
    start: str,
    seed: int,
    labeling: LabelingBehavior,
    label: Flags | None = None,
    checkpoints: tuple[int, ...] = (),
    at_most: int | None = None,
) -> History:
    """Return the history of monitoring the cases in an order, with labels and regular learning."""
    chance = np.random.default_rng(seed)
    truth = world.label if label is None else label
    everything = world.executions()
    champion = policy("detect_drift").version_1(start)
    alerts = champion_fires(everything, champion)
    history, log = History(), _Log(world)
    for step, case in enumerate(order):
        drifted = bool(alerts[case])
        audit = not drifted and chance.random() < labeling.audit_rate
        is_reported = chance.random() < labeling.reported_misses
        log.record(
            int(case), step, drifted=drifted, audit=audit, propensity=labeling.audit_rate if audit else 1.0
        )
        missed = not drifted and not audit and bool(truth[case]) and is_reported
        if not (drifted or audit or missed):
            continue
        log.vote(step, was_real=bool(truth[case]), origin="missed" if missed else "validation")
        history.answers += 1
        if history.answers % labeling.every == 0:
            decided = learn(log.summaries(), champion, LearnConfiguration(audit_rate=labeling.audit_rate))
            if not decided.behaves_as(champion):
                champion, alerts = decided, champion_fires(everything, decided)
                history.adoptions.append((history.answers, decided))
        if history.answers in checkpoints:
            history.alerts_at[history.answers] = alerts
        if history.answers == at_most:
            break
    history.last = alerts
    return history


class _Log:
    """The tables of a log's summaries."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._position = 0
        self._cases: list[int] = []
        self._recorded: list[dict[str, object]] = []
        self._votes: list[dict[str, object]] = []

    def record(self, case: int, step: int, *, drifted: bool, audit: bool, propensity: float) -> None:
        self._position += 1
        self._cases.append(case)
        self._recorded.append(
            {
                "position": self._position,
                "time": HOUR_S * step,
                "execution_id": f"x{step}",
                "feature": "",
                "policy_version": 1,
                "drifted": drifted,
                "audit": audit,
                "propensity": propensity,
                "kind": "numeric",
                "is_seasonal": bool(self._world.is_seasonal[case]),
                "n_current": 100,
                "n_reference": int(self._world.n_reference[case]),
            }
        )

    def vote(self, step: int, *, was_real: bool, origin: str) -> None:
        self._position += 1
        execution = {
            name: value for name, value in self._recorded[-1].items() if name not in ("position", "time")
        }
        self._votes.append(
            execution
            | {
                "position": self._position,
                "event_id": f"e{self._position}",
                "source": "user/ana",
                "time": HOUR_S * step,
                "was_real": was_real,
                "origin": origin,
                "reason": None,
                "business_impact": None,
            }
        )

    def summaries(self) -> Summaries:
        cases = np.array(self._cases)
        tests = sorted({test for test, _ in self._world.scores})
        names = [str(row["execution_id"]) for row in self._recorded]
        columns = {
            column: np.column_stack([self._column(test, column)[cases] for test in tests]).ravel()
            for column in COLUMNS
        }
        scores = pa.table(
            {"execution_id": np.repeat(names, len(tests)), "test": np.tile(tests, len(names)), **columns}
        )
        nothing = pa.table({"position": pa.array([], pa.int64())})
        return Summaries(
            log_position=self._position,
            log_prefix="",
            newest_time=0.0,
            counts={},
            executions={},
            votes=pa.Table.from_pylist(self._votes),
            recorded=pa.Table.from_pylist(self._recorded),
            scores=scores,
            delays=nothing,
            noise=nothing,
            performance=nothing,
        )

    def _column(self, test: str, column: str) -> NDArray[np.float64]:
        missing = np.full(len(self._world.label), np.nan)
        return self._world.scores.get((test, column), missing)
