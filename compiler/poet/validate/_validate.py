"""The one verb: a checked module becomes one that may be published, or an error that says what broke."""

import tempfile
from pathlib import Path

from poet import decisions as documents
from poet.check import CheckedModule
from poet.errors import ValidationError
from poet.policies import policy as spec_of
from poet.validate._report import Gate, ValidatedModule, ValidationReport
from poet.validate._sandbox import Job, Limits, run

__all__ = ["ContractBrokenError", "validate", "validate_file"]


class ContractBrokenError(ValidationError):
    """A candidate failed a gate; `report` has them all."""

    def __init__(self, report: ValidationReport) -> None:
        self.report = report
        broken = next(gate for gate in report.gates if not gate.passed)
        super().__init__(
            f"{report.policy}: the candidate fails {broken.name!r}:\n{broken.counterexample}\n"
            "Nothing was published; the active version stays."
        )


def validate(
    checked: CheckedModule, *, staging: Path, effort: int = 100, limits: Limits | None = None
) -> ValidatedModule:
    """Import the candidate in a sandbox and put it through its boundary table and its contract.

    Parameters
    ----------
    checked
        A module that kept its shape and its dialect.
    staging
        A folder that the sandbox may write to; made where it is missing, emptied afterwards.
    effort
        Hypothesis examples a property.
    limits
        What the candidate may use up.

    Raises
    ------
    ContractBrokenError
        It failed a gate.
    """
    decisions = checked.rendered.decisions
    source = checked.rendered.source
    report = _tried(
        decisions.policy, source, documents.encode(decisions), staging, effort, limits or Limits()
    )
    if not report.passed:
        raise ContractBrokenError(report)
    return ValidatedModule(checked, report)


def validate_file(
    policy: str, path: Path, *, staging: Path, effort: int = 100, limits: Limits | None = None
) -> ValidationReport:
    """Put any module through the contract of a policy, and give the report, passed or not.

    Raises
    ------
    ValidationError
        The file cannot be read.
    """
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValidationError(f"{path} cannot be read: {error}; give a Python module") from error
    return _tried(policy, source, None, staging, effort, limits or Limits())


def _tried(
    policy: str, source: str, decisions: bytes | None, staging: Path, effort: int, limits: Limits
) -> ValidationReport:
    spec = spec_of(policy)
    staging.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=staging, prefix=f"{policy}-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        candidate = folder / f"candidate_{policy}.py"
        candidate.write_text(source, encoding="utf-8")
        job = Job(
            policy=policy,
            contract=spec.contract,
            path=str(candidate),
            decisions=decisions,
            effort=effort,
            limits=limits,
        )
        gates: tuple[Gate, ...] = run(job, folder)
    return ValidationReport(policy=policy, gates=gates)
