"""Queries over labels, windows and counts.

The votes are the labels that people gave to executions, joined with these executions. The window tables
contain the detection delays, noise and cost of the windows in use, and the velocity of features. The counts
are the events per type and the denominators of all rates over executions.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

import ibis
import ibis.expr.types as ir

# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis creates its operators at run time, and its annotations are incomplete. mypy checks the rest.


_EXECUTION: Final = (
    "policy_version",
    "drifted",
    "audit",
    "propensity",
    "kind",
    "is_seasonal",
    "n_current",
    "n_reference",
)


def all_votes(validations: ir.Table, false_positives: ir.Table, delays: ir.Table) -> ir.Table:
    """Return the votes of all three event types in one table, one row per vote.

    A detection delay is a vote only if it names the execution without alert that missed the drift. `reason`
    is the root cause of a validation and the reason of a false positive.
    """
    text = ibis.null("string")
    named = delays.filter(delays.execution_id.notnull())
    return ibis.union(
        _votes_of(
            validations,
            feature=validations.feature,
            was_real=validations.was_real_drift,
            origin="validation",
            reason=validations.root_cause,
            business_impact=validations.business_impact,
        ),
        _votes_of(
            false_positives,
            feature=text,
            was_real=False,
            origin="false_positive",
            reason=false_positives.reason,
            business_impact=text,
        ),
        _votes_of(
            named,
            feature=named.feature,
            was_real=True,
            origin="missed",
            reason=text,
            business_impact=text,
        ),
    )


def first_recordings(executions: ir.Table) -> ir.Table:
    """Return the first recording of each execution id; later recordings have no effect."""
    ranked = executions.mutate(
        recording=ibis.row_number().over(
            ibis.window(group_by=executions.execution_id, order_by=executions.position)
        )
    )
    return ranked.filter(ranked.recording == 0).drop("recording")


def votes(cast_votes: ir.Table, executions: ir.Table) -> ir.Table:
    """Return votes joined with their executions, ordered by the position of the vote.

    An execution may be recorded before its vote, after it, or never; then its columns are null. The feature
    is that of the execution, or that of the vote if the execution has none.
    """
    found = first_recordings(executions.semi_join(cast_votes, "execution_id"))
    recorded = found.select(
        recorded_id=found.execution_id,
        recorded_feature=found.feature.nullif(""),
        policy_version=found.version,
        **{name: found[name] for name in _EXECUTION if name != "policy_version"},
    )
    joined = cast_votes.left_join(recorded, cast_votes.execution_id == recorded.recorded_id)
    return joined.select(
        "position",
        "event_id",
        "source",
        "time",
        "execution_id",
        "was_real",
        "origin",
        "reason",
        "business_impact",
        *_EXECUTION,
        feature=ibis.coalesce(joined.recorded_feature, joined.feature.nullif("")),
    ).order_by("position")


def recorded(executions: ir.Table) -> ir.Table:
    """Return every execution once, in the order of recording."""
    first = first_recordings(executions)
    columns = {name: first[name] for name in _EXECUTION if name != "policy_version"}
    return first.select(
        "position",
        "time",
        "execution_id",
        feature=first.feature.nullif(""),
        policy_version=first.version,
        score=first.score,
        threshold=first.threshold,
        **columns,
    ).order_by("position")


def scores(executions: ir.Table, recorded_scores: ir.Table) -> ir.Table:
    """Return the scores of every execution, ordered by its position and the name of the test."""
    first = first_recordings(executions).select("position")
    return recorded_scores.semi_join(first, "position").order_by("position", "ordinal")


def _votes_of(table: ir.Table, **columns: Any) -> ir.Table:
    values = {
        name: value if isinstance(value, ir.Value) else ibis.literal(value) for name, value in columns.items()
    }
    return cast("ir.Table", table.select("position", "event_id", "source", "time", "execution_id", **values))


# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis creates its operators at run time, and its annotations are incomplete. mypy checks the rest.


_ENVELOPE: Final = ("position", "event_id", "source", "time")


def delays(reported: ir.Table) -> ir.Table:
    """Return the detection delays in hours, computed from the two times if not stated."""
    elapsed = (reported.detected_at - reported.actual_drift_start) / 3600.0
    return reported.select(
        *_ENVELOPE,
        "feature",
        window_size=reported.window_size_used,
        data_velocity=reported.data_velocity,
        delay_hours=ibis.coalesce(reported.delay_hours, elapsed),
    ).order_by("position")


def velocities(reported_delays: ir.Table, executions: ir.Table) -> ir.Table:
    """Return every velocity of a feature (points per hour) in delays and executions."""
    columns = ("position", "feature", "data_velocity")
    seen = ibis.union(reported_delays.select(*columns), executions.select(*columns))
    return seen.filter(seen.feature.notnull(), seen.feature != "", seen.data_velocity.notnull())


def median_velocities(seen: ir.Table) -> ir.Table:
    """Return each feature's median velocity: the middle value, or the mean of the middle two.

    The median is computed from ranks instead of by the engine's quantile function, because engines round
    interpolated quantiles differently.
    """
    feature = ibis.window(group_by=seen.feature)
    ranked = seen.mutate(
        rank=ibis.row_number().over(
            ibis.window(group_by=seen.feature, order_by=[seen.data_velocity, seen.position])
        ),
        n=seen.count().over(feature),
    )
    # ranks count from 0: n = 2m values have the middle ranks m - 1 and m, n = 2m + 1 values the rank m
    middle = ranked.filter(2 * ranked.rank >= ranked.n - 2, 2 * ranked.rank <= ranked.n)
    return middle.group_by("feature").aggregate(
        data_velocity=(middle.data_velocity.min() + middle.data_velocity.max()) / 2.0
    )


def noise(issues: ir.Table, reported_delays: ir.Table, executions: ir.Table) -> ir.Table:
    """Return the reported false alarms per day, with the feature's median velocity."""
    seen = velocities(reported_delays, first_recordings(executions)).semi_join(issues, "feature")
    typical = median_velocities(seen)
    joined = issues.left_join(typical, "feature")
    return joined.select(
        *_ENVELOPE, "feature", "window_size", "false_alarms_per_day", "data_velocity"
    ).order_by("position")


