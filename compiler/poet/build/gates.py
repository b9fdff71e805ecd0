"""Results of a validation: a report for the manifest, and the module that may be published."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from poet.build.check import CheckedModule


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one gate for a candidate."""

    name: str
    passed: bool
    examples: int = 0
    counterexample: str = ""  # shrunk; empty if the gate passed


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """A mutated module: the change, its line, and the complete source."""

    what: str
    line: int
    source: str


class Strength(msgspec.Struct, frozen=True, kw_only=True):
    """The result of mutation testing: how many mutants of the candidate were refused, and by which gate.

    `equivalent` counts mutants that are proved to answer every probe as the candidate does. `survivors`
    are neither refused nor proved equivalent, and fail the build.
    """

    mutants: int
    refused: dict[str, int]  # by gate
    equivalent: int
    survivors: tuple[str, ...] = ()


class ValidationReport(msgspec.Struct, frozen=True, kw_only=True):
    """All gates in the order in which they were tried, without timings because manifests contain it."""

    policy: str
    gates: tuple[Gate, ...] = ()
    strength: Strength | None = None  # None: without decisions, or refused by a gate

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return bool(self.gates) and all(gate.passed for gate in self.gates)


@dataclass(frozen=True, slots=True)
class ValidatedModule:
    """A checked module that satisfies its contract. Only `validate` creates one."""

    checked: "CheckedModule"
    report: ValidationReport
