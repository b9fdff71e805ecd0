"""What a call may cost: against the version in force, in one run, so that the machine does not matter."""

import time
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

from poet.validate._contract import Broken, Heavy
from poet.validate._guard import within

__all__ = ["within_budget"]

ROUNDS = 3  # the fastest of which counts: what disturbs a measurement only ever makes it longer
TIMES, BESIDE_S = 10.0, 0.05  # as long as the champion, and a start
MEMORY_TIMES, BESIDE_BYTES = 4.0, 32 << 20


def within_budget(
    candidate: Callable[..., Any],
    champion: Callable[..., Any] | None,
    heavy: Iterable[Heavy],
    *,
    call_s: float,
) -> int:
    """Call both with much to do, in turns, and give the number of calls.

    Raises
    ------
    Broken
        The candidate takes more than ten times as long as the champion, or four times its memory.
    """
    calls = 0
    for work in heavy:
        own = _cost(candidate, work, call_s)
        calls += ROUNDS + 1
        if champion is None:
            continue
        other = _cost(champion, work, call_s)
        if own.seconds > TIMES * other.seconds + BESIDE_S:
            raise Broken(f"{work.name}: takes more than {TIMES:g} times as long as the version in force")
        if own.peak > MEMORY_TIMES * other.peak + BESIDE_BYTES:
            raise Broken(
                f"{work.name}: takes more than {MEMORY_TIMES:g} times the memory of the one in force"
            )
    return calls


class _Cost:
    """The time of the fastest call, in seconds, and the peak of memory that Python allocated, in bytes."""

    def __init__(self, seconds: float, peak: int) -> None:
        self.seconds, self.peak = seconds, peak


def _cost(function: Callable[..., Any], work: Heavy, call_s: float) -> _Cost:
    seconds = []
    for _ in range(ROUNDS):
        arguments, keywords = work.make()
        started = time.perf_counter()
        with within(call_s):
            function(*arguments, **keywords)
        seconds.append(time.perf_counter() - started)
    arguments, keywords = work.make()
    tracemalloc.start()
    try:
        function(*arguments, **keywords)
        return _Cost(min(seconds), tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
