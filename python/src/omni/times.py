"""How text becomes a value of a class of `datetime`.

Own patterns, so that every Python takes the same texts: before 3.11 `fromisoformat` knows neither `Z`
nor short fractions.
"""

from __future__ import annotations

import datetime as dt
import re

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.stdlib_types import ArgumentError, parsed, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CLOCK = r"(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,6})\d*)?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?"
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)\Z", re.ASCII)
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt _]" + _CLOCK + r"\Z", re.ASCII)
_HOUR = re.compile(_CLOCK + r"\Z", re.ASCII)
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_SPAN = re.compile(
    rf"([+-])?P(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?\Z",
    re.ASCII | re.IGNORECASE,
)
_CLOCK_SPAN = re.compile(
    r"([+-])?(?:(\d+) ?d(?:ays?)?,? ?)?(?:(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?)?\Z", re.ASCII | re.IGNORECASE
)


def _zone(text: str | None) -> dt.timezone | None:
    if text is None:
        return None
    if text in "Zz":
        return dt.timezone.utc
    digits = text[1:].replace(":", "") + "00"
    offset = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
    return dt.timezone(-offset if text[0] == "-" else offset)


def _time_of(parts: tuple[Any, ...]) -> dt.time:
    hour, minute, second, fraction, zone = parts
    microsecond = int((fraction or "0").ljust(6, "0"))
    return dt.time(int(hour), int(minute), int(second or 0), microsecond, _zone(zone))


def read_datetime(text: str) -> dt.datetime:
    """Read a date and time as RFC 3339 writes it, or a date alone."""
    found = _MOMENT.match(text)
    if found:
        parts = found.groups()
        return dt.datetime.combine(dt.date(*map(int, parts[:3])), _time_of(parts[3:]))
    found = _DAY.match(text)
    if found:
        return dt.datetime(*map(int, found.groups()))  # noqa: DTZ001 - the text names no zone
    raise ValueError("write it like 2025-01-31T12:30:00Z")


def read_date(text: str) -> dt.date:
    """Read a date, or a date and time whose time is midnight."""
    found = _DAY.match(text)
    if found:
        return dt.date(*map(int, found.groups()))
    if not _MOMENT.match(text):
        raise ValueError("write it like 2025-01-31")
    full = read_datetime(text)
    if full.time() != dt.time():
        raise ValueError("it has a time of day; write it like 2025-01-31")
    return full.date()


def read_time(text: str) -> dt.time:
    """Read a time of day, with or without seconds and zone."""
    found = _HOUR.match(text)
    if not found:
        raise ValueError("write it like 12:30:00")
    return _time_of(found.groups())


def read_timedelta(text: str) -> dt.timedelta:
    """Read a duration: ISO 8601 (`P1DT2H`), or days and a clock (`1 day, 02:00:00`)."""
    found = _SPAN.match(text)
    if found and any(found.groups()[1:]):
        sign, *parts = found.groups()
        numbers = [float((part or "0").replace(",", ".")) for part in parts]
        years, months, weeks, days, hours, minutes, seconds = numbers
        # Years and months have no length of their own; these are Pydantic's.
        days += years * 365 + months * 30 + weeks * 7
    else:
        found = _CLOCK_SPAN.match(text)
        if not found or not any(found.groups()[1:]):
            raise ValueError("write it like PT1H30M")
        sign, *parts = found.groups()
        days, hours, minutes, seconds = (float(part or 0) for part in parts)
    length = dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if sign == "-" else length


def _timedelta(value: Any) -> dt.timedelta:
    if type(value) not in (int, float):
        return _of_text(value)
    try:
        return dt.timedelta(seconds=value)
    except (ValueError, OverflowError):
        raise ArgumentError(f"{shown(value)} is no duration: it is too long") from None


_of_text = parsed("duration", read_timedelta)

#: The converters to the classes of `datetime`, by name.
CONVERTERS = {
    "date": parsed("date", read_date),
    "datetime": parsed("date and time", read_datetime),
    "time": parsed("time of day", read_time),
    "timedelta": _timedelta,
}
