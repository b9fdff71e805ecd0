"""Which versions are on trial, quarantined or set aside as slow, for the status."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from poet.learn import trial
from poet.learn.costs import with_estimated_costs
from poet.pipeline import summaries_of
from poet.policies import PolicySpec
from poet.policies import policy as spec_of
from poet.publish import published_manifest
from poet.registry import read_document
from poet.review._rules import clean
from poet.stats import epoch_alpha
from poet.workspace import Workspace

if TYPE_CHECKING:
    from poet.learn.trials import TrialOutcome

__all__ = ["canary_document", "canary_line", "trial_lines"]


def canary_document(workspace: Workspace, policy: str) -> dict[str, Any] | None:
    """Give a policy's canary and how it stands by the verdicts so far; None where there is none."""
    entry = read_document(workspace.generated).policies.get(policy)
    if entry is None or entry.canary is None:
        return None
    said = {"policy": policy, "version": entry.canary.version, "champion": entry.active}
    said |= {"share": entry.canary.share, "since": entry.canary.since}
    outcome = _judged(workspace, spec_of(policy), entry.active, entry.canary.version, entry.canary.since)
    if outcome is None:
        return said | {"outcome": "inconclusive", "why": f"nobody judges single answers of {policy}"}
    return said | asdict(outcome)


def _judged(
    workspace: Workspace, spec: PolicySpec, champion: int, canary: int, since: str
) -> "TrialOutcome | None":
    if spec.trial is None:
        return None
    workspace.flush()
    summaries = summaries_of(workspace.log, workspace.path / "feedback_log" / "segments")
    decisions = [
        published_manifest(workspace.generated, spec.name, each).decisions for each in (champion, canary)
    ]
    configuration = with_estimated_costs(summaries, workspace.configuration.learn)
    risk = configuration.risk * epoch_alpha(summaries.beginning)
    return trial(
        spec,
        summaries,
        *decisions,
        since=datetime.fromisoformat(since).timestamp(),
        configuration=msgspec.structs.replace(configuration, risk=risk),
    )


def canary_line(canary: dict[str, Any]) -> str:
    """Give how a canary stands in one line."""
    said = f"canary {canary['policy']} v{canary['version']}: {canary['outcome']}"
    share = f"answers for {canary['share']:.0%} of the features since {canary['since']}"
    if "why" in canary:
        return f"{said}; {share}; {canary['why']}"
    evidence = (
        f"evidence for promotion {canary['for_promotion']:.3g}, for rollback {canary['for_rollback']:.3g}, "
        f"{canary['bar']:g} needed"
    )
    counts = (
        f"{canary['answered_by_canary']} answers of its own, {canary['answered_by_champion']} of version "
        f"{canary['champion']}, {canary['judged']} judged, {canary['differ']} of them differ, "
        f"saving {canary['saved']:.3g}"
    )
    return f"{said}; {share}; {counts}; {evidence}"


def trial_lines(entry: dict[str, Any]) -> Iterator[str]:
    """Yield what is on trial, quarantined or set aside as slow of one policy in `status_document`."""
    if entry["canary"]:
        yield canary_line(entry["canary"])
    if entry["shadow"]:
        yield f"shadow {entry['shadow']['policy']} v{entry['shadow']['version']}: {entry['shadow']['says']}"
        for witness in entry["shadow"]["witnesses"]:
            yield clean(
                f"  {witness['difference']}: feature {witness['feature']!r}: "
                f"{witness['champion']} → {witness['shadow']}"
            )
    for word in entry["quarantine"]:
        yield clean(
            f"QUARANTINED version {word['version']} by {word['who']} since {word['when']}: {word['why']}"
        )
    for found in entry["slow"]:
        yield clean(
            f"SLOW version {found['version']}, set aside by {found['who']} since {found['when']}: "
            f"{found['why']}"
        )
