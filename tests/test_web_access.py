"""Tests of who may access the server: tokens, roles, sessions, rate limits and response headers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from poet.server.app import make_app, serve
from poet.server.state import Rate, Settings, read_secret
from poet.server.tokens import Tokens
from poet_runtime.errors import AccessError, ServeError
from tests.served import PAGE, SETTINGS, Served, envelope, execution, served
from tests.workspaces import first_workspace

PAGES = [
    "/",
    "/log",
    "/inbox",
    "/plans",
    "/versions",
    "/versions/detect_drift",
    "/versions/detect_drift/1",
    "/rules",
]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Served]:
    """Yield a client of a served workspace."""
    with served(tmp_path / "ws") as client:
        yield client


def test_a_token_is_stored_as_a_digest_in_a_private_file(tmp_path: Path) -> None:
    """Only the exact secret finds the token."""
    tokens = Tokens(tmp_path)
    secret, made = tokens.create("ana", "review", at="2026-01-01")
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    assert secret not in tokens.path.read_text()
    assert secret.removeprefix(f"poet_{made.id}_") not in tokens.path.read_text()
    assert tokens.find(secret) == made
    for wrong in ("", "poet_", secret[:-1], secret[:-1] + "!", secret.upper(), f"poet_{made.id}_{'a' * 43}"):
        assert tokens.find(wrong) is None


def test_token_names_are_unique_and_tokens_are_revoked_by_name(tmp_path: Path) -> None:
    """Invalid names, roles and token files raise an error."""
    tokens = Tokens(tmp_path)
    tokens.create("ana", "review", at="2026-01-01")
    for name, role in (("ana", "emit"), ("../ana", "emit"), ("", "emit"), ("bo", "root")):
        with pytest.raises(AccessError):
            tokens.create(name, role, at="2026-01-01")
    assert tokens.revoke("ana").name == "ana"
    with pytest.raises(AccessError, match="existing tokens: none"):
        tokens.revoke("ana")
    tokens.path.write_text("{}{")
    with pytest.raises(AccessError, match="not a token file"):
        tokens.all()


def test_a_role_has_only_its_own_permissions(client: Served) -> None:
    """The roles emit, review and operate differ in what they may emit and read."""
    headers = {role: client.token(role, role) for role in ("emit", "review", "operate")}
    statuses = {
        role: (
            client.post("/v1/events", json=envelope(), headers=shown).status_code,
            client.get("/metrics", headers=shown).status_code,
            client.get("/log", headers=shown | PAGE).status_code,
        )
        for role, shown in headers.items()
    }
    assert statuses == {"emit": (200, 403, 403), "review": (403, 200, 200), "operate": (200, 200, 200)}


def test_a_revoked_token_is_refused(client: Served) -> None:
    """The next request fails, and revoking the last token does not open the server."""
    shown = client.token("ci", "emit")
    assert client.post("/v1/events", json=envelope(), headers=shown).status_code == 200
    assert client.post("/v1/events", json=envelope()).status_code == 401
    Tokens(client.folder / "feedback_log").revoke("ci")
    assert client.post("/v1/events", json=envelope(), headers=shown).status_code == 401
    assert client.post("/v1/events", json=envelope()).status_code == 401
    assert client.get("/", headers=PAGE).headers["location"] == "/login?next=%2F"


def test_a_token_emits_only_for_its_sources(client: Served) -> None:
    """Its sources include every name that starts with one of them and a slash."""
    shown = client.token("shop", "emit", sources=("monitor/shop", "user/bo"))
    sources = {
        "monitor/shop": 200,
        "monitor/shop/eu": 200,
        "user/bo": 200,
        "user/ana": 403,
        "monitor/shopping": 403,
    }
    for number, (source, status) in enumerate(sources.items()):
        response = client.post("/v1/events", json=envelope(number, source=source), headers=shown)
        assert response.status_code == status, response.text
    assert [event.source for event in client.logged_events()] == [
        "monitor/shop",
        "monitor/shop/eu",
        "user/bo",
    ]


def test_a_browser_logs_in_and_out_with_a_token(client: Served) -> None:
    """The cookie does not contain the token, is hidden from scripts and is not sent by other sites."""
    shown = client.token("ana", "review")
    secret = shown["authorization"].removeprefix("Bearer ")
    wrong = client.post("/login", data={"token": "poet_00000000_" + "a" * 43, "next": "/log"})
    assert (wrong.status_code, client.get("/log", headers=PAGE).status_code) == (401, 303)
    response = client.post("/login", data={"token": secret, "next": "/log"})
    cookie = response.headers["set-cookie"]
    assert response.headers["location"] == "/log"
    assert secret not in cookie
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert "ana · review" in client.get("/log", headers=PAGE).text
    assert client.post("/v1/events", json=envelope()).status_code == 401  # cookies are for pages
    assert client.post("/logout", data={"form_token": client.form_token("/")}).status_code == 303
    assert client.get("/log", headers=PAGE).status_code == 303


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_login_redirects_only_to_own_pages(client: Served, target: str) -> None:
    """A target that is not a path of this server becomes the overview."""
    secret = client.token("ana", "review")["authorization"].removeprefix("Bearer ")
    response = client.post("/login", data={"token": secret, "next": target})
    assert response.headers["location"] == "/"


def test_a_form_is_accepted_only_from_its_own_page(client: Served) -> None:
    """It needs the session's form token, this origin and the content type of a form."""
    client.post("/v1/events", json=execution(1))
    token, answer = client.form_token(), {"label": "real"}
    assert token
    for data, headers in (
        (answer, {}),
        (answer | {"form_token": "0" * 64}, {}),
        (answer | {"form_token": token}, {"origin": "https://evil.example"}),
        (answer | {"form_token": token}, {"origin": "null"}),
        (answer | {"form_token": token}, {"sec-fetch-site": "cross-site"}),
        (answer | {"form_token": token}, {"sec-fetch-site": "same-site"}),
    ):
        assert client.post("/executions/1", data=data, headers=headers).status_code == 403
    json = client.post("/executions/1", json=answer | {"form_token": token})
    assert json.status_code == 415
    assert len(client.logged_events()) == 1
    good = client.post(
        "/executions/1", data=answer | {"form_token": token}, headers={"origin": "http://localhost"}
    )
    assert (good.status_code, len(client.logged_events())) == (303, 2)


