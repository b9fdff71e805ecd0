"""The event envelope: parse bytes or build from fields an `Event`, or raise an error with path and reason.

Events without an id get a UUIDv7 (RFC 9562), which is sortable by time and otherwise random. Times are in
seconds since 1970, rounded to microseconds, together with their ISO 8601 text.

Names of earlier releases are converted when an event is read; `raw` stays as it was written.

`make` has a fast path (`make_plain`) for plain events. It leaves everything else to the general path,
`parse`: former names, money as text, a null that may have been a NaN, a time outside the years 2001 to 2096,
and every invalid event, because `parse` reports what is wrong. Both paths yield the same payload and the same
bytes.
"""

import difflib
import math
import os
import re
import time as clock
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Final

import msgspec

from poet.events.payloads import Payload, Problem
from poet.events.schema import PAYLOADS, units_of
from poet.events.units import CONVERTERS, instant
from poet_runtime import former_names
from poet_runtime.background import call_after_fork_in_child
from poet_runtime.errors import EventError

IDS_PER_DRAW: Final = 256  # ids whose random parts are drawn from the operating system in one call
_TAILS: Final[list[str]] = []  # formatted random parts; `pop` is atomic among threads
_VARIANT: Final = str.maketrans("0123456789abcdef", "89ab89ab89ab89ab")


def new_id(now: float | None = None) -> str:
    """Return a UUIDv7 for a time in seconds since 1970, by default the current time."""
    try:
        tail = _TAILS.pop()
    except IndexError:
        tail = _random_tail()
    return _head(int((clock.time() if now is None else now) * 1000)) + tail


@lru_cache(maxsize=64)
def _head(milliseconds: int) -> str:
    digits = f"{milliseconds & 0xFFFF_FFFF_FFFF:012x}"
    return f"{digits[:8]}-{digits[8:]}-"


def _random_tail() -> str:
    """Draw random parts, store all but one and return that one."""
    digits = os.urandom(10 * IDS_PER_DRAW).hex()
    parts = [digits[start : start + 20] for start in range(0, 20 * IDS_PER_DRAW, 20)]
    tails = [f"7{part[:3]}-{part[3].translate(_VARIANT)}{part[4:7]}-{part[7:19]}" for part in parts]
    last = tails.pop()
    _TAILS.extend(tails)
    return last


call_after_fork_in_child(_TAILS.clear)  # parent and child must not create the same ids


PLAIN_S: Final = (
    1e9,
    4e9,
)  # in this range a float's fraction has so few bits that its product with 1e6 is exact


def rounded_time(time: float) -> tuple[float, bytes]:
    """Return a time rounded as by ``round(time, 6)``, and its text as by `datetime.isoformat`.

    The text is empty for times outside the years 2001 to 2096 (`PLAIN_S`).
    """
    if not PLAIN_S[0] <= time < PLAIN_S[1]:
        return round(time, 6), b""
    second = int(time)
    micros = round((time - second) * 1e6)
    if micros == 1_000_000:
        second, micros = second + 1, 0
    rounded = (second * 1_000_000 + micros) / 1e6
    return rounded, b"%b.%06d+00:00" % (_second(second), micros) if micros else b"%b+00:00" % _second(second)


