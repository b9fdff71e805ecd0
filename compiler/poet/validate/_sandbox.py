"""Run a candidate where it can do no harm: another process, limited, watched, thrown away afterwards."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from poet.validate._report import Gate

__all__ = ["Job", "Limits", "run"]

KEPT = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "SYSTEMROOT")  # which kernels numpy may use


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate may use up."""

    wall_s: float = 180.0
    cpu_s: int = 150
    memory_bytes: int = 3 << 30
    file_bytes: int = 16 << 20


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker is asked to do."""

    policy: str
    contract: str  # the module with the policy's properties
    path: str
    decisions: bytes | None
    effort: int
    limits: Limits


def run(job: Job, staging: Path) -> tuple[Gate, ...]:
    """Run all gates in a process of their own.

    A crash, a time-out, a refused resource or an answer that makes no sense is a gate that failed.
    """
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {
        "HOME": str(staging),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "poet.validate._worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=staging,
        env=environment,
        start_new_session=True,
    )
    try:
        answer, errors = process.communicate(msgspec.json.encode(job), timeout=job.limits.wall_s)
    except subprocess.TimeoutExpired:
        return (_failed(f"did not come back within {job.limits.wall_s:g} s"),)
    finally:
        _end(process)
    try:
        return msgspec.json.decode(answer, type=tuple[Gate, ...])
    except msgspec.DecodeError:
        tail = errors.decode(errors="replace").strip().splitlines()[-1:]
        how = _how_it_ended(process.returncode)
        return (_failed(f"{how}{': ' + tail[0] if tail else ''}"),)


def _failed(why: str) -> Gate:
    return Gate(name="sandbox", passed=False, counterexample=why)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"the process ended with status {code} and no report"
    name = signal.Signals(-code).name
    return {"SIGXCPU": "used up its CPU time", "SIGKILL": "used up its CPU time or memory"}.get(
        name, f"the process died of {name}"
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the whole group, children of the candidate included."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
