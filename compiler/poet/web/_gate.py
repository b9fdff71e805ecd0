"""What every request passes: by which name and from which page it comes, and which headers go back."""

import time
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from poet.errors import AccessError
from poet.web._problem import Refusal, problem_response
from poet.web._state import State

__all__ = ["POLICY", "Gate"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


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


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _name(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()
