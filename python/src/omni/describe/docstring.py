"""What does a docstring say about the function, and about each parameter?

The same rules as the scanner's (`omni-scan/src/docstring`), which are those that authors see from FastMCP:
the text up to the first section describes the function; Google, NumPy and Sphinx sections are tried in that
order, and the first style with any section wins. The dash list is this project's own addition.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    #: `text` with the text, `parameters` with pairs of name and text, `other` with nothing.
    Section = tuple[str, Any]


# Text longer than this is not searched for sections.
_CHARACTERS_MAX = 256 * 1024


def parse(raw: str | None) -> tuple[str | None, list[tuple[str, str]]]:
    """Return a docstring's description and its parameters' texts, in order; a name may occur twice."""
    text = cleaned(raw or "")
    if not text or len(text) > _CHARACTERS_MAX:
        return text or None, []
    lines = text.rstrip().split("\n")
    for read in (_google, _numpy, _sphinx):
        sections = read(lines)
        if any(kind != "text" for kind, _ in sections):
            description = next((content for kind, content in sections if kind == "text"), None)
            parameters = [pair for kind, content in sections if kind == "parameters" for pair in content]
            return description, parameters
    return text, []


def cleaned(raw: str) -> str:
    """Widen tabs, take off the common indentation and the blank ends, as `inspect.cleandoc` does.

    Written out because that function's ideas of white space differ from one Python to the next.
    """
    lines = [line.expandtabs() for line in raw.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    margins = [len(line) - len(line.lstrip(" ")) for line in lines[1:] if line.strip(" ")]
    margin = min(margins, default=0)
    lines = [lines[0].lstrip(" "), *(line[margin:] for line in lines[1:])]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return "\n".join(lines)


def _blank(line: str) -> bool:
    return not line.strip()


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _spaces(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _skip_blank(lines: list[str], at: int) -> int:
    while at < len(lines) and _blank(lines[at]):
        at += 1
    return at


def _flush(text: list[str], sections: list[Section]) -> None:
    if any(text):
        sections.append(("text", "\n".join(text).rstrip("\n")))
    text.clear()


# -- Google: `Args:` with an indented body -------------------------------------------------------------

_PARAMETERS = {"args", "arguments", "params", "parameters"}
# Items of `name: text`, of no use to a schema; a section without a colon is none.
_NAMED = {
    *("keyword args", "keyword arguments", "other args", "other arguments", "other params"),
    *("other parameters", "type args", "type arguments", "type params", "type parameters"),
    *("raises", "exceptions", "attributes", "functions", "methods", "classes", "type aliases"),
    *("modules", "warns", "warnings"),
}
_ITEMS = {"returns", "yields", "receives"}
_TITLE = re.compile(r"(\w[\w\s-]*):(?=\s|$)")


def _google(lines: list[str]) -> list[Section]:
    sections: list[Section] = []
    text: list[str] = []
    fenced = False
    at = 0
    while at < len(lines):
        line = lines[at]
        title = None if fenced else _TITLE.match(line)
        if line.lstrip(" ").startswith("```"):
            fenced = not fenced
        elif title and _opens(lines, at):
            name = title[1].lower()
            if name in _PARAMETERS or name in _NAMED or name in _ITEMS or name == "examples":
                _flush(text, sections)
                at = _google_section(lines, at + 1, name, sections)
                continue
            is_block, end = _google_block(lines, at + 1)
            if is_block:
                _flush(text, sections)
                sections.append(("other", None))
                at = end
                continue
        text.append(line)
        at += 1
    _flush(text, sections)
    return sections


def _opens(lines: list[str], at: int) -> bool:
    """Tell whether a title opens a section: an indented line follows at once, a blank line stands above."""

    def indented(index: int) -> bool:
        return index < len(lines) and not _blank(lines[index]) and lines[index].startswith(" ")

    blank_above = at == 0 or _blank(lines[at - 1])
    blank_below = at + 1 < len(lines) and _blank(lines[at + 1])
    return (indented(at + 1) or indented(at + 2)) and blank_above and not (indented(at + 2) and blank_below)


def _google_section(lines: list[str], start: int, name: str, sections: list[Section]) -> int:
    if name == "examples":
        sections.append(("other", None))
        return _google_block(lines, start)[1]
    items, end = _google_items(lines, start)
    if name in _PARAMETERS:
        pairs = [pair for pair in (_dash_item(item) or _google_parameter(item) for item in items) if pair]
        if pairs:
            sections.append(("parameters", pairs))
    elif items and (name in _ITEMS or any(map(_name_and_text, items))):
        sections.append(("other", None))
    return end


def _name_and_text(item: list[str]) -> tuple[str, str] | None:
    name, colon, text = item[0].partition(":")
    return (name, "\n".join([text.lstrip(), *item[1:]]).rstrip("\n")) if colon else None


def _google_parameter(item: list[str]) -> tuple[str, str] | None:
    pair = _name_and_text(item)
    if pair and "(" in pair[0] and pair[0].endswith(")"):
        return pair[0].partition("(")[0].strip(), pair[1]
    return pair


def _google_items(lines: list[str], start: int) -> tuple[list[list[str]], int]:
    at = _skip_blank(lines, start)
    if at == len(lines):
        return [], max(at, start)
    indent = _indentation(lines[at])
    if indent == 0:
        return [], at
    items = [[lines[at][indent:]]]
    at += 1
    while at < len(lines):
        line = lines[at]
        spaces = _spaces(line)
        if _blank(line):
            items[-1].append("")
        elif spaces >= indent * 2:
            items[-1].append(line[indent * 2 :])
        elif spaces > indent:
            items[-1].append(line.lstrip())
        elif spaces >= indent:
            items.append([line[indent:]])
        else:
            break
        at += 1
    return items, at


def _google_block(lines: list[str], start: int) -> tuple[bool, int]:
    """Tell whether an indented block starts at `start`, and the index of the line behind it."""
    at = _skip_blank(lines, start)
    indent = _indentation(lines[at]) if at < len(lines) else 0
    if indent == 0:
        return False, start
    at += 1
    while at < len(lines) and (_blank(lines[at]) or _spaces(lines[at]) >= indent):
        at += 1
    return True, at


# -- dash lists: `- name: type - text` below `Args:` -------------------------------------------------------

_DASH = re.compile(r"[-*] \s*`?(\w+)`?(?=[: (])(.*)", re.DOTALL)
# `str`, `list[int] | None`, `int = 10`: one word, or words joined by what joins types.
_TYPE = re.compile(r"[\w\[\],|.\"'=\- ]+\Z")


def _dash_item(item: list[str]) -> tuple[str, str] | None:
    found = _DASH.match(item[0])
    text = found and _dash_text(found[2].lstrip())
    return None if text is None else (found[1], "\n".join([text, *item[1:]]).rstrip("\n"))


def _dash_text(rest: str) -> str | None:
    """Return the text behind `: type - `, ` (type): `, `: ` or ` - `."""
    if rest.startswith("("):
        _, closed, after = rest.partition(")")
        after = after.lstrip()
        for lead in (":", "- "):
            if closed and after.startswith(lead):
                return after[len(lead) :].lstrip()
        return None
    if rest.startswith("- "):
        return rest[2:].lstrip()
    if not rest.startswith(":"):
        return None
    after = rest[1:].lstrip()
    kind, dash, text = after.partition(" - ")
    joined = kind.replace(" | ", "|").replace(", ", ",").replace(" = ", "=")
    return text.lstrip() if dash and _TYPE.match(kind) and " " not in joined else after


# -- NumPy: a title underlined with dashes -------------------------------------------------------------

_NUMPY = {
    *("deprecated", "parameters", "other parameters", "type parameters", "returns", "yields"),
    *("receives", "raises", "warns", "examples", "attributes", "functions", "methods", "classes"),
    *("type aliases", "modules"),
}
_STARRED_NAME = re.compile(r"\*{0,2}[A-Za-z_][A-Za-z0-9_]*")


def _numpy(lines: list[str]) -> list[Section]:
    sections: list[Section] = []
    text: list[str] = []
    # Inside a section of an unknown title: its text is not the description's.
    noted = fenced = False

    def finish() -> None:
        if noted:
            sections.append(("other", None))
            text.clear()
        else:
            _flush(text, sections)

    at = 0
    while at < len(lines):
        line = lines[at]
        fence = line.lstrip(" ").startswith("```")
        if fence or fenced:
            fenced ^= fence
            text.append(line)
        elif _blank(line):
            text.append("")
        elif _underlined(lines, at):
            finish()
            noted = line.lower() not in _NUMPY
            if not noted:
                at = _numpy_section(lines, at + 2, line.lower(), sections)
                continue
            at += 1
        else:
            text.append(line)
        at += 1
    finish()
    return sections


def _underlined(lines: list[str], at: int) -> bool:
    return at + 1 < len(lines) and "-" in lines[at + 1] and not lines[at + 1].replace("-", "").strip()


def _numpy_section(lines: list[str], start: int, title: str, sections: list[Section]) -> int:
    if title == "examples":
        sections.append(("other", None))
        at = _skip_blank(lines, start)
        while at < len(lines):
            if _blank(lines[at]) and (_underlined(lines, at) or _underlined(lines, at + 1)):
                break
            at += 1
        return at
    items, end = _numpy_items(lines, start)
    if title == "parameters":
        pairs = [(name, "\n".join(item[1:]).rstrip()) for item in items for name in _names(item[0])]
        if pairs:
            sections.append(("parameters", pairs))
    elif items:
        sections.append(("other", None))
    return end


def _names(line: str) -> list[str]:
    """Return the parameters that `a, b : int` names."""
    names = []
    while True:
        found = _STARRED_NAME.match(line)
        if not found:
            return names
        names.append(found[0])
        if not line.startswith(", ", found.end()):
            return names
        line = line[found.end() + 2 :]


def _numpy_items(lines: list[str], start: int) -> tuple[list[list[str]], int]:
    at = _skip_blank(lines, start)
    if at == len(lines):
        return [], at
    items = [[lines[at]]]
    at += 1
    while at < len(lines):
        line = lines[at]
        if _blank(line):
            items[-1].append("")
        elif line.startswith("    "):
            items[-1].append(line[4:])
        elif line.startswith(" "):
            items[-1].append(line.lstrip())
        elif _underlined(lines, at):
            break
        else:
            items.append([line])
        at += 1
    return items, at


# -- Sphinx: `:param name: text` -----------------------------------------------------------------------

_PARAMETER_WORDS = ("param", "parameter", "arg", "argument", "key", "keyword")
_NAMED_WORDS = ("var", "ivar", "cvar", "raises", "raise", "except", "exception")
# In the order in which they are tried: a longer word may begin with a shorter one.
_DIRECTIVES = (
    *((":type", "type"), *((f":{word}", "parameter") for word in _PARAMETER_WORDS)),
    *((":vartype", "type"), *((f":{word}", "named") for word in _NAMED_WORDS)),
    *((":returns", "result"), (":return", "result"), (":rtype", "type")),
)


def _sphinx(lines: list[str]) -> list[Section]:
    text: list[str] = []
    parameters: dict[str, str] = {}
    other = False
    at = 0
    while at < len(lines):
        kind = next((kind for word, kind in _DIRECTIVES if lines[at].startswith(word)), None)
        if kind is None:
            text.append(lines[at])
            at += 1
            continue
        end = at + 1
        while end < len(lines) and not lines[end].startswith(":"):
            end += 1
        parts = cleaned("\n".join(lines[at:end])).split(":", 2)
        at = end
        if len(parts) < 3:
            continue
        words = parts[1].split(" ")
        if kind == "parameter" and len(words) > 1:
            # The first text for a name is the one that counts.
            parameters.setdefault(words[-1], parts[2].strip())
        other |= kind == "result" or (kind == "named" and len(words) == 2)
    while text and _blank(text[-1]):
        text.pop()
    while text and _blank(text[0]):
        text.pop(0)
    sections: list[Section] = [("text", "\n".join(text))]
    if parameters:
        sections.append(("parameters", list(parameters.items())))
    if other:
        sections.append(("other", None))
    return sections
