"""Counts: events per type, and the denominators of everything said about executions."""

# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis builds its operators at run time; its annotations promise less than it does. mypy checks the rest.

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from poet.summaries._votes import first_recordings

__all__ = ["denominators", "events"]


def events(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Count each type's events and find its newest time; one row a type, in no order."""
    return ibis.union(
        *(
            table.aggregate(n=table.count(), newest_time=table.time.max()).mutate(type=ibis.literal(name))
            for name, table in tables.items()
        )
    )


def denominators(cast_votes: ir.Table, executions: ir.Table) -> ir.Table:
    """Count executions and votes in one row; every execution counts once, however often recorded."""
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
