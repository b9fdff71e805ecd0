"""Tests of the OpenAPI document, and of the server with valid and invalid requests made from it."""

import random
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from poet.events import PAYLOADS
from poet.server.openapi import openapi
from poet.server.state import Rate, Settings
from tests.served import HOOK, SLACK, Served, served

ALL = Rate(1e9, 1e9)
OPEN = Settings(slack_secret=SLACK, webhooks={"ci": HOOK}, machines=ALL, people=ALL, failed_logins=ALL)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield a client of a workspace that is served without rate limits."""
    with served(tmp_path_factory.mktemp("open") / "ws", OPEN) as client:
        yield client


def test_the_document_lists_every_api_route_and_event(client: Served) -> None:
    """It lists no others, and every reference can be resolved."""
    document = openapi()
    machines, application = re.compile(r"/(v1/|health|ready|metrics|openapi)"), cast("Any", client.app)
    routes = {route.path for route in application.routes if machines.match(route.path)}
    assert set(document["paths"]) == routes
    schemas = document["components"]["schemas"]
    assert set(PAYLOADS) <= set(schemas)
    references = re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(document))
    assert set(references) <= set(schemas)
    assert client.get("/openapi.json").json()["openapi"] == "3.1.0"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_request_made_from_the_document_is_a_server_error(client: Served) -> None:
    """Schemathesis makes valid and invalid requests from a fixed seed."""
    import hypothesis
    import schemathesis
    from schemathesis import GenerationMode

    schema = schemathesis.openapi.from_dict(openapi())
    schema.config.generation.modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    seen: list[tuple[str, int]] = []
    for found in schema.get_all_operations():
        operation: Any = cast("Any", found).ok()

        @hypothesis.settings(
            max_examples=15,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
        @hypothesis.given(case=operation.as_strategy())
        def check(case: Any) -> None:
            response = send(client, case)
            seen.append((case.path, response.status_code))
            assert response.status_code < 500, response.text

        check()
    assert {path for path, _ in seen} == set(openapi()["paths"])
    assert {200} < {status for _, status in seen}


def send(client: Served, case: Any) -> Any:
    """Send a generated request without the parts that are not valid HTTP."""
    sent = case.as_transport_kwargs(base_url="http://localhost")
    headers = {name: value for name, value in sent.get("headers", {}).items() if is_header(name, value)}
    body = {name: sent[name] for name in ("json", "data", "content") if sent.get(name) is not None}
    if isinstance(body.get("data"), bytes | str):
        body["content"] = body.pop("data")
    return client.request(sent["method"], sent["url"], headers=headers, params=sent.get("params"), **body)


def is_header(name: str, value: object) -> bool:
    """Return whether a client could send this header."""
    return isinstance(value, str) and all(" " <= letter <= "~" for letter in f"{name}{value}")


def test_random_requests_are_refused(client: Served) -> None:
    """Bodies, headers and tokens are random, and no event is written."""
    before = client.state.log.position()
    for seed in range(300):
        address, body, headers = noise(random.Random(seed))
        response = client.post(address, content=body, headers=headers)
        is_empty_batch = body.strip() == b"[]" and response.status_code == 200
        is_login = response.status_code == 303
        assert 400 <= response.status_code < 500 or is_empty_batch or is_login, (seed, response.text)
    assert client.state.log.position() == before


def noise(source: random.Random) -> tuple[str, bytes, dict[bytes, bytes]]:
    """Return the address, body and headers of a random request."""
    kinds = [
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/json",
        "x",
        "",
    ]
    letters = [chr(number) for number in range(33, 256)]
    headers = {
        "content-type": source.choice(kinds),
        "authorization": "".join(source.choices(letters, k=source.randrange(80))),
        "x-poet-timestamp": "".join(source.choices("0123456789.-e", k=source.randrange(14))),
        "x-slack-signature": "".join(source.choices(letters, k=20)),
        "cookie": f"poet_session={''.join(source.choices(letters, k=30))}",
    }
    if source.random() < 0.3:
        headers["ce-type"] = "".join(source.choices(letters, k=12))
    pieces = [b"{", b"}", b"[", b"]", b'"type"', b":", b",", b'"data"', b"1e999", b"\xff", b'"\\ud800"']
    body = b"".join(source.choices(pieces, k=source.randrange(30)))
    addresses = ["/v1/events", "/v1/alertmanager", "/v1/slack", "/v1/webhooks/ci", "/executions/1", "/login"]
    return (
        source.choice(addresses),
        body,
        {name.encode(): value.encode("latin-1") for name, value in headers.items()},
    )
