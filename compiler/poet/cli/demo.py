"""The demo: monitor real series, label alerts, compile, and score on series without feedback.

The series ship with the package as pairs of samples with known truth (``demo_data/SOURCES.md``). The
outcome is available as a table, as a text plot and as data.
"""

import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from poet.review.text import rule_lines
from poet.spec import policy
from poet.workspace import pipeline
from poet.workspace.workspace import Report, Workspace
from poet_runtime.registry import Registry

DATA: Final = Path(__file__).parent / "demo_data"


@dataclass(frozen=True, slots=True)
class Case:
    """A reference and a current window of one series, and whether operators saw a change between them."""

    series: str
    group: str  # similar series: all of a group get feedback, or none
    is_drift: bool
    current: NDArray[np.float64]
    reference: NDArray[np.float64]
    current_times: NDArray[np.float64]  # seconds
    reference_times: NDArray[np.float64]
    context: dict[str, Any]

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of the `detect_drift` call."""
        return {
            "feature": self.series,
            "current_times": self.current_times,
            "reference_times": self.reference_times,
            "context": self.context,
        }


class _Row(msgspec.Struct):
    series: str
    group: str
    is_drift: bool
    kind: str
    reference: tuple[int, int]
    current: tuple[int, int]
    sampling_s: float | None
    period_s: float


def load_cases() -> list[Case]:
    """Return all shipped cases in file order."""
    import pyarrow.parquet as pq  # noqa: PLC0415 -- only the demo reads it

    table = pq.read_table(DATA / "series.parquet")
    names = np.array(table["series"].to_pylist(), dtype=object)
    values = table["value"].to_numpy().astype(np.float64)
    labelled = table["is_labelled"].to_numpy()
    starts = {name: int(np.argmax(names == name)) for name in dict.fromkeys(names)}
    rows = msgspec.json.decode((DATA / "cases.json").read_bytes(), type=list[_Row])
    return [_case(row, starts[row.series], values, labelled) for row in rows]


def _case(row: _Row, start: int, values: NDArray[np.float64], labelled: NDArray[np.bool_]) -> Case:
    reference = np.arange(*row.reference)
    if row.kind == "incident":
        # the reference of an incident is the data before it, without earlier incidents
        reference = reference[~labelled[start + reference]]
    current = np.arange(*row.current)
    reference, current = (index[np.isfinite(values[start + index])] for index in (reference, current))
    step = row.sampling_s or 1.0
    return Case(
        series=row.series,
        group=row.group,
        is_drift=row.is_drift,
        current=values[start + current],
        reference=values[start + reference],
        current_times=(step * current).astype(np.float64),
        reference_times=(step * reference).astype(np.float64),
        context={"period": row.period_s} if row.period_s else {},
    )


PATTERN: Final = "detect_drift"
STARTS_AT: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
HOUR_S: Final = 3600.0
ANSWERS_A_COMPILE: Final = 20
HELD_OUT_SHARE: Final = 1 / 3
REPORTED_MISSES: Final = 0.5  # share of the drifts without an alert that people discover
SEED: Final = 5


@dataclass(frozen=True, slots=True)
class Score:
    """The scores of a version on cases with known truth."""

    name: str
    cases: int
    alerts: int
    false_alarms: int
    found: int
    drifts: int

    @property
    def false_alarm_rate(self) -> float:
        """Return the share of cases without drift that raised an alert."""
        return self.false_alarms / max(self.cases - self.drifts, 1)

    @property
    def recall(self) -> float:
        """Return the share of drifts that raised an alert."""
        return self.found / max(self.drifts, 1)

    @property
    def precision(self) -> float:
        """Return the share of alerts that were drifts."""
        return self.found / max(self.alerts, 1)

    @property
    def balanced_accuracy(self) -> float:
        """Return the mean of recall and specificity."""
        return (self.recall + 1.0 - self.false_alarm_rate) / 2.0


@dataclass(frozen=True, slots=True)
class Taught:
    """A version learned from the labels so far."""

    answers: int
    executions: int
    version: int
    report: Report


@dataclass(slots=True)
class Demo:
    """The outcome of the demo."""

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

    Only executions that a person could label are labeled: alerts, randomly audited non-alerts, and half of
    the missed drifts. Everything is seeded, so two runs write the same events.
    """
    teaching, held_out = split_cases(load_cases())
    clock, ids = _Clock(), itertools.count(1)
    say("creating a workspace with the common baseline: KS, p < 0.05")
    with Workspace.create(
        folder, start="ks", clock=clock, new_execution_id=lambda: f"demo-{next(ids):04d}"
    ) as workspace:
        say(f"monitoring {len(teaching)} windows of {len({case.series for case in teaching})} real series")
        demo = Demo(folder)
        _teach(demo, workspace, teaching, clock, learned)
        say(f"scoring on {len(held_out)} windows of other series without feedback")
        demo.scores = _scores(workspace, held_out)
    return demo