def test_another_site_cannot_emit_through_a_browser_on_this_machine(client: Served) -> None:
    """A server without tokens refuses foreign origins and foreign host names that resolve to it."""
    rebound = client.post("/v1/events", json=envelope(), headers={"host": "evil.example"})
    crossed = client.post("/v1/events", json=envelope(), headers={"origin": "https://evil.example"})
    assert (rebound.status_code, crossed.status_code, client.logged_events()) == (421, 403, [])


@pytest.mark.parametrize("address", PAGES)
def test_every_page_has_a_strict_content_security_policy(client: Served, address: str) -> None:
    """Scripts and styles come only from the package, never inline, and framing is forbidden."""
    client.post("/v1/events", json=execution(1))
    response = client.get(address, headers=PAGE)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (
        re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src=\"/static/)|javascript:", response.text)
        is None
    )
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


def test_hostile_text_is_escaped(client: Served) -> None:
    """Every page escapes the event fields and query parameters that it shows."""
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 12345679 * 9 }}' OR 1=1 --"
    client.post("/v1/events", json=execution(1, execution_id=hostile, feature=hostile, test=hostile))
    client.post("/v1/events", json=envelope(1, source=hostile, id=hostile, subject=hostile))
    client.post(
        "/v1/events",
        json=envelope(2, type="drift.false_positive", data={"execution_id": hostile, "reason": hostile[:40]}),
    )
    for address in ("/log", "/log/2", "/inbox", "/executions/1", f"/log?text={hostile}&source={hostile}"):
        text = client.get(address, headers=PAGE).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "111111111" not in text


@pytest.mark.parametrize(
    "address",
    [
        "/versions/..%2f..%2fpoet",
        "/versions/detect_drift/..%2f1",
        "/versions/detect_drift/99",
        "/versions/detect_drift/1e3",
        "/plans/..%2f..%2fpoet.toml",
        "/plans/00000000-0000-0000-0000-000000000000",
        "/rules/detect_drift/1/nothing",
        "/static/..%2f_app.py",
        "/static/%00",
        "/log/0",
        "/log/999999999999999999999",
        "/log/named?id=nothing",
        "/executions/1",
        "/nothing",
    ],
)
def test_an_unknown_address_is_a_client_error(client: Served, address: str) -> None:
    """Browsers get a page and programs get a problem document; it is never a server error."""
    for accept in ("text/html", "*/*"):
        response = client.get(address, headers={"accept": accept})
        assert 400 <= response.status_code < 500
        assert ("<h1>" in response.text) == (accept == "text/html")


