"""Who asks, and whether they may.

What every request passes: by which name and from which page it comes, and which headers go back.
"""

import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from poet.server.problem import Refusal, problem_response
from poet.server.state import COOKIE, State
from poet.server.tokens import Right, Token
from poet_runtime.errors import AccessError


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks: the holder of a token, or anybody on this machine where there are no tokens."""

    name: str  # as versions are changed and verdicts given: user/ana
    token: Token | None
    cookie: str = ""  # of a browser; empty for a machine

    @property
    def key(self) -> str:
        """Whose limits are counted."""
        return self.token.id if self.token else self.name

    def may(self, right: Right) -> bool:
        """Tell whether the caller has a right."""
        return self.token is None or self.token.may(right)


def address(request: Request) -> str:
    """Name where a request comes from."""
    return request.client.host if request.client else "nowhere"


def caller_of(request: Request, state: State, *, is_browser: bool = True) -> Caller | None:
    """Say who asks; None for somebody who has to show a token first. Of programs no cookie is taken.

    Raises
    ------
    Refusal
        A token was shown that is none, or this address has shown too many of those.
    """
    _, _, secret = request.headers.get("authorization", "").partition(" ")
    cookie = request.cookies.get(COOKIE, "")
    if not state.needs_tokens:
        return Caller(state.workspace.who, None, cookie)
    if secret:
        refuse_strangers(request, state)
        token = state.tokens.find(secret.strip())
        if token is None:
            state.strangers.take(address(request))
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                "this token is unknown, or was revoked",
                where="header authorization",
                expected="Bearer and a token that `poet token create` printed",
                headers={"www-authenticate": "Bearer"},
            )
        return Caller(f"user/{token.name}", token)
    token_id = state.sessions.token_of(cookie) if cookie and is_browser else None
    for token in state.tokens.all():
        if token.id == token_id:
            return Caller(f"user/{token.name}", token, cookie)
    return None


def refuse_strangers(request: Request, state: State) -> None:
    """Turn away who has shown too many tokens that are none.

    Raises
    ------
    Refusal
        Until the address may try again.
    """
    if wait := state.strangers.wait(address(request)):
        raise too_many(wait, "too many tokens that are none came from this address")


def too_many(wait: float, what: str) -> Refusal:
    """Say that somebody has to wait."""
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        what,
        then=f"wait {wait:.1f} s, then send it again",
        headers={"retry-after": str(int(wait) + 1)},
    )


def require(caller: Caller | None, right: Right) -> Caller:
    """Give the caller, who has the right.

    Raises
    ------
    Refusal
        Nobody is known, or the role does not allow it.
    """
    if caller is None:
        raise Refusal(
            HTTPStatus.UNAUTHORIZED,
            "this needs a token",
            where="header authorization",
            expected="Bearer and a token that `poet token create` printed",
            headers={"www-authenticate": "Bearer"},
        )
    if not caller.may(right):
        role = caller.token.role if caller.token else ""
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            f"a token with the role {role} must not do this",
            expected=f"a role with the right to {right}",
            then="ask whoever runs the server: `poet token create NAME --role ROLE` makes another one",
        )
    return caller


def require_form(request: Request, state: State, caller: Caller, said: str) -> None:
    """Let only forms in that came from a page of this server.

    Raises
    ------
    Refusal
        The form is another site's, or a page's from before a restart.
    """
    cookie = request.cookies.get(COOKIE, "")
    if not cookie or cookie != caller.cookie or not state.sessions.is_form_token(cookie, said):
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "this form did not come from a page of this session",
            where="field form_token",
            then="load the page again and repeat what you did",
        )


POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state
        public = urlsplit(state.settings.public_url)
        self._public = f"{public.scheme}://{public.netloc}" if public.netloc else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def answer(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                if self._state.settings.is_https:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        refusal = self._refused(scope)
        try:
            if refusal is None:
                await self._app(scope, receive, answer)
            else:
                await problem_response(refusal)(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._state.traffic.count(method, route, status, time.perf_counter() - began)

    def _refused(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        try:
            needs_tokens = self._state.needs_tokens
        except AccessError:
            return Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the file of tokens cannot be read, so nobody gets in",
                then="whoever runs the server: `poet token list` says what is wrong with it",
            )
        if not needs_tokens and _name(host) not in self._state.settings.hosts:
            # another site's name, made to point here, would have a browser ask with all that is allowed here
            return Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                "while there are no tokens, the server answers by the names of this machine alone",
                where="header host",
                expected=f"one of {', '.join(sorted(self._state.settings.hosts))}",
                got=ascii(host[:80]),
                then="`poet token create NAME --role operate` makes a token, `--public-url` names the server",
            )
        if scope["method"] not in _SAFE and self._is_elsewhere(headers, host):
            return Refusal(
                HTTPStatus.FORBIDDEN,
                "another site's page must not write here",
                where="header origin",
                got=ascii(headers.get("origin", "")[:80]),
                then="use the pages of this server, or a program with a token",
            )
        return None

    def _is_elsewhere(self, headers: Headers, host: str) -> bool:
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return True
        origin = headers.get("origin")
        if origin is None:
            return False
        return urlsplit(origin).netloc != host and origin != self._public


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _name(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()
