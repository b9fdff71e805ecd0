"""A plan on disk: what people agreed on in a review, applied exactly or not at all."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from poet.decisions import Decisions
from poet.errors import LearnError
from poet.files import JsonDocument, to_json
from poet.pipeline import Plan
from poet.render import RenderedModule

__all__ = ["SavedPlan", "encode", "moved", "read_plan", "saved"]

FORMAT = 1
Rendering = Callable[[Decisions], RenderedModule]


class SavedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy would become, and from what."""

    policy: str
    active: int | None  # the version in force; None: the policy is new
    template_sha256: str
    decisions: Decisions


class SavedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan's changes and the state of the workspace that they were planned in."""

    format: int = FORMAT
    log_position: int
    policies: tuple[SavedPolicy, ...]


def saved(plan: Plan, render: Rendering) -> SavedPlan:
    """Give what is to be kept of a plan."""
    policies = tuple(
        SavedPolicy(
            policy=each.policy,
            active=None if each.is_first else each.champion.version,
            template_sha256=render(each.decisions).template_sha256,
            decisions=each.decisions,
        )
        for each in plan.changes
    )
    return SavedPlan(log_position=plan.log_position, policies=policies)


def encode(plan: SavedPlan) -> bytes:
    """Give the canonical JSON: sorted keys, two-space indent."""
    return to_json(plan)


def read_plan(path: Path) -> SavedPlan:
    """Read a saved plan.

    Raises
    ------
    LearnError
        It is not one.
    """
    return JsonDocument(
        type=SavedPlan,
        name="a saved plan",
        next_step=f"write one with `poet plan --out {path.name}`",
        error=LearnError,
        format=FORMAT,
    ).read(path)


def moved(plan: SavedPlan, now: Plan, render: Rendering) -> Iterator[str]:
    """Say what is otherwise than when the plan was made; nothing where it can be applied as it is."""
    if plan.log_position != now.log_position:
        yield f"the log was read to position {plan.log_position}, it is at {now.log_position}"
    current = {each.policy: each for each in saved(now, render).policies}
    versions = {each.policy: None if each.is_first else each.champion.version for each in now.policies}
    for each in plan.policies:
        found = current.get(each.policy)
        if versions.get(each.policy) != each.active:
            yield f"{each.policy}: version {each.active} was in force, now {versions.get(each.policy)} is"
        elif found is None:
            yield f"{each.policy}: nothing would change any more"
        elif found.template_sha256 != each.template_sha256:
            yield f"{each.policy}: its template has changed"
        elif found.decisions != each.decisions and plan.log_position == now.log_position:
            yield f"{each.policy}: poet.toml, people's words on rules or the plan itself were changed"
    for name in sorted(current.keys() - {each.policy for each in plan.policies}):
        yield f"{name}: would change as well"
