"""Problem documents (RFC 9457): what is wrong, where, what was expected, and the next step."""

from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from poet_runtime.errors import EventError, IngestError, LogError, PoetError

MEDIA_TYPE: Final = "application/problem+json"
_STATUS: Final = {"header content-type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "body": HTTPStatus.BAD_REQUEST}


class Problem(Exception):  # noqa: N818 -- it becomes a response
    """A request that is refused with a problem document: 4xx, or 503 if the disk is the cause."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        where: str = "",
        expected: str = "",
        got: str = "",
        next_step: str = "",
        headers: dict[str, str] | None = None,
        **extensions: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.members = {
            name: value
            for name, value in (
                ("where", where),
                ("expected", expected),
                ("got", got),
                ("next_step", next_step),
            )
            if value
        }
        self.headers = headers or {}
        self.extensions = extensions

    def document(self) -> dict[str, object]:
        """Return the problem as plain data."""
        known = {"title": self.status.phrase, "status": int(self.status), "detail": self.detail}
        return known | self.members | self.extensions


def problem_of(error: PoetError) -> Problem:
    """Convert an error of POET into an HTTP problem."""
    if isinstance(error, EventError):
        return Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{error.event} was refused",
            where=error.path,
            expected=error.expected,
            got=error.got,
            next_step="correct the event and send it again; GET /openapi.json describes every type",
        )
    if isinstance(error, IngestError):
        return Problem(
            _STATUS.get(error.where, HTTPStatus.UNPROCESSABLE_ENTITY),
            "the request cannot be read",
            where=error.where,
            expected=error.expected,
            got=error.got,
            next_step="correct the request and send it again; GET /openapi.json describes it",
        )
    if isinstance(error, LogError):
        return Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            str(error),
            next_step="send it again later with the same ids; events already in the log change nothing",
            headers={"retry-after": "5"},
        )
    return Problem(HTTPStatus.CONFLICT, str(error))


def problem_response(problem: Problem) -> Response:
    """Return a problem document as a response."""
    return Response(
        msgspec.json.encode(problem.document()),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=problem.headers,
    )
