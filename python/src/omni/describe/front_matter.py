"""The YAML at the top of a SKILL.md, as far as front matter uses it, and one bad line costs that line alone.

Read are mappings and lists by indentation or in brackets, texts plain, in quotes, folded (`>`) and literal
(`|`). Anchors, aliases and tags are reported and not read. Values keep the spelling of the file: `no` and
`1.10` are texts here, whatever YAML makes of them.
"""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEPTH_MAX = 16
_KEY = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#\[\]{},"'&*!|>%@`-][^:#]*?|-[^\s:#][^:#]*?)\s*:(?=\s|$)"""
)
_BLOCK = re.compile(r"[|>][+-]?\d?[+-]?\s*(#.*)?$")
_CURLY = ("\u201c\u201d", "\u201e\u201c", "\u2018\u2019", "\u00ab\u00bb")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "e": "\x1b", '"': '"', "\\": "\\", "/": "/", " ": " "}


class YamlText(str):
    """A text as the file spells it."""

    __slots__ = ("quoted",)
    quoted: bool

    def __new__(cls, text: str, *, quoted: bool = False) -> YamlText:  # noqa: PYI034 - `Self` is of 3.11
        """Make the text; one in quotes is never a number or a truth value."""
        made = super().__new__(cls, text)
        made.quoted = quoted
        return made


class UnreadableError(Exception):
    """The front matter is none that can be read whole; `line` is the line of the file."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read(text: str) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """Return what stands between the two `---` lines, and problems with their lines.

    With problems, everything is read that they leave.
    """
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    body = text.lstrip("\n \t\ufeff")
    above = text[: len(text) - len(body)].count("\n")
    lines = body.split("\n")
    if not _is_fence(lines[0].rstrip()):
        return {}, [(1, "there is no front matter")]
    problems = []
    if body != text:
        problems.append((1, "there are blanks above the front matter"))
    elif lines[0].rstrip() != "---":
        problems.append((1, f"the first line is `{lines[0].rstrip()}` where `---` is meant"))
    end = next((at for at, line in enumerate(lines) if at and _is_end(line.rstrip())), None)
    if end is None:
        problems.append((1, "the front matter has no end"))
        ends = (at for at, line in enumerate(lines) if at and (not line.strip() or re.match("##? ", line)))
        end = next(ends, len(lines))
    elif lines[end].rstrip() not in ("---", "..."):
        problems.append((end + 1, f"`{lines[end].rstrip()}` stands where `---` is meant"))
    value, found = _read(lines[1:end])
    problems += [(line + above, message) for line, message in found]
    if not isinstance(value, dict):
        return {}, [*problems, (2, "the front matter is not a mapping")] if value != "" else problems
    return _uncurled(value), problems


def _read(lines: list[str]) -> tuple[Any, list[tuple[int, str]]]:
    """Return what the lines say, and problems."""
    twice: list[tuple[int, str]] = []

    def attempt(lines: list[str]) -> tuple[Any, int, str]:
        reader = _YamlReader(list(lines))
        try:
            value = reader.document()
        except UnreadableError as error:
            return None, error.line, str(error)
        twice[:] = reader.twice
        if not isinstance(value, (dict, str)) or (value != "" and isinstance(value, str)):
            return None, 2, "the front matter is not a mapping"
        return value, 1 << 30, ""

    value, _, why = attempt(lines)
    if value is not None:
        return value, twice
    from omni.describe.front_matter_repair import repaired

    made = repaired(lines, attempt)
    if made is None:
        _, line, _ = attempt(lines)
        return _rescued(lines), [(line, f"the front matter is not valid YAML: {why}")]
    return made[0], [*made[1], *twice]


def _is_fence(line: str) -> bool:
    """Tell whether a line is `---`, or what editors make of it."""
    return line == "\u2014" or re.fullmatch("[-\u2013\u2014]{2,8}", line) is not None


def _is_end(line: str) -> bool:
    return line == "..." or _is_fence(line)


def _uncurled(values: dict[str, Any]) -> dict[str, Any]:
    """Take off quotes that a word processor has made."""
    for key, value in values.items():
        if isinstance(value, dict):
            _uncurled(value)
        elif isinstance(value, YamlText) and not value.quoted and value[:1] + value[1:][-1:] in _CURLY:
            values[key] = YamlText(value[1:-1], quoted=True)
    return values


def as_value(value: Any) -> Any:
    """Return the JSON that a value stands for, by the rules of YAML's core schema."""
    if isinstance(value, dict):
        return {name: as_value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_value(item) for item in value]
    if not isinstance(value, str):  # from another kind of file
        return value
    if getattr(value, "quoted", True):
        return str(value)
    known = {"": None, "~": None, "null": None, "true": True, "false": False}
    if value in known:
        return known[value]
    try:
        number = json.loads(value)
    except ValueError:
        return str(value)
    return number if type(number) in (int, float) else str(value)


