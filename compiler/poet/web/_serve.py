"""Starting the server, where it may be started."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from poet.access import Tokens
from poet.errors import ServeError
from poet.web._app import make_app
from poet.web._settings import Settings

__all__ = ["serve"]


def serve(folder: Path, settings: Settings, *, started: Callable[[str], None]) -> None:
    """Serve a workspace until somebody ends it.

    Parameters
    ----------
    started
        Told the address once the server answers.

    Raises
    ------
    ServeError
        The address cannot be had, or is wider than this machine while there are no tokens.
    """
    if not settings.is_local and not Tokens(folder / "feedback_log").all():
        raise ServeError(
            f"{settings.host} can be reached from other machines, and without tokens everybody there could "
            "say which version answers. Make one by `poet token create NAME --role operate`, or leave --host "
            "out: then the server answers on this machine alone"
        )
    listening = _listening(settings)
    port = listening.getsockname()[1]
    app = make_app(folder, settings, clock=time.time)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # anybody could say that they come from elsewhere
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
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise ServeError(
            f"{settings.host} port {settings.port} cannot be had ({error.strerror or error}); "
            "choose others with --host and --port"
        ) from error
    return listening