def performance(measured: ir.Table) -> ir.Table:
    """Return the time and memory that monitoring itself used."""
    return measured.select(
        *_ENVELOPE, "feature", "window_size", "computation_time_ms", "memory_usage_mb", "timeout_occurred"
    ).order_by("position")


# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis creates its operators at run time, and its annotations are incomplete. mypy checks the rest.


def events(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Return the number of events and the newest time, one row per type, unordered."""
    return ibis.union(
        *(
            table.aggregate(n=table.count(), newest_time=table.time.max()).mutate(type=ibis.literal(name))
            for name, table in tables.items()
        )
    )


def denominators(cast_votes: ir.Table, executions: ir.Table) -> ir.Table:
    """Return the counts of executions and votes in one row; repeated recordings count once."""
    first = first_recordings(executions)
    voted_ids = cast_votes.group_by("execution_id").aggregate(n_votes=cast_votes.count())
    marked = first.left_join(voted_ids, "execution_id")
    drifted, audited, voted = marked.drifted, marked.audit, marked.n_votes.notnull()
    of_executions = marked.aggregate(
        recorded=marked.count(),
        drifted=_count(drifted),
        silent=_count(~drifted),
        audited=_count(audited),
        voted=_count(voted),
        voted_drifted=_count(voted & drifted),
        voted_silent=_count(voted & ~drifted),
        voted_audited=_count(voted & audited),
        votes_on_recorded=marked.n_votes.sum().fill_null(0).cast("int64"),
    )
    recordings = executions.aggregate(recordings=executions.count())
    of_votes = cast_votes.aggregate(votes=cast_votes.count())
    return of_executions.cross_join(recordings).cross_join(of_votes)


def _count(condition: ir.BooleanValue) -> ir.IntegerValue:
    counted: ir.IntegerValue = condition.ifelse(1, 0).sum().fill_null(0).cast("int64")
    return counted
