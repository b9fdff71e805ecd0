"""Monitor, answer, compile, and score on series that gave no feedback."""

import hashlib
import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from poet import pipeline
from poet.demo._data import Case, load_cases
from poet.policies import policy
from poet.registry import Registry
from poet.workspace import Report, Workspace

__all__ = ["Demo", "Score", "Taught", "run_demo", "split_cases"]

PATTERN = "detect_drift"
STARTS_AT = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
HOUR_S = 3600.0
ANSWERS_A_COMPILE = 20
HELD_OUT_SHARE = 1 / 3
REPORTED_MISSES = 0.5  # of the drifts that nobody was alerted to, half are found out about
SEED = 5


@dataclass(frozen=True, slots=True)
class Score:
    """How a version did on cases with known truth."""

    name: str
    cases: int
    alerts: int
    false_alarms: int
    found: int
    drifts: int

    @property
    def false_alarm_rate(self) -> float:
        """The share of quiet cases that raised an alert."""
        return self.false_alarms / max(self.cases - self.drifts, 1)

    @property
    def recall(self) -> float:
        """The share of drifts that raised an alert."""
        return self.found / max(self.drifts, 1)

    @property
    def precision(self) -> float:
        """The share of alerts that were drifts."""
        return self.found / max(self.alerts, 1)

    @property
    def balanced_accuracy(self) -> float:
        """The mean of recall and the share of quiet cases left alone."""
        return (self.recall + 1.0 - self.false_alarm_rate) / 2.0


@dataclass(frozen=True, slots=True)
class Taught:
    """A version that the answers so far gave rise to."""

    answers: int
    executions: int
    version: int
    report: Report


@dataclass(slots=True)
class Demo:
    """What came of it."""

    folder: Path
    executions: int = 0
    answers: int = 0
    alerts_by_twenty: list[tuple[int, float]] = field(default_factory=list)
    taught: list[Taught] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)


@dataclass(slots=True)
class _Clock:
    now: float = STARTS_AT

    def __call__(self) -> float:
        return self.now


def run_demo(
    folder: Path,
    *,
    say: Callable[[str], None] = lambda _: None,
    learned: Callable[[Taught], None] = lambda _: None,
) -> Demo:
    """Run the demo in a folder that does not exist yet.

    Only what a person would have been asked is answered: alerts, audited silences, and half of the
    drifts that went unseen. Everything is seeded; two runs write the same events.
    """
    teaching, held_out = split_cases(load_cases())
    clock, ids = _Clock(), itertools.count(1)
    say("making a workspace that monitors as most people do today: KS, p < 0.05")
    with Workspace.create(
        folder, start="ks", clock=clock, new_execution_id=lambda: f"demo-{next(ids):04d}"
    ) as workspace:
        say(f"monitoring {len(teaching)} stretches of {len({case.series for case in teaching})} real series")
        demo = Demo(folder)
        _teach(demo, workspace, teaching, clock, learned)
        say(f"scoring on {len(held_out)} stretches of other series, which gave no feedback")
        demo.scores = _scores(workspace, held_out)
    return demo


def split_cases(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """Part cases by group into those to learn from and those to judge by.

    The first come in an order that mixes the series, as a fleet of monitors would.
    """

    def share(text: str) -> float:
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32

    teaching = [case for case in cases if share(case.group) >= HELD_OUT_SHARE]
    held_out = [case for case in cases if share(case.group) < HELD_OUT_SHARE]
    order = np.random.default_rng(SEED).permutation(len(teaching))
    return [teaching[row] for row in order], held_out


def _teach(
    demo: Demo, workspace: Workspace, cases: Sequence[Case], clock: _Clock, learned: Callable[[Taught], None]
) -> None:
    detect_drift = workspace.policy(PATTERN)
    chance = np.random.default_rng(SEED)
    recent: list[bool] = []
    for case in cases:
        clock.now += HOUR_S
        result = detect_drift(case.current, case.reference, **case.arguments)
        demo.executions += 1
        if not case.is_drift:
            recent.append(result.drifted)
        if _answer(workspace, case, result, clock.now, is_reported=chance.random() < REPORTED_MISSES):
            demo.answers += 1
            if demo.answers % ANSWERS_A_COMPILE == 0:
                demo.alerts_by_twenty.append((demo.answers, float(np.mean(recent[-40:]))))
                report = workspace.compile([PATTERN])
                if PATTERN in report.versions:
                    number = report.versions[PATTERN]
                    demo.taught.append(Taught(demo.answers, demo.executions, number, report))
                    learned(demo.taught[-1])
    workspace.flush()


def _answer(workspace: Workspace, case: Case, result: Any, now: float, *, is_reported: bool) -> bool:
    """Say what a person would say, if anybody would; tells whether somebody did."""
    workspace.flush()  # people answer after the execution was recorded, and a seeded log must have one order
    cited = {"execution_id": result.execution_id}
    who, identity = "user/demo", f"answer-{result.execution_id}"
    if result.drifted and not case.is_drift:
        said = cited | {"reason": "nothing had changed", "wasted_investigation_time": "2_hours"}
        workspace.emit("drift.false_positive", said, source=who, id=identity, time=now)
    elif result.drifted or result.audit:
        said = cited | {"feature": case.series, "was_real_drift": case.is_drift}
        workspace.emit("drift.validation", said, source=who, id=identity, time=now)
    elif case.is_drift and is_reported:
        hours = max(float(case.current_times[-1] - case.current_times[0]) / HOUR_S, 1.0)
        said = cited | {
            "actual_drift_start": now - hours * HOUR_S,
            "detected_at": now,
            "delay_hours": hours,
            "window_size_used": len(case.current),
            "data_velocity": len(case.current) / hours,
            "feature": case.series,
        }
        workspace.emit("drift.detection_delay", said, source=who, id=identity, time=now)
    else:
        return False
    return True


def _scores(workspace: Workspace, cases: Sequence[Case]) -> list[Score]:
    last = workspace.registry.active(PATTERN)
    first = workspace.registry.version(PATTERN, 1)
    scores = [_score("v1: KS, p < 0.05", first, cases)]
    if last > 1:
        learned = workspace.registry.version(PATTERN, last)
        scores.append(_score(f"v{last}: learned from answers", learned, cases))
    with tempfile.TemporaryDirectory(prefix="poet-demo-") as name:
        decisions = policy(PATTERN).version_1("calibrated")
        pipeline.apply(
            [pipeline.PolicyPlan(decisions, decisions)],
            Path(name),
            overrides=None,
            who="demo",
            why="",
            at="",
            effort=10,
        )
        untaught = Registry(Path(name)).version(PATTERN, 1)
        scores.append(_score("start = calibrated, untaught", untaught, cases))
    return scores


def _score(name: str, detect_drift: Callable[..., Any], cases: Sequence[Case]) -> Score:
    drifted = [detect_drift(case.current, case.reference, **case.arguments).drifted for case in cases]
    truth = [case.is_drift for case in cases]
    found = sum(one and other for one, other in zip(drifted, truth, strict=True))
    return Score(name, len(cases), sum(drifted), sum(drifted) - found, found, sum(truth))
