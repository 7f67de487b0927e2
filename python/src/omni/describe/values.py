"""The JSON form of a Python value that stands in a signature: a default, a member of an enumeration."""

from __future__ import annotations

import math
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a reader of JSON can be relied on to keep exact.
_INTEGERS = range(-(2**63), 2**64)
_YEAR_DAYS = 365
# Classes whose values a schema writes as `str` does, by module and name.
_TEXTS = frozenset(
    {
        ("decimal", "Decimal"),
        ("_pydecimal", "Decimal"),
        ("fractions", "Fraction"),
        ("uuid", "UUID"),
        ("zoneinfo", "ZoneInfo"),
        ("zoneinfo._zoneinfo", "ZoneInfo"),
        *(
            ("ipaddress", f"{name}{version}")
            for name in ("IPv4", "IPv6")
            for version in ("Address", "Network", "Interface")
        ),
    }
)


class NoJsonError(ValueError):
    """JSON has no form for the value: there is a default, but it is not shown."""


def as_json(value: Any) -> Any:
    """Return the value as it stands in a schema.

    Raises:
        NoJsonError: It has no such form.
    """
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int and value in _INTEGERS:
        return value
    if kind is float and math.isfinite(value):
        return value
    if kind is complex and math.isfinite(abs(value)):
        return str(value).strip("()")
    if kind in (bytes, bytearray):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise NoJsonError from None
    if kind in (list, tuple):
        return [as_json(item) for item in value]
    if kind in (set, frozenset):
        return [as_json(item) for item in _sorted(value)]
    if kind is dict:
        return {_key(name): as_json(item) for name, item in value.items()}
    return _object(value)


def _object(value: Any) -> Any:
    from enum import Enum

    kind = type(value)
    if isinstance(value, Enum):
        return as_json(value.value)
    for base in kind.__mro__:
        if base.__module__.startswith("pathlib") and base.__name__ == "PurePath":
            return value.as_posix()
    if (kind.__module__, kind.__name__) in _TEXTS:
        return str(value)
    if kind.__module__ == "datetime":
        if kind.__name__ in ("date", "time", "datetime"):
            return value.isoformat().replace("+00:00", "Z")
        if kind.__name__ == "timedelta":
            return duration(value)
    if kind.__module__ == "re" and type(getattr(value, "pattern", None)) is str:
        return value.pattern
    if kind.__module__ == "collections":
        if kind.__name__ == "deque":
            return [as_json(item) for item in value]
        if isinstance(value, dict):
            return {_key(name): as_json(item) for name, item in value.items()}
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return [as_json(item) for item in value]
    if hasattr(kind, "__dataclass_fields__"):
        from dataclasses import fields

        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, (pydantic.SecretStr, pydantic.SecretBytes)):
        return str(value)
    raise NoJsonError


def _key(value: Any) -> str:
    from enum import Enum

    if isinstance(value, Enum):
        return _key(value.value)
    if type(value) is bool:
        return "true" if value else "false"
    if value is None or type(value) in (str, int, float):
        return str(value)
    text = _object(value)
    if type(text) is not str:
        raise NoJsonError
    return text


def _sorted(items: Any) -> list:
    """Order a set where its members have an order, so that a schema does not change with the hash seed."""
    try:
        return sorted(items)
    except TypeError:
        return list(items)


def duration(value: Any) -> str:
    """Return a `timedelta` as ISO 8601, the way that Pydantic writes it."""
    micros = abs(value.days * 86_400_000_000 + value.seconds * 1_000_000 + value.microseconds)
    seconds, micros = divmod(micros, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    years, days = divmod(days, _YEAR_DAYS)
    date = "".join(f"{count}{unit}" for count, unit in ((years, "Y"), (days, "D")) if count)
    time = "".join(
        f"{count}{unit}" for count, unit in ((seconds // 3600, "H"), (seconds // 60 % 60, "M")) if count
    )
    if micros:
        time += f"{seconds % 60}.{micros:06}".rstrip("0") + "S"
    elif seconds % 60:
        time += f"{seconds % 60}S"
    if not date and not time:
        time = "0S"
    return f"{'-' if value.days < 0 else ''}P{date}{'T' + time if time else ''}"


def common_type(values: list, *, with_null: bool) -> str | None:
    """Return the JSON type that all values share, by Python's types: `1` and `1.0` share none."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
    if with_null:
        names[type(None)] = "null"
    kinds = {names.get(type(value)) for value in values}
    return kinds.pop() if len(kinds) == 1 else None
