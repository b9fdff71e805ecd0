"""The process in which a candidate is imported and exercised. Reads a job, writes its gates."""

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import hypothesis
import hypothesis.configuration
import msgspec
import numpy as np
import scipy.special
from hypothesis import HealthCheck, Phase, settings

from poet import decisions as documents
from poet.runtime import drift
from poet.validate._contract import Broken, Contract
from poet.validate._guard import Guard, limit
from poet.validate._report import Gate
from poet.validate._sandbox import Job

LONGEST = 2000  # characters of a counterexample
_IMPORTED = (np, scipy.special, drift)  # before the guard watches


def main() -> None:
    """Read a job from standard input, write its gates to standard output."""
    answer = os.dup(1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # what a candidate prints must not pass for an answer
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    staging = Path(job.path).parent
    hypothesis.configuration.set_hypothesis_home_dir(staging / ".hypothesis")
    contract: Contract = importlib.import_module(job.contract).CONTRACT
    decisions = None if job.decisions is None else documents.decode(job.decisions)
    limit(job.limits)
    guard = Guard(staging)
    guard.watch()
    gates = tuple(_gates(job, contract, decisions))
    guard.rest()
    if guard.tried:
        tried = "; ".join(dict.fromkeys(guard.tried))[:LONGEST]
        gates = (*gates, Gate(name="sandbox", passed=False, counterexample=f"it tried: {tried}"))
    os.write(answer, msgspec.json.encode(gates))


def _gates(job: Job, contract: Contract, decisions: documents.Decisions | None) -> Iterator[Gate]:
    """Try the gates, cheap ones first, up to the first that fails."""
    module = _imported(job)
    if isinstance(module, Gate):
        yield module
        return
    yield Gate(name="import", passed=True)
    if decisions is not None:
        yield (table := _gate("boundary table", lambda: contract.boundary_table(module, decisions)))
        if not table.passed:
            return
    for prove in contract.properties:
        gate = _gate(prove.__name__, _proof(prove, module, job, decisions))
        yield gate
        if not gate.passed:
            return


def _imported(job: Job) -> ModuleType | Gate:
    """Import the candidate from its file, so that Hypothesis finds its constants."""
    name = Path(job.path).stem
    found = importlib.util.spec_from_file_location(name, job.path)
    assert found is not None  # noqa: S101 -- a path that ends in .py
    assert found.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
        if not callable(getattr(module, job.policy, None)):
            return Gate(name="import", passed=False, counterexample=f"it has no function {job.policy}")
    except BaseException as error:  # noqa: BLE001 -- whatever it raises is the answer
        return Gate(name="import", passed=False, counterexample=_told(error))
    return module


def _proof(
    prove: Callable[..., object], module: ModuleType, job: Job, decisions: documents.Decisions | None
) -> Callable[[], int]:
    def run() -> int:
        count = 0

        def policy(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            return getattr(module, job.policy)(*args, **kwargs)

        policy.__signature__ = inspect.signature(getattr(module, job.policy))  # type: ignore[attr-defined]
        proof = prove(policy, decisions) if prove.__code__.co_argcount > 1 else prove(policy)
        assert callable(proof)  # noqa: S101 -- a property gives its test
        settings(
            max_examples=job.effort,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType]  # an enum with a metaclass
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
        )(proof)()
        return count

    return run


def _gate(name: str, run: Callable[[], int]) -> Gate:
    try:
        return Gate(name=name.replace("_", " "), passed=True, examples=run())
    except Exception as error:  # noqa: BLE001 -- whatever a candidate raises breaks its contract
        return Gate(name=name.replace("_", " "), passed=False, counterexample=_told(error))
    except BaseExceptionGroup as several:
        return Gate(name=name.replace("_", " "), passed=False, counterexample=_told(several.exceptions[0]))


def _told(error: BaseException) -> str:
    what = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
    return "\n".join([what, *getattr(error, "__notes__", ())])[:LONGEST]


if __name__ == "__main__":
    main()
