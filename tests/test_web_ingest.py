"""Events by HTTP: what is taken, what is refused and how, and that what was answered with 200 is on disk."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from poet.server.slack import sign
from tests.builders import SEED_PAYLOADS
from tests.served import HOOK, VERDICT, Served, encoded, envelope, served, slack_headers

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCHED = {"content-type": "application/cloudevents-batch+json"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Served]:
    """Serve a workspace without tokens, to this machine."""
    with served(tmp_path / "ws") as client:
        yield client


def test_a_structured_event_is_on_disk_when_it_is_answered(client: Served) -> None:
    """Another reader of the folder sees it at once."""
    answered = client.post("/v1/events", json=envelope(), headers=STRUCTURED)
    assert (answered.status_code, answered.json()) == (200, {"accepted": ["v1"]})
    assert [(event.id, event.source) for event in client.held()] == [("v1", "user/ana")]


def test_attributes_in_headers_are_an_event_too(client: Served) -> None:
    """Binary mode, with percent-encoded text and an extension, which is kept."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "b1",
        "ce-type": "drift.validation",
        "ce-source": "user/J%C3%BCrgen",
        "ce-time": "2026-01-02T03:04:05Z",
        "ce-team": "blue",
    }
    assert client.post("/v1/events", json=VERDICT, headers=headers).status_code == 200
    (event,) = client.held()
    assert (event.source, event.time, event.extras()) == ("user/Jürgen", 1767323045.0, {"team": "blue"})


def test_the_seeds_payloads_come_in_one_batch(client: Served) -> None:
    """All eighteen, verbatim."""
    batch = [
        {"specversion": "1.0", "id": f"s{number}", "source": "seed", "type": type_, "data": data}
        for number, (type_, data) in enumerate(SEED_PAYLOADS)
    ]
    answered = client.post("/v1/events", json=batch, headers=BATCHED)
    assert len(answered.json()["accepted"]) == len(client.held()) == 18


def test_what_is_sent_again_changes_nothing(client: Served) -> None:
    """The same source and id."""
    for _ in range(3):
        assert client.post("/v1/events", json=envelope(), headers=STRUCTURED).status_code == 200
    assert len(client.held()) == 1


def test_of_a_batch_the_good_land_and_the_bad_are_named(client: Served) -> None:
    """With their places and reasons."""
    batch = [envelope(1), envelope(2, type="drift.validatio"), envelope(3)]
    answered = client.post("/v1/events", json=batch, headers=BATCHED)
    told = answered.json()
    assert (answered.status_code, told["accepted"]) == (422, ["v1", "v3"])
    (refused,) = told["refused"]
    assert (refused["index"], refused["where"]) == (1, "type")
    assert "did you mean 'drift.validation'" in refused["expected"]
    assert [event.id for event in client.held()] == ["v1", "v3"]


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
def test_bad_input_is_told_where_it_is_bad(
    client: Served, body: bytes, headers: dict[str, str], status: int, where: str | None
) -> None:
    """4xx with what, where, expected; nothing is written."""
    answered = client.post("/v1/events", content=body, headers=headers)
    told = answered.json()
    assert answered.status_code == status, told
    assert answered.headers["content-type"] == "application/problem+json"
    assert told["detail"]
    assert told["expected"]
    assert where in {told["where"], None}
    assert client.held() == []


def test_an_event_cannot_be_smuggled_into_an_envelope(client: Served) -> None:
    """The body of a binary request is one JSON object and nothing more."""
    body = b'{"execution_id": "x", "was_real_drift": true}, "source": "user/boss"'
    answered = client.post("/v1/events", content=body, headers={"ce-type": "drift.validation"})
    assert (answered.status_code, client.held()) == (400, [])


def test_a_body_beyond_the_limit_is_refused(client: Served) -> None:
    """By what it says of its length, and by its length where it says nothing."""
    large = b" " * (5 * 1024 * 1024)
    assert client.post("/v1/events", content=large).status_code == 413
    assert client.post("/v1/events", content=iter([large])).status_code == 413
    event = envelope(data=VERDICT | {"feature": "x" * 300_000})
    assert client.post("/v1/events", json=event).status_code == 422


def test_alertmanagers_alerts_become_events(client: Served) -> None:
    """What fires, once; what is resolved is left out."""
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
        answered = client.post("/v1/alertmanager", json=webhook)
        assert answered.json() == {"accepted": ["f-2026-01-02T03:04:05.678Z"], "resolved": 1}
    (event,) = client.held()
    assert (event.type, event.source) == ("alert.raised", "alertmanager/poet")
    assert (event.data.features, event.data.severity, event.data.execution_ids) == (
        ("age",),
        "critical",
        ("x1",),
    )
    broken = webhook | {"alerts": [firing | {"startsAt": "yesterday"}]}
    assert client.post("/v1/alertmanager", json=broken).status_code == 422
    assert client.post("/v1/alertmanager", json=webhook | {"version": "3"}).status_code == 422


def test_a_button_pressed_in_slack_is_a_verdict(client: Served) -> None:
    """In the name of whoever pressed, once however often Slack sends it."""
    action = {
        "action_id": "poet_false_alarm",
        "action_ts": "1.2",
        "value": '{"execution_id": "x1", "reason": "deployment"}',
    }
    payload = {"type": "block_actions", "user": {"id": "U1", "username": "ana"}, "actions": [action]}
    body = urlencode({"payload": encoded(payload)}).encode()
    for _ in range(2):
        answered = client.post("/v1/slack", content=body, headers=slack_headers(body, time.time()))
        assert answered.json()["text"] == "Noted: x1 was a false alarm."
    (event,) = client.held()
    assert (event.type, event.source, event.data.reason) == ("drift.false_positive", "user/ana", "deployment")


def test_slacks_own_example_of_a_signature_holds() -> None:
    """From its manual, to the letter."""
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
def test_a_command_that_says_nothing_is_refused(client: Served, text: str) -> None:
    """With how it is written."""
    body = urlencode({"command": "/poet", "user_name": "ana", "text": text}).encode()
    answered = client.post("/v1/slack", content=body, headers=slack_headers(body, time.time()))
    assert (answered.status_code, answered.json()["where"]) == (422, "text")


def test_a_command_typed_in_slack_is_a_verdict(client: Served) -> None:
    """With the reason behind it."""
    body = urlencode({"command": "/poet", "user_name": "bo", "text": "real x1 new market"}).encode()
    assert client.post("/v1/slack", content=body, headers=slack_headers(body, time.time())).status_code == 200
    (event,) = client.held()
    assert (event.source, event.data.was_real_drift, event.data.root_cause) == ("user/bo", True, "new market")


def test_a_signature_that_does_not_hold_is_refused(client: Served) -> None:
    """Another secret, another body, another hour, none at all; of either kind."""
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
    assert client.held() == []
    assert client.post("/v1/webhooks/ci", content=body, headers=good).status_code == 200


def test_a_signed_request_that_comes_again_changes_nothing(client: Served) -> None:
    """Also where its events have no ids; attributes in headers, which nobody signed, do not count."""
    now, body = f"{time.time():.0f}", encoded({"type": "drift.validation", "data": VERDICT})
    headers = {
        "x-poet-timestamp": now,
        "x-poet-signature": sign(HOOK, now, body),
        "ce-type": "x",
    } | STRUCTURED
    answers = [client.post("/v1/webhooks/ci", content=body, headers=headers) for _ in range(2)]
    assert [answered.status_code for answered in answers] == [200, 200]
    (event,) = client.held()
    assert event.source == "webhook/ci"
    assert client.post("/v1/webhooks/nobody", content=body, headers=headers).status_code == 404
