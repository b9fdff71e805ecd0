"""The two kinds of handlers, for machines and for people: both get the state and a caller who may."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from poet.access import Right
from poet.web._body import read_form
from poet.web._sessions import COOKIE, LASTS_S
from poet.web._state import State
from poet.web._who import Caller, address, caller_of, require, require_form, too_many

__all__ = ["Endpoint", "form", "keep_cookie", "machine", "page", "state_of"]

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Request, State, Caller], Awaitable[Response]]
FormHandler = Callable[[Request, State, Caller, dict[str, str]], Awaitable[Response]]


def state_of(request: Request) -> State:
    """Give what handlers share."""
    state: State = request.app.state.poet
    return state


def machine(right: Right, handler: Handler) -> Endpoint:
    """Make an endpoint for programs: a token in the header, no cookies."""

    async def endpoint(request: Request) -> Response:
        state = state_of(request)
        caller = require(caller_of(request, state, is_browser=False), right)
        if wait := state.machines.take(caller.key if caller.token else address(request)):
            raise too_many(wait, "more requests than this token may send")
        return await handler(request, state, caller)

    return endpoint


def page(handler: Handler, right: Right = "read") -> Endpoint:
    """Make a page: whoever is not known is sent to the login."""

    async def endpoint(request: Request) -> Response:
        state = state_of(request)
        caller = caller_of(request, state)
        if caller is None:
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?then={quote(path, safe='')}", status_code=303)
        require(caller, right)
        _limit(request, state, caller)
        if caller.cookie or caller.token:
            return await handler(request, state, caller)
        caller = replace(caller, cookie=secrets.token_urlsafe(32))
        return keep_cookie(await handler(request, state, caller), state, caller.cookie)

    return endpoint


def form(right: Right, handler: FormHandler) -> Endpoint:
    """Make what a form of a page is sent to."""

    async def endpoint(request: Request) -> Response:
        state = state_of(request)
        caller = require(caller_of(request, state), right)
        _limit(request, state, caller)
        fields = await read_form(request, state.settings)
        require_form(request, state, caller, fields.pop("form_token", ""))
        return await handler(request, state, caller, fields)

    return endpoint


def keep_cookie(response: Response, state: State, cookie: str) -> Response:
    """Have the browser keep its session's cookie."""
    response.set_cookie(
        COOKIE, cookie, max_age=int(LASTS_S), httponly=True, samesite="strict", secure=state.settings.is_https
    )
    return response


def _limit(request: Request, state: State, caller: Caller) -> None:
    if wait := state.people.take(caller.key if caller.token else address(request)):
        raise too_many(wait, "more pages than a person can read")
