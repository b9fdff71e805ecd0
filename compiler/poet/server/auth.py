"""Authentication and authorization of callers, and the security middleware of every request.

The middleware checks the host name and the origin of a request and sets the security headers of responses.
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

from poet.server.problem import Problem, problem_response
from poet.server.state import COOKIE, State
from poet.server.tokens import Right, Token
from poet_runtime.errors import AccessError


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller: the holder of a token, or any user of this machine if there are no tokens."""

    name: str  # the author of changes and labels, such as user/ana
    token: Token | None
    cookie: str = ""  # of a browser; empty for a program

    @property
    def key(self) -> str:
        """Return the key of the caller's rate limit."""
        return self.token.id if self.token else self.name

    def may(self, right: Right) -> bool:
        """Return whether the caller has a right."""
        return self.token is None or self.token.may(right)


def address(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else "nowhere"


def caller_of(request: Request, state: State, *, is_browser: bool = True) -> Caller | None:
    """Return the caller; None if a token is required first. Cookies of programs are ignored.

    Raises
    ------
    Problem
        The token is unknown, or this address has sent too many unknown tokens.
    """
    _, _, secret = request.headers.get("authorization", "").partition(" ")
    cookie = request.cookies.get(COOKIE, "")
    if not state.needs_tokens:
        return Caller(state.workspace.who, None, cookie)
    if secret:
        refuse_failed_logins(request, state)
        token = state.tokens.find(secret.strip())
        if token is None:
            state.failed_logins.take(address(request))
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "the token is unknown or was revoked",
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


def refuse_failed_logins(request: Request, state: State) -> None:
    """Refuse an address that has sent too many unknown tokens.

    Raises
    ------
    Problem
        Until the address may try again.
    """
    if wait := state.failed_logins.wait(address(request)):
        raise too_many(wait, "this address has sent too many unknown tokens")


def too_many(wait: float, what: str) -> Problem:
    """Return the problem document for a caller that must wait."""
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        what,
        next_step=f"wait {wait:.1f} s, then send it again",
        headers={"retry-after": str(int(wait) + 1)},
    )


def require(caller: Caller | None, right: Right) -> Caller:
    """Return the caller if it has the right.

    Raises
    ------
    Problem
        The caller is unknown, or its role does not allow this.
    """
    if caller is None:
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "this requires a token",
            where="header authorization",
            expected="Bearer and a token that `poet token create` printed",
            headers={"www-authenticate": "Bearer"},
        )
    if not caller.may(right):
        role = caller.token.role if caller.token else ""
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"the role {role} does not allow this",
            expected=f"a role with the right to {right}",
            next_step="ask the operator for another token (`poet token create NAME --role ROLE`)",
        )
    return caller


def require_form(request: Request, state: State, caller: Caller, said: str) -> None:
    """Refuse forms that do not come from a page of this server (CSRF protection).

    Raises
    ------
    Problem
        The form comes from another site, or from a page loaded before a restart.
    """
    cookie = request.cookies.get(COOKIE, "")
    if not cookie or cookie != caller.cookie or not state.sessions.is_form_token(cookie, said):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "the form does not come from a page of this session",
            where="field form_token",
            next_step="reload the page and submit the form again",
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


class SecurityMiddleware:
    """The outermost middleware: checks hosts and origins, sets headers and counts requests."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state
        public = urlsplit(state.settings.public_url)
        self._public = f"{public.scheme}://{public.netloc}" if public.netloc else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
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

        problem = self._problem(scope)
        try:
            if problem is None:
                await self._app(scope, receive, answer)
            else:
                await problem_response(problem)(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._state.request_metrics.count(method, route, status, time.perf_counter() - began)

    def _problem(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        try:
            needs_tokens = self._state.needs_tokens
        except AccessError:
            return Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the token file cannot be read, so no one can log in",
                next_step="the operator can run `poet token list` to see the error",
            )
        if not needs_tokens and _name(host) not in self._state.settings.hosts:
            # DNS rebinding: a foreign name that resolves here would give another site's pages full access
            return Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "without tokens, the server answers only under the names of this machine",
                where="header host",
                expected=f"one of {', '.join(sorted(self._state.settings.hosts))}",
                got=ascii(host[:80]),
                next_step="create a token (`poet token create NAME --role operate`), or set `--public-url`",
            )
        if scope["method"] not in _SAFE and self._is_elsewhere(headers, host):
            return Problem(
                HTTPStatus.FORBIDDEN,
                "pages of other sites may not write here",
                where="header origin",
                got=ascii(headers.get("origin", "")[:80]),
                next_step="use the pages of this server, or send a token",
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
