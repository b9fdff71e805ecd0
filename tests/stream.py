"""One of several monitors on one workspace, in a process of its own: a stream, and people who answer late.

``python -m tests.stream FOLDER WHO OF`` monitors its share of the cases, prints ``streamed`` when it is
through, goes on monitoring and prints ``followed`` when a learned version has answered. After a line on
standard input it prints ``learned`` when it has nothing left to learn. After another one it monitors until
the active version answers, and prints what it counted as JSON.
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
FOLLOW_S = 120.0  # for the last swap to be seen; a quiet machine needs a quarter of a second
LATEST_S = 1.5  # until somebody answers
ELSEWHERE = 3  # every third answer comes from another process
REPORTED = 0.5  # of the drifts that nobody was alerted to

Case = tuple[np.ndarray, np.ndarray, bool, dict[str, Any]]


def real_cases() -> list[Case]:
    """Give the series of the collection where it is at hand, else those that ship with the package."""
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
    """A monitor's day."""

    def __init__(self, monitor: SmartMonitor, seed: int) -> None:
        self.monitor = monitor
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.versions: list[int] = []
        self.due: list[tuple[float, int, str, dict[str, Any]]] = []  # answers that will come
        self.serial = itertools.count()

    async def execute(self, case: Case) -> None:
        """Monitor one stretch; its answer is due some time later, so that answers come out of order."""
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
        if (answer := self._answer(result, is_drift=is_drift)) is not None:
            due = asyncio.get_running_loop().time() + self.chance.uniform(0.2, LATEST_S)
            heapq.heappush(self.due, (due, next(self.serial), *answer))

    def _answer(self, result: DriftResult, *, is_drift: bool) -> tuple[str, dict[str, Any]] | None:
        said: dict[str, Any] = {"execution_id": result.execution_id}
        if result.drifted and not is_drift:
            return "drift.false_positive", said | {"reason": "nothing had changed"}
        if result.drifted or result.audit or (is_drift and self.chance.random() < REPORTED):
            return "drift.validation", said | {"was_real_drift": is_drift}
        return None

    def answer(self, *, all_of_them: bool = False) -> None:
        """Say what is due, some of it through another process: a line on standard output is passed on."""
        now = asyncio.get_running_loop().time()
        while self.due and (all_of_them or self.due[0][0] <= now):
            _, number, type_, data = heapq.heappop(self.due)
            self.counts["answers"] += 1
            if number % ELSEWHERE == 0:
                print(json.dumps({"pass on": [type_, data]}), flush=True)
            else:
                self.monitor.collect_feedback(type_, data, source=f"user/{self.chance.choice('abcde')}")


async def monitor_all(stream: Stream, cases: list[Case]) -> None:
    """Run the stream, then go on with it until somebody says that it is enough."""
    for case in cases:
        await stream.execute(case)
        stream.answer()
        await asyncio.sleep(PAUSE_S)
    stream.answer(all_of_them=True)
    print("streamed", flush=True)
    has_followed = False
    enough = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    for current, reference, _, keywords in itertools.cycle(cases):
        if enough.done():
            break
        # what is monitored while a compile runs and a version is swapped
        result = await asyncio.to_thread(stream.monitor.detect_drift, current, reference, **keywords)
        stream.counts["calls"] += 1
        if result.policy_version not in stream.versions:
            stream.versions.append(result.policy_version)
        if not has_followed and result.policy_version > 1:
            has_followed = True
            print("followed", flush=True)
        await asyncio.sleep(25 * PAUSE_S)


def follow(stream: Stream, case: Case, active: int) -> int:
    """Call until this version answers, for a while; give the version that answered last."""
    current, reference, _, keywords = case
    end = time.monotonic() + FOLLOW_S
    while True:
        last = stream.monitor.detect_drift(current, reference, **keywords).policy_version
        stream.counts["calls"] += 1
        if last == active or time.monotonic() > end:
            return last
        time.sleep(PAUSE_S)


def main(folder: str, who: int, of: int) -> None:
    """Monitor, and print what was counted."""
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
