"""Moments to the microsecond, in seconds since 1970, and their text."""

from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["spelled"]

PLAIN_S = (1e9, 4e9)  # between these a float's fraction has so few bits that a million times it is exact


def spelled(time: float) -> tuple[float, bytes]:
    """Round to microseconds, as ``round(time, 6)`` does, and give the text, as `datetime.isoformat` does.

    For the years 2001 to 2096; of other times the text is empty.
    """
    if not PLAIN_S[0] <= time < PLAIN_S[1]:
        return round(time, 6), b""
    second = int(time)
    micros = round((time - second) * 1e6)
    if micros == 1_000_000:
        second, micros = second + 1, 0
    rounded = (second * 1_000_000 + micros) / 1e6
    return rounded, b"%b.%06d+00:00" % (_second(second), micros) if micros else b"%b+00:00" % _second(second)


@lru_cache(maxsize=64)
def _second(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00").encode()
