"""Handlers for programs and for people; both receive the state and an authorized caller.

Request bodies are limited in size and in the time that they may take.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from poet.server.auth import Caller, address, caller_of, require, require_form, too_many
from poet.server.problem import Problem
from poet.server.state import COOKIE, LASTS_S, Settings, State
from poet.server.tokens import Right

FIELDS: Final = 20
FORM_BYTES: Final = 64 * 1024


async def read_body(request: Request, settings: Settings, *, limit: int | None = None) -> bytes:
    """Return the body of a request.

    Raises
    ------
    Problem
        The body is too large, too slow, or incomplete.
    """
    most = settings.body_limit if limit is None else limit
    stated = request.headers.get("content-length", "0")
    if stated.isascii() and stated.isdigit() and len(stated) < 19 and int(stated) > most:
        raise _too_large(most)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_patience_s):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                parts.append(part)
    except TimeoutError as error:
        raise Problem(
            HTTPStatus.REQUEST_TIMEOUT,
            "the request body did not arrive",
            expected=f"all of it within {settings.body_patience_s:g} s",
            headers={"connection": "close"},
        ) from error
    except ClientDisconnect as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "the connection ended before the end of the body") from error
    return b"".join(parts)


async def read_form(request: Request, settings: Settings) -> dict[str, str]:
    """Return the fields of a page's form.

    Raises
    ------
    Problem
        The body is not a form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "this accepts only forms of this server's pages",
            where="header content-type",
            expected="application/x-www-form-urlencoded",
            got=ascii(kind[:80]),
        )
    body = await read_body(request, settings, limit=FORM_BYTES)
    try:
        found = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS, errors="strict")
    except ValueError as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "the form cannot be read", where="body", got=str(error)[:80]
        ) from error
    return {name: values[-1] for name, values in found.items()}


def _too_large(most: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "the body is too large",
        where="body",
        expected=f"at most {most} bytes",
        next_step="send fewer events per request; import large files with `poet import`",
        headers={"connection": "close"},
    )


Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Request, State, Caller], Awaitable[Response]]
FormHandler = Callable[[Request, State, Caller, dict[str, str]], Awaitable[Response]]


def state_of(request: Request) -> State:
    """Return the state that handlers share."""
    state: State = request.app.state.poet
    return state


def machine(right: Right, handler: Handler) -> Endpoint:
    """Build an endpoint for programs: a token in the header, no cookies."""

    async def endpoint(request: Request) -> Response:
        state = state_of(request)
        caller = require(caller_of(request, state, is_browser=False), right)
        if wait := state.machines.take(caller.key if caller.token else address(request)):
            raise too_many(wait, "this token has sent too many requests")
        return await handler(request, state, caller)

    return endpoint


def page(handler: Handler, right: Right = "read") -> Endpoint:
    """Build a page; an unknown caller is redirected to the login."""

    async def endpoint(request: Request) -> Response:
        state = state_of(request)
        caller = caller_of(request, state)
        if caller is None:
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?next={quote(path, safe='')}", status_code=303)
        require(caller, right)
        _limit(request, state, caller)
        if caller.cookie or caller.token:
            return await handler(request, state, caller)
        caller = replace(caller, cookie=secrets.token_urlsafe(32))
        return keep_cookie(await handler(request, state, caller), state, caller.cookie)

    return endpoint


def form(right: Right, handler: FormHandler) -> Endpoint:
    """Build the handler of a page's form."""

    async def endpoint(request: Request) -> Response:
        state = state_of(request)
        caller = require(caller_of(request, state), right)
        _limit(request, state, caller)
        fields = await read_form(request, state.settings)
        require_form(request, state, caller, fields.pop("form_token", ""))
        return await handler(request, state, caller, fields)

    return endpoint


def keep_cookie(response: Response, state: State, cookie: str) -> Response:
    """Set the session cookie in a response."""
    response.set_cookie(
        COOKIE, cookie, max_age=int(LASTS_S), httponly=True, samesite="strict", secure=state.settings.is_https
    )
    return response


def _limit(request: Request, state: State, caller: Caller) -> None:
    if wait := state.people.take(caller.key if caller.token else address(request)):
        raise too_many(wait, "too many page requests")