class _YamlReader:
    """Reads lines, of which the first is line 2 of the file."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.depth = 0
        #: Keys that stand twice, of which the first holds.
        self.twice: list[tuple[int, str]] = []

    def document(self) -> Any:
        value = self.block(0)
        if self._peek() is not None:
            raise self._error("this line belongs to nothing above it")
        return value

    def block(self, indent: int) -> Any:
        """Read the value whose lines begin at this indentation or further in."""
        line = self._peek()
        if line is None or _indent(line) < indent:
            return YamlText("")
        self.depth += 1
        if self.depth > _DEPTH_MAX:
            raise self._error("it is nested too deep")
        indent = _indent(line)
        if _is_item(line[indent:]):
            value: Any = self._list(indent)
        elif _KEY.match(line, indent):
            value = self._map(indent)
        else:
            self.at += 1
            value = self._scalar(line[indent:], indent - 1)
        self.depth -= 1
        return value

    def _map(self, indent: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while True:
            line = self._peek()
            if line is None or _indent(line) < indent:
                return entries
            found = _KEY.match(line, indent) if _indent(line) == indent else None
            if not found:
                raise self._error("expected `key: value`")
            key = str(_unquoted(found[1]))
            self.at += 1
            if key in entries:
                self.twice.append((self.at + 1, f"the key `{key}` stands twice in the front matter"))
            value = self._value(line[found.end() :].strip(), indent)
            entries.setdefault(key, value)

    def _list(self, indent: int) -> list:
        items = []
        while True:
            line = self._peek()
            if line is None or _indent(line) != indent or not _is_item(line[indent:]):
                if line is not None and _indent(line) > indent:
                    raise self._error("expected `- item`")
                return items
            rest = line[indent + 1 :]
            inner = indent + 1 + _indent(rest)
            if _KEY.match(line, inner) or _is_item(line[inner:]):
                # What stands behind the dash begins a block of its own, at its own place.
                self.lines[self.at] = " " * inner + line[inner:]
                items.append(self.block(inner))
            else:
                self.at += 1
                items.append(self._value(rest.strip(), indent))

    def _value(self, rest: str, indent: int) -> Any:
        """Read what stands behind a key or a dash, and the lines that belong to it."""
        if rest == "" or rest.startswith("#"):
            line = self._peek()
            if line is None or _indent(line) < indent:
                return YamlText("")
            if _indent(line) > indent or _is_item(line[indent:]):
                return self.block(_indent(line))
            return YamlText("")
        if _BLOCK.match(rest):
            return self._folded(rest, indent)
        return self._scalar(rest, indent)

    def _folded(self, head: str, indent: int) -> YamlText:
        taken = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip() and _indent(line) <= indent:
                break
            taken.append(line)
            self.at += 1
        margin = min((_indent(line) for line in taken if line.strip()), default=0)
        taken = [line[margin:].rstrip() if not line.strip() else line[margin:] for line in taken]
        ends = 0
        while taken and not taken[-1]:
            taken.pop()
            ends += 1
        text = "\n".join(taken)
        if head[0] == ">":
            # A single line break is a blank; lines that are indented further keep theirs.
            text = re.sub(r"(?<=[^\n])\n(?=[^\n\s])", " ", text)
            text = re.sub(r"\n(\n+)(?=\S)", r"\1", text)
        last = "" if "-" in head[1:3] or not taken else "\n" * (1 + ends if "+" in head[1:3] else 1)
        return YamlText(text + last, quoted=True)

    def _scalar(self, rest: str, indent: int) -> Any:
        start = rest[0]
        if start in "\"'[{":
            return self._closed(rest)
        if start in "&*!%@`":
            what = {"*": "an alias", "&": "an anchor", "!": "a tag"}.get(start, f"`{start}`")
            raise self._error(f"it uses {what}; write the value out", back=1)
        parts = [_without_comment(rest)]
        while True:
            line = self._peek()
            if line is None or _indent(line) <= indent:
                break
            parts.append(_without_comment(line.strip()))
            self.at += 1
        text = " ".join(part for part in parts if part)
        if re.search(r":(\s|$)", text):
            key = "a value with a colon needs quotes; until then the line is taken as it stands"
            raise self._error(key, back=1)
        return YamlText(text)

    def _closed(self, rest: str) -> Any:
        """Read what has an end of its own: quotes or brackets, maybe over several lines."""
        text = rest
        begun = self.at
        while True:
            value, end = _flow(text, 0, self)
            if end is not None:
                if _without_comment(text[end:].strip()):
                    raise self._error("something stands behind the value", back=1)
                return value
            if self.at >= len(self.lines):
                raise UnreadableError("a quote or bracket is not closed", begun + 1)
            text += " " + self.lines[self.at].strip()
            self.at += 1

    def _peek(self) -> str | None:
        """Return the next line that says something."""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip() and not line.lstrip().startswith("#"):
                if "\t" in line[: len(line) - len(line.lstrip())]:
                    raise self._error("a tab indents this line; use blanks")
                return line
            self.at += 1
        return None

    def _error(self, message: str, back: int = 0) -> UnreadableError:
        return UnreadableError(message, self.at + 2 - back)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _is_item(text: str) -> bool:
    return text.startswith("- ") or text.rstrip() == "-"


def _without_comment(text: str) -> str:
    return re.sub(r"(^|\s)#.*$", "", text).rstrip()


def _unquoted(text: str) -> YamlText:
    value, _ = _flow(text, 0, None) if text[:1] in ("'", '"') else (YamlText(text), 0)
    return value


def _flow(text: str, at: int, reader: _YamlReader | None, depth: int = 0) -> tuple[Any, int | None]:
    """Read a value within brackets or quotes; the end is None when more lines are needed."""
    at = _skip(text, at)
    if at >= len(text):
        return None, None
    if depth > _DEPTH_MAX and reader is not None:
        raise reader._error("it is nested too deep", back=1)
    start = text[at]
    if start in "\"'":
        return _quoted(text, at)
    if start not in "[{":
        end = at
        while end < len(text) and text[end] not in ",]}" and not re.match(r":(\s|$)", text[end:]):
            end += 1
        return YamlText(text[at:end].strip()), end
    close = "]" if start == "[" else "}"
    items: list[Any] = []
    pairs: dict[str, Any] = {}
    at = _skip(text, at + 1)
    while at < len(text) and text[at] != close:
        value, end = _flow(text, at, reader, depth + 1)
        if end is None:
            return None, None
        at = _skip(text, end)
        if start == "{":
            pairs[str(value)] = YamlText("")
            if text[at : at + 1] == ":":
                pairs[str(value)], end = _flow(text, at + 1, reader, depth + 1)
                if end is None:
                    return None, None
                at = _skip(text, end)
        else:
            items.append(value)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif at < len(text) and text[at] != close:
            if reader is None:
                return None, None
            raise reader._error(f"expected `,` or `{close}`", back=1)
    if at >= len(text):
        return None, None
    return (items if start == "[" else pairs), at + 1


def _quoted(text: str, at: int) -> tuple[Any, int | None]:
    quote = text[at]
    made = []
    at += 1
    while at < len(text):
        c = text[at]
        if c == quote and quote == "'" and text[at + 1 : at + 2] == "'":
            made.append("'")
            at += 2
        elif c == quote:
            return YamlText("".join(made), quoted=True), at + 1
        elif c == "\\" and quote == '"':
            escape = text[at + 1 : at + 2]
            width = {"x": 2, "u": 4, "U": 8}.get(escape, 0)
            if width:
                made.append(chr(int(text[at + 2 : at + 2 + width], 16)))
            else:
                made.append(_ESCAPES.get(escape, escape))
            at += 2 + width
        else:
            made.append(c)
            at += 1
    return None, None


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def _rescued(lines: list[str]) -> dict[str, Any]:
    """Take every line of the form `key: value` at its word, with those below `metadata:` as its members."""
    entries: dict[str, Any] = {}
    last = None
    for line in lines:
        key, colon, value = line.strip().partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9_-]+", key):
            continue
        if line[0] not in " \t":
            last = key
            entries.setdefault(key, _rescued_value(value.strip()))
        elif last == "metadata":
            if not isinstance(entries[last], dict):
                entries[last] = {}
            entries[last][key] = _rescued_value(value.strip())
    return entries


def _rescued_value(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [YamlText(item.strip().strip("\"'")) for item in text[1:-1].split(",") if item.strip()]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return YamlText(text[1:-1])
    return YamlText(text)
