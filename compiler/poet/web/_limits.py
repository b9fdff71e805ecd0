"""How often somebody may ask: one bucket of permits each, filled steadily."""

import time
from collections import OrderedDict
from collections.abc import Callable

from poet.web._settings import Rate

__all__ = ["Buckets"]

REMEMBERED = 10_000  # of those who asked last; who is forgotten begins with a full bucket


class Buckets:
    """One bucket for each who asks."""

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # permits left, at that time

    def take(self, who: str, *, permits: float = 1.0) -> float:
        """Take permits; gives 0, or the seconds until there are enough."""
        left = self._left(who)
        if left < permits:
            return (permits - left) / self._rate.per_second
        self._buckets[who] = (left - permits, self._clock())
        self._buckets.move_to_end(who)
        while len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return 0.0

    def wait(self, who: str) -> float:
        """Give the seconds until there is a permit, taking none."""
        return max(0.0, (1.0 - self._left(who)) / self._rate.per_second)

    def _left(self, who: str) -> float:
        left, then = self._buckets.get(who, (self._rate.burst, self._clock()))
        return min(self._rate.burst, left + (self._clock() - then) * self._rate.per_second)
