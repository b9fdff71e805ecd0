"""The two kinds of handlers, for machines and for people: both get the state and a caller who may.

Reading what a request brings: no more than is allowed, no longer than is reasonable.
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
from poet.server.problem import Refusal
from poet.server.state import COOKIE, LASTS_S, Settings, State
from poet.server.tokens import Right

FIELDS: Final = 20
FORM_BYTES: Final = 64 * 1024


async def read_body(request: Request, settings: Settings, *, limit: int | None = None) -> bytes:
    """Give the body.

    Raises
    ------
    Refusal
        It is too large, comes too slowly, or does not come to its end.
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
        raise Refusal(
            HTTPStatus.REQUEST_TIMEOUT,
            "the body did not come",
            expected=f"all of it within {settings.body_patience_s:g} s",
            headers={"connection": "close"},
        ) from error
    except ClientDisconnect as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the connection ended before the body did") from error
    return b"".join(parts)


async def read_form(request: Request, settings: Settings) -> dict[str, str]:
    """Give the fields of a page's form.

    Raises
    ------
    Refusal
        It is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "this takes a form of one of its own pages",
            where="header content-type",
            expected="application/x-www-form-urlencoded",
            got=ascii(kind[:80]),
        )
    body = await read_body(request, settings, limit=FORM_BYTES)
    try:
        found = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS, errors="strict")
    except ValueError as error:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "the form cannot be read", where="body", got=str(error)[:80]
        ) from error
    return {name: values[-1] for name, values in found.items()}


def _too_large(most: int) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "the body is too large",
        where="body",
        expected=f"at most {most} bytes",
        then="send fewer events in a request; large files go in by `poet import`",
        headers={"connection": "close"},
    )


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
