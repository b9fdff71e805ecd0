"""Parsers of human-written money, durations and times to US dollars, seconds and epoch seconds.

Each function takes any JSON value and returns a float, or raises `ValueError` with the expected format.
"""

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta

Usd = Annotated[float, Meta(extra={"unit": "usd"})]
Seconds = Annotated[float, Meta(extra={"unit": "seconds"})]
Instant = Annotated[float, Meta(extra={"unit": "instant"})]

_MONEY: Final = re.compile(
    r"\s*(-?)\s*(?:US)?\$?\s*(\d[\d,_]*(?:\.\d+)?|\.\d+)\s*([kKmM]?)\s*(?:USD)?\s*", re.ASCII
)
_AMOUNT: Final = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)[\s_]*([A-Za-z]+)\s*", re.ASCII)
_ISO: Final = re.compile(
    r"P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_ISO_SECONDS: Final = (604_800.0, 86_400.0, 3600.0, 60.0, 1.0)
_UNITS: Final = {
    "ms": 0.001, "millisecond": 0.001, "milliseconds": 0.001,
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86_400.0, "day": 86_400.0, "days": 86_400.0,
    "w": 604_800.0, "week": 604_800.0, "weeks": 604_800.0,
}  # fmt: skip
_THOUSANDS: Final = {"": 1.0, "k": 1e3, "m": 1e6}


def money(value: object) -> float:
    """Return an amount in US dollars.

    >>> from poet.events.units import money
    >>> money("$1200"), money("$0.50"), money(50000), money("$1.5k")
    (1200.0, 0.5, 50000.0, 1500.0)
    """
    if isinstance(value, str):
        found = _MONEY.fullmatch(value)
        if found is None:
            raise ValueError('money, as 1200 or "$1200"')
        sign, digits, thousands = found.groups()
        amount = float(digits.replace(",", "").replace("_", "")) * _THOUSANDS[thousands.lower()]
        return _finite(-amount if sign else amount, "money")
    return _number(value, 'money, as 1200 or "$1200"')


def duration(value: object) -> float:
    """Return a duration in seconds.

    >>> from poet.events.units import duration
    >>> duration("2_hours"), duration("90min"), duration("PT2H"), duration(30)
    (7200.0, 5400.0, 7200.0, 30.0)
    """
    expected = 'a duration, as 7200 (seconds), "2_hours", "90min" or "PT2H"'
    if not isinstance(value, str):
        return _number(value, expected)
    if found := _AMOUNT.fullmatch(value):
        amount, unit = found.groups()
        if unit.lower() in _UNITS:
            return _finite(float(amount) * _UNITS[unit.lower()], expected)
    iso = _ISO.fullmatch(value.strip())
    if iso and any(iso.groups()):
        parts = zip(iso.groups(), _ISO_SECONDS, strict=True)
        return _finite(sum(float(part) * seconds for part, seconds in parts if part), expected)
    raise ValueError(expected)


def instant(value: object) -> float:
    """Return a time in seconds since 1970, UTC; a time without an offset is interpreted as UTC.

    >>> from poet.events.units import instant
    >>> instant("2024-01-15T10:00:00") == instant("2024-01-15T11:00:00+01:00") == 1705312800.0
    True
    """
    expected = 'a time, as "2024-01-15T10:00:00Z" (RFC 3339; without an offset: UTC)'
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError(expected) from error
    else:
        return _number(value, expected)
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, OSError) as error:
        raise ValueError(expected) from error


def _number(value: object, expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(expected)  # noqa: TRY004 -- one error type for every invalid value
    try:
        return _finite(float(value), expected)
    except OverflowError as error:
        raise ValueError(expected) from error


def _finite(value: float, expected: str) -> float:
    if not math.isfinite(value):
        raise ValueError(expected)
    return value


CONVERTERS: Final = {"usd": money, "seconds": duration, "instant": instant}
