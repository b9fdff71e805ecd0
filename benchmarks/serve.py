"""Latency and durability of `poet serve`: 200 requests per second for 60 s.

Halfway through, the server is killed with SIGKILL and started again on the same port. Clients repeat
unanswered requests with the same id. Afterwards the log must contain every acknowledged event. Latency counts
from the time at which a request was due, so queueing is included. Requests during the restart are counted
separately.

    python benchmarks/serve.py [--seconds 60] [--rate 200] [--no-kill]
"""

import argparse
import asyncio
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks.history import record  # noqa: E402
from benchmarks.results import machine  # noqa: E402
from poet.log import open_log  # noqa: E402
from tests.workspaces import first_workspace  # noqa: E402

POET = [sys.executable, "-P", "-c", "from poet.cli import main; main()"]
HEAD = (
    b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
RETRY_S = 0.1
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Run:
    """Requests and responses of one run."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.free: list[Connection] = []
        self.acknowledged: list[str] = []
        self.answered: list[tuple[float, float]] = []  # due time and latency
        self.again = 0  # number of repeated requests
        self.refused = 0

    async def send(self, number: int, due: float) -> None:
        """Send one event until it is acknowledged."""
        identity = f"bench-{number}"
        data = {"execution_id": f"x{number}", "was_real_drift": number % 2 == 0, "feature": f"f{number % 50}"}
        event = {
            "specversion": "1.0",
            "id": identity,
            "source": "bench",
            "type": "drift.validation",
            "data": data,
        }
        body = msgspec.json.encode(event)
        while (status := await self._try(HEAD % len(body) + body)) != 200:
            self.again += 1
            self.refused += status > 0
            await asyncio.sleep(RETRY_S)
        self.acknowledged.append(identity)
        self.answered.append((due, time.perf_counter() - due))

    async def _try(self, request: bytes) -> int:
        """Return the status of a response; 0 without a response."""
        try:
            streams = self.free.pop() if self.free else await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = streams
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
        except (OSError, asyncio.IncompleteReadError):
            return 0
        self.free.append(streams)
        return int(head.split(b" ", 2)[1])


def start(folder: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    """Start the server, and return its address once it answers."""
    command = [*POET, "--workspace", str(folder), "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None
    return process, found[0]


async def load(run: Run, rate: float, seconds: float) -> None:
    """Send requests at a constant rate, independent of the responses."""
    began, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(run.send(number, due)))
    await asyncio.gather(*tasks)


async def kill_and_restart(
    folder: Path, server: list[subprocess.Popen[str]], port: int, after: float
) -> tuple[float, float]:
    """Kill the server and start it again; return the times at which it was gone and back."""
    await asyncio.sleep(after)
    server[0].send_signal(signal.SIGKILL)
    server[0].wait()
    gone = time.perf_counter()
    server[0], _ = await asyncio.to_thread(start, folder, port)
    return gone, time.perf_counter()


async def main(rate: float, seconds: float, *, is_killed: bool, is_saved: bool) -> bool:
    """Run the benchmark, and return whether all events were stored in time."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = first_workspace(Path(temporary) / "shop")
        process, address = start(folder, 0)
        server, port = [process], int(address.rpartition(":")[2])
        run, gone, back = Run(port), 0.0, 0.0
        killing = kill_and_restart(folder, server, port, seconds / 2) if is_killed else None
        try:
            times, *_ = await asyncio.gather(killing or asyncio.sleep(0), load(run, rate, seconds))
            gone, back = times or (0.0, 0.0)
        finally:
            server[0].send_signal(signal.SIGINT)
            server[0].wait(20)
        with open_log(folder / "feedback_log") as log:
            stored_ids = {stored.event.id for stored in log.read()}
    lost = set(run.acknowledged) - stored_ids
    drained = max((due + took for due, took in run.answered if due < back), default=0.0)
    steady = [took for due, took in run.answered if due + took < gone or due > drained]
    p50, p99, most = quantiles(steady)
    print(f"{len(run.acknowledged)} requests at {rate:g} a second, {len(lost)} acknowledged events lost")
    print(f"outside the restart: {len(steady)}, p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {most:.1f} ms")
    if is_killed:
        print(f"killed once, {back - gone:.1f} s without a server; repeated requests: {run.again}")
        print(f"waiting requests were answered within {drained - back:.1f} s")
    print(f"{run.refused} requests were rejected")
    if is_saved:
        figures = {"p50 (ms)": p50, "p99 (ms)": p99, "acknowledged events lost": len(lost)}
        record("serve", figures, machine=machine())
    return not lost and p99 <= 50.0


def quantiles(seconds: list[float]) -> tuple[float, float, float]:
    """Return median, 99th percentile and maximum in milliseconds."""
    ordered = sorted(1000 * each for each in seconds)
    return ordered[len(ordered) // 2], ordered[int(0.99 * (len(ordered) - 1))], ordered[-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument(
        "--save", action="store_true", help="add the figures to benchmarks/results/history.jsonl"
    )
    options = parser.parse_args()
    is_good = asyncio.run(
        main(options.rate, options.seconds, is_killed=not options.no_kill, is_saved=options.save)
    )
    sys.exit(0 if is_good else 1)
