"""Reading what a request brings: no more than is allowed, no longer than is reasonable."""

import asyncio
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request

from poet.web._problem import Refusal
from poet.web._settings import Settings

__all__ = ["read_body", "read_form"]

FIELDS = 20
FORM_BYTES = 64 * 1024


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
