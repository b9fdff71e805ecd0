"""Votes: what people said of executions, and what those executions were."""

# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis builds its operators at run time; its annotations promise less than it does. mypy checks the rest.

from typing import Any, cast

import ibis
import ibis.expr.types as ir

__all__ = ["ballots", "first_recordings", "recorded", "scores", "votes"]

_EXECUTION = (
    "policy_version",
    "drifted",
    "audit",
    "propensity",
    "kind",
    "is_seasonal",
    "n_current",
    "n_reference",
)


def ballots(validations: ir.Table, false_positives: ir.Table, delays: ir.Table) -> ir.Table:
    """Bring the three ways to vote into one shape, one row a vote.

    A detection delay votes only when it names the silent execution that missed the drift. `reason` is the
    root cause of a validation and the reason of a false positive.
    """
    text = ibis.null("string")
    named = delays.filter(delays.execution_id.notnull())
    return ibis.union(
        _ballot(
            validations,
            feature=validations.feature,
            was_real=validations.was_real_drift,
            origin="validation",
            reason=validations.root_cause,
            business_impact=validations.business_impact,
        ),
        _ballot(
            false_positives,
            feature=text,
            was_real=False,
            origin="false_positive",
            reason=false_positives.reason,
            business_impact=text,
        ),
        _ballot(
            named,
            feature=named.feature,
            was_real=True,
            origin="missed",
            reason=text,
            business_impact=text,
        ),
    )


def first_recordings(executions: ir.Table) -> ir.Table:
    """Keep of each execution id what was recorded first: a later recording changes nothing."""
    ranked = executions.mutate(
        recording=ibis.row_number().over(
            ibis.window(group_by=executions.execution_id, order_by=executions.position)
        )
    )
    return ranked.filter(ranked.recording == 0).drop("recording")


def votes(cast_votes: ir.Table, executions: ir.Table) -> ir.Table:
    """Join votes with the executions they speak of, ordered by the position of the vote.

    An execution may be recorded before its vote, after it or never: then its columns are null. The feature
    is the execution's; a vote's own counts where the execution names none.
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
    """Give every execution once, in the order in which they were recorded."""
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
    """Give the scores of every execution, by its position and the test's name."""
    first = first_recordings(executions).select("position")
    return recorded_scores.semi_join(first, "position").order_by("position", "ordinal")


def _ballot(table: ir.Table, **columns: Any) -> ir.Table:
    values = {
        name: value if isinstance(value, ir.Value) else ibis.literal(value) for name, value in columns.items()
    }
    return cast("ir.Table", table.select("position", "event_id", "source", "time", "execution_id", **values))
