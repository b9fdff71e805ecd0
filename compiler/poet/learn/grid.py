"""Round sizes: 1, 2 and 5 times the powers of ten, so that no border is picked by looking."""

__all__ = ["around", "floored"]


def floored(size: int) -> int:
    """Give the largest size 1, 2 or 5 times a power of ten that is at most `size` (>= 1)."""
    return max(each for each in around(size) if each <= size)


def around(size: int) -> tuple[int, ...]:
    """Give the round sizes of the decade of `size` (>= 1), and the first of the next."""
    decade: int = 10 ** (len(str(size)) - 1)
    return decade, 2 * decade, 5 * decade, 10 * decade
