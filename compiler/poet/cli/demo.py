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

from poet.cli.output import command_line
from poet.review.text import rule_lines
from poet.review.words import counted
from poet.spec import policy
from poet.workspace import pipeline
from poet.workspace.workspace import Report, Workspace
from poet_runtime.registry import Registry

DATA: Final = Path(__file__).parent / "demo_data"


@dataclass(frozen=True, slots=True)
class DriftCase:
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


def load_cases() -> list[DriftCase]:
    """Return all shipped cases in file order."""
    import pyarrow.parquet as pq  # noqa: PLC0415 -- only the demo reads it

    table = pq.read_table(DATA / "series.parquet")
    names = np.array(table["series"].to_pylist(), dtype=object)
    values = table["value"].to_numpy().astype(np.float64)
    labelled = table["is_labelled"].to_numpy()
    starts = {name: int(np.argmax(names == name)) for name in dict.fromkeys(names)}
    rows = msgspec.json.decode((DATA / "cases.json").read_bytes(), type=list[_Row])
    return [_case(row, starts[row.series], values, labelled) for row in rows]


def _case(row: _Row, start: int, values: NDArray[np.float64], labelled: NDArray[np.bool_]) -> DriftCase:
    reference = np.arange(*row.reference)
    if row.kind == "incident":
        # the reference of an incident is the data before it, without earlier incidents
        reference = reference[~labelled[start + reference]]
    current = np.arange(*row.current)
    reference, current = (index[np.isfinite(values[start + index])] for index in (reference, current))
    step = row.sampling_s or 1.0
    return DriftCase(
        series=row.series,
        group=row.group,
        is_drift=row.is_drift,
        current=values[start + current],
        reference=values[start + reference],
        current_times=(step * current).astype(np.float64),
        reference_times=(step * reference).astype(np.float64),
        context={"period": row.period_s} if row.period_s else {},
    )


POLICY: Final = "detect_drift"
STARTS_AT: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
HOUR_S: Final = 3600.0
LABELS_PER_COMPILE: Final = 20
HELD_OUT_SHARE: Final = 1 / 3
REPORTED_MISSES: Final = 0.5  # share of the drifts without an alert that people discover
SEED: Final = 5
SCORED_VERSIONS: Final = 3  # the first, the last, and a workspace without feedback


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
class LearnedVersion:
    """A version learned from the labels so far."""

    labels: int
    executions: int
    version: int
    report: Report


@dataclass(slots=True)
class Demo:
    """The outcome of the demo."""

    folder: Path
    series: int = 0
    executions: int = 0
    labels: int = 0
    alerts_by_twenty: list[tuple[int, float]] = field(default_factory=list)
    versions: list[LearnedVersion] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)


@dataclass(slots=True)
class _Clock:
    now: float = STARTS_AT

    def __call__(self) -> float:
        return self.now


Progress = Callable[[str, int, int], None]  # the current step, executions so far, and their number


def run_demo(folder: Path, *, progress: Progress = lambda _step, _done, _of: None) -> Demo:
    """Run the demo in a folder that does not exist yet.

    Only executions that a person could label are labeled: alerts, randomly audited non-alerts, and half of
    the missed drifts. Everything is seeded, so two runs write the same events.
    """
    training, held_out = split_cases(load_cases())
    clock, ids = _Clock(), itertools.count(1)
    count = len(training) + SCORED_VERSIONS * len(held_out)
    progress("creating a workspace", 0, count)
    with Workspace.create(
        folder, start="ks", clock=clock, new_execution_id=lambda: f"demo-{next(ids):04d}"
    ) as workspace:
        demo = Demo(folder, series=len({case.series for case in training}))
        _learn(demo, workspace, training, clock, lambda step, done: progress(step, done, count))
        done = itertools.count(len(training))
        demo.scores = _scores(
            workspace, held_out, lambda: progress("scoring on other series", next(done), count)
        )
    return demo


def split_cases(cases: Sequence[DriftCase]) -> tuple[list[DriftCase], list[DriftCase]]:
    """Split cases by group into a training and a test set.

    The training set is ordered so that the series alternate, as in a fleet of monitors.
    """

    def share(text: str) -> float:
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32

    training = [case for case in cases if share(case.group) >= HELD_OUT_SHARE]
    held_out = [case for case in cases if share(case.group) < HELD_OUT_SHARE]
    order = np.random.default_rng(SEED).permutation(len(training))
    return [training[row] for row in order], held_out


def _learn(
    demo: Demo,
    workspace: Workspace,
    cases: Sequence[DriftCase],
    clock: _Clock,
    progress: Callable[[str, int], None],
) -> None:
    detect_drift = workspace.policy(POLICY)
    chance = np.random.default_rng(SEED)
    recent: list[bool] = []
    for case in cases:
        clock.now += HOUR_S
        result = detect_drift(case.current, case.reference, **case.arguments)
        demo.executions += 1
        progress("monitoring real series", demo.executions)
        if not case.is_drift:
            recent.append(result.drifted)
        if _label(workspace, case, result, clock.now, is_reported=chance.random() < REPORTED_MISSES):
            demo.labels += 1
            if demo.labels % LABELS_PER_COMPILE == 0:
                demo.alerts_by_twenty.append((demo.labels, float(np.mean(recent[-40:]))))
                progress("learning from labels", demo.executions)
                report = workspace.compile([POLICY])
                if POLICY in report.versions:
                    number = report.versions[POLICY]
                    demo.versions.append(LearnedVersion(demo.labels, demo.executions, number, report))
    workspace.flush()


