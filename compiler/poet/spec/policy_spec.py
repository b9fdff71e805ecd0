"""What a policy is to the compiler."""

from collections.abc import Callable
from dataclasses import dataclass

from poet.spec.decisions import Decisions, Rule


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """One policy: what it is called, where it starts, and how its decisions become an outline.

    `words` are the texts that the policy itself puts into decisions (names of statistics, fields and
    choices). Every other text in a decision came from feedback, and the compiler proves that it cannot
    change the shape of the code. `imports` are packages that the generated code may import beside numpy,
    scipy, statsmodels and ``poet_runtime``: a plug-in's own primitives, which it answers for.

    What production asks about a policy is its `RuntimePolicy`; a package registers one under the entry point
    group ``poet_runtime``.
    """

    name: str
    template: str  # "file", or "package:file" beside a package; an override has the file's name
    starts: tuple[str, ...]  # the first one is the default
    baseline: Callable[[str], tuple[Rule, ...]]  # start → the rules of version 1
    outline: Callable[[Decisions], dict[str, object]]  # decisions → what the template prints
    learner: str | None  # "package.module:function", imported when used
    contract: str  # "package.module", imported in the sandbox only
    words: frozenset[str] = frozenset()
    domain: str = "ml_monitoring"
    behaviour: str | None = None  # "package.module": how two versions are compared
    replay: str | None = None  # "package.module:function": what a version would have answered
    trial: str | None = None  # "package.module:function": how a canary stands by the labels of its answers
    plots: str | None = None  # "package.module:function": what a report draws besides the evidence
    rule_words: tuple[tuple[str, str], ...] = ()  # kind of rule, "package.module:function": it in words
    imports: tuple[str, ...] = ()
    emits_threshold_adjustments: bool = False  # whether thresholds edited by hand become feedback events

    def version_1(self, start: str) -> Decisions:
        """Give the untuned decisions that a workspace with this `start` begins with."""
        return Decisions(
            policy=self.name,
            start=start,
            version=1,
            rules=tuple(sorted(self.baseline(start), key=lambda rule: rule.id)),
            learned=self.learner is not None,
        )
