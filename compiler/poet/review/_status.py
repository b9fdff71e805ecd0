"""Where a workspace stands: events, lag, versions, refusals, what is nearest to adoption."""

from collections.abc import Iterator
from typing import Any

import msgspec

from poet.errors import PublishError
from poet.pipeline import Plan
from poet.publish import published_manifest
from poet.review._rules import clean, rule_lines
from poet.review._trials import canary_document, trial_lines
from poet.workspace import Workspace

__all__ = ["status_document", "status_lines"]

FORMAT_VERSION = 1
WITNESSES = 3


def status_document(workspace: Workspace, plan: Plan) -> dict[str, Any]:
    """Give the status as plain data."""
    position = workspace.log.position()
    policies = workspace.registry.status()
    tallies = {tally.policy: tally for tally in workspace.registry.tallies()}
    for name, entry in policies.items():
        entry.update(_learned(workspace, name, entry["active"], position))
        entry["canary"] = canary_document(workspace, name)
        if name in tallies:
            entry["shadow"] |= {"says": str(tallies[name]), **msgspec.to_builtins(tallies[name])}
            entry["shadow"]["witnesses"] = msgspec.to_builtins(tallies[name].witnesses[-WITNESSES:])
    return {
        "format_version": FORMAT_VERSION,
        "workspace": str(workspace.path),
        "log_position": position,
        "events": workspace.log.count_by_type(),
        "policies": policies,
        "held": [rule.id for rule in plan.held],
    }


def _learned(workspace: Workspace, name: str, active: int, position: int) -> dict[str, Any]:
    try:
        manifest = published_manifest(workspace.generated, name, active)
    except PublishError as error:
        return {"events_since": None, "start": None, "unreadable": str(error)}
    return {"events_since": position - manifest.log_position, "start": manifest.decisions.start}


def status_lines(workspace: Workspace, plan: Plan) -> Iterator[str]:
    """Give the status as lines of text."""
    document = status_document(workspace, plan)
    yield f"workspace {document['workspace']}"
    yield f"feedback log: {document['log_position']} events"
    for type_, count in document["events"].items():
        yield f"  {count:8d}  {type_}"
    yield ""
    for name, entry in document["policies"].items():
        behind = clean(entry.get("unreadable") or f"{entry['events_since']} events since it was learned")
        previous = f", before it {entry['previous']}" if entry["previous"] else ""
        yield f"{name}: version {entry['active']} of {len(entry['versions'])} active{previous}; {behind}"
        if entry["refused"]:
            yield f"  REFUSED, version {entry['answering']} answers instead: {clean(entry['refused'])}"
        for each in entry["changed_files"]:
            yield f"  {clean(each['file'])} {each['says']}; {each['next']}"
        for role, reason in entry["refused_beside"].items():
            yield f"  REFUSED as {role}: {clean(reason)}"
        yield from (f"  {line}" for line in trial_lines(entry))
    yield ""
    if plan.changes:
        names = ", ".join(each.policy for each in plan.changes)
        yield f"`poet compile` would publish new versions of: {names}"
    if plan.held:
        yield "held, nearest to adoption:"
        for rule in plan.held[:3]:
            yield from (f"  {line}" for line in list(rule_lines(rule))[:4])