def _label(workspace: Workspace, case: DriftCase, result: Any, now: float, *, is_reported: bool) -> bool:
    """Emit the label that a person would give; return whether there was one."""
    workspace.flush()  # labels follow the recorded execution, and a seeded log must have one order
    cited = {"execution_id": result.execution_id}
    source, identity = "user/demo", f"answer-{result.execution_id}"
    if result.drifted and not case.is_drift:
        said = cited | {"reason": "nothing had changed", "wasted_investigation_time": "2_hours"}
        workspace.emit("drift.false_positive", said, source=source, id=identity, time=now)
    elif result.drifted or result.audit:
        said = cited | {"feature": case.series, "was_real_drift": case.is_drift}
        workspace.emit("drift.validation", said, source=source, id=identity, time=now)
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
        workspace.emit("drift.detection_delay", said, source=source, id=identity, time=now)
    else:
        return False
    return True


def _scores(workspace: Workspace, cases: Sequence[DriftCase], tick: Callable[[], None]) -> list[Score]:
    last = workspace.registry.active(POLICY)
    first = workspace.registry.version(POLICY, 1)
    scores = [_score("v1: KS, p < 0.05", first, cases, tick)]
    if last > 1:
        learned = workspace.registry.version(POLICY, last)
        scores.append(_score(f"v{last}: learned from labels", learned, cases, tick))
    with tempfile.TemporaryDirectory(prefix="poet-demo-") as name:
        decisions = policy(POLICY).version_1("calibrated")
        pipeline.apply(
            [pipeline.PolicyPlan(decisions, decisions)],
            Path(name),
            templates=None,
            who="demo",
            why="",
            at="",
            max_examples=10,
        )
        without_feedback = Registry(Path(name)).version(POLICY, 1)
        scores.append(_score("start = calibrated, no feedback", without_feedback, cases, tick))
    return scores


def _score(
    name: str, detect_drift: Callable[..., Any], cases: Sequence[DriftCase], tick: Callable[[], None]
) -> Score:
    drifted = []
    for case in cases:
        tick()
        drifted.append(detect_drift(case.current, case.reference, **case.arguments).drifted)
    truth = [case.is_drift for case in cases]
    found = sum(one and other for one, other in zip(drifted, truth, strict=True))
    return Score(name, len(cases), sum(drifted), sum(drifted) - found, found, sum(truth))


WIDTH: Final = 40


def _learned_lines(learned: LearnedVersion) -> Iterator[str]:
    """Yield lines about what a newly published version learned."""
    yield f"After {learned.labels} labels of {learned.executions} executions: version {learned.version}"
    for rule in (*learned.report.plan.adopted, *learned.report.plan.retired):
        yield from (f"    {line}" for line in rule_lines(rule))


def document(demo: Demo) -> dict[str, object]:
    """Return the outcome as plain data."""
    return {
        "format_version": 1,
        "folder": str(demo.folder),
        "executions": demo.executions,
        "labels": demo.labels,
        "versions": [{"version": each.version, "labels": each.labels} for each in demo.versions],
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
    yield f"The demo monitored {demo.series} real series, first with a common baseline: KS, p < 0.05."
    yield ""
    for each in demo.versions:
        yield from _learned_lines(each)
    yield ""
    versions = counted(len(demo.versions), "new version")
    yield f"{demo.labels} labels of {demo.executions} executions: {versions}."
    yield f"On {first.cases} windows of series without feedback ({first.drifts} with a real change):"
    yield ""
    yield f"{'':31} {'false alarms':>12} {'recall':>8} {'precision':>10} {'balanced':>9}"
    for score in demo.scores:
        yield (
            f"{score.name:31} {_percent(score.false_alarm_rate):>12} {_percent(score.recall):>8} "
            f"{_percent(score.precision):>10} {_percent(score.balanced_accuracy):>9}"
        )
    yield ""
    for what, value in (("false alarms", "false_alarm_rate"), ("drifts found", "recall")):
        for score in demo.scores:
            yield f"{what if score is first else '':13} {_bar(getattr(score, value))} {_short(score)}"
    if demo.alerts_by_twenty:
        yield ""
        yield "false alarms by number of labels (in the last 40 windows without drift):"
        for labels, rate in demo.alerts_by_twenty:
            version = [f" ← version {each.version}" for each in demo.versions if each.labels == labels]
            yield f"{labels:13d} {_bar(rate)} {_percent(rate)}{''.join(version)}"
    yield ""
    yield "Inspect the result:"
    for command in ("diff", "explain"):
        yield f"    {command_line('--workspace', str(demo.folder), command, POLICY)}"


def _short(score: Score) -> str:
    return score.name.partition(":")[0].partition(",")[0]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _bar(share: float) -> str:
    filled = round(WIDTH * share)
    return "█" * filled + "·" * (WIDTH - filled)
