"""Variants of golden modules, each made by a few edits, and the gate that refuses them."""

import dataclasses
from pathlib import Path

from poet.build.check import CheckedModule, check_dialect
from poet.build.render import RenderedModule
from poet.build.sandbox import Limits
from poet.build.validate import ContractBrokenError, validate
from poet.spec import policy
from poet.spec.decisions import decode
from poet_runtime.errors import CheckError

__all__ = ["PASSED", "Bad", "Good", "edited", "gate_of"]

POLICIES = Path(__file__).parent / "policies"
PASSED = "none"


@dataclasses.dataclass(frozen=True, slots=True)
class Good:
    """An equivalent module."""

    what: str
    edits: tuple[tuple[str, str], ...]
    case: str = "scenario"


@dataclasses.dataclass(frozen=True, slots=True)
class Bad:
    """A module that must never be published.

    `gate` is the first gate that refuses it, and `behind` the one that refuses it without the dialect.
    """

    what: str
    danger: str
    gate: str
    edits: tuple[tuple[str, str], ...]
    behind: str = ""
    case: str = "scenario"


def edited(name: str, variant: Bad | Good) -> RenderedModule:
    """Return the golden module of a policy with the edits, each of which must match exactly once."""
    folder = POLICIES / name / "golden" / variant.case
    decisions = decode((folder / "decisions.json").read_bytes())
    source = (folder / f"{name}_v{decisions.version}.py").read_text(encoding="utf-8")
    for old, new in variant.edits:
        count = source.count(old)
        assert count == 1, f"{variant.what!r}: {old!r} is there {count} times, expected once; edit the table"
        source = source.replace(old, new)
    return RenderedModule(decisions, source, "", "")


def gate_of(
    module: RenderedModule,
    staging: Path,
    *,
    effort: int,
    limits: Limits | None = None,
    has_dialect: bool = True,
) -> tuple[str, str]:
    """Return the gate that refuses a module and its message, or `PASSED`."""
    name = module.decisions.policy
    if has_dialect:
        try:
            check_dialect(module.source, name, imports=policy(name).imports)
        except CheckError as error:
            return "dialect", str(error)
    try:
        validate(CheckedModule(module, ""), staging=staging, effort=effort, limits=limits)
    except ContractBrokenError as error:
        (broken, *_) = (gate for gate in error.report.gates if not gate.passed)
        return broken.name, broken.counterexample
    return PASSED, ""
