"""Learn a version again from the log that it was learned from: the same bytes, or the first difference."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from poet import decisions as documents
from poet.decisions import Decisions, Rule
from poet.edits import Word, amend
from poet.learn import learn
from poet.learn.configuration import LearnConfiguration
from poet.policies import policy as spec_of
from poet.publish import Manifest, module_name, read_manifest
from poet.registry import as_published
from poet.render import RenderedModule

if TYPE_CHECKING:
    from poet.summaries import Summaries

__all__ = ["verify"]


def verify(
    generated: Path,
    policy: str,
    number: int,
    summaries: Callable[[int], "Summaries"],
    render: Callable[[Decisions], RenderedModule],
) -> str:
    """Say where a version is not what its log prefix teaches; empty where every byte is.

    Parameters
    ----------
    generated
        The folder of versions.
    policy, number
        Which version.
    summaries
        Gives the summaries of the log up to a position.
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
    rendered = render(again).source.encode()
    kept = rendered if manifest.source is None else manifest.source.encode("utf-8", "surrogatepass")
    return (
        _difference(documents.encode(manifest.decisions), documents.encode(again))
        or _difference(kept, rendered)
        or _difference_on_disk(generated / f"{module_name(policy, number)}.py", manifest, rendered)
    )


def _difference_on_disk(path: Path, manifest: Manifest, rendered: bytes) -> str:
    """Say where the module on disk differs; line ends that a checkout changed are none of its lines."""
    if not path.is_file():
        return f"{path} is missing; `poet compile` writes it again from its manifest"
    content = path.read_bytes()
    return _difference(as_published(content, manifest.source_sha256) or content, rendered)


def _learned(wanted: Decisions, champion: Decisions, summaries: "Summaries") -> Decisions:
    """Learn from where that version began: people's words on rules are given, not learned."""
    configuration = msgspec.convert(wanted.configuration, LearnConfiguration)
    vetoes = [_veto(rule, wanted.policy) for rule in wanted.rules if rule.status == "vetoed"]
    said = {rule.id: rule for rule in wanted.rules if rule.status == "pinned" or rule.id in _ids(vetoes)}
    begun = {rule.id: rule for rule in amend(champion, vetoes).rules} | said
    amended = msgspec.structs.replace(champion, rules=tuple(sorted(begun.values(), key=lambda rule: rule.id)))
    decided = learn(spec_of(wanted.policy), summaries, amended, configuration)
    return msgspec.structs.replace(decided, version=wanted.version, revises=wanted.revises)


def _veto(rule: Rule, policy: str) -> Word:
    return Word(policy=policy, rule=rule.id, word="veto", kind=rule.kind, who="", when="")


def _ids(words: list[Word]) -> set[str]:
    return {word.rule for word in words}


def _difference(was: bytes, now: bytes) -> str:
    if was == now:
        return ""
    before, after = (each.decode(errors="replace").splitlines() for each in (was, now))
    shown = list(difflib.unified_diff(before, after, "published", "learned again", lineterm="", n=1))
    return "\n".join(shown[:40])
