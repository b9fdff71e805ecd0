"""How a server was started."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from poet.errors import ServeError

__all__ = ["Rate", "Settings", "read_secret"]

LEAST_SECRET = 16  # bytes


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second on average, so many at once."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Settings:
    """What `poet serve` was told.

    `public_url` is where people see the server behind a proxy; cookies are for https alone where it is https.
    `webhooks` are the secrets of those who sign, by name.
    """

    host: str = "127.0.0.1"
    port: int = 8484
    public_url: str = ""
    slack_secret: bytes = b""
    webhooks: dict[str, bytes] = field(default_factory=dict)
    body_limit: int = 4 * 1024 * 1024
    body_patience_s: float = 10.0  # until a request's body has come
    machines: Rate = Rate(500.0, 1000.0)  # each token, or each address where there are no tokens
    people: Rate = Rate(20.0, 60.0)
    strangers: Rate = Rate(1.0, 10.0)  # each address: requests that were refused for who sent them

    @property
    def is_local(self) -> bool:
        """Whether this machine alone can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_https(self) -> bool:
        """Whether people come by https."""
        return self.public_url.startswith("https://")

    @property
    def hosts(self) -> frozenset[str]:
        """The names, without ports, by which the server is asked for."""
        own = {"localhost", "127.0.0.1", "[::1]", self.host if ":" not in self.host else f"[{self.host}]"}
        public = urlsplit(self.public_url).hostname if self.public_url else None
        return frozenset(own | ({public} if public else set()))


def read_secret(path: Path) -> bytes:
    """Read a secret from a file; white space at its end does not count.

    Raises
    ------
    ServeError
        It cannot be read, or is too short to be a secret.
    """
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ServeError(
            f"{path} cannot be read ({error.strerror}); name a file that holds the secret"
        ) from error
    if len(secret) < LEAST_SECRET:
        raise ServeError(f"{path} holds {len(secret)} bytes; a secret has at least {LEAST_SECRET}")
    return secret
