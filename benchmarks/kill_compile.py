"""Kill a compile at each of its system calls that change the disk, and check what is left.

    python benchmarks/kill_compile.py                 # every call; 15 minutes
    python benchmarks/kill_compile.py --every 5       # every fifth call of a kind
    python benchmarks/kill_compile.py --calls fsync,rename

Needs ``strace``. The k-th call of each kind (write, rename, ...) is not executed: the process gets SIGKILL
instead, and its children are ended. Calls are counted in the thread that compiles and publishes. Afterwards
the registry must name the old version or the new one, that version must answer, every listed file must match
its manifest, and no feedback may be missing. Every fifth time the compile is run again. It must then publish
the new version and leave no unlisted file. The exit status is 1 if a check fails.
"""

import argparse
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from poet import Workspace
from poet_runtime.registry import Registry, read_document
from tests.workspaces import first_workspace

POLICY = "calculate_adaptive_window"
CALLS = "write,pwrite64,rename,renameat,renameat2,unlink,unlinkat,fsync,fdatasync,ftruncate,mkdir,link"
COMPILE = f"import sys; from poet import Workspace; Workspace.open(sys.argv[1]).compile(['{POLICY}'])"
ENDS_WELL_EVERY = 5
LEFT_BEHIND = "is not in registry.json: remove it, or publish it"
LONGEST_S = 300.0


def make_workspace(folder: Path) -> int:
    """Create a workspace whose feedback leads to a version 2, and return its number of events."""
    with Workspace.open(first_workspace(folder)) as workspace:
        rng = np.random.default_rng(1)
        for k in range(240):
            window = int(rng.choice((500, 2_000, 5_000, 10_000)))
            hours = (0.2 + window / 1_000.0) * float(rng.lognormal(0.0, 0.3))
            at = 1.7e9 + 14_400.0 * k
            workspace.emit(
                "drift.detection_delay",
                {
                    "actual_drift_start": at - 3600.0 * hours,
                    "detected_at": at,
                    "window_size_used": window,
                    "data_velocity": 8_000.0,
                    "feature": "revenue",
                },
                source=f"user/{k % 3}",
                time=at,
            )
        workspace.flush()
        return workspace.log.position()


def killed(folder: Path, call: str, k: int) -> bool:
    """Return whether a compile finished before the k-th call of a kind, at which it is killed."""
    command = ["strace", "-qq", "-o", os.devnull, "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:signal=KILL:when={k}", sys.executable, "-c", COMPILE, str(folder)]
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return process.wait(LONGEST_S) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def faults(folder: Path, events: int, *, again: bool) -> Iterator[str]:
    """Yield the faults of a workspace in which a compile was killed."""
    active = read_document(folder / "generated").active(POLICY)
    if active not in (1, 2):
        yield f"the active version is {active}"
    if not isinstance(Registry(folder / "generated").policy(POLICY)("revenue", 8_000.0, "normal"), int):
        yield "the active version does not answer"
    with Workspace.open(folder) as workspace:
        for each in workspace.check():
            if each.says != LEFT_BEHIND:  # unlisted files: the next compile removes them
                yield f"a file does not match its manifest: {each}"
        if workspace.log.position() != events:
            yield f"{workspace.log.position()} of {events} events are left"
        if again:
            workspace.compile([POLICY])
            if read_document(folder / "generated").active(POLICY) != 2:
                yield "the next compile does not end with the new version"
            yield from (f"after the next compile: {each}" for each in workspace.check())


def main(arguments: Sequence[str]) -> int:
    """Print how often each version was left active, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1, help="only every n-th call of a kind")
    parser.add_argument("--calls", default=CALLS, help="names of system calls, separated by commas")
    options = parser.parse_args(arguments)
    if shutil.which("strace") is None:
        print("strace is not installed: nothing was measured")
        return 0
    left: Counter[int] = Counter()
    kinds: dict[str, int] = {}
    n_faults = 0
    with tempfile.TemporaryDirectory() as root:
        origin = Path(root) / "origin"
        events = make_workspace(origin)
        for call in options.calls.split(","):
            for k in itertools.count(1, options.every):
                folder = Path(shutil.copytree(origin, Path(root) / "killed"))
                if ended := killed(folder, call, k):
                    kinds[call] = k - 1
                left[read_document(folder / "generated").active(POLICY) or 0] += 1
                found = list(faults(folder, events, again=sum(left.values()) % ENDS_WELL_EVERY == 0))
                n_faults += len(found)
                for each in found:
                    print(f"killed at {call} {k}: {each}", flush=True)
                shutil.rmtree(folder)
                if ended:
                    break
    outcomes = ", ".join(f"version {version} active {count} times" for version, count in sorted(left.items()))
    print(
        f"{sum(left.values())} compiles, killed at every {options.every}. of "
        f"{', '.join(f'{n} {call}' for call, n in kinds.items() if n)}: {outcomes}; {n_faults} faults"
    )
    return int(n_faults > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
