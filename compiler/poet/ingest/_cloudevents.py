"""The CloudEvents HTTP binding: structured, batched and binary (CloudEvents 1.0, HTTP Protocol Binding)."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

import msgspec

from poet.errors import EventError, IngestError
from poet.events import Event, parse

__all__ = ["BATCH_LIMIT", "Received", "read_cloudevents"]

BATCH_LIMIT = 1000  # events in one request
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
PLAIN = "application/json"
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,40}")
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
Received = Event | EventError


def read_cloudevents(
    headers: Mapping[str, str],
    body: bytes,
    *,
    source: str,
    now: Callable[[], float],
    is_binary_allowed: bool = True,
    name_event: Callable[[int], str] | None = None,
) -> tuple[Received, ...]:
    """Read what one request brings: events, and refusals in the place of those that are none.

    Parameters
    ----------
    headers
        With names in lower case.
    source
        Of events that name none.
    is_binary_allowed
        Whether attributes may stand in headers, which a signature over the body does not cover.
    name_event
        Gives the id of the n-th event where it names none; random ids by default.

    Raises
    ------
    IngestError
        The request as a whole cannot be read.
    """
    kind = _media_type(headers.get("content-type", PLAIN))
    if is_binary_allowed and ("ce-type" in headers or "ce-specversion" in headers):
        if kind not in {PLAIN, ""}:
            raise IngestError(where="header content-type", expected=PLAIN, got=_shown(kind))
        documents = [_from_headers(headers, body)]
    elif kind == BATCHED or (kind == PLAIN and body.lstrip()[:1] == b"["):
        documents = _split(body)
    elif kind in {STRUCTURED, PLAIN}:
        documents = [body]
    else:
        raise IngestError(
            where="header content-type", expected=f"{STRUCTURED}, {BATCHED} or {PLAIN}", got=_shown(kind)
        )
    return tuple(
        _read(document, number, source, now, name_event) for number, document in enumerate(documents)
    )


def _read(
    document: bytes,
    number: int,
    source: str,
    now: Callable[[], float],
    name_event: Callable[[int], str] | None,
) -> Received:
    try:
        event = parse(document, source=source, now=now)
        if name_event is not None and "id" not in msgspec.json.decode(event.raw, type=dict[str, msgspec.Raw]):
            return msgspec.structs.replace(event, id=name_event(number))
    except EventError as refusal:
        return refusal
    except (msgspec.DecodeError, RecursionError) as error:  # what JSON cannot hold, as a number beyond 1e308
        return EventError(event="event", path="$", expected="a CloudEvent in JSON", got=str(error))
    return event


def _split(body: bytes) -> list[bytes]:
    try:
        found = _RAWS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IngestError(where="body", expected="a JSON array of CloudEvents", got=str(error)) from error
    if len(found) > BATCH_LIMIT:
        raise IngestError(
            where="body", expected=f"at most {BATCH_LIMIT} events in a request", got=f"{len(found)} events"
        )
    return [bytes(each) for each in found]


def _from_headers(headers: Mapping[str, str], body: bytes) -> bytes:
    """Put the attributes of a binary request and its data into one envelope."""
    try:  # data is set into the envelope as it is, so it must be one JSON object and nothing more
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IngestError(where="body", expected="the event's data, a JSON object", got=str(error)) from error
    envelope: dict[str, object] = {}
    for name, value in headers.items():
        attribute = name.removeprefix("ce-")
        if attribute == name or attribute in {"data", "database64"}:
            continue
        if _ATTRIBUTE.fullmatch(attribute) is None:
            raise IngestError(
                where=f"header {_shown(name)}", expected="a name of a-z and 0-9", got=_shown(name)
            )
        try:
            envelope[attribute] = unquote(value, errors="strict")
        except UnicodeDecodeError as error:
            raise IngestError(
                where=f"header {name}", expected="percent-encoded UTF-8", got=_shown(value)
            ) from error
    try:
        return msgspec.json.encode(envelope | {"data": msgspec.Raw(body)})
    except (UnicodeEncodeError, ValueError) as error:
        raise IngestError(where="headers ce-…", expected="text in Unicode", got=str(error)) from error


def _media_type(value: str) -> str:
    kind, *parameters = (part.strip().lower() for part in value.split(";"))
    for parameter in parameters:
        name, _, encoding = parameter.partition("=")
        if name.strip() == "charset" and encoding.strip('" ') not in {"utf-8", "utf8"}:
            raise IngestError(where="header content-type", expected="charset=utf-8", got=_shown(encoding))
    return kind


def _shown(text: str) -> str:
    return ascii(text[:80])
