"""The stages in a row: summaries → decisions → source → checked → validated → published.

Each function is one arrow; nothing is decided here.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from poet.check import check
from poet.decisions import Decisions, Rule
from poet.learn import learn
from poet.learn.configuration import LearnConfiguration
from poet.learn.costs import Spent, learned_costs
from poet.policies import PolicySpec, policies, policy
from poet.publish import Version, publish, read_manifest
from poet.registry import read_document
from poet.render import RenderedModule, render
from poet.validate import ValidatedModule, validate

if TYPE_CHECKING:
    from poet.log import FeedbackLog
    from poet.summaries import Summaries

__all__ = ["Plan", "PolicyPlan", "apply", "first_versions", "plan", "render_in", "summaries_of"]

WORKERS = 2
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """What a compile would do to one policy."""

    champion: Decisions
    decisions: Decisions

    @property
    def policy(self) -> str:
        """The policy's name."""
        return self.decisions.policy

    @property
    def is_change(self) -> bool:
        """Whether there would be a new version."""
        return not self.decisions.behaves_as(self.champion)

    def with_status(self, *statuses: str) -> tuple[Rule, ...]:
        """Give the rules that have one of these statuses now and did not act so before."""
        before = {rule.id: rule for rule in self.champion.active}
        return tuple(
            rule for rule in self.decisions.rules if rule.status in statuses and before.get(rule.id) != rule
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a compile would do; nothing is written."""

    policies: tuple[PolicyPlan, ...]
    log_position: int
    costs: tuple[Spent, ...] = ()  # what everything here is reckoned in

    @property
    def changes(self) -> tuple[PolicyPlan, ...]:
        """The policies that would get a new version."""
        return tuple(each for each in self.policies if each.is_change)

    @property
    def adopted(self) -> tuple[Rule, ...]:
        """The rules that would be adopted or changed."""
        return tuple(rule for each in self.policies for rule in each.with_status("adopted", "pinned"))

    @property
    def held(self) -> tuple[Rule, ...]:
        """The candidates that lack evidence still, nearest first in each policy."""
        return tuple(rule for each in self.policies for rule in each.decisions.rules if rule.status == "held")

    @property
    def retired(self) -> tuple[Rule, ...]:
        """The rules whose evidence turned."""
        return tuple(rule for each in self.policies for rule in each.with_status("retired"))


def summaries_of(log: "FeedbackLog", folder: Path) -> "Summaries":
    """Seal what is new in the log and summarise all of it."""
    from poet.summaries import seal, summarise  # noqa: PLC0415 -- a second that only learning pays

    log.flush()
    seal(log, folder)
    return summarise(folder)


def plan(
    generated: Path, summaries: "Summaries", configuration: LearnConfiguration, names: Iterable[str] = ()
) -> Plan:
    """Let the learners of these policies (default: of all that are published) decide."""
    document = read_document(generated)
    wanted = sorted(names) or sorted(document.policies)
    found = []
    for name in wanted:
        spec = policy(name)
        active = document.active(name)
        champion = (
            spec.version_1(spec.starts[0])
            if active is None
            else read_manifest(generated, name, active).decisions
        )
        newest = max((int(n) for n in document.policies[name].versions), default=0) if active else 0
        decided = learn(spec, summaries, champion, configuration)
        found.append(PolicyPlan(champion, _numbered(decided, champion, newest)))
    return Plan(tuple(found), summaries.log_position, learned_costs(summaries, configuration)[1])


def _numbered(decided: Decisions, champion: Decisions, newest: int) -> Decisions:
    """Give a new version the next free number: after a rollback the active one is not the newest."""
    if decided.version == champion.version or newest < decided.version:
        return decided
    return msgspec.structs.replace(decided, version=newest + 1)


def render_in(overrides: Path | None) -> Callable[[Decisions], RenderedModule]:
    """Give the renderer of a workspace with these template overrides."""
    has_any = overrides is not None and any(overrides.glob("*.jinja"))
    return lambda decisions: render(decisions, overrides=overrides if has_any else None)


def first_versions(start: str, specs: Sequence[PolicySpec] | None = None) -> tuple[Decisions, ...]:
    """Give version 1 of every policy; those that do not know `start` begin in their own way."""
    return tuple(
        spec.version_1(start if start in spec.starts else spec.starts[0]) for spec in specs or policies()
    )


def apply(
    decisions: Sequence[Decisions],
    generated: Path,
    *,
    overrides: Path | None,
    who: str,
    why: str,
    at: str,
    activate: bool = True,
    effort: int = 100,
    progress: Progress = lambda _stage: None,
) -> tuple[Version, ...]:
    """Render, check, validate and publish; nothing is published unless everything passes.

    Raises
    ------
    PoetError
        The subclass of the stage that refused.
    """
    rendering = render_in(overrides)
    checked = [check(rendering(each)) for each in decisions]
    progress("rendered and checked")
    with tempfile.TemporaryDirectory(prefix="poet-staging-") as staging, ThreadPoolExecutor(WORKERS) as pool:

        def prove(index: int) -> ValidatedModule:
            validated = validate(checked[index], staging=Path(staging), effort=effort)
            progress(f"{decisions[index].policy} keeps its contract")
            return validated

        validated = list(pool.map(prove, range(len(checked))))
    return publish(validated, generated, who=who, why=why, at=at, activate=activate)
