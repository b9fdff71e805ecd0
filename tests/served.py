"""A served workspace for the tests of the web server."""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from starlette.testclient import TestClient

from poet.log import open_log
from poet.server.app import make_app
from poet.server.state import Settings
from poet.server.tokens import Tokens
from tests.workspaces import first_workspace

LABEL = {"execution_id": "x1", "was_real_drift": True}
SLACK = b"a secret that Slack knows"
HOOK = b"a secret that CI knows as well"
SETTINGS = Settings(slack_secret=SLACK, webhooks={"ci": HOOK})
PAGE = {"accept": "text/html"}


class Served(TestClient):
    """A client of the application in this process, with access to its workspace."""

    folder: Path

    @property
    def state(self) -> Any:
        """The state that the handlers share."""
        return self.app.state.poet  # type: ignore[attr-defined]

    def token(self, name: str, role: str, **more: Any) -> dict[str, str]:
        """Create a token and return the header that authenticates with it."""
        secret, _ = Tokens(self.folder / "feedback_log").create(name, role, at="2026-01-01", **more)
        return {"authorization": f"Bearer {secret}"}

    def logged_events(self) -> list[Any]:
        """Return the events in the log as another reader of the folder sees them."""
        with open_log(self.folder / "feedback_log") as log:
            return [stored.event for stored in log.read()]

    def form_token(self, address: str = "/plans") -> str:
        """Load a page like a browser and return the token of its forms."""
        text = self.get(address, headers=PAGE).text
        return text.partition('name="form_token" value="')[2].partition('"')[0]


@contextmanager
def served(folder: Path, settings: Settings = SETTINGS, **more: Any) -> Iterator[Served]:
    """Serve a new workspace in this process."""
    if not (folder / "poet.toml").exists():
        first_workspace(folder)
    with Served(
        make_app(folder, settings, **more), base_url="http://localhost", follow_redirects=False
    ) as client:
        client.folder = folder
        yield client


def envelope(number: int = 1, **more: Any) -> dict[str, Any]:
    """Return a CloudEvent with a label."""
    event = {"specversion": "1.0", "id": f"v{number}", "type": "drift.validation", "source": "user/ana"}
    return event | {"data": LABEL} | more


def execution(number: int, **more: Any) -> dict[str, Any]:
    """Return a CloudEvent with an execution whose samples can be drawn."""
    data = {"execution_id": f"x{number}", "policy": "detect_drift", "version": 1, "drifted": True}
    samples = {"current": [1.0, 2.5, 4.0, 4.0], "reference": [0.0, 1.0, 2.0, 3.0]}
    data |= {"feature": f"feature {number}", "samples": samples} | more
    return {
        "specversion": "1.0",
        "id": f"x{number}",
        "type": "execution.recorded",
        "source": "poet",
        "data": data,
    }


def slack_headers(body: bytes, now: float, secret: bytes = SLACK) -> dict[str, str]:
    """Return the headers of a request that is signed like Slack's."""
    digest = hmac.new(secret, b"v0:%d:" % int(now) + body, hashlib.sha256).hexdigest()
    return {
        "x-slack-request-timestamp": f"{int(now)}",
        "x-slack-signature": f"v0={digest}",
        "content-type": "application/x-www-form-urlencoded",
    }


def encoded(document: Any) -> bytes:
    """Return a document as JSON bytes."""
    return msgspec.json.encode(document)
