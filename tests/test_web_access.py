"""Who gets in, with which right, how often, from which page; and what every answer carries."""

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
    """Serve a workspace."""
    with served(tmp_path / "ws") as client:
        yield client


def test_a_token_is_kept_as_a_digest_in_a_file_of_its_owner(tmp_path: Path) -> None:
    """And it is found by nothing else."""
    tokens = Tokens(tmp_path)
    secret, made = tokens.create("ana", "review", at="2026-01-01")
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    assert secret not in tokens.path.read_text()
    assert secret.removeprefix(f"poet_{made.id}_") not in tokens.path.read_text()
    assert tokens.find(secret) == made
    for wrong in ("", "poet_", secret[:-1], secret[:-1] + "!", secret.upper(), f"poet_{made.id}_{'a' * 43}"):
        assert tokens.find(wrong) is None


def test_tokens_are_named_once_and_revoked_by_name(tmp_path: Path) -> None:
    """Wrong names, roles and files are told of."""
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


def test_a_role_may_what_it_may_and_nothing_else(client: Served) -> None:
    """Emitting, reading, deciding."""
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


def test_a_token_counts_until_it_is_revoked(client: Served) -> None:
    """From the next request on; and with the last token gone nobody gets in."""
    shown = client.token("ci", "emit")
    assert client.post("/v1/events", json=envelope(), headers=shown).status_code == 200
    assert client.post("/v1/events", json=envelope()).status_code == 401
    Tokens(client.folder / "feedback_log").revoke("ci")
    assert client.post("/v1/events", json=envelope(), headers=shown).status_code == 401
    assert client.post("/v1/events", json=envelope()).status_code == 401
    assert client.get("/", headers=PAGE).headers["location"] == "/login?next=%2F"


def test_a_token_speaks_for_its_sources_alone(client: Served) -> None:
    """With all that begins with them and a slash."""
    shown = client.token("shop", "emit", sources=("monitor/shop", "user/bo"))
    sources = {
        "monitor/shop": 200,
        "monitor/shop/eu": 200,
        "user/bo": 200,
        "user/ana": 403,
        "monitor/shopping": 403,
    }
    for number, (source, status) in enumerate(sources.items()):
        answered = client.post("/v1/events", json=envelope(number, source=source), headers=shown)
        assert answered.status_code == status, answered.text
    assert [event.source for event in client.held()] == ["monitor/shop", "monitor/shop/eu", "user/bo"]


def test_a_browser_logs_in_and_out_with_a_token(client: Served) -> None:
    """The cookie is no token, no script can read it, and no other site can make a browser send it."""
    shown = client.token("ana", "review")
    secret = shown["authorization"].removeprefix("Bearer ")
    wrong = client.post("/login", data={"token": "poet_00000000_" + "a" * 43, "next": "/log"})
    assert (wrong.status_code, client.get("/log", headers=PAGE).status_code) == (401, 303)
    answered = client.post("/login", data={"token": secret, "next": "/log"})
    cookie = answered.headers["set-cookie"]
    assert answered.headers["location"] == "/log"
    assert secret not in cookie
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert "ana · review" in client.get("/log", headers=PAGE).text
    assert client.post("/v1/events", json=envelope()).status_code == 401  # cookies are for pages
    assert client.post("/logout", data={"form_token": client.form_token("/")}).status_code == 303
    assert client.get("/log", headers=PAGE).status_code == 303


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_login_leads_nowhere_else(client: Served, target: str) -> None:
    """What is no path of ours becomes the overview."""
    secret = client.token("ana", "review")["authorization"].removeprefix("Bearer ")
    answered = client.post("/login", data={"token": secret, "next": target})
    assert answered.headers["location"] == "/"


def test_a_form_is_taken_from_its_own_page_alone(client: Served) -> None:
    """With the session's token, from this origin, as a form."""
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
    assert len(client.held()) == 1
    good = client.post(
        "/executions/1", data=answer | {"form_token": token}, headers={"origin": "http://localhost"}
    )
    assert (good.status_code, len(client.held())) == (303, 2)


def test_another_site_cannot_emit_through_a_browser_on_this_machine(client: Served) -> None:
    """Without tokens, by its origin or by a name of its own that points here."""
    rebound = client.post("/v1/events", json=envelope(), headers={"host": "evil.example"})
    crossed = client.post("/v1/events", json=envelope(), headers={"origin": "https://evil.example"})
    assert (rebound.status_code, crossed.status_code, client.held()) == (421, 403, [])


@pytest.mark.parametrize("address", PAGES)
def test_every_page_keeps_a_strict_policy(client: Served, address: str) -> None:
    """No script and no style but the package's own, none within the page, and no framing."""
    client.post("/v1/events", json=execution(1))
    answered = client.get(address, headers=PAGE)
    assert answered.status_code == 200
    policy = answered.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (
        re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src=\"/static/)|javascript:", answered.text)
        is None
    )
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert answered.headers["cache-control"] == "no-store"


