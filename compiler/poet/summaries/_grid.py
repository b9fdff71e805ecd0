"""Fixed grids: the same number falls into the same bin on every engine, to the last bit.

Only comparisons, products with exact powers of ten, and floor are used. IEEE 754 defines all of
these exactly; logarithms it does not, and engines differ in their last digit.
"""

# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis builds its operators at run time; its annotations promise less than it does. mypy checks the rest.

from collections.abc import Callable, Sequence
from typing import cast

import ibis
import ibis.expr.types as ir

__all__ = ["BIN_DECADES", "BUCKET_EDGES", "bin_number", "bin_range", "bucket"]

BUCKET_EDGES = tuple(digit * 10**decade for decade in range(9) for digit in (1, 2, 5))  # 1 … 500 000 000
BIN_DECADES = range(-16, 10)  # 1e-16 … 9.9e9: p-values at one end, bytes and points per hour at the other


def bucket(value: ir.NumericValue) -> ir.IntegerValue:
    """Give the lower edge of the 1-2-5 bucket that holds `value`: 0 below 1, null for null."""
    leaves = [ibis.literal(edge, type="int64") for edge in (0, *BUCKET_EDGES)]
    return cast("ir.IntegerValue", _null_or(value, _search(value, BUCKET_EDGES, leaves.__getitem__)))


def bin_number(value: ir.FloatingValue) -> ir.IntegerValue:
    """Give the number of the log-linear bin of `value`: its first two significant digits and its decade.

    A bin is ``100 * (decade + 17) + digits`` with digits 10 … 99, mirrored below zero. 0 holds what is
    smaller than 1e-16; what is beyond the last decade falls into its last bin. Null for null.
    """
    size = value.abs()
    edges = tuple(float(f"1e{decade}") for decade in BIN_DECADES)

    def leaf(rank: int) -> ir.IntegerValue:
        if rank == 0:
            return ibis.literal(0, type="int64")
        decade = BIN_DECADES[rank - 1]
        # 10 ** (1 - decade) is a double without error up to 1e22, and so is 10 ** (decade - 1)
        scaled = size * 10.0 ** (1 - decade) if decade <= 1 else size / 10.0 ** (decade - 1)
        # a product just under a power of ten may round to 9.99… or to 100: kept inside the decade
        digits = ibis.least(ibis.greatest(scaled.floor(), 10.0), 99.0).cast("int64")
        return cast("ir.IntegerValue", digits + 100 * (decade + 17))

    number = _search(size, edges, leaf)
    signed = (value < 0).ifelse(-number, number)
    return cast("ir.IntegerValue", _null_or(value, signed))


def bin_range(number: int) -> tuple[float, float]:
    """Give the least and the greatest value (as two-digit decimals) of a bin that `bin_number` gave."""
    if number < 0:
        low, high = bin_range(-number)
        return -high, -low
    if number == 0:
        return 0.0, 1e-16
    decade, digits = number // 100 - 18, number % 100
    return float(f"{digits}e{decade}"), float(f"{digits + 1}e{decade}")


def _search(
    value: ir.NumericValue, edges: Sequence[float], leaf: Callable[[int], ir.IntegerValue]
) -> ir.IntegerValue:
    """Find by halving how many edges are at most `value`, and give that leaf."""

    def between(low: int, high: int) -> ir.IntegerValue:
        if low == high:
            return leaf(low)
        middle = (low + high + 1) // 2
        above = between(middle, high)
        return cast("ir.IntegerValue", (value >= edges[middle - 1]).ifelse(above, between(low, middle - 1)))

    return between(0, len(edges))


def _null_or(value: ir.NumericValue, result: ir.IntegerValue) -> ir.Value:
    return value.isnull().ifelse(ibis.null("int64"), result)
