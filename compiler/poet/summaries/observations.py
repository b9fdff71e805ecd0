"""Observations: every measured number of the log as one row of a common shape, ready for summation.

A row belongs to exactly one log position, `counted_at`, the first at which it can be known. If an observation
is no longer valid (a vote that its source replaced), a row with `sign` -1 at the position of the replacement
subtracts it. Hence the contribution of any range of positions is a function of the log alone, and the ranges
of any partition sum to the whole.

Values are binned on fixed grids, and a number falls into the same bin on every engine, exactly. The binning
uses only comparisons, products with exact powers of ten, and floor. IEEE 754 defines all of these exactly. It
does not define logarithms exactly, and engines differ in their last digit.
"""

from collections.abc import Callable, Sequence
from typing import Final, cast

import ibis
import ibis.expr.types as ir

from poet.summaries.labels import all_votes, first_recordings

# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis creates its operators at run time, and its annotations are incomplete. mypy checks the rest.


BUCKET_EDGES: Final = tuple(
    digit * 10**decade for decade in range(9) for digit in (1, 2, 5)
)  # 1 … 500 000 000
BIN_DECADES: Final = range(
    -16, 10
)  # 1e-16 … 9.9e9: p-values at one end, bytes and points per hour at the other


def bucket(value: ir.NumericValue) -> ir.IntegerValue:
    """Return the lower edge of the 1-2-5 bucket that contains `value`: 0 below 1, null for null."""
    leaves = [ibis.literal(edge, type="int64") for edge in (0, *BUCKET_EDGES)]
    return cast("ir.IntegerValue", _null_or(value, _search(value, BUCKET_EDGES, leaves.__getitem__)))


def bin_number(value: ir.FloatingValue) -> ir.IntegerValue:
    """Return the number of the log-linear bin of `value`: its first two significant digits and its decade.

    A bin is ``100 * (decade + 17) + digits`` with digits 10 … 99, mirrored below zero. Bin 0 contains
    magnitudes below 1e-16. Magnitudes beyond the last decade fall into its last bin. Null yields null.
    """
    size = value.abs()
    edges = tuple(float(f"1e{decade}") for decade in BIN_DECADES)

    def leaf(rank: int) -> ir.IntegerValue:
        if rank == 0:
            return ibis.literal(0, type="int64")
        decade = BIN_DECADES[rank - 1]
        # 10 ** (1 - decade) and 10 ** (decade - 1) are exact doubles up to 1e22
        scaled = size * 10.0 ** (1 - decade) if decade <= 1 else size / 10.0 ** (decade - 1)
        # a product just below a power of ten may round to 9.99… or to 100: clip to the decade
        digits = ibis.least(ibis.greatest(scaled.floor(), 10.0), 99.0).cast("int64")
        return cast("ir.IntegerValue", digits + 100 * (decade + 17))

    number = _search(size, edges, leaf)
    signed = (value < 0).ifelse(-number, number)
    return cast("ir.IntegerValue", _null_or(value, signed))


def bin_range(number: int) -> tuple[float, float]:
    """Return the lower and upper bound (as two-digit decimals) of a bin from `bin_number`."""
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
    """Return the leaf for the number of edges that are at most `value`, by binary search."""

    def between(low: int, high: int) -> ir.IntegerValue:
        if low == high:
            return leaf(low)
        middle = (low + high + 1) // 2
        above = between(middle, high)
        return cast("ir.IntegerValue", (value >= edges[middle - 1]).ifelse(above, between(low, middle - 1)))

    return between(0, len(edges))


def _null_or(value: ir.NumericValue, result: ir.IntegerValue) -> ir.Value:
    return value.isnull().ifelse(ibis.null("int64"), result)


# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis creates its operators at run time, and its annotations are incomplete. mypy checks the rest.


KEYS: Final = {
    "measure": "string",  # the measured quantity: "delay_hours", "p_value" …
    "feature": "string",
    "test": "string",  # of a score: "ks/raw" …
    "kind": "string",  # of a voted execution: "numeric", "numeric-seasonal", "categorical" …
    "occasion": "string",  # the occasion of a vote: "alert", "audit", or "volunteered"
    "was_real": "boolean",
    "window": "int64",  # lower edge of the window size's 1-2-5 bucket
    "velocity": "int64",  # lower edge of the 1-2-5 bucket of points per hour
}

Tables = Callable[[str], ir.Table]


def observations(tables: Tables) -> ir.Table:
    """Return all observations of the tables: `KEYS`, then value (never null), sign and counted_at."""
    executions = first_recordings(tables("execution.recorded"))
    delayed = tables("drift.detection_delay")
    listed = ibis.union(
        *_delays(delayed),
        *_noise(tables("drift.noise_issue")),
        *_performance(tables("monitoring.performance")),
        *_velocities(delayed, executions),
        *_executions(executions),
        *_scores(tables, executions),
    )
    return listed.filter(listed.value.notnull())