def test_hostile_texts_stay_texts(client: Served) -> None:
    """In every place of every page where something that came is shown."""
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
def test_what_is_not_there_is_told_of(client: Served, address: str) -> None:
    """As a page for people, as a problem for programs; never as a fault of ours."""
    for accept in ("text/html", "*/*"):
        answered = client.get(address, headers={"accept": accept})
        assert 400 <= answered.status_code < 500
        assert ("<h1>" in answered.text) == (accept == "text/html")


def test_who_asks_too_often_waits(tmp_path: Path) -> None:
    """Machines, people, and addresses that try tokens."""
    slow = Settings(machines=Rate(0.001, 2), people=Rate(0.001, 2), failed_logins=Rate(0.001, 2))
    with served(tmp_path / "ws", slow) as client:
        emitted = [client.post("/v1/events", json=envelope(n)).status_code for n in range(3)]
        assert (emitted, len(client.held())) == ([200, 200, 429], 2)
        read = [client.get("/", headers=PAGE) for _ in range(3)]
        assert [answered.status_code for answered in read] == [200, 200, 429]
        assert int(read[-1].headers["retry-after"]) > 0
        shown = client.token("ci", "emit")
        wrong = [
            client.post("/v1/events", headers={"authorization": "Bearer x"}).status_code for _ in range(3)
        ]
        assert wrong == [401, 401, 429]
        assert client.post("/v1/events", json=envelope(9), headers=shown).status_code == 429  # same address


def test_a_wider_address_needs_a_token_first(tmp_path: Path) -> None:
    """And an address that is taken is told of."""
    folder = first_workspace(tmp_path / "ws")
    with pytest.raises(ServeError, match="token create"):
        serve(folder, Settings(host="0.0.0.0", port=0), started=print)  # noqa: S104 -- what is refused
    Tokens(folder / "feedback_log").create("ana", "operate", at="2026-01-01")
    with pytest.raises(ServeError, match="is not available"):
        serve(folder, Settings(host="192.0.2.1", port=0), started=print)


def test_wide_or_once_guarded_a_server_never_opens_up(tmp_path: Path) -> None:
    """Also when the last token is revoked while it runs."""
    wide = Settings(host="0.0.0.0")  # noqa: S104 -- no socket is opened here
    with served(tmp_path / "ws", wide) as client:
        assert client.post("/v1/events", json=envelope()).status_code == 401
        assert client.get("/", headers=PAGE).status_code == 303


def test_behind_https_cookies_are_for_https_alone(tmp_path: Path) -> None:
    """And browsers are told to stay with it."""
    settings = Settings(public_url="https://poet.example")
    with served(tmp_path / "ws", settings) as client:
        answered = client.get("/", headers=PAGE | {"host": "poet.example"})
        assert "Secure" in answered.headers["set-cookie"]
        assert answered.headers["strict-transport-security"]


def test_secrets_are_long_enough(tmp_path: Path) -> None:
    """And in a file that can be read."""
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "good").write_text("0123456789abcdef\n")
    assert read_secret(tmp_path / "good") == b"0123456789abcdef"
    for name in ("short", "missing"):
        with pytest.raises(ServeError):
            read_secret(tmp_path / name)


def test_a_file_of_tokens_that_is_broken_lets_nobody_in(client: Served) -> None:
    """Whoever shows what."""
    shown = client.token("ana", "operate")
    (client.folder / "feedback_log" / "access.json").write_text("{")
    for headers in ({}, shown):
        answered = client.post("/v1/events", json=envelope(), headers=headers)
        assert (answered.status_code, client.held()) == (503, [])
        assert str(client.folder) not in answered.text


def test_health_and_readiness_are_for_everybody(client: Served) -> None:
    """Readiness says what is in the way."""
    client.token("ana", "operate")
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready"}
    registry = client.folder / "generated" / "registry.json"
    registry.write_text("{")
    answered = client.get("/ready")
    assert (answered.status_code, answered.json()["status"]) == (503, "not ready")


def test_metrics_count_what_happened(client: Served) -> None:
    """In the text format of Prometheus."""
    client.post("/v1/events", json=execution(1))
    client.post("/v1/events", content=b"{")
    text = client.get("/metrics").text
    assert 'poet_http_requests_total{method="POST",route="/v1/events",status="200"} 1' in text
    assert 'poet_http_requests_total{method="POST",route="/v1/events",status="422"} 1' in text
    assert 'poet_log_events_total{type="execution.recorded"} 1' in text
    assert "poet_inbox_waiting 1" in text
    assert 'poet_policy_active_version{policy="detect_drift"} 1' in text
    assert all(re.fullmatch(r"# .+|[a-z_]+(\{.+\})? [0-9.e+-]+", line) for line in text.splitlines())


def test_a_fault_of_ours_tells_nothing_of_the_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """500, once, without a trace."""
    from poet.server import health as _open

    def broken(*_: object) -> str:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(_open, "exposition", broken)
    app = make_app(first_workspace(tmp_path / "ws"), SETTINGS)
    with Served(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        answered = client.get("/metrics")
    assert answered.status_code == 500
    assert "inside" not in answered.text
