"""Problem documents (RFC 9457): what is wrong, where, what was expected, and the next step."""

from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from poet_runtime.errors import EventError, IngestError, LogError, PoetError

MEDIA_TYPE: Final = "application/problem+json"
_STATUS: Final = {"header content-type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "body": HTTPStatus.BAD_REQUEST}


class Refusal(Exception):  # noqa: N818 -- it becomes an answer
    """A refused request: 4xx, or 503 if the disk is the cause."""

    def __init__(
        self,
        status: HTTPStatus,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        got: str = "",
        then: str = "",
        headers: dict[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.says = {
            name: value
            for name, value in (("where", where), ("expected", expected), ("got", got), ("next", then))
            if value
        }
        self.headers = headers or {}
        self.more = more

    def document(self) -> dict[str, object]:
        """Return the problem as plain data."""
        known = {"title": self.status.phrase, "status": int(self.status), "detail": self.what}
        return known | self.says | self.more


def refusal_of(error: PoetError) -> Refusal:
    """Convert an error of POET into an HTTP problem."""
    if isinstance(error, EventError):
        return Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{error.event} was refused",
            where=error.path,
            expected=error.expected,
            got=error.got,
            then="correct the event and send it again; GET /openapi.json describes every type",
        )
    if isinstance(error, IngestError):
        return Refusal(
            _STATUS.get(error.where, HTTPStatus.UNPROCESSABLE_ENTITY),
            "the request cannot be read",
            where=error.where,
            expected=error.expected,
            got=error.got,
            then="correct the request and send it again; GET /openapi.json describes it",
        )
    if isinstance(error, LogError):
        return Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            str(error),
            then="send it again later with the same ids; events already in the log change nothing",
            headers={"retry-after": "5"},
        )
    return Refusal(HTTPStatus.CONFLICT, str(error))


def problem_response(refusal: Refusal) -> Response:
    """Return a refusal as a JSON response."""
    return Response(
        msgspec.json.encode(refusal.document()),
        status_code=refusal.status,
        media_type=MEDIA_TYPE,
        headers=refusal.headers,
    )
