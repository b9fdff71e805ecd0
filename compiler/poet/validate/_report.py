"""What validating gives: a report for the manifest, and the module that may be published."""

from dataclasses import dataclass

import msgspec

from poet.check import CheckedModule

__all__ = ["Gate", "ValidatedModule", "ValidationReport"]


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One gate that a candidate went through."""

    name: str
    passed: bool
    examples: int = 0
    counterexample: str = ""  # shrunk; empty where the gate was passed


class ValidationReport(msgspec.Struct, frozen=True, kw_only=True):
    """All gates in the order in which they were tried. Holds no timings: it is part of the manifest."""

    policy: str
    gates: tuple[Gate, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return bool(self.gates) and all(gate.passed for gate in self.gates)


@dataclass(frozen=True, slots=True)
class ValidatedModule:
    """A checked module that kept its contract. Only `validate` makes one."""

    checked: CheckedModule
    report: ValidationReport
