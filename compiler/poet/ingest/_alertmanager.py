"""Prometheus Alertmanager's webhook: alerts that fire become `alert.raised`.

What ends by itself is no person's word, so resolved alerts are counted and left out. The id of an alert is
its label or annotation `alert_id`, else its fingerprint with the time at which it began: the webhook is
repeated as long as an alert fires, and the log keeps one event an alert.
"""

import hashlib
from collections.abc import Callable, Iterator

import msgspec

from poet.errors import EventError, IngestError
from poet.events import make
from poet.ingest._cloudevents import BATCH_LIMIT, Received

__all__ = ["read_alertmanager"]


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


_WEBHOOK = msgspec.json.Decoder(_Webhook)


def read_alertmanager(body: bytes, *, now: Callable[[], float]) -> tuple[tuple[Received, ...], int]:
    """Read one notification; gives the events with refusals in their places, and how many were left out.

    Raises
    ------
    IngestError
        It is no notification of Alertmanager's version 4.
    """
    try:
        webhook = _WEBHOOK.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IngestError(
            where="body", expected="a notification of Alertmanager's webhook", got=str(error)
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
