"""How fast `poet serve` acknowledges events, and that none is lost: 200 requests a second for 60 s.

In the middle the server is killed with SIGKILL and started again on the same port. Clients do what clients
do: they send again, with the same id, what was not answered. Afterwards every event that was acknowledged is
looked for in the log. Latency is from when a request was due, so that a queue counts; requests that met the
restart are counted apart.

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
    """What was asked and answered."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.free: list[Connection] = []
        self.acknowledged: list[str] = []
        self.answered: list[tuple[float, float]] = []  # when it was due, how long it took
        self.again = 0  # times that something was sent again
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
        """Give the status of an answer; 0 where none came."""
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
    """Start the server; gives its address once it answers."""
    command = [*POET, "--workspace", str(folder), "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None
    return process, found[0]


async def load(run: Run, rate: float, seconds: float) -> None:
    """Send at an even pace, whatever comes back."""
    began, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(run.send(number, due)))
    await asyncio.gather(*tasks)


async def kill_and_restart(
    folder: Path, server: list[subprocess.Popen[str]], port: int, after: float
) -> tuple[float, float]:
    """Kill the server without a word, and start it again; gives when it was gone and when it was back."""
    await asyncio.sleep(after)
    server[0].send_signal(signal.SIGKILL)
    server[0].wait()
    gone = time.perf_counter()
    server[0], _ = await asyncio.to_thread(start, folder, port)
    return gone, time.perf_counter()


async def main(rate: float, seconds: float, *, is_killed: bool) -> bool:
    """Run it; gives whether everything held."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = first_workspace(Path(temporary) / "shop")
        process, address = start(folder, 0)
        server, port = [process], int(address.rpartition(":")[2])
        run, gone, back = Run(port), 0.0, 0.0
        killing = kill_and_restart(folder, server, port, seconds / 2) if is_killed else None
        try:
            told, *_ = await asyncio.gather(killing or asyncio.sleep(0), load(run, rate, seconds))
            gone, back = told or (0.0, 0.0)
        finally:
            server[0].send_signal(signal.SIGINT)
            server[0].wait(20)
        with open_log(folder / "feedback_log") as log:
            held = {stored.event.id for stored in log.read()}
    lost = set(run.acknowledged) - held
    drained = max((due + took for due, took in run.answered if due < back), default=0.0)
    steady = [took for due, took in run.answered if due + took < gone or due > drained]
    p50, p99, most = quantiles(steady)
    print(f"{len(run.acknowledged)} requests at {rate:g} a second, {len(lost)} acknowledged events lost")
    print(f"with a server: {len(steady)} of them, p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {most:.1f} ms")
    if is_killed:
        print(f"killed once, {back - gone:.1f} s without a server; sent again: {run.again} times")
        print(f"what had waited was answered within {drained - back:.1f} s")
    print(f"{run.refused} answers were refusals")
    return not lost and p99 <= 50.0


def quantiles(seconds: list[float]) -> tuple[float, float, float]:
    """Give median, 99th percentile and maximum in milliseconds."""
    ordered = sorted(1000 * each for each in seconds)
    return ordered[len(ordered) // 2], ordered[int(0.99 * (len(ordered) - 1))], ordered[-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--no-kill", action="store_true")
    asked = parser.parse_args()
    sys.exit(0 if asyncio.run(main(asked.rate, asked.seconds, is_killed=not asked.no_kill)) else 1)
