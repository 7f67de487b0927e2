"""Which options does a decorator set? The values, checked as the server checks them in the source."""

from __future__ import annotations

import math
import re

from omni.describe.values import NoJsonError, as_json
from omni.options import OPTIONS, SECONDS_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class Options:
    """The options of one tool, resource, prompt or completion."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.title: str | None = None
        self.description: str | None = None
        self.category: str | None = None
        self.version: str | None = None
        self.annotations: dict[str, Any] = {}
        #: What is acted on when a call is made, by what carries it and member.
        self.call: dict[str, dict[str, Any]] = {"limits": {}, "policy": {}, "fork": {}}
        self.input_schema: dict | None = None
        self.output_schema: dict | None = None
        #: The author decides: without a schema there is none.
        self.output_schema_given = False
        self.meta: dict | None = None
        self.icons: list | None = None
        #: For `_meta.ui`, where it ends up.
        self.app: dict | None = None
        self.tags: list[str] = []
        #: Of a resource or prompt: who describes tools for a runner runs them in one way.
        self.executor: str | None = None
        self.uri: str | None = None
        self.mime_type: str | None = None
        self.size: int | None = None
        #: `ttl_ms` and `scope`: what a client is told of keeping what it has read.
        self.cache: dict[str, Any] = {}
        #: Of a completion: each a function or a name.
        self.prompt: Any = None
        self.resource: Any = None
        self.argument: str | None = None

    def title_of(self, name: str) -> str:
        """Return the title that is given, or else one made from the name: some clients drop what has none."""
        return self.title or name.replace("_", " ").replace("-", " ").title()


def listed_meta(
    own: dict | None, tags: list[str], version: str | None, category: str | None = None
) -> dict[str, Any]:
    """Return the `_meta` that lists show: the author's own, and what other options add to it."""
    meta = dict(own or {})
    if category:
        meta.setdefault("omni/category", category)
    if tags and isinstance(fastmcp := meta.get("fastmcp", {}), dict):
        meta["fastmcp"] = {**fastmcp, "tags": fastmcp.get("tags", tags)}
    if version:
        meta.setdefault("omni/version", version)
    return meta


class _WantedError(Exception):
    """The value is none that the option takes; the text says what would be."""


def read(given: dict[str, Any], report: Callable[[str], None], kind: str = "tool") -> Options:
    """Read what the decorator was given; a wrong value is reported and not applied."""
    options = Options()
    place = "decorator" if kind == "tool" else kind
    for name, value in given.items():
        option = OPTIONS.get(name)
        if option is None or place not in option["at"]:
            report(f"`{kind}` has no option `{name}`")
            continue
        try:
            if place == "decorator" or not _set_listed(options, name, option, value, report):
                _set(options, name, option, value, place)
        except _WantedError as wanted:
            report(f"`{name}=` must be {wanted}")
    if options.app is not None:
        options.meta = {**(options.meta or {}), "ui": options.app}
    return options


def _set_listed(options: Options, name: str, option: dict, value: Any, report: Callable[[str], None]) -> bool:
    """Set an option that means something of its own for what is no tool; tell whether it is one."""
    if name in ("uri", "argument", "mime_type"):
        text = _text(value) if name != "mime_type" else _mime_type(value)
        setattr(options, name, text)
    elif name == "title":
        options.title = _text(value) or None
    elif name == "executor":
        options.executor = _executor(value)
    elif name == "size":
        if type(value) is not int or value < 0:
            raise _WantedError("a number of bytes, 0 or more")
        options.size = value
    elif name == "annotations":
        options.annotations = _annotations(value, report)
    elif name == "ttl":
        options.cache["ttl_ms"] = _milliseconds(option, value)
    elif name == "scope":
        options.cache["scope"] = _choice(option, value)
    elif name in ("prompt", "resource"):
        if not isinstance(value, str) and not callable(value):
            raise _WantedError("a function of this skill, or a string that names it")
        setattr(options, name, value)
    else:
        return False
    return True


def _set(options: Options, name: str, option: dict[str, Any], value: Any, place: str) -> None:
    if "carried" in option:
        options.call[option["carried"]][option["member"]] = _READERS[option["kind"]](option, value)
    elif "hint" in option:
        options.annotations[option["hint"]] = _flag(option, value)
    elif name == "output_schema":
        options.output_schema = None if value is None else _schema(value)
        options.output_schema_given = True
    elif name in ("name", "description", "category"):
        text = _text(value)
        setattr(options, name, text if text or name != "name" else None)
    elif name == "title":
        if _text(value):
            options.title = options.annotations["title"] = value
    elif name == "input_schema":
        options.input_schema = _schema(value)
    elif name == "meta":
        options.meta = _json_dict(value, "a dictionary of JSON values")
    elif name == "icons":
        options.icons = _icons(value)
    elif name == "app":
        options.app = _app(value, of_tool=place == "decorator")
    elif name == "tags":
        options.tags = _tags(value)
    elif name == "version":
        options.version = str(value) if type(value) is int else _text(value)


