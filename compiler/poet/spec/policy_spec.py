"""The specification of a policy for the compiler."""

from collections.abc import Callable
from dataclasses import dataclass

from poet.spec.decisions import Decisions, Rule


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """The specification of one policy: its name, its presets, and how its decisions become an outline.

    `words` are the texts that the policy itself puts into decisions (names of statistics, fields and
    choices). Every other text in a decision came from feedback, and the compiler proves that it cannot
    change the shape of the code. `imports` are packages that the generated code may import in addition to
    numpy, scipy, statsmodels and ``poet_runtime``: the primitives of a plug-in, for which the plug-in is
    responsible.

    The production side of a policy is its `RuntimePolicy`. A package registers one under the entry point
    group ``poet_runtime``.
    """

    name: str
    template: str  # "file", or "package:file" in a package; an override has the same file name
    starts: tuple[str, ...]  # the first one is the default
    baseline: Callable[[str], tuple[Rule, ...]]  # preset → the rules of version 1
    outline: Callable[[Decisions], dict[str, object]]  # decisions → the variables of the template
    learner: str | None  # "package.module:function", imported when used
    contract: str  # "package.module", imported in the sandbox only
    words: frozenset[str] = frozenset()
    domain: str = "ml_monitoring"
    behaviour: str | None = None  # "package.module": the comparison of two versions
    replay: str | None = None  # "package.module:function": answers of a version on recorded executions
    trial: str | None = None  # "package.module:function": evaluates a canary by the labels of its answers
    plots: str | None = None  # "package.module:function": plots of a report besides the evidence
    rule_words: tuple[tuple[str, str], ...] = ()  # kind of rule, "package.module:function": its text
    imports: tuple[str, ...] = ()
    emits_threshold_adjustments: bool = False  # whether manual threshold edits become feedback events

    def version_1(self, start: str) -> Decisions:
        """Return the untrained decisions of a workspace that starts with the preset `start`."""
        return Decisions(
            policy=self.name,
            start=start,
            version=1,
            rules=tuple(sorted(self.baseline(start), key=lambda rule: rule.id)),
            learned=self.learner is not None,
        )
