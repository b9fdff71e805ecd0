"""Names for events that have none: UUIDv7 (RFC 9562), sortable by time, random otherwise."""

import os
import time as clock
from functools import lru_cache

from poet.background import call_after_fork_in_child

__all__ = ["new_id"]

DRAWN = 256  # names whose random part is drawn from the system at once
_TAILS: list[str] = []  # random parts, spelled out; taking one from the end is atomic among threads
_VARIANT = str.maketrans("0123456789abcdef", "89ab89ab89ab89ab")


def new_id(now: float | None = None) -> str:
    """Give a UUIDv7, of this moment unless another is given."""
    try:
        tail = _TAILS.pop()
    except IndexError:
        tail = _drawn()
    return _head(int((clock.time() if now is None else now) * 1000)) + tail


@lru_cache(maxsize=64)
def _head(milliseconds: int) -> str:
    digits = f"{milliseconds & 0xFFFF_FFFF_FFFF:012x}"
    return f"{digits[:8]}-{digits[8:]}-"


def _drawn() -> str:
    """Draw random parts, keep all but one and give that."""
    digits = os.urandom(10 * DRAWN).hex()
    parts = [digits[start : start + 20] for start in range(0, 20 * DRAWN, 20)]
    tails = [f"7{part[:3]}-{part[3].translate(_VARIANT)}{part[4:7]}-{part[7:19]}" for part in parts]
    last = tails.pop()
    _TAILS.extend(tails)
    return last


call_after_fork_in_child(_TAILS.clear)  # parent and child must not give the same names
