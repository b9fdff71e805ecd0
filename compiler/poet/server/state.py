"""The state that handlers share, created once per server.

- Settings of the server.
- Rate limits: one token bucket per caller.
- Request metrics in Prometheus' text format.
- Group commit: events of many requests go into few commits, and a request is answered when its events are on
  disk.
- Browser sessions in memory, and the form tokens that keep out the forms of other sites.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import time
from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from poet.events import Event
from poet.log import FeedbackLog
from poet.server.proposals import Proposals, Worker
from poet.server.tokens import Tokens
from poet.workspace.compile_lock import NewFeedback
from poet.workspace.inbox import Inbox
from poet.workspace.workspace import Workspace
from poet_runtime.errors import ServeError

LEAST_SECRET: Final = 16  # bytes


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate limit: requests per second on average, and the burst size."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of `poet serve`.

    `public_url` is the address of the server behind a proxy; if it uses https, cookies are limited to https.
    `webhooks` contains the secrets of signing senders by name.
    """

    host: str = "127.0.0.1"
    port: int = 8484
    public_url: str = ""
    slack_secret: bytes = b""
    webhooks: dict[str, bytes] = field(default_factory=dict)
    body_limit: int = 4 * 1024 * 1024
    body_patience_s: float = 10.0  # maximum time to receive a request body
    machines: Rate = Rate(500.0, 1000.0)  # per token, or per address if there are no tokens
    people: Rate = Rate(20.0, 60.0)
    failed_logins: Rate = Rate(1.0, 10.0)  # per address: requests that failed authentication

    @property
    def is_local(self) -> bool:
        """Return whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_https(self) -> bool:
        """Return whether people use https."""
        return self.public_url.startswith("https://")

    @property
    def hosts(self) -> frozenset[str]:
        """Return the host names of the server, without ports."""
        own = {"localhost", "127.0.0.1", "[::1]", self.host if ":" not in self.host else f"[{self.host}]"}
        public = urlsplit(self.public_url).hostname if self.public_url else None
        return frozenset(own | ({public} if public else set()))


def read_secret(path: Path) -> bytes:
    """Read a secret from a file; ignore trailing white space.

    Raises
    ------
    ServeError
        The file cannot be read, or the secret is too short.
    """
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ServeError(
            f"{path} cannot be read ({error.strerror}); pass a file that contains the secret"
        ) from error
    if len(secret) < LEAST_SECRET:
        raise ServeError(f"{path} contains {len(secret)} bytes; a secret needs at least {LEAST_SECRET}")
    return secret


REMEMBERED_CALLERS: Final = 10_000  # most recent callers; a dropped caller starts with a full bucket


class RateLimiter:
    """One token bucket per caller."""

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # permits left, at that time

    def take(self, who: str, *, permits: float = 1.0) -> float:
        """Take permits; return 0, or the seconds until there are enough."""
        left = self._left(who)
        if left < permits:
            return (permits - left) / self._rate.per_second
        self._buckets[who] = (left - permits, self._clock())
        self._buckets.move_to_end(who)
        while len(self._buckets) > REMEMBERED_CALLERS:
            self._buckets.popitem(last=False)
        return 0.0

    def wait(self, who: str) -> float:
        """Return the seconds until there is a permit, without taking one."""
        return max(0.0, (1.0 - self._left(who)) / self._rate.per_second)

    def _left(self, who: str) -> float:
        left, at = self._buckets.get(who, (self._rate.burst, self._clock()))
        return min(self._rate.burst, left + (self._clock() - at) * self._rate.per_second)


BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
Sample = tuple[str, Mapping[str, str], float]


class RequestMetrics:
    """Counts of requests by route and status, and their durations."""

    def __init__(self) -> None:
        self._answered: Counter[tuple[str, str, int]] = Counter()
        self._within: Counter[tuple[str, int]] = Counter()  # by route and index of the bound
        self._seconds: Counter[str] = Counter()

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._answered[method, route, status] += 1
        self._within[route, bisect_left(BOUNDS_S, seconds)] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]  # a Counter adds floats as well

    def requests(self) -> Iterator[Sample]:
        """Return the counts of requests."""
        for (method, route, status), count in sorted(self._answered.items()):
            yield "poet_http_requests_total", {"method": method, "route": route, "status": str(status)}, count

    def durations(self) -> Iterator[Sample]:
        """Return the histogram of durations."""
        name = "poet_http_request_duration_seconds"
        for route in sorted(self._seconds):
            total = 0
            for place, bound in enumerate((*map(str, BOUNDS_S), "+Inf")):
                total += self._within[route, place]
                yield f"{name}_bucket", {"route": route, "le": bound}, total
            yield f"{name}_sum", {"route": route}, self._seconds[route]
            yield f"{name}_count", {"route": route}, total


def exposition(families: Iterable[tuple[str, str, str, Iterable[Sample]]]) -> str:
    """Write families of samples (name, type, help) in the text format 0.0.4."""
    lines: list[str] = []
    for name, kind, says, samples in families:
        lines += [f"# HELP {name} {says}", f"# TYPE {name} {kind}"]
        for sample, labels, value in samples:
            named = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
            lines.append(f"{sample}{{{named}}} {value:.12g}" if named else f"{sample} {value:.12g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


CAPACITY: Final = 20_000  # events that wait for a commit; requests above it must retry


class QueueFull(Exception):  # noqa: N818 -- not a fault: the sender retries
    """The buffer of events that wait for the disk is full."""


class GroupCommit:
    """Group commit: events that arrive during a commit go into the next one."""

    def __init__(self, log: FeedbackLog) -> None:
        self._log = log
        self._waiting: list[tuple[Sequence[Event], asyncio.Future[None]]] = []
        self._size = 0
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="poet-group-commit")
        self.accepted = 0  # events acknowledged as durable
        self.commits = 0

    async def append(self, events: Sequence[Event]) -> None:
        """Block until the events are on disk.

        Raises
        ------
        LogError
            They are not on disk. The log keeps them and retries; sending them again is harmless.
        QueueFull
            The buffer is full.
        """
        if not events:
            return
        if self._size + len(events) > CAPACITY:
            raise QueueFull
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((events, done))
        self._size += len(events)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        await asyncio.shield(done)

    async def close(self) -> None:
        """Block until no events wait."""
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            events = [event for brought, _ in group for event in brought]
            problem: Exception | None = None
            try:
                await loop.run_in_executor(self._thread, self._commit, events)
            except Exception as error:  # noqa: BLE001 -- raised in every waiting request
                problem = error
            self._size -= len(events)
            self.commits += 1
            self.accepted += 0 if problem else len(events)
            for _, done in group:
                if done.done():
                    continue
                if problem is None:
                    done.set_result(None)
                else:
                    done.set_exception(problem)

    def _commit(self, events: list[Event]) -> None:
        self._log.append(events, durable=True)


COOKIE: Final = "poet_session"
LASTS_S: Final = 12 * 3600.0
REMEMBERED_SESSIONS: Final = 1000


class Sessions:
    """Sessions by the digest of their cookie; a restart ends all of them."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._open: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def begin(self, token_id: str) -> str:
        """Start a session for the holder of a token; return the cookie."""
        cookie = secrets.token_urlsafe(32)
        self._open[_digest(cookie)] = (token_id, self._clock() + LASTS_S)
        while len(self._open) > REMEMBERED_SESSIONS:
            self._open.popitem(last=False)
        return cookie

    def token_of(self, cookie: str) -> str | None:
        """Return the token id of a session; None if the session has ended."""
        found = self._open.get(_digest(cookie))
        if found is None:
            return None
        token_id, ends = found
        if self._clock() >= ends:
            self.end(cookie)
            return None
        return token_id

    def end(self, cookie: str) -> None:
        """End a session."""
        self._open.pop(_digest(cookie), None)

    def form_token(self, cookie: str) -> str:
        """Return the form token of this session."""
        return hmac.new(self._key, cookie.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def is_form_token(self, cookie: str, said: str) -> bool:
        """Return whether a form comes from a page of this session."""
        return hmac.compare_digest(self.form_token(cookie).encode(), said.encode("utf-8", "replace"))


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()


class State:
    """The state of a server for one workspace."""

    def __init__(self, folder: Path, settings: Settings, *, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.workspace = Workspace.open(folder, clock=clock)
        self.path = self.workspace.path
        self.log = self.workspace.log
        self.tokens = Tokens(self.path / "feedback_log")
        self.sessions = Sessions(clock=clock)
        self.group_commit = GroupCommit(self.log)
        self.inbox = Inbox(self.log)
        self.feedback = NewFeedback(self.path, self.log)
        self.proposals = Proposals(self.path)
        self.worker = Worker(self.path)
        self.machines = RateLimiter(settings.machines)
        self.people = RateLimiter(settings.people)
        self.failed_logins = RateLimiter(settings.failed_logins)
        self.request_metrics = RequestMetrics()
        self._had_tokens = not settings.is_local

    @property
    def needs_tokens(self) -> bool:
        """Return whether a token is required: always once one existed, even if all are revoked."""
        self._had_tokens = bool(self.tokens.all()) or self._had_tokens
        return self._had_tokens

    async def close(self) -> None:
        """Write pending events, terminate the running job and close the workspace."""
        await self.group_commit.close()
        self.worker.close()
        self.workspace.close()
