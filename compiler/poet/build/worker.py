"""The worker process: it imports a candidate, runs its gates, and writes the results.

The budget gate compares the time and memory of a call with those of the active version in the same run, so
that the result does not depend on the machine.
"""

import ast
import importlib
import importlib.util
import inspect
import os
import re
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import hypothesis
import hypothesis.configuration
import msgspec
import numpy as np
import scipy.special
from hypothesis import HealthCheck, Phase, reproduce_failure, settings
from hypothesis.errors import DidNotReproduce
from hypothesis.internal.conjecture import providers

from poet.build import kernel_sandbox
from poet.build.audit import Guard, TooLongError, limit, within
from poet.build.contract import Contract, ContractViolation, WorkloadCase, has_children, literal_values
from poet.build.counterexamples import Counterexample
from poet.build.gates import Gate, Strength
from poet.build.mutants import strength_of
from poet.build.probes import loaded
from poet.build.sandbox import Job, JobResult
from poet.spec import decisions as documents
from poet_runtime import drift

_PACKAGES: Final = tuple(f"{Path(each).parents[1]}{os.sep}" for each in (drift.__file__, __file__))
_is_local_file: Final[Callable[[str], bool]] = vars(providers)["is_local_module_file"]  # not exported


def _is_candidate_file(path: str) -> bool:
    """Return whether Hypothesis should try the constants of a file: those of the candidate, not of POET.

    Hypothesis inspects every module outside ``site-packages``. In a checkout it would try thousands of
    constants of the compiler, and in an installed package none, so that the same contract would test
    different inputs.
    """
    return not path.startswith(_PACKAGES) and _is_local_file(path)


setattr(providers, "is_local_module_file", _is_candidate_file)  # noqa: B010 -- it is not exported


ROUNDS: Final = 3  # the fastest counts, because disturbances only ever lengthen a measurement
TIMES, EXTRA_S = 10.0, 0.05  # limits: multiple of the champion's time, plus a constant
MEMORY_TIMES, EXTRA_BYTES = 4.0, 32 << 20


def within_budget(
    candidate: Callable[..., Any],
    champion: Callable[..., Any] | None,
    workloads: Iterable[WorkloadCase],
    *,
    call_s: float,
) -> int:
    """Compare both functions on large workloads, and return the number of calls of the candidate.

    Raises
    ------
    ContractViolation
        The candidate takes more than ten times as long as the champion, or four times its memory.
    """
    calls = 0
    for workload in workloads:
        own = _cost(candidate, workload, call_s)
        calls += ROUNDS + 1
        if champion is None:
            continue
        other = _cost(champion, workload, call_s)
        if own.seconds > TIMES * other.seconds + EXTRA_S:
            raise ContractViolation(
                f"{workload.name}: takes more than {TIMES:g} times as long as the active version"
            )
        if own.peak > MEMORY_TIMES * other.peak + EXTRA_BYTES:
            raise ContractViolation(
                f"{workload.name}: takes more than {MEMORY_TIMES:g} times the memory of the active version"
            )
    return calls


class _Cost:
    """The time of the fastest call, in seconds, and the peak of memory allocated by Python, in bytes."""

    def __init__(self, seconds: float, peak: int) -> None:
        self.seconds, self.peak = seconds, peak


