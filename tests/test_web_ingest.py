"""Tests of events over HTTP: what is accepted, what is refused, and that accepted events are on disk."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from poet.server.slack import sign
from tests.builders import SEED_PAYLOADS
from tests.served import HOOK, LABEL, Served, encoded, envelope, served, slack_headers

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCHED = {"content-type": "application/cloudevents-batch+json"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Served]:
    """Yield a client of a workspace that is served locally without tokens."""
    with served(tmp_path / "ws") as client:
        yield client


def test_an_accepted_event_is_on_disk(client: Served) -> None:
    """Another reader of the folder sees it immediately."""
    response = client.post("/v1/events", json=envelope(), headers=STRUCTURED)
    assert (response.status_code, response.json()) == (200, {"accepted": ["v1"]})
    assert [(event.id, event.source) for event in client.logged_events()] == [("v1", "user/ana")]


def test_an_event_in_binary_mode_is_accepted(client: Served) -> None:
    """Its attributes are headers with percent-encoded text. Extensions are kept."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "b1",
        "ce-type": "drift.validation",
        "ce-source": "user/J%C3%BCrgen",
        "ce-time": "2026-01-02T03:04:05Z",
        "ce-team": "blue",
    }
    assert client.post("/v1/events", json=LABEL, headers=headers).status_code == 200
    (event,) = client.logged_events()
    assert (event.source, event.time, event.extras()) == ("user/Jürgen", 1767323045.0, {"team": "blue"})


def test_one_batch_holds_all_seed_payloads(client: Served) -> None:
    """All eighteen events are accepted."""
    batch = [
        {"specversion": "1.0", "id": f"s{number}", "source": "seed", "type": type_, "data": data}
        for number, (type_, data) in enumerate(SEED_PAYLOADS)
    ]
    response = client.post("/v1/events", json=batch, headers=BATCHED)
    assert len(response.json()["accepted"]) == len(client.logged_events()) == 18


def test_a_repeated_event_is_stored_once(client: Served) -> None:
    """Source and id identify the event."""
    for _ in range(3):
        assert client.post("/v1/events", json=envelope(), headers=STRUCTURED).status_code == 200
    assert len(client.logged_events()) == 1


def test_a_batch_stores_its_valid_events(client: Served) -> None:
    """The answer lists the invalid events with their index and the reason."""
    batch = [envelope(1), envelope(2, type="drift.validatio"), envelope(3)]
    response = client.post("/v1/events", json=batch, headers=BATCHED)
    problem = response.json()
    assert (response.status_code, problem["accepted"]) == (422, ["v1", "v3"])
    (refused,) = problem["refused"]
    assert (refused["index"], refused["where"]) == (1, "type")
    assert "did you mean 'drift.validation'" in refused["expected"]
    assert [event.id for event in client.logged_events()] == ["v1", "v3"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "where"),
    [
        (b"", STRUCTURED, 422, "$"),
        (b"{", STRUCTURED, 422, "$"),
        (b"[1]", BATCHED, 422, "$"),
        (b"[", BATCHED, 400, "body"),
        (b"[" + b"1," * 1000 + b"1]", BATCHED, 400, "body"),
        (b"\xff\xfe", STRUCTURED, 422, "$"),
        (b"[" * 100_000, STRUCTURED, 422, "$"),
        (b'{"type": "drift.validation", "data": {}}', STRUCTURED, 422, "execution_id"),
        (b'{"type": "drift.validation", "time": 1e400, "data": {}}', STRUCTURED, 422, "time"),
        (b'{"type": "drift.noise_issue", "data": {"false_alarms_per_day": 1e999}}', STRUCTURED, 422, None),
        (b'{"type": "drift.validation", "id": "\\ud800", "data": {}}', STRUCTURED, 422, "$"),
        (b'{"type": "drift.validation", "specversion": "2.0", "data": {}}', STRUCTURED, 422, "specversion"),
        (encoded(envelope()), {"content-type": "text/plain"}, 415, "header content-type"),
        (
            encoded(envelope()),
            {"content-type": "application/json; charset=utf-16"},
            415,
            "header content-type",
        ),
        (b"{}, 1", {"ce-type": "drift.validation"}, 400, "body"),
        (b"1", {"ce-type": "drift.validation"}, 400, "body"),
        (b"{}", {"ce-type": "drift.validation", "ce-source": "%ff"}, 422, "header ce-source"),
        (b"{}", {"ce-type": "drift.validation", "ce-a_b": "x"}, 422, None),
    ],
)
def test_invalid_input_is_located(
    client: Served, body: bytes, headers: dict[str, str], status: int, where: str | None
) -> None:
    """The problem document states the position and what was expected, and nothing is written."""
    response = client.post("/v1/events", content=body, headers=headers)
    problem = response.json()
    assert response.status_code == status, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    assert problem["expected"]
    assert where in {problem["where"], None}
    assert client.logged_events() == []


def test_a_body_cannot_override_the_envelope(client: Served) -> None:
    """The body of a binary request is exactly one JSON object."""
    body = b'{"execution_id": "x", "was_real_drift": true}, "source": "user/boss"'
    response = client.post("/v1/events", content=body, headers={"ce-type": "drift.validation"})
    assert (response.status_code, client.logged_events()) == (400, [])


