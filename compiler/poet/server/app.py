"""The web application: routes, error handling and server start."""

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from poet.server import health as _open
from poet.server import inbox as _inbox
from poet.server import ingest as _api
from poet.server import ingest as _hooks
from poet.server import pages as _login
from poet.server import pages as _pages
from poet.server import plans as _plans
from poet.server import versions as _versions
from poet.server.auth import SecurityMiddleware, caller_of
from poet.server.handlers import form, machine, page, state_of
from poet.server.problem import Problem, problem_of, problem_response
from poet.server.render import HERE, show
from poet.server.state import Settings, State
from poet.server.tokens import Tokens
from poet_runtime.errors import PoetError, ServeError

MACHINES: Final = ("/v1/", "/health", "/ready", "/metrics", "/openapi.json")


def make_app(
    folder: Path, settings: Settings | None = None, *, clock: Callable[[], float] = time.time
) -> Starlette:
    """Build the application of a workspace; the workspace is opened now and closed at shutdown.

    Raises
    ------
    WorkspaceError
        The folder is not a workspace.
    """
    state = State(folder, settings or Settings(), clock=clock)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await state.close()

    app = Starlette(
        routes=_routes(),
        middleware=[Middleware(SecurityMiddleware, state=state)],
        exception_handlers={
            Problem: _problem,
            PoetError: _problem,
            HTTPException: _problem,
            Exception: _failed,
        },
        lifespan=lifespan,
    )
    app.state.poet = state
    return app


def _routes() -> list[Route | Mount]:
    return [
        Route("/v1/events", machine("emit", _api.emit), methods=["POST"]),
        Route("/v1/alertmanager", machine("emit", _api.alertmanager), methods=["POST"]),
        Route("/v1/slack", _hooks.slack, methods=["POST"]),
        Route("/v1/webhooks/{name}", _hooks.signed, methods=["POST"]),
        Route("/health", _open.health),
        Route("/ready", _open.ready),
        Route("/openapi.json", _open.describe),
        Route("/metrics", machine("read", _open.metrics)),
        Route("/login", _login.login_page),
        Route("/login", _login.login, methods=["POST"]),
        Route("/logout", form("read", _login.leave), methods=["POST"]),
        Route("/", page(_pages.overview)),
        Route("/log", page(_pages.log)),
        Route("/log/rows", page(_pages.log_rows)),
        Route("/log/named", page(_pages.event_named)),
        Route("/log/{position}", page(_pages.event)),
        Route("/inbox", page(_inbox.inbox)),
        Route("/executions/{position}", page(_inbox.execution)),
        Route("/executions/{position}", form("review", _inbox.answer), methods=["POST"]),
        Route("/plans", page(_plans.plans)),
        Route("/plans", form("review", _plans.make), methods=["POST"]),
        Route("/plans/work", page(_plans.work)),
        Route("/plans/{identity}", page(_plans.plan)),
        Route("/plans/{identity}/approve", form("operate", _plans.approve), methods=["POST"]),
        Route("/plans/{identity}/reject", form("operate", _plans.reject), methods=["POST"]),
        Route("/versions", page(_versions.versions)),
        Route("/versions/{policy}", page(_versions.history)),
        Route("/versions/{policy}/rollback", form("operate", _versions.rollback), methods=["POST"]),
        Route("/versions/{policy}/{number}", page(_versions.version)),
        Route("/versions/{policy}/{number}/activate", form("operate", _versions.activate), methods=["POST"]),
        Route("/rules", page(_versions.rules)),
        Route("/rules/{policy}/{number}/{rule}", page(_versions.rule)),
        Mount("/static", _Static(directory=HERE / "static")),
    ]


class _Static(StaticFiles):
    """The package's static files; browsers may cache them because their URLs contain a content digest."""

    def file_response(self, *arguments: object, **keywords: object) -> Response:
        response: Response = super().file_response(*arguments, **keywords)  # type: ignore[arg-type]
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


async def _problem(request: Request, error: Exception) -> Response:
    """Return an error as JSON to programs and as a page to people."""
    if isinstance(error, Problem):
        problem = error
    elif isinstance(error, HTTPException):
        next_step = "GET /openapi.json lists the HTTP API" if error.status_code == 404 else ""
        problem = Problem(
            HTTPStatus(error.status_code), f"{error.detail}: {request.url.path!r:.80}", next_step=next_step
        )
        problem.headers |= dict(error.headers or {})
    else:
        assert isinstance(error, PoetError)  # noqa: S101 -- the handlers above say so
        problem = problem_of(error)
    return _respond(request, problem)


async def _failed(request: Request, _error: Exception) -> Response:
    """Return an internal error without details; the log of the process contains them."""
    return _respond(
        request,
        Problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal server error",
            next_step="see the output of the server; everything acknowledged with 200 is on disk",
        ),
    )


def _respond(request: Request, problem: Problem) -> Response:
    if request.url.path.startswith(MACHINES) or "text/html" not in request.headers.get("accept", ""):
        return problem_response(problem)
    state = state_of(request)
    try:
        caller = caller_of(request, state)
    except (Problem, PoetError):
        caller = None
    response = show(request, state, caller, "problem.html", status=problem.status, problem=problem)
    response.headers.update(problem.headers)
    return response


def serve(folder: Path, settings: Settings, *, started: Callable[[str], None]) -> None:
    """Serve a workspace until interrupted.

    Parameters
    ----------
    started
        Called with the address once the server accepts requests.

    Raises
    ------
    ServeError
        The address is not available, or it is reachable from other machines while there are no tokens.
    """
    if not settings.is_local and not Tokens(folder / "feedback_log").all():
        raise ServeError(
            f"{settings.host} can be reached from other machines, and without tokens anyone there could "
            "activate a version. Create a token with `poet token create NAME --role operate`, or omit --host "
            "to serve only this machine"
        )
    listening = _listening(settings)
    port = listening.getsockname()[1]
    app = make_app(folder, settings, clock=time.time)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # clients could forge their address
        server_header=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=30,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    started(f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{port}")
    server.run(sockets=[listening])


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    # On Windows SO_REUSEADDR would let another program listen on the same port.
    option: int = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
    listening.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise ServeError(
            f"{settings.host} port {settings.port} is not available ({error.strerror or error}); "
            "choose another address with --host and --port"
        ) from error
    return listening
