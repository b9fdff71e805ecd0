"""The one verb: a checked module becomes one that may be published, or an error that says what broke."""

import tempfile
from pathlib import Path

import msgspec

from poet import decisions as documents
from poet.check import CheckedModule
from poet.errors import ValidationError
from poet.policies import policy as spec_of
from poet.validate._kept import keep, load
from poet.validate._report import ValidatedModule, ValidationReport
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
    checked: CheckedModule,
    *,
    staging: Path,
    effort: int = 100,
    limits: Limits | None = None,
    counterexamples: Path | None = None,
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
    counterexamples
        A folder of inputs on which earlier candidates failed: tried first, and added to.

    Raises
    ------
    ContractBrokenError
        It failed a gate.
    """
    decisions = checked.rendered.decisions
    source = checked.rendered.source
    job = Job(
        policy=decisions.policy,
        decisions=documents.encode(decisions),
        effort=effort,
        limits=limits or Limits(),
    )
    report = _tried(job, source, staging, counterexamples)
    if not report.passed:
        raise ContractBrokenError(report)
    return ValidatedModule(checked, report)


def validate_file(
    policy: str,
    path: Path,
    *,
    staging: Path,
    effort: int = 100,
    limits: Limits | None = None,
    counterexamples: Path | None = None,
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
    job = Job(policy=policy, decisions=None, effort=effort, limits=limits or Limits())
    return _tried(job, source, staging, counterexamples)


def _tried(job: Job, source: str, staging: Path, counterexamples: Path | None) -> ValidationReport:
    contract = spec_of(job.policy).contract
    kept = load(counterexamples, job.policy) if counterexamples else ()
    staging.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=staging, prefix=f"{job.policy}-", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name).resolve()
        candidate = folder / f"candidate_{job.policy}.py"
        candidate.write_text(source, encoding="utf-8")
        job = msgspec.structs.replace(job, contract=contract, path=str(candidate), kept=kept)
        answer = run(job, folder)
    if counterexamples:
        keep(counterexamples, answer.found)
    return ValidationReport(policy=job.policy, gates=answer.gates)