def wanted(option: dict[str, Any], place: str) -> str:
    """Return what a value of an option must be, in words: `must be …`."""
    kind = option["kind"]
    python = place not in ("front_matter", "program")
    if kind == "flag":
        return "`True` or `False`" if python else "`true` or `false`"
    if kind == "seconds":
        return f"a number of seconds from 0 (off) to a {'year' if SECONDS_MAX[place] > _WEEK else 'week'}"
    if kind == "count":
        of = f" of {option['of']}" if option["of"] else ""
        return f"a number{of} from {option['min']} to {option['max']}"
    if kind == "choice":
        words = [f'"{word}"' if python else f"`{word}`" for word in option["choices"]]
        return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    return "an exception class or a tuple of them" if python else "a list of names of exceptions"


_WEEK = 604800


def _flag(option: dict[str, Any], value: Any) -> bool:
    if type(value) is not bool:
        raise _WantedError(wanted(option, "decorator"))
    return value


def _milliseconds(option: dict[str, Any], value: Any) -> int:
    number = value if type(value) in (int, float) else math.nan
    if not 0.0 <= number <= SECONDS_MAX["decorator"]:
        raise _WantedError(wanted(option, "decorator"))
    # A positive limit below a millisecond must not become 0, which switches the clock off.
    return math.ceil(number * 1000.0)


def _count(option: dict[str, Any], value: Any) -> int:
    if type(value) is not int or not option["min"] <= value <= option["max"]:
        raise _WantedError(wanted(option, "decorator"))
    return value


def _choice(option: dict[str, Any], value: Any) -> str:
    if type(value) is bool and "flags" in option:
        return option["flags"][value]
    if value not in option["choices"]:
        raise _WantedError(wanted(option, "decorator"))
    return value


def _class_names(option: dict[str, Any], value: Any) -> list[str]:
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    names = [item if isinstance(item, str) else getattr(item, "__name__", None) for item in items]
    if not names or not all(names):
        raise _WantedError(wanted(option, "decorator"))
    return names


#: How a value of each kind that is carried is read.
_READERS = {
    "flag": _flag,
    "seconds": _milliseconds,
    "count": _count,
    "choice": _choice,
    "exceptions": _class_names,
}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _WantedError("a string")
    return str(value)


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


def _executor(value: Any) -> str:
    from omni.executors import check

    try:
        check(_text(value))
    except ValueError as error:
        raise _WantedError(f"an executor: {error}") from None
    return value


def _mime_type(value: Any) -> str:
    if not re.match(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+\s*(;|$)", _text(value), re.ASCII):
        raise _WantedError("a string such as `text/markdown`")
    return value


def _plain(value: Any) -> Any:
    """Return what an object of the protocol's own types stands for, in lists too."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", by_alias=True, exclude_none=True) if callable(dump) else value


def _annotations(value: Any, report: Callable[[str], None]) -> dict:
    given = _json_dict(_plain(value), "a dictionary with `audience`, `priority` and `lastModified`")
    checks = {
        "audience": lambda items: (
            type(items) is list and items and all(item in ("user", "assistant") for item in items)
        ),
        "priority": lambda number: type(number) in (int, float) and 0 <= number <= 1,
        "lastModified": lambda text: isinstance(text, str) and re.match(r"\d{4}-\d\d-\d\d([T ]|$)", text),
    }
    kept = {}
    for name, item in given.items():
        if item is None:
            continue
        if name in checks and not checks[name](item):
            report(f"`{name}` of `annotations=` is wrong")
        else:
            kept[name] = item
    return kept


def _icons(value: Any) -> list:
    wanted = "a list of dictionaries, each with a `src`"
    given = _plain(value)
    try:
        icons = as_json([_spelled(icon) if isinstance(icon, dict) else icon for icon in given])
    except (NoJsonError, TypeError):
        raise _WantedError(wanted) from None
    if type(icons) is not list or not all(
        type(icon) is dict and type(icon.get("src")) is str for icon in icons
    ):
        raise _WantedError(wanted)
    return icons


def _app(value: Any, *, of_tool: bool) -> dict:
    """Return what `_meta.ui` is: of a tool the URI of its page is enough."""
    if of_tool and isinstance(value, str):
        return {"resourceUri": value}
    wanted = (
        "the `ui://` URI of a page, or a dictionary with `resource_uri` and `visibility`"
        if of_tool
        else "a dictionary with `csp`, `permissions`, `domain` and `prefers_border`"
    )
    given = _plain(value)
    if not isinstance(given, dict):
        raise _WantedError(wanted)
    members = _spelled(given)
    for name in ("csp", "permissions"):
        if isinstance(within := _plain(members.get(name)), dict):
            members[name] = _spelled(within)
    return _json_dict(members, wanted)


def _spelled(given: dict) -> dict:
    """Return the members that are set, as the extension for apps spells them."""
    from omni.app_config import SPELLINGS

    return {SPELLINGS.get(name, name): value for name, value in given.items() if value is not None}


def _tags(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple, set)) or not all(isinstance(item, str) for item in value):
        raise _WantedError("a list of strings")
    return list(dict.fromkeys(sorted(value) if isinstance(value, set) else value))
