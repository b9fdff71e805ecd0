"""Parsers of incoming requests: CloudEvents and Prometheus Alertmanager's webhook.

CloudEvents may be structured, batched or binary (CloudEvents 1.0, HTTP Protocol Binding).

A firing alert of Alertmanager becomes `alert.raised`. A resolved alert is not human feedback, so resolved
alerts are counted and skipped. The id of an alert is its label or annotation `alert_id`, else its
fingerprint with its start time. Alertmanager repeats the webhook while an alert fires; the id keeps one event
per alert in the log.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote

import msgspec

from poet.events import Event, make, parse
from poet_runtime.errors import EventError, IngestError

BATCH_LIMIT: Final = 1000  # events in one request
STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
PLAIN: Final = "application/json"
_ATTRIBUTE: Final = re.compile(r"[a-z0-9]{1,40}")
_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
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
    """Parse one request into events, with a problem in the place of each invalid event.

    Parameters
    ----------
    headers
        The headers, with lower-case names.
    source
        The source of events without one.
    is_binary_allowed
        Whether attributes may be in headers, which a signature over the body does not cover.
    name_event
        Returns the id of the n-th event if it has none; random ids by default.

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
    except EventError as problem:
        return problem
    except (
        msgspec.DecodeError,
        RecursionError,
    ) as error:  # values that JSON cannot represent, such as numbers above 1e308
        return EventError(event="event", path="$", expected="a CloudEvent in JSON", got=str(error))
    return event


def _split(body: bytes) -> list[bytes]:
    try:
        found = _RAWS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IngestError(where="body", expected="a JSON array of CloudEvents", got=str(error)) from error
    if len(found) > BATCH_LIMIT:
        raise IngestError(
            where="body", expected=f"at most {BATCH_LIMIT} events per request", got=f"{len(found)} events"
        )
    return [bytes(each) for each in found]


def _from_headers(headers: Mapping[str, str], body: bytes) -> bytes:
    """Combine the attributes and the data of a binary request into one envelope."""
    try:  # data is inserted into the envelope verbatim, so it must be exactly one JSON object
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


class _Alert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: str
    fingerprint: str = ""


class _Webhook(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    version: str
    receiver: str = ""
    group_key: str = ""
    alerts: list[_Alert]


_WEBHOOK: Final = msgspec.json.Decoder(_Webhook)


def read_alertmanager(body: bytes, *, now: Callable[[], float]) -> tuple[tuple[Received, ...], int]:
    """Parse one notification; return the events or refusals, and the number of skipped alerts.

    Raises
    ------
    IngestError
        The body is not an Alertmanager notification of version 4.
    """
    try:
        webhook = _WEBHOOK.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IngestError(
            where="body", expected="an Alertmanager webhook notification", got=str(error)
        ) from error
    if webhook.version != "4":
        raise IngestError(where="body version", expected="'4'", got=ascii(webhook.version[:80]))
    if len(webhook.alerts) > BATCH_LIMIT:
        raise IngestError(
            where="body alerts", expected=f"at most {BATCH_LIMIT}", got=f"{len(webhook.alerts)} alerts"
        )
    firing = [alert for alert in webhook.alerts if alert.status == "firing"]
    return tuple(_events(webhook, firing, now)), len(webhook.alerts) - len(firing)


def _events(webhook: _Webhook, alerts: list[_Alert], now: Callable[[], float]) -> Iterator[Received]:
    source = f"alertmanager/{webhook.receiver or 'unnamed'}"
    for alert in alerts:
        identity = _told(alert, "alert_id") or f"{_fingerprint(alert)}-{alert.starts_at}"
        feature, severity = alert.labels.get("feature"), alert.labels.get("severity")
        data = {
            "alert_id": identity,
            "execution_ids": [each for each in _told(alert, "execution_id").split(",") if each],
            "features": [feature] if feature else [],
            "severity": severity,
            "group": webhook.group_key or None,
            "reason": alert.labels.get("alertname"),
        }
        try:
            yield make("alert.raised", data, source=source, id=identity, time=alert.starts_at, now=now)
        except (EventError, OverflowError) as error:
            yield _refusal(identity, error)


def _refusal(identity: str, error: Exception) -> EventError:
    if isinstance(error, EventError):
        return error
    return EventError(event=identity[:80], path="startsAt", expected="a time", got=str(error))


def _told(alert: _Alert, name: str) -> str:
    return alert.labels.get(name) or alert.annotations.get(name) or ""


def _fingerprint(alert: _Alert) -> str:
    labels = msgspec.json.encode(alert.labels, order="sorted")
    return alert.fingerprint or hashlib.sha256(labels).hexdigest()[:16]
