"""Render templates as responses. All values are escaped; a missing name is an error."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

import jinja2
import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from poet.events import TELEMETRY
from poet.review.html import environment
from poet.review.plots import bars, histogram
from poet.server.auth import Caller
from poet.server.state import State

HERE: Final = Path(__file__).parent
NAVIGATION: Final = (
    ("/", "Overview", "o"),
    ("/inbox", "Inbox", "i"),
    ("/plans", "Plans", "p"),
    ("/versions", "Versions", "v"),
    ("/rules", "Rules", "r"),
    ("/log", "Log", "l"),
)
FARTHEST_S: Final = 253_402_300_799.0  # the last second of the year 9999


def show(
    request: Request,
    state: State,
    caller: Caller | None,
    name: str,
    *,
    status: int = HTTPStatus.OK,
    **context: object,
) -> Response:
    """Return a whole page."""
    common = {
        "caller": caller,
        "path": request.url.path,
        "navigation": NAVIGATION,
        "workspace_name": state.path.name,
        "form_token": state.sessions.form_token(caller.cookie) if caller and caller.cookie else "",
        "unlabeled_count": len(state.inbox.all()) if caller else 0,
        "version_of": _fingerprint,
        "now": state.clock(),
    }
    return HTMLResponse(_templates().get_template(name).render(common | context), status_code=status)


def fragment(name: str, **context: object) -> Response:
    """Return a fragment of a page."""
    return HTMLResponse(_templates().get_template(name).render(context))


def stamp(seconds: float) -> str:
    """Return a time in UTC; a time beyond the calendar as its number."""
    if not -62_135_596_800.0 <= seconds <= FARTHEST_S:
        return f"{seconds:.4g} s"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _ago(seconds: float, now: float) -> str:
    passed = now - seconds
    if passed < 0 or passed > 100 * 365.25 * 86400:
        return stamp(seconds)
    for length, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if passed >= length:
            return f"{passed / length:.0f} {unit} ago"
    return f"{passed:.0f} s ago"


def _pretty(raw: bytes) -> str:
    try:
        return msgspec.json.format(raw, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw.decode("utf-8", "replace")


def _clock(text: str) -> str:
    """Return a journal time in short form."""
    return text[:19].replace("T", " ")


@cache
def _templates() -> jinja2.Environment:
    made = environment([HERE / "templates"])
    made.filters |= {
        "stamp": stamp,
        "ago": _ago,
        "pretty": _pretty,
        "clock": _clock,
        "number": lambda value: f"{value:,}".replace(",", "\u202f"),
    }
    made.globals |= {"histogram": histogram, "bars": bars, "telemetry": TELEMETRY}
    return made


@cache
def _fingerprint(name: str) -> str:
    """Return a digest of a static file's content, so that browsers may cache it indefinitely."""
    return hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12]
