"""What validating gives: a report for the manifest, and the module that may be published."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from poet.build.check import CheckedModule


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One gate that a candidate went through."""

    name: str
    passed: bool
    examples: int = 0
    counterexample: str = ""  # shrunk; empty where the gate was passed


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One wrong module: what was changed in which line, and all of its source."""

    what: str
    line: int
    source: str


class Strength(msgspec.Struct, frozen=True, kw_only=True):
    """How many small wrong changes of the candidate were refused, and by what.

    `equivalent` are proved to answer every question as the candidate does; `survivors` are neither refused
    nor proved, and fail the build.
    """

    mutants: int
    refused: dict[str, int]  # by gate
    equivalent: int
    survivors: tuple[str, ...] = ()


class ValidationReport(msgspec.Struct, frozen=True, kw_only=True):
    """All gates in the order in which they were tried. Holds no timings: it is part of the manifest."""

    policy: str
    gates: tuple[Gate, ...] = ()
    strength: Strength | None = None  # None: a module without decisions, or one that was refused before

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return bool(self.gates) and all(gate.passed for gate in self.gates)


@dataclass(frozen=True, slots=True)
class ValidatedModule:
    """A checked module that kept its contract. Only `validate` makes one."""

    checked: "CheckedModule"
    report: ValidationReport
