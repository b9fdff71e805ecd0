"""Run a candidate where it can do no harm: another process, limited, watched, thrown away afterwards."""

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

KEPT: Final = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "SYSTEMROOT")  # which kernels numpy may use


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate may use up."""

    wall_s: float = 400.0
    cpu_s: int = 300
    call_cpu_s: float = 10.0  # its import, or one call
    memory_bytes: int = 3 << 30
    file_bytes: int = 16 << 20


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker is asked to do."""

    policy: str
    decisions: bytes | None
    effort: int
    limits: Limits
    contract: str = ""  # the module with the policy's properties
    behaviour: str = ""  # the module that says how two versions are compared; empty: nobody does
    imports: tuple[str, ...] = ()  # packages that this policy may import beside those of every policy
    folders: tuple[str, ...] = ()  # where contract and packages are, on the path of whoever asks
    path: str = ""
    kept: tuple[Counterexample, ...] = ()
    mutants: tuple[Mutant, ...] = ()
    champion: str = ""  # the source of the version in force, for the budget; empty: there is none
    password: str = ""  # an answer without it is not the worker's


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker answers."""

    password: str
    gates: tuple[Gate, ...]
    found: tuple[Counterexample, ...] = ()
    strength: Strength | None = None


def run(job: Job, staging: Path) -> Answer:
    """Run all gates in a process of their own.

    A crash, a time-out, a refused resource or an answer that makes no sense is a gate that failed.
    """
    job = msgspec.structs.replace(job, password=secrets.token_hex(16))
    # files, for a pipe takes into memory whatever a candidate writes and stays open with its children
    with tempfile.TemporaryFile(dir=staging) as said, tempfile.TemporaryFile(dir=staging) as complaints:
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-m", "poet.build.worker"],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=complaints,
            cwd=staging,
            env=_environment(staging),
            start_new_session=True,  # Windows ignores it
        )
        try:
            process.communicate(msgspec.json.encode(job), timeout=job.limits.wall_s)
        except subprocess.TimeoutExpired:
            return _failed(f"did not come back within {job.limits.wall_s:g} s")
        finally:
            _end(process)
        said.seek(0)
        complaints.seek(0)
        return _understood(said.read(), job.password, process.returncode, complaints.read())


def _environment(staging: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {
        "HOME": str(staging),
        "USERPROFILE": str(staging),  # the same on Windows
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _understood(said: bytes, password: str, code: int, complaints: bytes) -> Answer:
    try:
        answer = msgspec.json.decode(said, type=Answer)
    except msgspec.DecodeError:
        tail = complaints[-4096:].decode(errors="replace").strip().splitlines()[-1:]
        return _failed(f"{_how_it_ended(code)}{': ' + tail[0] if tail else ''}")
    return answer if answer.password == password else _failed("it gave an answer of its own")


def _failed(why: str) -> Answer:
    return Answer(password="", gates=(Gate(name="sandbox", passed=False, counterexample=why),))


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"the process ended with status {code} and no report"
    name = signal.Signals(-code).name
    return {"SIGXCPU": "used up its CPU time", "SIGKILL": "used up its CPU time or memory"}.get(
        name, f"the process died of {name}"
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, and on POSIX its whole group, children of the candidate included."""
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
