"""The pages for the overview, the log, single events, login and logout."""

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from poet.events import PAYLOADS
from poet.log import EventFilter, RawEvent
from poet.review.status import standing_document
from poet.server.auth import Caller, address, caller_of, refuse_failed_logins
from poet.server.handlers import keep_cookie, read_form, state_of
from poet.server.problem import Problem
from poet.server.render import fragment, show
from poet.server.state import COOKIE, State

ROWS: Final = 100
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_TOLD: Final = ("feature", "reason", "root_cause", "test", "action_taken", "useful")
_WORDS: Final = {
    ("was_real_drift", True): "real drift",
    ("was_real_drift", False): "false alarm",
    ("drifted", True): "alert",
    ("drifted", False): "non-alert",
}


async def overview(request: Request, state: State, caller: Caller) -> Response:
    """Show the state of the workspace."""

    def read() -> dict[str, Any]:
        state.inbox.refresh()
        standing = standing_document(state.workspace, state.feedback)
        plans = [plan for plan in state.proposals.all() if plan.is_open]
        return {"standing": standing, "plans": plans, "unlabeled": len(state.inbox.all())}

    return show(request, state, caller, "overview.html", **await run_in_threadpool(read))


async def log(request: Request, state: State, caller: Caller) -> Response:
    """Show the newest events as they arrive."""
    found = await run_in_threadpool(_found, request, state)
    return show(request, state, caller, "log.html", types=sorted(PAYLOADS), **found)


async def log_rows(request: Request, state: State, _caller: Caller) -> Response:
    """Return the updated rows of the log table, or nothing if there are no new events."""
    seen = _number(request.query_params.get("seen", ""))
    if seen is not None and seen == await run_in_threadpool(state.log.position):
        return Response(status_code=204)
    found = await run_in_threadpool(_found, request, state)
    return fragment("_rows.html", now=state.clock(), **found)


async def event(request: Request, state: State, caller: Caller) -> Response:
    """Show one event as it was written."""
    position = number_of(request, "position")
    found = await run_in_threadpool(state.log.at, position)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"the log has no event at position {position}")
    return show(request, state, caller, "event.html", event=found)


async def event_named(request: Request, state: State, caller: Caller) -> Response:
    """Show the events with an id."""
    identity = request.query_params.get("id", "")
    found = await run_in_threadpool(state.log.named, identity)
    if not found:
        raise Problem(HTTPStatus.NOT_FOUND, f"the log has no event with the id {identity!r:.80}")
    return show(request, state, caller, "event.html", event=found[0])


def number_of(request: Request, name: str) -> int:
    """Return a number of the path.

    Raises
    ------
    Problem
        The path segment is not a number.
    """
    number = _number(request.path_params[name])
    if number is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is nothing at {request.url.path!r:.80}")
    return number


def summary_of(raw: bytes) -> str:
    """Return a one-line summary of an event's data."""
    try:
        data = msgspec.json.decode(raw, type=dict[str, object]).get("data")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    if not isinstance(data, dict):
        return ""
    told = [
        _WORDS[name, data[name]] for name in ("was_real_drift", "drifted") if (name, data.get(name)) in _WORDS
    ]
    told += [f"{name} {data[name]}" for name in _TOLD if data.get(name) not in (None, "")]
    told = told or [f"{name} {value}" for name, value in data.items() if isinstance(value, str | int | float)]
    return ", ".join(told)[:160]


def _found(request: Request, state: State) -> dict[str, Any]:
    """Return the filters and the matching events."""
    asked = request.query_params
    wanted = EventFilter(
        type=asked.get("type", "")[:100],
        source=asked.get("source", "")[:200],
        text=asked.get("text", "")[:200],
        is_feedback=asked.get("only") == "feedback",
    )
    before = _number(asked.get("before", ""))
    position = state.log.position()
    rows: list[RawEvent] = state.log.newest(wanted, ROWS, before=before)
    return {
        "wanted": wanted,
        "before": before,
        "is_live": before is None and asked.get("live") != "off",
        "position": position,
        "rows": [(row, summary_of(row.raw)) for row in rows],
        "is_full": len(rows) == ROWS,
    }


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


async def login_page(request: Request) -> Response:
    """Show the login form."""
    state = state_of(request)
    if caller_of(request, state) is not None:
        return RedirectResponse("/", status_code=HTTPStatus.SEE_OTHER)
    return _login_form(request, state, next_page=request.query_params.get("next", "/"))


async def login(request: Request) -> Response:
    """Start a session for a token that allows access to pages."""
    state = state_of(request)
    refuse_failed_logins(request, state)
    fields = await read_form(request, state.settings)
    token = state.tokens.find(fields.get("token", "").strip())
    next_page = fields.get("next", "/")
    if token is None or not token.may("read"):
        state.failed_logins.take(address(request))
        problem = (
            "The token is unknown or was revoked."
            if token is None
            else "A token with the role emit does not give access to pages."
        )
        return _login_form(
            request, state, next_page=next_page, problem=problem, status=HTTPStatus.UNAUTHORIZED
        )
    response = RedirectResponse(_inside(next_page), status_code=HTTPStatus.SEE_OTHER)
    return keep_cookie(response, state, state.sessions.begin(token.id))


async def leave(_request: Request, state: State, caller: Caller, _fields: dict[str, str]) -> Response:
    """End a session."""
    state.sessions.end(caller.cookie)
    response = RedirectResponse("/login", status_code=HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE)
    return response


def _login_form(
    request: Request, state: State, *, next_page: str, problem: str = "", status: int = HTTPStatus.OK
) -> Response:
    return show(
        request, state, None, "login.html", next_page=_inside(next_page), problem=problem, status=status
    )


def _inside(path: str) -> str:
    """Return the path of a page of this server, so that a login cannot redirect elsewhere."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_ours and path.isascii() and path.isprintable() else "/"
