"""Prove a candidate on its policy's contract, in a sandbox. Only what passes can be published."""

from poet.validate._report import Gate, ValidatedModule, ValidationReport
from poet.validate._sandbox import Limits
from poet.validate._validate import ContractBrokenError, validate, validate_file
from poet.validate._walls import wall_strength

__all__ = [
    "ContractBrokenError",
    "Gate",
    "Limits",
    "ValidatedModule",
    "ValidationReport",
    "validate",
    "validate_file",
    "wall_strength",
]
