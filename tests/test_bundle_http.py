"""Tests of bundles over HTTP: entity tags, and servers that are down, lie, redirect or never end."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from poet.distribute import pull, state
from poet_runtime.errors import BundleError
from poet_runtime.registry import Registry
from tests.bundles import Publisher, key, publisher
from tests.modules import WINDOW

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A local server with scripted answers, which records the requests."""

    def __init__(self) -> None:
        self.answer: Answer = offers(b"")
        self.requests: list[dict[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append({name.lower(): value for name, value in self.headers.items()})
                server.answer(self)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/bundle"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Stop the server and its thread."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def offers(content: bytes, *, etag: str = "") -> Answer:
    """Answer with these bytes, or with 304 if the client has them."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        if etag and request.headers.get("If-None-Match") == etag:
            request.send_response(304)
            request.end_headers()
            return
        request.send_response(200)
        if etag:
            request.send_header("ETag", etag)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


def status_only(status: int, **headers: str) -> Answer:
    """Answer with a status and headers, without content."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()

    return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Run a server for one test."""
    monkeypatch.setenv("no_proxy", "*")
    made = Server()
    yield made
    made.close()


@pytest.fixture
def there(tmp_path: Path) -> Publisher:
    """Create a workspace with one version."""
    return publisher(tmp_path / "there", 1)


def test_an_unchanged_bundle_is_not_sent_again(tmp_path: Path, server: Server, there: Publisher) -> None:
    """The entity tag is stored next to the bundle, also for the next process."""
    server.answer = offers(there.bundle(), etag='"one"')
    assert pull(server.url, tmp_path / "here", [key().public]).is_new
    again = pull(server.url, tmp_path / "here", [key().public])
    assert (again.is_new, again.active) == (False, {WINDOW: 1})
    assert [request.get("if-none-match") for request in server.requests] == [None, '"one"']
    there.publish(2)
    server.answer = offers(there.bundle(), etag='"two"')
    assert pull(server.url, tmp_path / "here", [key().public]).active == {WINDOW: 2}
    pull(server.url, tmp_path / "here", [key().public])
    assert server.requests[-1]["if-none-match"] == '"two"'


def test_a_requirement_is_checked_if_nothing_changed(
    tmp_path: Path, server: Server, there: Publisher
) -> None:
    """A 304 answer does not bypass the check."""
    server.answer = offers(there.bundle(), etag='"one"')
    pull(server.url, tmp_path / "here", [key().public])
    with pytest.raises(BundleError, match="version 2 is required"):
        pull(server.url, tmp_path / "here", [key().public], require={WINDOW: 2})


def test_a_tag_belongs_to_its_source_bundle_and_keys(
    tmp_path: Path, server: Server, there: Publisher
) -> None:
    """The whole bundle is requested from another source, or if its key is not trusted."""
    content = there.bundle()
    server.answer = offers(content, etag='"one"')
    pull(server.url, tmp_path / "here", [key(1).public])
    pull(server.url + "?other", tmp_path / "here", [key(1).public])
    with pytest.raises(BundleError, match="trusted are"):
        pull(server.url + "?other", tmp_path / "here", [key(2).public])
    assert [request.get("if-none-match") for request in server.requests] == [None, None, None]


def test_an_unexpected_304_is_refused(tmp_path: Path, server: Server) -> None:
    """A server cannot make a client accept an empty folder."""
    server.answer = status_only(304)
    with pytest.raises(BundleError, match="answers 304"):
        pull(server.url, tmp_path / "here", [key().public])


def test_a_tag_that_is_not_a_valid_header_is_ignored(
    tmp_path: Path, server: Server, there: Publisher
) -> None:
    """The tag is too long or not printable ASCII."""
    for tag in ('"' + "x" * 300 + '"', '"caf\xe9"'):
        server.answer = offers(there.bundle(), etag=tag)
        pull(server.url, tmp_path / "here", [key().public])
        pull(server.url, tmp_path / "here", [key().public])
    assert all("if-none-match" not in request for request in server.requests)


def fails(tmp_path: Path, source: str, match: str, *, timeout_s: float = 5.0) -> None:
    """Pull; the pull must fail with this reason, store it, and leave version 1 active."""
    with pytest.raises(BundleError, match=match):
        pull(source, tmp_path / "here", [key().public], timeout_s=timeout_s)
    assert Registry(tmp_path / "here").policy(WINDOW)("age", 10.0, "normal") == 5000
    assert state(tmp_path / "here").refused


@pytest.fixture
def serving(tmp_path: Path, server: Server, there: Publisher) -> Server:
    """Pull version 1, then serve a bundle that is invalid or not newer."""
    server.answer = offers(there.bundle())
    pull(server.url, tmp_path / "here", [key().public])
    return server


def test_a_server_that_is_down_changes_nothing(tmp_path: Path, server: Server, there: Publisher) -> None:
    """The answers continue, and the reason is stored."""
    server.answer = offers(there.bundle())
    pull(server.url, tmp_path / "here", [key().public])
    fails(tmp_path, "http://127.0.0.1:1/bundle", "cannot be reached")
    fails(tmp_path, "http://no-such-host.invalid/bundle", "cannot be reached")
    fails(tmp_path, "http://", "cannot be reached")
    fails(tmp_path, "http://127.0.0.1:port/", "cannot be reached")


@pytest.mark.parametrize("status", [201, 204, 206, 400, 401, 403, 404, 500, 503])
def test_other_status_codes_are_named(tmp_path: Path, serving: Server, status: int) -> None:
    """Neither an error page nor partial content is a bundle."""
    serving.answer = status_only(status, Content_Length="0")
    fails(tmp_path, serving.url, f"answers {status}")


def test_other_content_is_refused(tmp_path: Path, serving: Server, there: Publisher) -> None:
    """The content is a web page, empty, or half a bundle."""
    serving.answer = offers(b"<html>please log in</html>")
    fails(tmp_path, serving.url, "this is not a bundle")
    serving.answer = offers(b"")
    fails(tmp_path, serving.url, "this is not a bundle")
    there.publish(2)
    serving.answer = offers(there.bundle()[:-1])
    fails(tmp_path, serving.url, "transfer it again")


def test_a_broken_connection_is_an_error(tmp_path: Path, serving: Server, there: Publisher) -> None:
    """Fewer bytes arrive than announced."""
    there.publish(2)
    content = there.bundle()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2])

    serving.answer = answer
    fails(tmp_path, serving.url, "transfer it again")


def test_an_oversized_answer_is_not_read(
    tmp_path: Path, serving: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The announced size counts, or the received bytes if none is announced."""
    monkeypatch.setattr("poet.distribute.fetch.LARGEST", 100_000)
    serving.answer = status_only(200, Content_Length=str(2**60))
    fails(tmp_path, serving.url, "offers 1152921504606846976 bytes")
    sent = 0

    def endless(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        request.end_headers()
        try:
            while sent < 2**28:
                sent += request.wfile.write(b"\0" * 65_536)
        except OSError:
            return

    serving.answer = endless
    fails(tmp_path, serving.url, "has more than 100000 bytes")
    assert sent < 2**26


def test_a_slow_stream_hits_the_deadline(tmp_path: Path, serving: Server) -> None:
    """Each byte arrives before its timeout, but the whole stream exceeds the deadline."""
    over = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while not over.wait(0.02):
                request.wfile.write(b"p")
        except OSError:
            return

    serving.answer = drip
    began = time.monotonic()
    fails(tmp_path, serving.url, "was not read in time", timeout_s=0.3)
    assert time.monotonic() - began < 5.0
    over.set()


def test_a_server_that_sends_nothing_hits_the_deadline(tmp_path: Path, serving: Server) -> None:
    """The server accepts the connection and sends nothing."""
    over = threading.Event()

    def wait(_request: BaseHTTPRequestHandler) -> None:
        over.wait(10.0)

    serving.answer = wait
    began = time.monotonic()
    fails(tmp_path, serving.url, "cannot be reached", timeout_s=0.3)
    assert time.monotonic() - began < 5.0
    over.set()


def test_redirects_lead_only_to_http(tmp_path: Path, serving: Server, there: Publisher) -> None:
    """Redirects to local files and circular redirects are refused."""
    there.publish(2)
    (tmp_path / "secret").write_bytes(there.bundle())
    for target in (f"file://{tmp_path}/secret", "ftp://127.0.0.1/bundle", "data:,poet", "gopher://x/"):
        serving.answer = status_only(302, Location=target)
        fails(tmp_path, serving.url, "[Rr]edirect")
    serving.answer = status_only(302, Location=serving.url)
    fails(tmp_path, serving.url, "infinite loop|answers 302")
    content, moved = there.bundle(), iter([status_only(302, Location=serving.url + "?moved")])
    serving.answer = lambda request: next(moved, offers(content))(request)  # noqa: PLW0108 -- `next` per request
    assert pull(serving.url, tmp_path / "here", [key().public]).active == {WINDOW: 2}


def test_a_redirect_from_https_to_http_is_refused() -> None:
    """Such a redirect would remove the encryption."""
    import urllib.request
    from email.message import Message
    from http.client import HTTPMessage
    from io import BytesIO

    from poet.distribute.fetch import _Redirects

    assert issubclass(HTTPMessage, Message)
    request = urllib.request.Request("https://a.invalid/bundle")
    with pytest.raises(BundleError, match="redirects may only change http to https"):
        _Redirects().redirect_request(request, BytesIO(), 302, "Found", HTTPMessage(), "http://a.invalid/")


@pytest.mark.parametrize(
    "source", ["file:///etc/passwd", "ftp://host/bundle", "data:,x", "FILE:/x", "s3://b/c"]
)
def test_other_schemes_are_refused_before_anything_happens(tmp_path: Path, source: str) -> None:
    """The folder is not created."""
    with pytest.raises(BundleError, match="neither a path nor an http or https address"):
        pull(source, tmp_path / "here", [key().public])
    assert not (tmp_path / "here").exists()
