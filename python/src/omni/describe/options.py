"""Which options does a tool's decorator set? The values, checked as the server checks them in the source."""

from __future__ import annotations

import math

from omni.constants import (
    AFFINITIES,
    ATTEMPTS_MAX,
    CONCURRENCY_MAX,
    HINTS,
    OPTION_NAMES,
    OPTION_SECONDS_MAX,
)
from omni.describe.values import NoJsonError, as_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class Options:
    """The options of one tool."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.title: str | None = None
        self.description: str | None = None
        self.category: str | None = None
        self.version: str | None = None
        self.annotations: dict[str, Any] = {}
        #: `timeout_ms` and `idle_timeout_ms`, where given.
        self.limits: dict[str, int] = {}
        self.policy: dict[str, Any] = {}
        self.input_schema: dict | None = None
        self.output_schema: dict | None = None
        #: The author decides: without a schema there is none.
        self.output_schema_given = False
        self.meta: dict | None = None
        self.icons: list | None = None
        self.tags: list[str] = []


class _WantedError(Exception):
    """The value is none that the option takes; the text says what would be."""


def read(given: dict[str, Any], report: Callable[[str], None]) -> Options:
    """Read what the decorator was given; a wrong value is reported and not applied."""
    options = Options()
    for name, value in given.items():
        if name not in OPTION_NAMES:
            report(f"`tool` has no option `{name}`")
            continue
        try:
            _set(options, name, value)
        except _WantedError as wanted:
            report(f"`{name}=` must be {wanted}")
    return options


def _set(options: Options, name: str, value: Any) -> None:
    if name == "output_schema":
        options.output_schema = None if value is None else _schema(value)
        options.output_schema_given = True
    elif name in ("name", "description", "category"):
        text = _text(value)
        setattr(options, name, text if text or name != "name" else None)
    elif name == "title":
        if _text(value):
            options.title = options.annotations["title"] = value
    elif name in HINTS:
        if type(value) is not bool:
            raise _WantedError("`True` or `False`")
        options.annotations[HINTS[name]] = value
    elif name in ("timeout", "idle_timeout"):
        options.limits[f"{name}_ms"] = milliseconds(value)
    elif name == "cache_ttl":
        if milliseconds(value) > 0:
            options.policy["cache_ttl_ms"] = milliseconds(value)
    elif name == "concurrency":
        options.policy[name] = _count(
            value, CONCURRENCY_MAX, f"a number of calls from 1 to {CONCURRENCY_MAX}"
        )
    elif name == "max_attempts":
        options.policy[name] = _count(value, ATTEMPTS_MAX, f"a number from 1 to {ATTEMPTS_MAX}")
    elif name == "retry_on":
        options.policy[name] = _class_names(value)
    elif name == "affinity":
        if value not in AFFINITIES:
            raise _WantedError('"none", "session" or "single"')
        options.policy[name] = value
    elif name == "input_schema":
        options.input_schema = _schema(value)
    elif name == "meta":
        options.meta = _json_dict(value, "a dictionary of JSON values")
    elif name == "icons":
        options.icons = _icons(value)
    elif name == "tags":
        options.tags = _tags(value)
    elif name == "version":
        options.version = str(value) if type(value) is int else _text(value)


def milliseconds(value: Any) -> int:
    """Return seconds as milliseconds."""
    number = value if type(value) in (int, float) else math.nan
    if not 0.0 <= number <= OPTION_SECONDS_MAX:
        raise _WantedError("a number of seconds from 0 (off) to a week")
    # A positive limit below a millisecond must not become 0, which switches the clock off.
    return math.ceil(number * 1000.0)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _WantedError("a string")
    return str(value)


def _count(value: Any, most: int, wanted: str) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise _WantedError(wanted)
    return value


def _class_names(value: Any) -> list[str]:
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    names = [item if isinstance(item, str) else getattr(item, "__name__", None) for item in items]
    if not names or not all(names):
        raise _WantedError("an exception class or a tuple of them")
    return names


def _json_dict(value: Any, wanted: str) -> dict:
    try:
        if type(value) is dict:
            return as_json(value)
    except NoJsonError:
        pass
    raise _WantedError(wanted)


def _schema(value: Any) -> dict:
    schema = _json_dict(value, "a dictionary that holds a JSON Schema")
    # MCP allows nothing but an object on either side of a call.
    if schema.get("type", "object") != "object":
        raise _WantedError('the schema of an object (`"type": "object"`)')
    return {**schema, "type": "object"}


def _icons(value: Any) -> list:
    wanted = "a list of dictionaries, each with a `src`"
    try:
        icons = as_json(value)
    except NoJsonError:
        raise _WantedError(wanted) from None
    if type(icons) is not list or not all(
        type(icon) is dict and type(icon.get("src")) is str for icon in icons
    ):
        raise _WantedError(wanted)
    return icons


def _tags(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple, set)) or not all(isinstance(item, str) for item in value):
        raise _WantedError("a list of strings")
    return list(dict.fromkeys(sorted(value) if isinstance(value, set) else value))
