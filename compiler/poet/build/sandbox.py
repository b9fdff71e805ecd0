"""Run a candidate in a separate process that is resource-limited, audited and ended afterwards."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from poet.build.counterexamples import Counterexample
from poet.build.gates import Gate, Mutant, Strength

KEPT_VARIABLES: Final = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "SYSTEMROOT")  # numpy's kernels, Windows


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Resource limits of a candidate: seconds and bytes."""

    wall_s: float = 400.0
    cpu_s: int = 300
    call_cpu_s: float = 10.0  # for its import or one call
    memory_bytes: int = 3 << 30
    file_bytes: int = 16 << 20


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The task of a worker process."""

    policy: str
    decisions: bytes | None
    effort: int
    limits: Limits
    contract: str = ""  # module with the properties of the policy
    behaviour: str = ""  # module that defines how versions are compared; may be empty
    imports: tuple[str, ...] = ()  # packages allowed in addition to those of every policy
    folders: tuple[str, ...] = ()  # folders of contract and packages on the caller's path
    path: str = ""
    counterexamples: tuple[Counterexample, ...] = ()  # of earlier candidates, to be replayed
    mutants: tuple[Mutant, ...] = ()
    champion: str = ""  # source of the active version, for the budget; empty if there is none
    password: str = ""  # proves that a result is from the worker


class JobResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a worker process."""

    password: str
    gates: tuple[Gate, ...]
    counterexamples: tuple[Counterexample, ...] = ()  # new ones
    strength: Strength | None = None


def run(job: Job, staging: Path) -> JobResult:
    """Run all gates in a separate process and return their results.

    A crash, a timeout, a refused resource or an invalid result is reported as a failed gate.
    """
    job = msgspec.structs.replace(job, password=secrets.token_hex(16))
    # Files, not pipes: a pipe would buffer all output in memory and stay open in child processes.
    with tempfile.TemporaryFile(dir=staging) as output, tempfile.TemporaryFile(dir=staging) as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-m", "poet.build.worker"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            cwd=staging,
            env=_environment(staging),
            start_new_session=True,  # Windows ignores it
        )
        try:
            process.communicate(msgspec.json.encode(job), timeout=job.limits.wall_s)
        except subprocess.TimeoutExpired:
            return _failed(f"did not finish within {job.limits.wall_s:g} s")
        finally:
            _end(process)
        output.seek(0)
        errors.seek(0)
        return _parsed(output.read(), job.password, process.returncode, errors.read())


def _environment(staging: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return kept | {
        "HOME": str(staging),
        "USERPROFILE": str(staging),  # the home folder on Windows
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _parsed(output: bytes, password: str, code: int, errors: bytes) -> JobResult:
    try:
        result = msgspec.json.decode(output, type=JobResult)
    except msgspec.DecodeError:
        tail = errors[-4096:].decode(errors="replace").strip().splitlines()[-1:]
        return _failed(f"{_how_it_ended(code)}{': ' + tail[0] if tail else ''}")
    return result if result.password == password else _failed("the candidate forged a result")


def _failed(why: str) -> JobResult:
    return JobResult(password="", gates=(Gate(name="sandbox", passed=False, counterexample=why),))


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"the process ended with status {code} and no report"
    name = signal.Signals(-code).name
    return {"SIGXCPU": "used up its CPU time", "SIGKILL": "used up its CPU time or memory"}.get(
        name, f"the process died of {name}"
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, and on POSIX its whole group including children of the candidate."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        return
    finally:
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
