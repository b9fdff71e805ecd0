"""The state of a workspace as documents: with a plan, without one, and one policy's history."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import msgspec

from poet.build.publish import published_manifest
from poet.learning.costs import with_estimated_costs
from poet.learning.learn import TrialOutcome, trial
from poet.review.changes import entry_of
from poet.review.document import (
    Canary,
    HistoryDocument,
    JudgedCanary,
    PolicyStanding,
    PolicyStatus,
    PublishedVersion,
    StandingDocument,
    StatusDocument,
    UnjudgedCanary,
)
from poet.spec import PolicySpec
from poet.spec import policy as spec_of
from poet.workspace.compile_lock import NewFeedback, last_refusal, learned_until
from poet.workspace.pipeline import Plan, summaries_of
from poet.workspace.workspace import Workspace
from poet_runtime.errors import PublishError, RegistryError
from poet_runtime.registry import Move, PolicyEntry, read_document, read_journal

WITNESSES: Final = 3  # of a shadow, the newest ones
NEAREST: Final = 3  # candidates that the status shows
CHANGES: Final = 12  # of the journal, newest first


def status_document(workspace: Workspace, plan: Plan) -> StatusDocument:
    """Return the state of a workspace, with the candidates of a plan."""
    position = workspace.log.position()
    entries = workspace.registry.status()  # before the tallies, because it refreshes their source
    tallies = {tally.policy: tally for tally in workspace.registry.tallies()}
    policies = {}
    for name, entry in entries.items():
        if name in tallies:
            tally = tallies[name]
            entry["shadow"] |= {"says": str(tally), **msgspec.to_builtins(tally)}
            entry["shadow"]["witnesses"] = msgspec.to_builtins(tally.witnesses[-WITNESSES:])
        found = entry | _learned(workspace, name, entry["active"], position) | {"canary": None}
        status = msgspec.convert(found, PolicyStatus)
        policies[name] = msgspec.structs.replace(status, canary=canary_document(workspace, name))
    return StatusDocument(
        workspace=str(workspace.path),
        log_position=position,
        events=workspace.log.count_by_type(),
        policies=policies,
        changes=tuple(each.policy for each in plan.changes),
        candidates=tuple(rule.id for rule in plan.candidates),
        nearest=tuple(map(entry_of, plan.candidates[:NEAREST])),
    )


def _learned(workspace: Workspace, name: str, active: int, position: int) -> dict[str, Any]:
    try:
        manifest = published_manifest(workspace.generated, name, active)
    except PublishError as error:
        return {"events_since": None, "start": None, "unreadable": str(error)}
    return {"events_since": position - manifest.log_position, "start": manifest.decisions.start}


def canary_document(workspace: Workspace, policy: str) -> Canary | None:
    """Return a policy's canary with the evidence of its labels; None if there is no canary."""
    entry = read_document(workspace.generated).policies.get(policy)
    if entry is None or entry.canary is None:
        return None
    canary = entry.canary
    known: dict[str, Any] = {"policy": policy, "champion": entry.active, **msgspec.structs.asdict(canary)}
    outcome = _outcome(workspace, spec_of(policy), entry.active, canary.version, canary.since)
    if outcome is None:
        return UnjudgedCanary(
            **known, outcome="inconclusive", why=f"individual answers of {policy} are not labeled"
        )
    return JudgedCanary(**known, **asdict(outcome))


def _outcome(
    workspace: Workspace, spec: PolicySpec, champion: int, canary: int, since: str
) -> TrialOutcome | None:
    if spec.trial is None:
        return None
    workspace.flush()
    summaries = summaries_of(workspace.log, workspace.path / "feedback_log" / "segments")
    decisions = [
        published_manifest(workspace.generated, spec.name, each).decisions for each in (champion, canary)
    ]
    configuration = with_estimated_costs(summaries, workspace.configuration.learn)
    return trial(
        spec,
        summaries,
        *decisions,
        since=datetime.fromisoformat(since).timestamp(),
        configuration=configuration,
    )


def standing_document(workspace: Workspace, feedback: NewFeedback) -> StandingDocument:
    """Return events, feedback since the last compile, policies and the newest changes."""
    position = workspace.log.position()
    document = read_document(workspace.generated)
    return StandingDocument(
        workspace=str(workspace.path),
        log_position=position,
        events=workspace.log.count_by_type(),
        feedback=feedback.count(),
        threshold=workspace.configuration.learn.learning_threshold,
        learned_until=learned_until(workspace.path, position),
        refused=last_refusal(workspace.path),
        policies=tuple(
            _standing(workspace, name, entry) for name, entry in sorted(document.policies.items())
        ),
        changes=tuple(reversed(_journal(workspace)))[:CHANGES],
    )


def _standing(workspace: Workspace, name: str, entry: PolicyEntry) -> PolicyStanding:
    found = PolicyStanding(
        name=name,
        active=entry.active,
        previous=entry.previous,
        versions=len(entry.versions),
        canary=entry.canary,
        shadow=entry.shadow,
        quarantined=tuple(int(each) for each in entry.versions if entry.quarantined(int(each))),
        slow=tuple(each.version for each in entry.slow),
    )
    try:
        manifest = published_manifest(workspace.generated, name, entry.active)
    except PublishError as error:
        return msgspec.structs.replace(found, problem=str(error))
    rules = manifest.decisions.active
    return msgspec.structs.replace(
        found,
        rules=rules,
        start=manifest.decisions.start,
        learned=sum(rule.evidence is not None for rule in rules),
        log_position=manifest.log_position,
    )


def history_document(workspace: Workspace, policy: str) -> HistoryDocument:
    """Return a policy's versions, newest first, and who activated each.

    Raises
    ------
    RegistryError
        There is no such policy.
    """
    document = read_document(workspace.generated)
    entry = document.policies.get(policy)
    if entry is None:
        known = ", ".join(sorted(document.policies)) or "none"
        raise RegistryError(f"there is no policy {policy!r:.80}; there are {known}")
    moves = tuple(move for move in reversed(_journal(workspace)) if move.policy == policy)
    return HistoryDocument(
        policy=policy,
        active=entry.active,
        previous=entry.previous,
        canary=entry.canary,
        versions=tuple(
            _version(workspace, policy, number, entry, moves)
            for number in sorted(map(int, entry.versions), reverse=True)
        ),
        moves=moves,
    )


def _version(
    workspace: Workspace, policy: str, number: int, entry: PolicyEntry, moves: tuple[Move, ...]
) -> PublishedVersion:
    roles = {
        "active": entry.active == number,
        "previous": entry.previous == number,
        "canary": entry.canary is not None and entry.canary.version == number,
        "shadow": entry.shadow is not None and entry.shadow.version == number,
    }
    found = PublishedVersion(
        number=number,
        roles=tuple(role for role, has_it in roles.items() if has_it),
        quarantine=entry.quarantined(number),
        slow=entry.slowness(number),
        sha256=entry.versions[str(number)].sha256,
        published=next((move.when for move in reversed(moves) if move.to == number), ""),
    )
    try:
        manifest = published_manifest(workspace.generated, policy, number)
    except PublishError as error:
        return msgspec.structs.replace(found, problem=str(error))
    return msgspec.structs.replace(found, manifest=manifest)


def _journal(workspace: Workspace) -> tuple[Move, ...]:
    try:
        return read_journal(workspace.generated)
    except (PublishError, RegistryError):
        return ()  # an unreadable journal must not hide the state of the workspace