def test_frequent_requests_are_limited(tmp_path: Path) -> None:
    """The limits apply to programs, to people and to addresses that try tokens."""
    slow = Settings(machines=Rate(0.001, 2), people=Rate(0.001, 2), failed_logins=Rate(0.001, 2))
    with served(tmp_path / "ws", slow) as client:
        emitted = [client.post("/v1/events", json=envelope(n)).status_code for n in range(3)]
        assert (emitted, len(client.logged_events())) == ([200, 200, 429], 2)
        read = [client.get("/", headers=PAGE) for _ in range(3)]
        assert [response.status_code for response in read] == [200, 200, 429]
        assert int(read[-1].headers["retry-after"]) > 0
        shown = client.token("ci", "emit")
        wrong = [
            client.post("/v1/events", headers={"authorization": "Bearer x"}).status_code for _ in range(3)
        ]
        assert wrong == [401, 401, 429]
        assert client.post("/v1/events", json=envelope(9), headers=shown).status_code == 429  # same address


def test_a_public_address_requires_a_token(tmp_path: Path) -> None:
    """An address that is not available raises an error, too."""
    folder = first_workspace(tmp_path / "ws")
    with pytest.raises(ServeError, match="token create"):
        serve(folder, Settings(host="0.0.0.0", port=0), started=print)  # noqa: S104 -- what is refused
    Tokens(folder / "feedback_log").create("ana", "operate", at="2026-01-01")
    with pytest.raises(ServeError, match="is not available"):
        serve(folder, Settings(host="192.0.2.1", port=0), started=print)


def test_a_public_server_without_tokens_refuses_every_request(tmp_path: Path) -> None:
    """Authentication is required even if the last token is revoked while the server runs."""
    wide = Settings(host="0.0.0.0")  # noqa: S104 -- no socket is opened here
    with served(tmp_path / "ws", wide) as client:
        assert client.post("/v1/events", json=envelope()).status_code == 401
        assert client.get("/", headers=PAGE).status_code == 303


def test_cookies_are_secure_behind_https(tmp_path: Path) -> None:
    """Browsers also get a Strict-Transport-Security header."""
    settings = Settings(public_url="https://poet.example")
    with served(tmp_path / "ws", settings) as client:
        response = client.get("/", headers=PAGE | {"host": "poet.example"})
        assert "Secure" in response.headers["set-cookie"]
        assert response.headers["strict-transport-security"]


def test_a_short_or_missing_secret_is_refused(tmp_path: Path) -> None:
    """A secret needs enough characters and a readable file."""
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "good").write_text("0123456789abcdef\n")
    assert read_secret(tmp_path / "good") == b"0123456789abcdef"
    for name in ("short", "missing"):
        with pytest.raises(ServeError):
            read_secret(tmp_path / name)


def test_a_damaged_token_file_refuses_every_request(client: Served) -> None:
    """Requests fail with and without a token, and the answer does not reveal the path."""
    shown = client.token("ana", "operate")
    (client.folder / "feedback_log" / "access.json").write_text("{")
    for headers in ({}, shown):
        response = client.post("/v1/events", json=envelope(), headers=headers)
        assert (response.status_code, client.logged_events()) == (503, [])
        assert str(client.folder) not in response.text


def test_health_and_readiness_need_no_token(client: Served) -> None:
    """A damaged registry makes the server not ready."""
    client.token("ana", "operate")
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready"}
    registry = client.folder / "generated" / "registry.json"
    registry.write_text("{")
    response = client.get("/ready")
    assert (response.status_code, response.json()["status"]) == (503, "not ready")


def test_metrics_count_requests_events_and_versions(client: Served) -> None:
    """The output has the text format of Prometheus."""
    client.post("/v1/events", json=execution(1))
    client.post("/v1/events", content=b"{")
    text = client.get("/metrics").text
    assert 'poet_http_requests_total{method="POST",route="/v1/events",status="200"} 1' in text
    assert 'poet_http_requests_total{method="POST",route="/v1/events",status="422"} 1' in text
    assert 'poet_log_events_total{type="execution.recorded"} 1' in text
    assert "poet_inbox_waiting 1" in text
    assert 'poet_policy_active_version{policy="detect_drift"} 1' in text
    assert all(re.fullmatch(r"# .+|[a-z_]+(\{.+\})? [0-9.e+-]+", line) for line in text.splitlines())


def test_a_server_error_reveals_no_details(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer has status 500 without the text of the exception."""
    from poet.server import health as _open

    def broken(*_: object) -> str:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(_open, "exposition", broken)
    app = make_app(first_workspace(tmp_path / "ws"), SETTINGS)
    with Served(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        response = client.get("/metrics")
    assert response.status_code == 500
    assert "inside" not in response.text
