"""Validate a checked module, so that it may be published, or raise an error with the failed gate."""

import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from poet.build.counterexamples import load, save
from poet.build.gates import ValidatedModule, ValidationReport
from poet.build.sandbox import Job, Limits, run
from poet.spec import PolicySpec
from poet.spec import decisions as documents
from poet.spec import policy as spec_of
from poet_runtime.errors import ValidationError

if TYPE_CHECKING:
    from poet.build.check import CheckedModule


THOROUGH: Final = 20  # examples per property from which on mutants are tested as well


class ContractBrokenError(ValidationError):
    """A candidate failed a gate; `report` contains all gates that were tried."""

    def __init__(self, report: ValidationReport) -> None:
        self.report = report
        failed = next(gate for gate in report.gates if not gate.passed)
        super().__init__(
            f"{report.policy}: the candidate fails {failed.name!r}:\n{failed.counterexample}\n"
            "Nothing was published; the active version stays."
        )


def validate(
    checked: "CheckedModule",
    *,
    staging: Path,
    effort: int = 100,
    limits: Limits | None = None,
    counterexamples: Path | None = None,
    champion: str = "",
) -> ValidatedModule:
    """Run the candidate in a sandbox and check its boundary table and its contract.

    Parameters
    ----------
    checked
        A module that passed `poet.build.check.check`.
    staging
        A folder that the sandbox may write to; created if missing, emptied afterwards.
    effort
        Hypothesis examples per property. Below 20, no mutants are tested.
    limits
        Resource limits of the candidate.
    counterexamples
        A folder of inputs on which earlier candidates failed. They are replayed first,
        and new ones are added.
    champion
        The source of the active version, with which time and memory are compared; empty if there is none.

    Raises
    ------
    ContractBrokenError
        The candidate failed a gate.
    """
    from poet.build.mutants import mutants  # noqa: PLC0415 -- libcst, which no worker needs

    decisions = checked.rendered.decisions
    source = checked.rendered.source
    job = Job(
        policy=decisions.policy,
        decisions=documents.encode(decisions),
        effort=effort,
        limits=limits or Limits(),
        mutants=mutants(source) if effort >= THOROUGH else (),
        champion=champion,
    )
    report = _run_gates(job, source, staging, counterexamples)
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
    """Check any module against the contract of a policy, and return the report even if a gate failed.

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
    return _run_gates(job, source, staging, counterexamples)


def _run_gates(job: Job, source: str, staging: Path, counterexamples: Path | None) -> ValidationReport:
    spec = spec_of(job.policy)
    known = load(counterexamples, job.policy) if counterexamples else ()
    staging.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=staging, prefix=f"{job.policy}-", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name).resolve()
        candidate = folder / f"candidate_{job.policy}.py"
        candidate.write_text(source, encoding="utf-8")
        job = msgspec.structs.replace(
            job,
            contract=spec.contract,
            behaviour=spec.behaviour or "",
            imports=spec.imports,
            folders=_folders(spec),
            path=str(candidate),
            counterexamples=known,
        )
        result = run(job, folder)
    if counterexamples:
        save(counterexamples, result.counterexamples)
    return ValidationReport(policy=job.policy, gates=result.gates, strength=result.strength)


def _folders(spec: PolicySpec) -> tuple[str, ...]:
    """Return the folders of the packages that the sandbox needs, because it does not read PYTHONPATH."""
    found: dict[str, None] = {}
    for name in (spec.contract, *filter(None, [spec.behaviour]), *spec.imports):
        package = importlib.util.find_spec(name.partition(".")[0])
        if package is None:
            raise ValidationError(f"{spec.name}: there is no {name}; install it, or correct the PolicySpec")
        places = package.submodule_search_locations or [package.origin or ""]
        found |= {str(Path(place).resolve().parent): None for place in places}
    return tuple(found)