def _cost(function: Callable[..., Any], workload: WorkloadCase, call_s: float) -> _Cost:
    seconds = []
    for _ in range(ROUNDS):
        arguments, keywords = workload.make()
        started = time.perf_counter()
        with within(call_s):
            function(*arguments, **keywords)
        seconds.append(time.perf_counter() - started)
    arguments, keywords = workload.make()
    tracemalloc.start()
    try:
        function(*arguments, **keywords)
        return _Cost(min(seconds), tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


MUTANT_EFFORT: Final = 25  # examples per property
LONGEST: Final = 2000  # characters of a counterexample
BLOB: Final = re.compile(r"\n*You can reproduce .*@reproduce_failure\('([^']+)', b'([^']*)'\).*")
TRUSTED: Final = ("numpy", "scipy", "statsmodels", "poet_runtime")  # allowed for every policy
_IMPORTED: Final = (np, scipy.special, drift)  # imported before the guard is registered


def main() -> None:
    """Read a job from standard input and write the result to standard output."""
    result_file = os.dup(1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # output of the candidate must not pass for a result
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    staging = Path(job.path).parent
    hypothesis.configuration.set_hypothesis_home_dir(staging / ".hypothesis")
    sys.path += [folder for folder in job.folders if folder not in sys.path]  # because -I ignores PYTHONPATH
    contract = importlib.import_module(job.contract)
    trial = Trial(job, contract.CONTRACT)
    may_fork = contract.CONTRACT.may_fork
    guard = Guard(staging, readable=[Path(str(contract.__file__)).parent], may_fork=may_fork)
    _import_trusted(Path(job.path), (*TRUSTED, *job.imports))
    limit(job.limits)
    kernel_sandbox.restrict_process(staging, may_fork=may_fork)
    guard.watch()
    gates = list(trial.gates())
    tried = list(dict.fromkeys(guard.tried))
    if threading.active_count() > 1:
        tried.append("to leave a thread running")
    if has_children():
        tried.append("to leave a process running")
    if tried:
        message = f"it tried: {'; '.join(tried)}"[:LONGEST]
        gates.append(Gate(name="sandbox", passed=False, counterexample=message))
    strength = trial.strength() if all(gate.passed for gate in gates) else None
    if strength is not None:
        gates.append(_of_strength(strength, is_compared=bool(job.behaviour)))
    result = JobResult(
        password=job.password,
        gates=tuple(gates),
        counterexamples=tuple(trial.counterexamples),
        strength=strength,
    )
    os.write(result_file, msgspec.json.encode(result))
    os._exit(0)  # neither waits for threads nor runs handlers of the candidate


def _of_strength(strength: Strength, *, is_compared: bool) -> Gate:
    """Return a gate that fails if a mutant survives.

    Without a comparison it passes, because a survivor cannot be distinguished from an equivalent mutant.
    """
    survivors = "\n".join(strength.survivors)[:LONGEST] if is_compared else ""
    message = f"the contract accepts these mutants:\n{survivors}" if survivors else ""
    return Gate(name="mutants", passed=not survivors, examples=strength.mutants, counterexample=message)


def _import_trusted(candidate: Path, packages: tuple[str, ...]) -> None:
    """Import the libraries of a policy before anything is refused, because some read settings at import."""
    with suppress(SyntaxError):  # reported by the import gate
        for node in ast.walk(ast.parse(candidate.read_bytes())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                if any(f"{name}.".startswith(f"{package}.") for package in packages):
                    with suppress(ImportError):  # reported by the import gate
                        importlib.import_module(name)


class Trial:
    """The validation of one candidate."""

    def __init__(self, job: Job, contract: Contract) -> None:
        self.counterexamples: list[Counterexample] = []
        self._job = job
        self._contract = contract
        self._behaviour = importlib.import_module(job.behaviour).BEHAVIOUR if job.behaviour else None
        self._decisions = None if job.decisions is None else documents.decode(job.decisions)

    def gates(self) -> Iterator[Gate]:
        """Yield the results of the gates, cheap ones first, up to the first failure."""
        for name, attempt in self._attempts():
            try:
                yield Gate(name=name.replace("_", " "), passed=True, examples=attempt())
            except BaseException as error:  # noqa: BLE001 -- any error violates the contract
                yield Gate(
                    name=name.replace("_", " "), passed=False, counterexample=self._message(name, error)
                )
                return

    def strength(self) -> Strength | None:
        """Return the result of running every mutant through the gates, or None without mutants."""
        if not self._job.mutants:
            return None
        return strength_of(
            Path(self._job.path).read_text(encoding="utf-8"),
            self._job.mutants,
            partial(self._gates_of, effort=min(self._job.effort, MUTANT_EFFORT)),
            self._behaviour,
        )

    def _attempts(self) -> Iterator[tuple[str, Callable[[], int]]]:
        modules: list[ModuleType] = []
        yield "import", lambda: self._import_into(modules)
        (module,) = modules
        source = Path(self._job.path).read_text(encoding="utf-8")
        first, *rest = self._gates_of(module, source, effort=self._job.effort)
        yield first
        if self._job.counterexamples:
            yield "stored counterexamples", lambda: self._replay(module)
        yield from rest
        yield "budget", lambda: self._within_budget(module)

    def _gates_of(
        self, module: ModuleType, source: str, *, effort: int
    ) -> Iterator[tuple[str, Callable[[], int]]]:
        """Yield the gates that a module of this policy must pass, cheap ones first."""
        policy = _Counted(module, self._job.policy, source, self._job.limits.call_cpu_s)
        yield "signature", lambda: self._has_its_signature(module)
        decisions = self._decisions
        if decisions is not None:
            yield "boundary table", lambda: self._contract.boundary_table(module, decisions)
        for prove in self._contract.properties:
            yield prove.__name__, lambda prove=prove: self._search(policy, prove, effort)  # type: ignore[misc]

    def _has_its_signature(self, module: ModuleType) -> int:
        """Check the signature of the candidate, without types, and the version that it declares."""
        signature = inspect.signature(getattr(module, self._job.policy))
        parameters = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
        bare = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
        required = self._contract.signature
        if required and str(bare) != required:
            raise ContractViolation(f"the signature is {self._job.policy}{bare}, expected {required}")
        decisions, version = self._decisions, getattr(module, "VERSION", None)
        if decisions is not None and (type(version) is not int or version != decisions.version):
            raise ContractViolation(
                f"VERSION is {version!r}, expected {decisions.version} as in its decisions"
            )
        return 0

    def _within_budget(self, module: ModuleType) -> int:
        function = getattr(module, self._job.policy)
        champion = loaded(self._job.champion, "champion") if self._job.champion else None
        return within_budget(
            function,
            getattr(champion, self._job.policy, None),
            self._contract.workloads,
            call_s=self._job.limits.call_cpu_s,
        )

    def _import_into(self, modules: list[ModuleType]) -> int:
        """Import the candidate from its file, so that Hypothesis can find its constants."""
        name = Path(self._job.path).stem
        found = importlib.util.spec_from_file_location(name, self._job.path)
        assert found is not None  # noqa: S101 -- a path that ends in .py
        assert found.loader is not None  # noqa: S101
        module = importlib.util.module_from_spec(found)
        sys.modules[name] = module
        with within(self._job.limits.call_cpu_s):
            found.loader.exec_module(module)
        if not callable(getattr(module, self._job.policy, None)):
            raise ContractViolation(f"it has no function {self._job.policy}")
        modules.append(module)
        return 0

    def _replay(self, module: ModuleType) -> int:
        """Replay stored counterexamples, except blobs of other Hypothesis versions."""
        source = Path(self._job.path).read_text(encoding="utf-8")
        policy = _Counted(module, self._job.policy, source, self._job.limits.call_cpu_s)
        properties = {prove.__name__: prove for prove in self._contract.properties}
        names = self._contract.former_names
        mine = [
            (each, gate)
            for each in self._job.counterexamples
            if each.hypothesis == hypothesis.__version__
            and (gate := names.get(each.gate, each.gate)) in properties
        ]
        for each, gate in mine:
            proof = self._proof(policy, properties[gate], self._job.effort)
            try:
                reproduce_failure(each.hypothesis, each.blob.encode())(proof)()
            except DidNotReproduce:
                continue
            except Exception as error:
                raise ContractViolation(
                    f"{gate.replace('_', ' ')}: {_what(error)}\npreviously: {each.message}"
                ) from error
        return len(mine)

    def _search(self, policy: "_Counted", prove: Callable[..., Any], effort: int) -> int:
        before = policy.calls
        self._proof(policy, prove, effort)()
        return policy.calls - before

    def _proof(
        self, policy: Callable[..., Any], prove: Callable[..., Any], effort: int
    ) -> Callable[[], None]:
        takes_decisions = len(inspect.signature(prove).parameters) > 1
        proof: Callable[[], None] = prove(policy, self._decisions) if takes_decisions else prove(policy)
        return settings(
            max_examples=effort,
            derandomize=True,
            database=None,
            deadline=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType]  # an enum with a metaclass
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
        )(proof)

    def _message(self, gate: str, error: BaseException) -> str:
        """Return the error message, and store the shrunk input."""
        message = "\n".join([_what(error), *getattr(error, "__notes__", ())])
        shown = BLOB.sub("", message)[:LONGEST]
        if (blob := BLOB.search(message)) and gate != "stored counterexamples":
            version, data = blob.groups()
            self.counterexamples.append(
                Counterexample(
                    policy=self._job.policy, gate=gate, message=shown, hypothesis=version, blob=data
                )
            )
        return shown


def _what(error: BaseException) -> str:
    return str(error) if isinstance(error, ContractViolation) else f"{type(error).__name__}: {error}"


class _Counted:
    """The function of the candidate, with a call counter and a CPU time limit per call."""

    def __init__(self, module: ModuleType, name: str, source: str, cpu_s: float) -> None:
        self.calls = 0
        self.literals = literal_values(source)
        self._module = module
        self._name = name
        self._cpu_s = cpu_s
        self.__signature__ = inspect.signature(getattr(module, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the candidate."""
        self.calls += 1
        try:
            with within(self._cpu_s):
                return getattr(self._module, self._name)(*args, **kwargs)
        except TooLongError as error:
            given = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
            raise TooLongError(f"{self._name}({', '.join(given)}) {error}") from None


if __name__ == "__main__":
    main()