def test_a_body_above_the_limit_is_refused(client: Served) -> None:
    """The limit applies to the declared length, or to the bytes that arrive without one."""
    large = b" " * (5 * 1024 * 1024)
    assert client.post("/v1/events", content=large).status_code == 413
    assert client.post("/v1/events", content=iter([large])).status_code == 413
    event = envelope(data=LABEL | {"feature": "x" * 300_000})
    assert client.post("/v1/events", json=event).status_code == 422


def test_alertmanager_alerts_become_events(client: Served) -> None:
    """A firing alert is stored once, and a resolved one is only counted."""
    labels = {"alertname": "Drift", "feature": "age", "severity": "critical", "execution_id": "x1"}
    firing = {
        "status": "firing",
        "labels": labels,
        "startsAt": "2026-01-02T03:04:05.678Z",
        "fingerprint": "f",
    }
    webhook = {
        "version": "4",
        "receiver": "poet",
        "groupKey": "{}:{feature=age}",
        "alerts": [firing, firing | {"status": "resolved", "endsAt": "2026-01-02T04:00:00Z"}],
    }
    for _ in range(2):
        response = client.post("/v1/alertmanager", json=webhook)
        assert response.json() == {"accepted": ["f-2026-01-02T03:04:05.678Z"], "resolved": 1}
    (event,) = client.logged_events()
    assert (event.type, event.source) == ("alert.raised", "alertmanager/poet")
    assert (event.data.features, event.data.severity, event.data.execution_ids) == (
        ("age",),
        "critical",
        ("x1",),
    )
    broken = webhook | {"alerts": [firing | {"startsAt": "yesterday"}]}
    assert client.post("/v1/alertmanager", json=broken).status_code == 422
    assert client.post("/v1/alertmanager", json=webhook | {"version": "3"}).status_code == 422


def test_a_slack_button_records_a_label(client: Served) -> None:
    """The label has the user's name and is stored once even if Slack repeats the request."""
    action = {
        "action_id": "poet_false_alarm",
        "action_ts": "1.2",
        "value": '{"execution_id": "x1", "reason": "deployment"}',
    }
    payload = {"type": "block_actions", "user": {"id": "U1", "username": "ana"}, "actions": [action]}
    body = urlencode({"payload": encoded(payload)}).encode()
    for _ in range(2):
        response = client.post("/v1/slack", content=body, headers=slack_headers(body, time.time()))
        assert response.json()["text"] == "Noted: x1 was a false alarm."
    (event,) = client.logged_events()
    assert (event.type, event.source, event.data.reason) == ("drift.false_positive", "user/ana", "deployment")


def test_the_signature_example_of_slack_is_valid() -> None:
    """Request, secret and signature are those of Slack's documentation."""
    from poet.server.slack import require_slack

    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
        b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    require_slack(headers, body, b"8f742231b10e8888abcd99yyyzzz85a5", now=1531420618.0)


@pytest.mark.parametrize("text", ["", "maybe x1", "real", "real  "])
def test_an_incomplete_slack_command_is_refused(client: Served, text: str) -> None:
    """The error refers to the text of the command."""
    body = urlencode({"command": "/poet", "user_name": "ana", "text": text}).encode()
    response = client.post("/v1/slack", content=body, headers=slack_headers(body, time.time()))
    assert (response.status_code, response.json()["where"]) == (422, "text")


def test_a_slack_command_records_a_label(client: Served) -> None:
    """The words after the execution are the root cause."""
    body = urlencode({"command": "/poet", "user_name": "bo", "text": "real x1 new market"}).encode()
    assert client.post("/v1/slack", content=body, headers=slack_headers(body, time.time())).status_code == 200
    (event,) = client.logged_events()
    assert (event.source, event.data.was_real_drift, event.data.root_cause) == ("user/bo", True, "new market")


def test_an_invalid_signature_is_refused(client: Served) -> None:
    """The secret, the body or the time is wrong, or the signature is missing, for both senders."""
    now, body = time.time(), encoded(envelope())
    good = {"x-poet-timestamp": f"{now:.0f}", "x-poet-signature": sign(HOOK, f"{now:.0f}", body)} | STRUCTURED
    old = f"{now - 301:.0f}"
    for headers, content in (
        ({}, body),
        (good | {"x-poet-signature": sign(b"another secret", f"{now:.0f}", body)}, body),
        (good, body + b" "),
        (good | {"x-poet-timestamp": old, "x-poet-signature": sign(HOOK, old, body)}, body),
        (good | {"x-poet-timestamp": "nan"}, body),
        (slack_headers(body, now, b"another secret"), body),
    ):
        address = "/v1/slack" if "x-slack-signature" in headers else "/v1/webhooks/ci"
        assert client.post(address, content=content, headers=headers).status_code == 401
    assert client.logged_events() == []
    assert client.post("/v1/webhooks/ci", content=body, headers=good).status_code == 200


def test_a_repeated_signed_request_is_stored_once(client: Served) -> None:
    """Its events need no id. Headers with attributes are ignored because they are not signed."""
    now, body = f"{time.time():.0f}", encoded({"type": "drift.validation", "data": LABEL})
    headers = {
        "x-poet-timestamp": now,
        "x-poet-signature": sign(HOOK, now, body),
        "ce-type": "x",
    } | STRUCTURED
    answers = [client.post("/v1/webhooks/ci", content=body, headers=headers) for _ in range(2)]
    assert [response.status_code for response in answers] == [200, 200]
    (event,) = client.logged_events()
    assert event.source == "webhook/ci"
    assert client.post("/v1/webhooks/unknown", content=body, headers=headers).status_code == 404