@lru_cache(maxsize=64)
def _second(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00").encode()


_encode = msgspec.json.Encoder(order="sorted").encode
_PLAIN: Final = b'{"data":%b,"id":%b,"source":%b,"specversion":"1.0","time":"%b","type":%b}'
_WITH_SUBJECT: Final = (
    b'{"data":%b,"id":%b,"source":%b,"specversion":"1.0","subject":%b,"time":"%b","type":%b}'
)


def make_plain(
    type_: str, data: Mapping[str, object], source: str, time: bytes, identity: str, subject: str | None
) -> tuple[Payload, bytes] | None:
    """Return the payload and the envelope's bytes, or None if the event needs the general path.

    `time` is the text from `rounded_time`; it may be empty.
    """
    if not (time and source and identity and type(type_) is type(source) is type(identity) is str):
        return None
    kind = PAYLOADS.get(type_)
    decode = None if kind is None else _decoder(kind)
    if decode is None or not (subject is None or type(subject) is str):
        return None
    try:
        encoded = _encode(data)
        if encoded.find(b"null") >= 0 or former_names.is_former(
            type_, encoded
        ):  # `find`: twice as fast as `in`
            return None
        payload = decode(encoded)
        payload.verify()
        names = encoded, _encode(identity), _encode(source)
        if subject is None:
            return payload, _PLAIN % (*names, time, _encode(type_))
        return payload, _WITH_SUBJECT % (*names, _encode(subject), time, _encode(type_))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


@cache
def _decoder(kind: type[Payload]) -> Callable[[bytes], Payload] | None:
    """Return a decoder for a payload without fields in units; None for payloads with such fields."""
    return None if units_of(kind) else msgspec.json.Decoder(kind).decode


LIMIT_BYTES: Final = 256 * 1024
SHOWN: Final = 80  # characters of a value that a message quotes
_MESSAGE: Final = re.compile(r"(?P<what>.*?)(?: - at `\$?\.?(?P<path>.*)`)?", re.DOTALL)
_EXPECTED: Final = re.compile(r"Expected (?P<expected>.+?)(?:, got (?P<got>.+))?", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>.+)`")
_ENVELOPE_FIELDS: Final = frozenset(("specversion", "id", "source", "type", "time", "subject", "data"))


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the log.

    `time` is in seconds since 1970, UTC. `data` is normalized: US dollars, seconds and epoch seconds as
    floats. `raw` is the unmodified envelope, with unknown fields and in the original units.
    """

    id: str
    source: str
    type: str
    time: float
    subject: str | None
    data: Payload
    raw: bytes

    def extras(self) -> dict[str, object]:
        """Return the fields that are not in the schema: the envelope's, and under ``data`` the payload's."""
        document = msgspec.json.decode(self.raw, type=dict[str, object])
        known = type(self.data).__struct_encode_fields__
        data = document.get("data")
        if isinstance(data, dict):
            data = former_names.payload(self.type, data)
        unknown = {name: value for name, value in document.items() if name not in _ENVELOPE_FIELDS}
        inner = (
            {name: value for name, value in data.items() if name not in known}
            if isinstance(data, dict)
            else {}
        )
        return unknown | ({"data": inner} if inner else {})


class _Envelope(msgspec.Struct):
    type: str
    data: msgspec.Raw
    id: str | msgspec.UnsetType = msgspec.UNSET
    source: str | msgspec.UnsetType = msgspec.UNSET
    time: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    subject: str | None = None
    specversion: str = "1.0"


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def parse(document: bytes | str, *, source: str = "unknown", now: Callable[[], float] = clock.time) -> Event:
    """Return the event in a JSON envelope.

    >>> from poet.events import parse
    >>> document = '{"type": "drift.validation", "data": {"execution_id": "x-1", "was_real_drift": true}}'
    >>> event = parse(document)
    >>> event.source, event.data.execution_id
    ('unknown', 'x-1')

    Parameters
    ----------
    document
        A CloudEvent of at most 256 KiB; only `type` and `data` are required.
    source
        The default source of events without one.
    now
        Returns the time of events without one, in seconds since 1970.

    Raises
    ------
    EventError
        The document is not a valid event. The error names the event, the field, and the expected and the
        actual value.
    """
    raw = _bytes(document)
    try:
        envelope = _ENVELOPE.decode(raw)
    except msgspec.ValidationError as error:
        raise _refusal("event", error, raw) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused("event", path="$", expected="a JSON object", got=str(error)) from error
    name = _name(envelope)
    if envelope.specversion != "1.0":
        raise EventError(event=name, path="specversion", expected="'1.0'", got=repr(envelope.specversion))
    stated = _time(envelope.time, name)
    time = now() if stated is None else stated
    return Event(
        id=_text(envelope.id, name, "id") or new_id(time),
        source=_text(envelope.source, name, "source") or source,
        type=former_names.event_type(envelope.type),
        time=time,
        subject=envelope.subject,
        data=_payload(envelope, name),
        raw=raw,
    )


def make(
    type: str,  # noqa: A002 -- the name in CloudEvents
    data: Mapping[str, object],
    *,
    source: str = "unknown",
    time: float | str | datetime | None = None,
    id: str | None = None,  # noqa: A002
    subject: str | None = None,
    now: Callable[[], float] = clock.time,
) -> Event:
    """Return an event built from its fields; `raw` is its canonical JSON.

    >>> from poet.events import make
    >>> label = {"execution_id": "x-1", "was_real_drift": False}
    >>> event = make("drift.validation", label, source="user/ana", time="2024-01-15T10:00:00Z", id="e-1")
    >>> event.time, event.data.was_real_drift
    (1705312800.0, False)

    Raises
    ------
    EventError
        As for `parse`, and for values that JSON cannot represent (NaN, infinity, lone surrogates).
    """
    try:
        moment, text = rounded_time(now() if time is None else instant(time))
    except ValueError as error:
        name = f"{id or 'new event'} ({type})"
        raise _refused(name, path="time", expected=str(error), got=repr(time)) from error
    identity = new_id(moment) if id is None else id
    found = make_plain(type, data, source, text, identity, subject)
    if found is None or len(found[1]) > LIMIT_BYTES:
        raw = _canonical_envelope(type, data, source, moment, identity, subject, name=id or "new event")
        return parse(raw, source=source, now=now)
    payload, raw = found
    return Event(id=identity, source=source, type=type, time=moment, subject=subject, data=payload, raw=raw)


def _canonical_envelope(
    type_: str,
    data: Mapping[str, object],
    source: str,
    moment: float,
    identity: str,
    subject: str | None,
    *,
    name: str,
) -> bytes:
    """Return an envelope as canonical JSON."""
    named = f"{name} ({type_})"
    envelope = {
        "specversion": "1.0",
        "id": identity,
        "source": source,
        "type": type_,
        "time": datetime.fromtimestamp(moment, UTC).isoformat(),
        "data": _without_nan(data, named, "data"),
    }
    if subject is not None:
        envelope["subject"] = subject
    try:
        return msgspec.json.encode(envelope, order="sorted")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EventError(
            event=named, path="data", expected="values that JSON can represent", got=str(error)
        ) from error


def _refused(event: str, *, path: str, expected: str, got: object) -> EventError:
    """Return the error, with the actual value shortened to a readable length."""
    return EventError(event=event, path=path, expected=expected, got=_short(str(got)))


def _bytes(document: bytes | str) -> bytes:
    try:
        raw = document.encode() if isinstance(document, str) else bytes(document)
    except UnicodeEncodeError as error:
        raise EventError(event="event", path="$", expected="text in Unicode", got=str(error)) from error
    if len(raw) > LIMIT_BYTES:
        raise _refused("event", path="$", expected="at most 256 KiB", got=f"{len(raw)} bytes")
    return raw


def _name(envelope: _Envelope) -> str:
    return f"{_short(envelope.id) if isinstance(envelope.id, str) else 'event'} ({_short(envelope.type)})"


def _text(value: str | msgspec.UnsetType, name: str, path: str) -> str | None:
    if isinstance(value, msgspec.UnsetType):
        return None
    if not value:
        raise _refused(name, path=path, expected="a non-empty string", got="''")
    return value


def _time(value: msgspec.Raw | msgspec.UnsetType, name: str) -> float | None:
    if isinstance(value, msgspec.UnsetType):
        return None
    try:
        stated: object = msgspec.json.decode(value)
    except msgspec.DecodeError as error:  # a number out of range, such as 1e400
        raise _refused(name, path="time", expected="a time", got=str(error)) from error
    if stated is None:
        return None
    try:
        return instant(stated)
    except ValueError as error:
        raise _refused(name, path="time", expected=str(error), got=repr(stated)) from error


@cache
def _reader(payload: type[Payload]) -> tuple[msgspec.json.Decoder[Payload], dict[str, str]]:
    return msgspec.json.Decoder(payload), units_of(payload)


def _payload(envelope: _Envelope, name: str) -> Payload:
    type_ = former_names.event_type(envelope.type)
    kind = PAYLOADS.get(type_)
    if kind is None:
        raise _unknown_type(envelope.type, name)
    decoder, units = _reader(kind)
    raw = envelope.data
    try:
        if former_names.is_former(type_, bytes(raw)):
            raw = _with_present_names(type_, raw)
        data = _with_units(raw, kind, units, name) if units else decoder.decode(raw)
        data.verify()
    except msgspec.ValidationError as error:
        raise _refusal(name, error, bytes(envelope.data)) from error
    except Problem as problem:
        raise EventError(
            event=name, path=problem.path, expected=problem.expected, got=problem.got
        ) from problem
    except (msgspec.DecodeError, RecursionError) as error:
        raise _refused(name, path="data", expected="a JSON object", got=str(error)) from error
    return data


def _with_present_names(type_: str, raw: msgspec.Raw) -> msgspec.Raw:
    fields = msgspec.json.decode(raw)
    if not isinstance(fields, dict):
        return raw  # reported by the decoder
    return msgspec.Raw(msgspec.json.encode(former_names.payload(type_, fields)))


def _with_units(raw: msgspec.Raw, kind: type[Payload], units: Mapping[str, str], name: str) -> Payload:
    fields = msgspec.json.decode(raw, type=dict[str, object])
    for field, unit in units.items():
        value = fields.get(field)
        if value is not None:
            try:
                fields[field] = CONVERTERS[unit](value)
            except ValueError as error:
                raise EventError(event=name, path=field, expected=str(error), got=repr(value)) from error
    return msgspec.convert(fields, kind)


def _unknown_type(type_: str, name: str) -> EventError:
    near = difflib.get_close_matches(type_[:SHOWN], PAYLOADS, n=1)
    expected = f"a known type; did you mean {near[0]!r}?" if near else f"one of {', '.join(sorted(PAYLOADS))}"
    return _refused(name, path="type", expected=expected, got=repr(type_))


def _refusal(name: str, error: msgspec.ValidationError, document: bytes) -> EventError:
    parsed = _MESSAGE.fullmatch(str(error))
    what, path = (parsed["what"], parsed["path"] or "") if parsed else (str(error), "")
    if missing := _MISSING.fullmatch(what):
        field = missing["field"]
        return EventError(
            event=name,
            path=f"{path}.{field}" if path else field,
            expected="a value, it is required",
            got="nothing",
        )
    parts = _EXPECTED.fullmatch(what)
    expected, got = (parts["expected"], parts["got"]) if parts else (what, None)
    return EventError(event=name, path=path or "$", expected=expected, got=got or _found(document, path))


def _found(document: bytes, path: str) -> str:
    """Return the value at a path such as ``scores[...].statistic``, as far as the path can be followed."""
    value: object = msgspec.json.decode(document)
    for step in re.findall(r"[^.\[\]]+", path.split("[...]", maxsplit=1)[0]):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
    return repr(value)


def _without_nan(value: object, name: str, path: str) -> object:
    """Return plain containers; raise for NaN and infinity, which JSON would silently turn into null."""
    if isinstance(value, float) and not math.isfinite(value):
        raise EventError(
            event=name, path=path.removeprefix("data."), expected="a finite number", got=repr(value)
        )
    if isinstance(value, Mapping):
        return {key: _without_nan(each, name, f"{path}.{key}") for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each, name, f"{path}[{row}]") for row, each in enumerate(value)]
    return value


def _short(text: str) -> str:
    """Return a text shortened for a message and made printable."""
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return shown.encode("unicode_escape").decode() if not shown.isprintable() else shown
