"""Saved plans and the verification of published versions.

A saved plan is what people approved in a review. It is applied exactly or not at all. Verification relearns
a version from the log that it was learned from and returns the first difference.
"""

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from poet.build.manifest import Manifest, module_name, read_manifest
from poet.build.render import RenderedModule
from poet.learning.configuration import LearnConfiguration
from poet.learning.learn import learn
from poet.spec import decisions as documents
from poet.spec import policy as spec_of
from poet.spec.decisions import Decisions, Rule
from poet.workspace.overrides import Override, amend
from poet.workspace.pipeline import Plan
from poet_runtime.errors import LearnError
from poet_runtime.files import JsonDocument, to_json
from poet_runtime.registry import as_published

if TYPE_CHECKING:
    from poet.summaries import Summaries


FORMAT: Final = 1
Rendering = Callable[[Decisions], RenderedModule]


class SavedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The planned change of one policy, and the version it starts from."""

    policy: str
    active: int | None  # the active version; None: the policy is new
    template_sha256: str
    decisions: Decisions


class SavedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan's changes and the state of the workspace that they were planned in."""

    format: int = FORMAT
    log_position: int
    policies: tuple[SavedPolicy, ...]


def saved(plan: Plan, render: Rendering) -> SavedPlan:
    """Return the saved form of a plan."""
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
    """Return the canonical JSON: sorted keys, two-space indent."""
    return to_json(plan)


def read_plan(path: Path) -> SavedPlan:
    """Read a saved plan.

    Raises
    ------
    LearnError
        The file is not a saved plan.
    """
    return JsonDocument(
        type=SavedPlan,
        name="a saved plan",
        next_step=f"write one with `poet plan --out {path.name}`",
        error=LearnError,
        format=FORMAT,
    ).read(path)


def stale_reasons(plan: SavedPlan, now: Plan, render: Rendering) -> Iterator[str]:
    """Yield the reasons why a plan is out of date; none if it can be applied unchanged."""
    if plan.log_position != now.log_position:
        yield f"it was made for log position {plan.log_position}, the log is at {now.log_position}"
    current = {each.policy: each for each in saved(now, render).policies}
    versions = {each.policy: None if each.is_first else each.champion.version for each in now.policies}
    for each in plan.policies:
        found = current.get(each.policy)
        if versions.get(each.policy) != each.active:
            yield f"{each.policy}: version {each.active} was active, now {versions.get(each.policy)} is"
        elif found is None:
            yield f"{each.policy}: nothing would change now"
        elif found.template_sha256 != each.template_sha256:
            yield f"{each.policy}: its template has changed"
        elif found.decisions != each.decisions and plan.log_position == now.log_position:
            yield f"{each.policy}: poet.toml, the pins and vetoes, or the plan itself were changed"
    for name in sorted(current.keys() - {each.policy for each in plan.policies}):
        yield f"{name}: would also change"


def verify(
    generated: Path,
    policy: str,
    number: int,
    summaries: Callable[[int], "Summaries"],
    render: Callable[[Decisions], RenderedModule],
) -> str:
    """Return where a version differs from what is relearned from its log prefix; empty if equal.

    The wording of reasons and notes is not compared: it is that of the release that published the version.

    Parameters
    ----------
    generated
        The folder of versions.
    policy, number
        The version.
    summaries
        Returns the summaries of the log up to a position.
    render
        The templates of the workspace.
    """
    manifest = read_manifest(generated, policy, number)
    if manifest.revises is None:
        again = spec_of(policy).version_1(manifest.decisions.start)
    else:
        known = summaries(manifest.log_position)
        if known.log_prefix != manifest.log_prefix:
            return (
                f"the log up to position {manifest.log_position} is not the one that version {number} was "
                f"learned from: its digest is {known.log_prefix[:12]}…, "
                f"the manifest has {manifest.log_prefix[:12]}…"
            )
        again = _learned(
            manifest.decisions, read_manifest(generated, policy, manifest.revises).decisions, known
        )
    again = documents.with_texts_of(_as_read(again), manifest.decisions)
    if found := _difference(documents.encode(manifest.decisions), documents.encode(again)):
        return found
    module = render(again)
    rendered = module.source.encode()
    published = rendered if manifest.source is None else manifest.source.encode("utf-8", "surrogatepass")
    found = _difference(published, rendered)
    if found and module.template_sha256 != manifest.template_sha256:
        return (
            f"the decisions of version {number} are equal, but other templates rendered it; run "
            f"`poet upgrade`, then verify again\n{found}"
        )
    path = generated / f"{module_name(policy, number)}.py"
    return found or _difference_on_disk(path, manifest, rendered)


def _as_read(decisions: Decisions) -> Decisions:
    """Return decisions as a reader of their manifest has them: an integer in a field of floats is a float."""
    return msgspec.json.decode(msgspec.json.encode(decisions), type=Decisions)


def _difference_on_disk(path: Path, manifest: Manifest, rendered: bytes) -> str:
    """Return where the module on disk differs; line endings changed by a checkout do not count."""
    if not path.is_file():
        return f"{path} is missing; `poet compile` writes it again from its manifest"
    content = path.read_bytes()
    return _difference(as_published(content, manifest.source_sha256) or content, rendered)


def _learned(wanted: Decisions, champion: Decisions, summaries: "Summaries") -> Decisions:
    """Learn from the version's own starting point: pins and vetoes are inputs, not learned."""
    configuration = msgspec.convert(wanted.configuration, LearnConfiguration)
    vetoes = [_veto(rule, wanted.policy) for rule in wanted.rules if rule.status == "vetoed"]
    given = {rule.id: rule for rule in wanted.rules if rule.status == "pinned" or rule.id in _ids(vetoes)}
    initial = {rule.id: rule for rule in amend(champion, vetoes).rules} | given
    amended = msgspec.structs.replace(
        champion, rules=tuple(sorted(initial.values(), key=lambda rule: rule.id))
    )
    decided = learn(spec_of(wanted.policy), summaries, amended, configuration)
    return msgspec.structs.replace(decided, version=wanted.version, revises=wanted.revises)


def _veto(rule: Rule, policy: str) -> Override:
    return Override(policy=policy, rule=rule.id, action="veto", kind=rule.kind, who="", when="")


def _ids(overrides: list[Override]) -> set[str]:
    return {override.rule for override in overrides}


def _difference(was: bytes, now: bytes) -> str:
    if was == now:
        return ""
    before, after = (each.decode(errors="replace").splitlines() for each in (was, now))
    shown = list(difflib.unified_diff(before, after, "published", "learned again", lineterm="", n=1))
    return "\n".join(shown[:40])
