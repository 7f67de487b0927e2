"""What does a large JSON document look like from a distance, and what is at one place in it?"""

from __future__ import annotations

import difflib
import json
from typing import Any

from omni import ToolError


def parse(text: str) -> Any:
    """Parse JSON strictly.

    Raises:
        ToolError: With line, column and what stands there.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1]
        near = line[max(0, error.colno - 30) : error.colno + 30]
        what = error.msg.removesuffix(" at")
        hint = "; if it is JSON Lines, ask it with `data_query`" if error.msg == "Extra data" else ""
        raise ToolError(
            f"not JSON: {what} at line {error.lineno}, column {error.colno}"
            + (f", near `{near}`" if near else "")
            + hint
        ) from None
    except ValueError as error:
        # A number of more digits than Python converts.
        raise ToolError(f"the JSON cannot be read: {error}") from None
    except RecursionError:
        raise ToolError("the JSON is nested too deeply to be read") from None


def at_pointer(value: Any, pointer: str) -> Any:
    """Return what a JSON Pointer (RFC 6901) leads to: `/items/0/name`; the empty pointer is the whole.

    Raises:
        ToolError: The pointer leads nowhere. The text says how far it went and what there is.
    """
    if pointer in ("", "/", "#"):
        return value
    if not pointer.startswith("/"):
        raise ToolError(f"`{pointer}` is no JSON Pointer; write it as `/{pointer.replace('.', '/')}`")
    done = ""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            if key not in value:
                raise ToolError(f"there is no `{key}` at `{done or '/'}`{_choices(key, list(value))}")
            value = value[key]
        elif isinstance(value, list):
            if not key.isdigit() or int(key) >= len(value):
                raise ToolError(f"`{key}` is no index of the array at `{done or '/'}`, which has {len(value)} items")
            value = value[int(key)]
        else:
            raise ToolError(f"`{done}` is {shape(value)}; nothing is beneath it")
        done += "/" + token
    return value


def shape(value: Any) -> str:
    """Return what a value is in two words: `an object of 3 members`."""
    if isinstance(value, dict):
        return f"an object of {len(value)} members"
    if isinstance(value, list):
        return f"an array of {len(value)} items"
    if isinstance(value, bool):
        return "a boolean"
    if value is None:
        return "null"
    return "a string" if isinstance(value, str) else "a number"


def outline(value: Any, depth: int, items: int) -> str:
    """Write a value as indented JSON in which everything deep, long or wide is named instead of shown.

    Args:
        value: A JSON value.
        depth: Containers deeper than this show as `{… 12 members}` or `[… 300 items]`.
        items: How many items of an array are shown before the rest is counted.
    """
    rows: list[str] = []
    _outline(value, depth, items, "", "", rows)
    return "\n".join(rows)


def _outline(value: Any, depth: int, items: int, indent: str, lead: str, rows: list[str]) -> None:
    start = indent + lead
    if isinstance(value, (dict, list)) and value and depth <= 0:
        opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
        what = "members" if isinstance(value, dict) else "items"
        rows.append(f"{start}{opening}… {len(value):,} {what}{closing}")
    elif isinstance(value, dict) and value:
        rows.append(start + "{")
        for key, member in value.items():
            _outline(member, depth - 1, items, indent + "  ", json.dumps(key, ensure_ascii=False) + ": ", rows)
        rows.append(indent + "}")
    elif isinstance(value, list) and value:
        rows.append(start + "[")
        for item in value[:items]:
            _outline(item, depth - 1, items, indent + "  ", "", rows)
        if len(value) > items:
            rows.append(f"{indent}  … {len(value) - items:,} more items")
        rows.append(indent + "]")
    elif isinstance(value, str) and len(value) > 200:
        rows.append(f"{start}{json.dumps(value[:200], ensure_ascii=False)}… {len(value) - 200:,} more characters")
    else:
        rows.append(start + json.dumps(value, ensure_ascii=False))


def _choices(key: str, names: list[str]) -> str:
    if not names:
        return ", the object is empty"
    close = difflib.get_close_matches(key, names, n=3)
    if close:
        return "; did you mean " + " or ".join(f"`{name}`" for name in close) + "?"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return "; there are " + ", ".join(f"`{name}`" for name in names[:20]) + more


def _refuse_constant(name: str) -> Any:
    raise ToolError(f"not JSON: `{name}` is not a JSON number")
