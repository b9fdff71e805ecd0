"""Cells: observations added up by key and bin, in integers, so that no order and no engine shows.

A number enters as millionths in a 64-bit integer, its square as a 38-digit decimal. Both are exact, and
exact sums are the same in whatever order they are taken.
"""

# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis builds its operators at run time; its annotations promise less than it does. mypy checks the rest.

from decimal import Decimal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from pyarrow.compute import field

from poet.summaries._grid import bin_number
from poet.summaries._observations import KEYS, Tables, observations

__all__ = ["SCALE", "SCHEMA", "add", "count_cells", "no_cells"]

SCALE = 1_000_000
LIMIT = 1e9  # larger numbers count as this: a square still leaves room for a hundred million of them

_WHOLE = "decimal(38, 0)"
_NOTHING = pa.scalar(Decimal(0), pa.decimal128(38, 0))  # Arrow compares decimals only at one precision
_COLUMNS = {"string": pa.string(), "boolean": pa.bool_(), "int64": pa.int64()}
SCHEMA = pa.schema(
    [(name, _COLUMNS[type_]) for name, type_ in KEYS.items()]
    + [
        ("bin", pa.int64()),
        ("n", pa.int64()),
        ("total", pa.decimal128(38, 0)),
        ("squares", pa.decimal128(38, 0)),
    ]
)


def count_cells(tables: Tables, *, after: int, until: int) -> ir.Table:
    """Add up the observations that log positions ``after + 1 … until`` tell; one row a cell, in no order."""
    seen = observations(tables)
    seen = seen.filter(seen.counted_at > after, seen.counted_at <= until)
    inside = ibis.least(ibis.greatest(seen.value, -LIMIT), LIMIT)
    scaled = seen.mutate(
        bin=bin_number(seen.value),
        whole=(inside * float(SCALE) + 0.5).floor().cast("int64").cast("decimal(19, 0)"),
    )
    adds = scaled.sign > 0
    square = (scaled.whole * scaled.whole).cast(_WHOLE)
    return scaled.group_by(*KEYS, "bin").aggregate(
        n=scaled.sign.sum().cast("int64"),
        total=adds.ifelse(scaled.whole, -scaled.whole).cast(_WHOLE).sum().cast(_WHOLE),
        squares=adds.ifelse(square, -square).cast(_WHOLE).sum().cast(_WHOLE),
    )


def no_cells() -> pa.Table:
    """Give the sum of nothing."""
    return SCHEMA.empty_table()


def add(*parts: pa.Table) -> pa.Table:
    """Add cells key by key, in canonical order; cells that add up to nothing are dropped."""
    keys = [*KEYS, "bin"]
    together = pa.concat_tables([part.select(SCHEMA.names).cast(SCHEMA) for part in parts])
    summed = together.group_by(keys, use_threads=False).aggregate(
        [("n", "sum"), ("total", "sum"), ("squares", "sum")]
    )
    named = (
        summed.select([*keys, "n_sum", "total_sum", "squares_sum"]).rename_columns(SCHEMA.names).cast(SCHEMA)
    )
    # a part may take back what another part added: n is 0 there while the sums still carry the difference
    kept = named.filter((field("n") != 0) | (field("total") != _NOTHING) | (field("squares") != _NOTHING))
    return kept.sort_by([(key, "ascending") for key in keys]).combine_chunks()
