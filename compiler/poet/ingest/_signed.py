"""Signatures over a request's time and body: Slack's v0, and POET's own for everything else.

Both are HMAC-SHA256 with a secret that both sides know. What is older or newer than five minutes is refused,
so that a request which somebody recorded is of no use for long; within that time the ids of events make it
harmless.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

from poet.errors import IngestError

__all__ = ["Signature", "read_signature", "require_slack", "sign"]

WINDOW_S = 300.0
_DIGITS = re.compile(r"[0-9]{1,12}")


class Signature(NamedTuple):
    """A signature that was found good: when it was made, and the digest that names its request."""

    timestamp: str
    digest: str

    def event_id(self, number: int) -> str:
        """Name the n-th event of the request, the same whenever the request comes again."""
        return f"signed-{self.digest[:32]}-{number}"


def sign(secret: bytes, timestamp: str, body: bytes) -> str:
    """Give the header ``X-Poet-Signature`` of a request."""
    return f"v1={_digest(secret, timestamp.encode() + b'.' + body)}"


def read_signature(headers: Mapping[str, str], body: bytes, secret: bytes, *, now: float) -> Signature:
    """Verify a request signed by `sign`.

    Raises
    ------
    IngestError
        The signature is missing, wrong, or not of now.
    """
    timestamp = _timestamp(headers, "x-poet-timestamp", now)
    expected = sign(secret, timestamp, body)
    _require_equal(headers, "x-poet-signature", expected)
    return Signature(timestamp, expected.removeprefix("v1="))


def require_slack(headers: Mapping[str, str], body: bytes, secret: bytes, *, now: float) -> None:
    """Verify a request that Slack signed.

    Raises
    ------
    IngestError
        The signature is missing, wrong, or not of now.
    """
    timestamp = _timestamp(headers, "x-slack-request-timestamp", now)
    expected = f"v0={_digest(secret, b'v0:' + timestamp.encode() + b':' + body)}"
    _require_equal(headers, "x-slack-signature", expected)


def _timestamp(headers: Mapping[str, str], name: str, now: float) -> str:
    stated = headers.get(name, "")
    if _DIGITS.fullmatch(stated) is None:
        raise IngestError(where=f"header {name}", expected="seconds since 1970", got=ascii(stated[:80]))
    if abs(now - float(stated)) > WINDOW_S:
        raise IngestError(
            where=f"header {name}",
            expected=f"a time within {WINDOW_S:.0f} s of the server's clock",
            got=f"{float(stated) - now:+.0f} s",
        )
    return stated


def _require_equal(headers: Mapping[str, str], name: str, expected: str) -> None:
    stated = headers.get(name, "").encode("utf-8", "replace")
    if not hmac.compare_digest(stated, expected.encode()):
        raise IngestError(
            where=f"header {name}",
            expected="the signature of this body with the secret that both sides know",
            got="another one" if stated else "nothing",
        )


def _digest(secret: bytes, message: bytes) -> str:
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
