"""Where a workspace stands, without a plan: what can be said in a few milliseconds."""

from typing import Any

from poet.errors import PublishError, RegistryError
from poet.publish import published_manifest
from poet.registry import Move, PolicyEntry, read_document, read_journal
from poet.turns import NewFeedback, learned_until, was_refused
from poet.workspace import Workspace

__all__ = ["history_document", "standing_document"]

CHANGES = 12  # of the journal, newest first


def standing_document(workspace: Workspace, feedback: NewFeedback) -> dict[str, Any]:
    """Give events, feedback since the last compile, policies and the newest changes as plain data."""
    position = workspace.log.position()
    document = read_document(workspace.generated)
    return {
        "workspace": str(workspace.path),
        "log_position": position,
        "events": workspace.log.count_by_type(),
        "feedback": feedback.count(),
        "threshold": workspace.configuration.learn.learning_threshold,
        "learned_until": learned_until(workspace.path, position),
        "refused": was_refused(workspace.path),
        "policies": [_policy(workspace, name, entry) for name, entry in sorted(document.policies.items())],
        "changes": list(reversed(_journal(workspace)))[:CHANGES],
    }


def history_document(workspace: Workspace, policy: str) -> dict[str, Any]:
    """Give a policy's versions, newest first, and who let which one answer.

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
    moves = [move for move in reversed(_journal(workspace)) if move.policy == policy]
    return {
        "policy": policy,
        "active": entry.active,
        "previous": entry.previous,
        "canary": entry.canary,
        "versions": [
            _version(workspace, policy, number, entry, moves)
            for number in sorted(map(int, entry.versions), reverse=True)
        ],
        "moves": moves,
    }


def _policy(workspace: Workspace, name: str, entry: PolicyEntry) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "active": entry.active,
        "previous": entry.previous,
        "versions": len(entry.versions),
        "canary": entry.canary,
        "shadow": entry.shadow,
        "quarantined": [int(each) for each in entry.versions if entry.quarantined(int(each))],
        "slow": [each.version for each in entry.slow],
        "problem": "",
        "rules": [],
        "start": "",
        "learned": 0,
        "log_position": 0,
    }
    try:
        manifest = published_manifest(workspace.generated, name, entry.active)
    except PublishError as error:
        return found | {"problem": str(error)}
    rules = manifest.decisions.active
    return found | {
        "rules": rules,
        "start": manifest.decisions.start,
        "learned": sum(rule.evidence is not None for rule in rules),
        "log_position": manifest.log_position,
    }


def _version(
    workspace: Workspace, policy: str, number: int, entry: PolicyEntry, moves: list[Move]
) -> dict[str, Any]:
    roles = {
        "active": entry.active == number,
        "previous": entry.previous == number,
        "canary": entry.canary is not None and entry.canary.version == number,
        "shadow": entry.shadow is not None and entry.shadow.version == number,
    }
    found: dict[str, Any] = {
        "number": number,
        "roles": [role for role, has_it in roles.items() if has_it],
        "quarantine": entry.quarantined(number),
        "slow": entry.slowness(number),
        "sha256": entry.versions[str(number)].sha256,
        "published": next((move.when for move in reversed(moves) if move.to == number), ""),
        "problem": "",
        "manifest": None,
    }
    try:
        return found | {"manifest": published_manifest(workspace.generated, policy, number)}
    except PublishError as error:
        return found | {"problem": str(error)}


def _journal(workspace: Workspace) -> tuple[Move, ...]:
    try:
        return read_journal(workspace.generated)
    except (PublishError, RegistryError):
        return ()  # the journal tells; that it cannot be read must not hide how things stand
