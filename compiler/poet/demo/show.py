"""The demo's outcome as a table, as a picture, and as data."""

from collections.abc import Iterator
from dataclasses import asdict

from poet.demo._run import Demo, Score, Taught
from poet.review import rule_lines

__all__ = ["document", "learned_lines", "lines"]

WIDTH = 40


def learned_lines(taught: Taught) -> Iterator[str]:
    """Say what a version learned, as it is published."""
    yield f"· after {taught.answers} answers to {taught.executions} executions: version {taught.version}"
    for rule in (*taught.report.plan.adopted, *taught.report.plan.retired):
        yield from (f"    {line}" for line in rule_lines(rule))


def document(demo: Demo) -> dict[str, object]:
    """Give the outcome as plain data."""
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
    """Give the outcome as lines of text."""
    first = demo.scores[0]
    yield ""
    yield f"{demo.answers} answers to {demo.executions} executions taught {len(demo.taught)} new version(s)."
    yield f"On {first.cases} stretches of series that gave no feedback ({first.drifts} with a real change):"
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
        yield "false alarms while it learned (last 40 quiet stretches, after so many answers):"
        for answers, rate in demo.alerts_by_twenty:
            version = [f" ← version {each.version}" for each in demo.taught if each.answers == answers]
            yield f"{answers:13d} {_bar(rate)} {_percent(rate)}{''.join(version)}"
    yield ""
    yield "Look at what it wrote, and why:"
    yield f"    poet --workspace {demo.folder} diff detect_drift"
    yield f"    poet --workspace {demo.folder} explain detect_drift"


def _short(score: Score) -> str:
    return score.name.partition(":")[0]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _bar(share: float) -> str:
    filled = round(WIDTH * share)
    return "█" * filled + "·" * (WIDTH - filled)
