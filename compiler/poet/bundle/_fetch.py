"""Bytes from a path or by HTTP: bounded in size and time, and never from anywhere else."""

import http.client
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from poet.bundle._envelope import LARGEST
from poet.errors import BundleError

__all__ = ["Fetched", "fetch", "is_url"]

TIMEOUT_S = 30.0
_CHUNK = 2**16
_LONGEST_ETAG = 200
_SCHEME = re.compile(r"[a-z]+:|[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: the bytes, or None where the source says that nothing changed."""

    content: bytes | None
    etag: str = ""


def fetch(source: str | Path, *, etag: str = "", timeout_s: float = TIMEOUT_S) -> Fetched:
    """Read a path, or ask a URL for what differs from `etag`.

    Raises
    ------
    BundleError
        It cannot be reached, takes longer than `timeout_s` in all, is too large, or is not of a kind that
        is asked for at all.
    """
    if is_url(source):
        return _asked(str(source), etag, timeout_s)
    return Fetched(_read(Path(source)))


def is_url(source: str | Path) -> bool:
    """Tell a URL from a path.

    Raises
    ------
    BundleError
        It is a URL of another scheme than http and https.
    """
    found = None if isinstance(source, Path) else _SCHEME.match(source)
    if found is None:
        return False
    if found[0].rstrip(":/").lower() not in ("http", "https"):
        raise BundleError(f"{source} is neither a path nor an http or https address; give one of these")
    return True


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise BundleError(f"{path} is no file; name the file that `poet bundle` wrote")
    try:
        with path.open("rb") as file:
            return _bounded(file.read(LARGEST + 1), str(path))
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}); see to the path") from error


def _asked(url: str, etag: str, timeout_s: float) -> Fetched:
    end = time.monotonic() + timeout_s
    try:
        # Not `Request(…)` of any scheme: what opens it below knows http and https alone.
        request = urllib.request.Request(url, headers={"If-None-Match": etag} if etag else {})  # noqa: S310
        with _opener().open(request, timeout=timeout_s) as response:
            if response.status != http.HTTPStatus.OK:
                raise BundleError(f"{url} answers {response.status}, expected 200; see to the server")
            return Fetched(_streamed(response, url, end), _etag(response.headers.get("ETag", "")))
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.NOT_MODIFIED and etag:
                return Fetched(None, etag)
            raise BundleError(f"{url} answers {error.code} {error.reason}; see to the server") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise BundleError(f"{url} cannot be reached ({reason}); see to the address and the server") from error


def _opener() -> urllib.request.OpenerDirector:
    """Give an opener that knows http and https and nothing else: no file, ftp or data."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows http to http or https, and https to https."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            raise BundleError(f"{req.full_url} redirects to {newurl:.200}; only http to https is followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _streamed(response: Any, url: str, end: float) -> bytes:
    promised = response.headers.get("Content-Length", "")
    if promised.isdecimal() and int(promised[:20]) > LARGEST:
        raise BundleError(
            f"{url} offers {promised[:20]} bytes, a bundle has at most {LARGEST}; refused unread"
        )
    chunks: list[bytes] = []
    left = LARGEST + 1
    while left > 0 and (chunk := response.read1(min(left, _CHUNK))):
        chunks.append(chunk)
        left -= len(chunk)
        if time.monotonic() > end:
            raise BundleError(f"{url} was not read in time; see to the server and the network")
    return _bounded(b"".join(chunks), url)


def _bounded(content: bytes, source: str) -> bytes:
    if len(content) > LARGEST:
        raise BundleError(f"{source} has more than {LARGEST} bytes, which no bundle has; refused")
    return content


def _etag(text: str) -> str:
    """Give an entity tag as it may stand in a request's head, or none."""
    is_plain = len(text) <= _LONGEST_ETAG and text.isascii() and text.isprintable()
    return text if is_plain else ""