def split_cases(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """Split cases by group into a training and a test set.

    The training set is ordered so that the series alternate, as in a fleet of monitors.
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
    """Emit the label that a person would give; return whether there was one."""
    workspace.flush()  # labels follow the recorded execution, and a seeded log must have one order
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
        scores.append(_score(f"v{last}: learned from labels", learned, cases))
    with tempfile.TemporaryDirectory(prefix="poet-demo-") as name:
        decisions = policy(PATTERN).version_1("calibrated")
        pipeline.apply(
            [pipeline.PolicyPlan(decisions, decisions)],
            Path(name),
            templates=None,
            who="demo",
            why="",
            at="",
            max_examples=10,
        )
        untaught = Registry(Path(name)).version(PATTERN, 1)
        scores.append(_score("start = calibrated, no feedback", untaught, cases))
    return scores


def _score(name: str, detect_drift: Callable[..., Any], cases: Sequence[Case]) -> Score:
    drifted = [detect_drift(case.current, case.reference, **case.arguments).drifted for case in cases]
    truth = [case.is_drift for case in cases]
    found = sum(one and other for one, other in zip(drifted, truth, strict=True))
    return Score(name, len(cases), sum(drifted), sum(drifted) - found, found, sum(truth))


WIDTH: Final = 40


def learned_lines(taught: Taught) -> Iterator[str]:
    """Yield lines about what a newly published version learned."""
    yield f"· after {taught.answers} labels of {taught.executions} executions: version {taught.version}"
    for rule in (*taught.report.plan.adopted, *taught.report.plan.retired):
        yield from (f"    {line}" for line in rule_lines(rule))


def document(demo: Demo) -> dict[str, object]:
    """Return the outcome as plain data."""
    return {
        "format_version": 1,
        "folder": str(demo.folder),
        "executions": demo.executions,
        "answers": demo.answers,
        "versions": [{"version": each.version, "answers": each.answers} for each in demo.taught],
        "scores": [
            asdict(score)
            | {
                "false_alarm_rate": score.false_alarm_rate,
                "recall": score.recall,
                "precision": score.precision,
                "balanced_accuracy": score.balanced_accuracy,
            }
            for score in demo.scores
        ],
    }


def lines(demo: Demo) -> Iterator[str]:
    """Yield the outcome as lines of text."""
    first = demo.scores[0]
    yield ""
    yield f"{demo.answers} labels of {demo.executions} executions: {len(demo.taught)} new version(s)."
    yield f"On {first.cases} windows of series without feedback ({first.drifts} with a real change):"
    yield ""
    yield f"{'':30} {'false alarms':>13} {'recall':>8} {'precision':>10} {'balanced':>9}"
    for score in demo.scores:
        yield (
            f"{score.name:30} {_percent(score.false_alarm_rate):>13} {_percent(score.recall):>8} "
            f"{_percent(score.precision):>10} {_percent(score.balanced_accuracy):>9}"
        )
    yield ""
    for what, value in (("false alarms", "false_alarm_rate"), ("drifts found", "recall")):
        for score in demo.scores:
            yield f"{what if score is first else '':13} {_bar(getattr(score, value))} {_short(score)}"
    if demo.alerts_by_twenty:
        yield ""
        yield "false alarms during learning (last 40 windows without drift, by number of labels):"
        for answers, rate in demo.alerts_by_twenty:
            version = [f" ← version {each.version}" for each in demo.taught if each.answers == answers]
            yield f"{answers:13d} {_bar(rate)} {_percent(rate)}{''.join(version)}"
    yield ""
    yield "Inspect the result:"
    yield f"    poet --workspace {demo.folder} diff detect_drift"
    yield f"    poet --workspace {demo.folder} explain detect_drift"


def _short(score: Score) -> str:
    return score.name.partition(":")[0]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _bar(share: float) -> str:
    filled = round(WIDTH * share)
    return "█" * filled + "·" * (WIDTH - filled)
