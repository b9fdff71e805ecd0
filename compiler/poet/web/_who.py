"""Who asks, and whether they may."""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request

from poet.access import Right, Token
from poet.web._problem import Refusal
from poet.web._sessions import COOKIE
from poet.web._state import State

__all__ = ["Caller", "address", "caller_of", "require", "require_form"]


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
