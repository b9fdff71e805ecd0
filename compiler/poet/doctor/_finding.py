"""What looking at one thing gave."""

from typing import Literal

import msgspec

__all__ = ["Finding", "Severity", "ok", "problem", "warning"]

Severity = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the doctor's: what was looked at, how it is, and what to do about it."""

    check: str
    severity: Severity
    says: str
    next_step: str = ""  # empty where all is well


def ok(check: str, says: str) -> Finding:
    """Find a thing well."""
    return Finding(check=check, severity="ok", says=says)


def warning(check: str, says: str, next_step: str) -> Finding:
    """Find a thing that works, but less well than it could."""
    return Finding(check=check, severity="warning", says=says, next_step=next_step)


def problem(check: str, says: str, next_step: str) -> Finding:
    """Find a thing that keeps POET from working."""
    return Finding(check=check, severity="problem", says=says, next_step=next_step)