def _delays(table: ir.Table) -> list[ir.Table]:
    elapsed = (table.detected_at - table.actual_drift_start) / 3600.0
    hours = ibis.coalesce(table.delay_hours, elapsed)
    velocity, window = bucket(table.data_velocity), bucket(table.window_size_used)
    return [_observed(table, "delay_hours", hours, feature=table.feature, window=window, velocity=velocity)]


def _noise(table: ir.Table) -> list[ir.Table]:
    window = bucket(table.window_size)
    return [
        _observed(
            table, "false_alarms_per_day", table.false_alarms_per_day, feature=table.feature, window=window
        )
    ]


def _performance(table: ir.Table) -> list[ir.Table]:
    measured = {
        "computation_time_ms": table.computation_time_ms,
        "memory_usage_mb": table.memory_usage_mb,
        "timeout_occurred": _one(table.timeout_occurred),
    }
    window = bucket(table.window_size)
    return [_observed(table, name, of, feature=table.feature, window=window) for name, of in measured.items()]


def _velocities(*tables: ir.Table) -> list[ir.Table]:
    return [_observed(table, "data_velocity", table.data_velocity, feature=table.feature) for table in tables]


def _executions(table: ir.Table) -> list[ir.Table]:
    measured = {"drifted": _one(table.drifted), "audited": _one(table.audit)}
    return [_observed(table, name, of, feature=table.feature) for name, of in measured.items()]


def _scores(tables: Tables, executions: ir.Table) -> list[ir.Table]:
    """Return one observation per score, valid vote of a source, and scale that a rule can use."""
    valid = _valid_votes(
        all_votes(
            tables("drift.validation"), tables("drift.false_positive"), tables("drift.detection_delay")
        ),
        executions,
    )
    measured = tables("scores").drop("execution_id").rename(scored_at="position")
    scored = valid.join(measured, valid.executed_at == measured.scored_at)
    scales = {
        "statistic": scored.statistic,
        "p_value": scored.p_value,
        "null_q90": scored.statistic / scored.null_q90.nullif(0.0),
        "null_max": scored.statistic / scored.null_max.nullif(0.0),
        "null_zscore": (scored.statistic - scored.null_mean) / scored.null_sd.nullif(0.0),
    }
    keys = {name: scored[name] for name in ("feature", "test", "kind", "occasion", "was_real")}
    return [_observed(scored, name, of, **keys) for name, of in scales.items()]


def _valid_votes(cast_votes: ir.Table, executions: ir.Table) -> ir.Table:
    """Return votes joined with executions: +1 at the later of the two, -1 where the vote is replaced.

    The last vote of a source on an execution is the valid one.
    """
    following = cast_votes.position.lead().over(
        ibis.window(group_by=[cast_votes.source, cast_votes.execution_id], order_by=cast_votes.position)
    )
    voted = cast_votes.select("execution_id", "was_real", voted_at="position", replaced_at=following)
    met = voted.join(executions, "execution_id")
    seasonal = met.is_seasonal & (met.kind == "numeric")
    occasion = ibis.cases((met.drifted, "alert"), (met.audit, "audit"), else_="volunteered")
    known = met.select(
        "was_real",
        feature=met.feature,
        kind=seasonal.ifelse("numeric-seasonal", met.kind),
        occasion=occasion,
        executed_at=met.position,
        voted_at=met.voted_at,
        replaced_at=met.replaced_at,
    )
    replaced = known.filter(known.replaced_at.notnull())
    return ibis.union(
        known.mutate(sign=1, counted_at=ibis.greatest(known.voted_at, known.executed_at)),
        replaced.mutate(sign=-1, counted_at=ibis.greatest(replaced.replaced_at, replaced.executed_at)),
    ).drop("voted_at", "replaced_at")


def _observed(table: ir.Table, measure: str, value: ir.Value, **keys: ir.Value) -> ir.Table:
    columns = {name: keys.get(name, ibis.null(type_)).cast(type_) for name, type_ in KEYS.items()}
    columns["measure"] = ibis.literal(measure)
    if "feature" in keys:
        columns["feature"] = keys["feature"].nullif("")  # an unnamed feature is recorded as "" or as null
    counted_at = table.counted_at if "counted_at" in table.columns else table.position
    sign = table.sign if "sign" in table.columns else ibis.literal(1)
    return cast(
        "ir.Table",
        table.select(
            **columns,
            value=value.cast("float64"),
            sign=sign.cast("int64"),
            counted_at=counted_at.cast("int64"),
        ),
    )


def _one(condition: ir.BooleanValue) -> ir.FloatingValue:
    return cast("ir.FloatingValue", condition.ifelse(1.0, 0.0))
