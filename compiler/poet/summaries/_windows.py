"""Windows: delays, noise and cost of the windows in use, and how fast features deliver."""

# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis builds its operators at run time; its annotations promise less than it does. mypy checks the rest.

import ibis
import ibis.expr.types as ir

from poet.summaries._votes import first_recordings

__all__ = ["delays", "median_velocities", "noise", "performance", "velocities"]

_ENVELOPE = ("position", "event_id", "source", "time")


def delays(reported: ir.Table) -> ir.Table:
    """Give the detection delays in hours, from the two times where nobody stated them."""
    elapsed = (reported.detected_at - reported.actual_drift_start) / 3600.0
    return reported.select(
        *_ENVELOPE,
        "feature",
        window_size=reported.window_size_used,
        data_velocity=reported.data_velocity,
        delay_hours=ibis.coalesce(reported.delay_hours, elapsed),
    ).order_by("position")


def velocities(reported_delays: ir.Table, executions: ir.Table) -> ir.Table:
    """List every velocity (points per hour) that delays and executions tell of a feature."""
    columns = ("position", "feature", "data_velocity")
    seen = ibis.union(reported_delays.select(*columns), executions.select(*columns))
    return seen.filter(seen.feature.notnull(), seen.feature != "", seen.data_velocity.notnull())


def median_velocities(seen: ir.Table) -> ir.Table:
    """Give each feature's median velocity: the middle value, or the mean of the middle two.

    By rank instead of an engine's own quantile: engines interpolate with different roundings.
    """
    feature = ibis.window(group_by=seen.feature)
    ranked = seen.mutate(
        rank=ibis.row_number().over(
            ibis.window(group_by=seen.feature, order_by=[seen.data_velocity, seen.position])
        ),
        n=seen.count().over(feature),
    )
    # counted from 0, n = 2m values have the middle ranks m - 1 and m, n = 2m + 1 the rank m alone
    middle = ranked.filter(2 * ranked.rank >= ranked.n - 2, 2 * ranked.rank <= ranked.n)
    return middle.group_by("feature").aggregate(
        data_velocity=(middle.data_velocity.min() + middle.data_velocity.max()) / 2.0
    )


def noise(issues: ir.Table, reported_delays: ir.Table, executions: ir.Table) -> ir.Table:
    """Give the false alarms per day that people complained of, with the feature's median velocity."""
    seen = velocities(reported_delays, first_recordings(executions)).semi_join(issues, "feature")
    typical = median_velocities(seen)
    joined = issues.left_join(typical, "feature")
    return joined.select(
        *_ENVELOPE, "feature", "window_size", "false_alarms_per_day", "data_velocity"
    ).order_by("position")


def performance(measured: ir.Table) -> ir.Table:
    """Give what monitoring itself cost in time and memory."""
    return measured.select(
        *_ENVELOPE, "feature", "window_size", "computation_time_ms", "memory_usage_mb", "timeout_occurred"
    ).order_by("position")
