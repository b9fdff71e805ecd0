"""Login with a token, and logout."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from poet.web._body import read_form
from poet.web._handling import keep_cookie, state_of
from poet.web._render import show
from poet.web._sessions import COOKIE
from poet.web._state import State
from poet.web._who import Caller, address, caller_of, refuse_strangers

__all__ = ["leave", "login", "login_page"]


async def login_page(request: Request) -> Response:
    """Ask for a token."""
    state = state_of(request)
    if caller_of(request, state) is not None:
        return RedirectResponse("/", status_code=HTTPStatus.SEE_OTHER)
    return _asked(request, state, then=request.query_params.get("then", "/"))


async def login(request: Request) -> Response:
    """Begin a session for whoever shows a token that may see pages."""
    state = state_of(request)
    refuse_strangers(request, state)
    fields = await read_form(request, state.settings)
    token = state.tokens.find(fields.get("token", "").strip())
    then = fields.get("then", "/")
    if token is None or not token.may("read"):
        state.strangers.take(address(request))
        problem = (
            "This token is unknown, or was revoked."
            if token is None
            else "A token of the role emit sees no pages."
        )
        return _asked(request, state, then=then, problem=problem, status=HTTPStatus.UNAUTHORIZED)
    response = RedirectResponse(_inside(then), status_code=HTTPStatus.SEE_OTHER)
    return keep_cookie(response, state, state.sessions.begin(token.id))


async def leave(_request: Request, state: State, caller: Caller, _fields: dict[str, str]) -> Response:
    """End a session."""
    state.sessions.end(caller.cookie)
    response = RedirectResponse("/login", status_code=HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE)
    return response


def _asked(
    request: Request, state: State, *, then: str, problem: str = "", status: int = HTTPStatus.OK
) -> Response:
    return show(request, state, None, "login.html", then=_inside(then), problem=problem, status=status)


def _inside(path: str) -> str:
    """Give the path of one of our pages: a login must not lead anywhere else."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_ours and path.isascii() and path.isprintable() else "/"
