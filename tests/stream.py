"""One of several monitors on one workspace, in its own process, with labels that arrive late.

``python -m tests.stream FOLDER WHO OF`` monitors its share of the cases and then prints ``streamed``. It
continues to monitor and prints ``followed`` when a learned version has answered. After a line on standard
input it prints ``learned`` when there is nothing left to learn. After another line it monitors until the
active version answers, and prints its counts as JSON.
"""

import asyncio
import heapq
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from poet import SmartMonitor
from poet.cli.demo import load_cases
from poet_runtime.registry import read_document
from poet_runtime.results import DriftResult

COLLECTION = Path(__file__).resolve().parents[2] / "shared" / "data"
AT_MOST = 260  # cases in all: the streams of a short day
PAUSE_S = 0.01  # between two executions
FOLLOW_S = 120.0  # until the last swap is visible; an idle machine needs a quarter of a second
LATEST_S = 1.5  # until somebody answers
ELSEWHERE = 3  # every third label comes from another process
REPORTED = 0.5  # of the drifts without an alert

Case = tuple[np.ndarray, np.ndarray, bool, dict[str, Any]]


def real_cases() -> list[Case]:
    """Return the series of the collection if it is available, or those of the package."""
    found = list(_collected() if (COLLECTION / "load.py").exists() else _shipped())
    random.Random(5).shuffle(found)
    return found[:AT_MOST]


def _collected() -> Iterator[Case]:
    sys.path.insert(0, str(COLLECTION))
    import load  # lies outside the repository

    for case in load.iter_cases(str(COLLECTION / "dev"), feature_kind="numeric"):
        step = float(case.context["sampling_s"] or 1)
        keywords = {
            "feature": case.context["series"],
            "current_times": case.cur_index * step,
            "reference_times": case.ref_index * step,
            "context": {"period": case.context["period"] * step} if case.context["seasonal"] else {},
        }
        yield case.current, case.reference, bool(case.label), keywords


def _shipped() -> Iterator[Case]:
    for case in load_cases():
        yield case.current, case.reference, case.is_drift, case.arguments


class Stream:
    """The windows that one monitor sees in a day."""

    def __init__(self, monitor: SmartMonitor, seed: int) -> None:
        self.monitor = monitor
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.versions: list[int] = []
        self.due: list[tuple[float, int, str, dict[str, Any]]] = []  # labels that are still to come
        self.serial = itertools.count()

    async def execute(self, case: Case) -> None:
        """Monitor one window and schedule its label for later, so that labels arrive out of order."""
        current, reference, is_drift, keywords = case
        self.counts["calls"] += 1
        try:
            result = await self.monitor.monitoring_with_feedback(current, reference, **keywords)
        except Exception as error:  # noqa: BLE001 -- what is counted here must be none
            self.counts["failed calls"] += 1
            print(repr(error), file=sys.stderr)
            return
        if result.policy_version not in self.versions:
            self.versions.append(result.policy_version)
        if (emit_due_labels := self._answer(result, is_drift=is_drift)) is not None:
            due = asyncio.get_running_loop().time() + self.chance.uniform(0.2, LATEST_S)
            heapq.heappush(self.due, (due, next(self.serial), *emit_due_labels))

    def _answer(self, result: DriftResult, *, is_drift: bool) -> tuple[str, dict[str, Any]] | None:
        label: dict[str, Any] = {"execution_id": result.execution_id}
        if result.drifted and not is_drift:
            return "drift.false_positive", label | {"reason": "nothing had changed"}
        if result.drifted or result.audit or (is_drift and self.chance.random() < REPORTED):
            return "drift.validation", label | {"was_real_drift": is_drift}
        return None

    def emit_due_labels(self, *, all_of_them: bool = False) -> None:
        """Emit the labels that are due, some of them through another process by a line on standard output."""
        now = asyncio.get_running_loop().time()
        while self.due and (all_of_them or self.due[0][0] <= now):
            _, number, type_, data = heapq.heappop(self.due)
            self.counts["answers"] += 1
            if number % ELSEWHERE == 0:
                print(json.dumps({"pass on": [type_, data]}), flush=True)
            else:
                self.monitor.collect_feedback(type_, data, source=f"user/{self.chance.choice('abcde')}")


async def monitor_all(stream: Stream, cases: list[Case]) -> None:
    """Monitor the whole stream, then continue until asked to stop."""
    for case in cases:
        await stream.execute(case)
        stream.emit_due_labels()
        await asyncio.sleep(PAUSE_S)
    stream.emit_due_labels(all_of_them=True)
    print("streamed", flush=True)
    has_followed = False
    enough = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    for current, reference, _, keywords in itertools.cycle(cases):
        if enough.done():
            break
        # windows during a compile and a swap
        result = await asyncio.to_thread(stream.monitor.detect_drift, current, reference, **keywords)
        stream.counts["calls"] += 1
        if result.policy_version not in stream.versions:
            stream.versions.append(result.policy_version)
        if not has_followed and result.policy_version > 1:
            has_followed = True
            print("followed", flush=True)
        await asyncio.sleep(25 * PAUSE_S)


def follow(stream: Stream, case: Case, active: int) -> int:
    """Call for a while until this version answers; return the version that answered last."""
    current, reference, _, keywords = case
    end = time.monotonic() + FOLLOW_S
    while True:
        last = stream.monitor.detect_drift(current, reference, **keywords).policy_version
        stream.counts["calls"] += 1
        if last == active or time.monotonic() > end:
            return last
        time.sleep(PAUSE_S)


def main(folder: str, who: int, of: int) -> None:
    """Monitor, and print the counts."""
    cases = real_cases()[who::of]
    with SmartMonitor(folder) as monitor:
        stream = Stream(monitor, who)
        asyncio.run(monitor_all(stream, cases))
        monitor.flush()
        print("learned", flush=True)
        sys.stdin.readline()
        last = follow(
            stream, cases[0], read_document(Path(folder) / "generated").policies["detect_drift"].active
        )
        failures = [str(failure) for failure in monitor.failures]
        collected = len(monitor.feedback_buffer)
    counted = dict(stream.counts) | {"versions": stream.versions, "last": last, "failures": failures}
    print(json.dumps({"counted": counted | {"left in buffer": collected}}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
