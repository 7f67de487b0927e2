"""How does a JSON or JSON Lines file become records, also when a line of it is broken?"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

from omni import ToolError

from ._separated import encoding_of

# So many broken lines are named; the others are counted.
_NAMED_MAX = 5


class Record(NamedTuple):
    """A record, and the line or the place in the array that it stands at."""

    line: int
    members: dict[str, Any]


def records_of(data: bytes, path: str, notes: list[str], *, lines: bool) -> list[Record]:
    """Read the records of a file.

    Args:
        data: The file's bytes.
        path: Its path, for notes and errors.
        notes: Where to say what was left out.
        lines: It is called JSON Lines: each line is a record.

    Raises:
        ToolError: The file is neither JSON nor JSON Lines, or more of its lines are broken than whole.
    """
    encoding = encoding_of(data, path, notes)
    text = data.decode(encoding, errors="replace")
    if not text.strip():
        raise ToolError(f"`{path}` is empty; it has no records yet")
    if not lines:
        try:
            return _of_document(_json(text))
        except _NotJsonError as error:
            # A file of lines that is called `.json`, as many programs write it.
            found = _of_lines(text, path, notes) if error.is_extra else None
            if found is None:
                raise ToolError(f"`{path}` is not JSON: {error.text}") from None
            return found
    found = _of_lines(text, path, notes)
    if found is not None:
        return found
    try:
        # One document over several lines that is called JSON Lines.
        return _of_document(_json(text))
    except _NotJsonError:
        number, line = next((n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip())
        raise ToolError(f"`{path}` is neither JSON Lines nor JSON: line {number}, {_fault(line)}") from None


class _NotJsonError(Exception):
    def __init__(self, text: str, *, is_extra: bool) -> None:
        super().__init__(text)
        self.text = text
        self.is_extra = is_extra


def _of_lines(text: str, path: str, notes: list[str]) -> Optional[list[Record]]:
    """Return the records of the lines that are whole, or `None` when most are not."""
    rows = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    good: list[Record] = []
    bad: list[tuple[int, str]] = []
    for number, line in rows:
        try:
            good.append(_record(number, _json(line)))
        except _NotJsonError as error:
            bad.append((number, error.text))
    if not good or len(bad) > len(good):
        return None
    if bad and bad[-1][0] == rows[-1][0] and not text.endswith("\n"):
        number, why = bad.pop()
        notes.append(
            f"`{path}`: its last line ({number:,}) is not whole and was left out ({why}); "
            "if the file is being written, ask again later"
        )
    if bad:
        named = "; ".join(f"line {number:,}: {why}" for number, why in bad[:_NAMED_MAX])
        more = f"; and {len(bad) - _NAMED_MAX:,} more" if len(bad) > _NAMED_MAX else ""
        count = "1 line is" if len(bad) == 1 else f"{len(bad):,} lines are"
        left_out = "was" if len(bad) == 1 else "were"
        notes.append(f"`{path}`: {count} not JSON and {left_out} left out of {len(rows):,} ({named}{more})")
    return good


def _of_document(value: Any) -> list[Record]:
    if isinstance(value, dict):
        # `{"items": […], "total": 3}`: what a person means by the rows of such a file is the one list.
        lists = [
            member for member in value.values() if isinstance(member, list) and any(isinstance(m, dict) for m in member)
        ]
        value = lists[0] if len(lists) == 1 else [value]
    if not isinstance(value, list):
        value = [value]
    return [_record(number, item) for number, item in enumerate(value, 1)]


def _record(number: int, item: Any) -> Record:
    return Record(number, item if isinstance(item, dict) else {"value": item})


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno:,}, column {error.colno:,}" if error.lineno > 1 else f"column {error.colno:,}"
        # Some of Python's words end in `at` themselves.
        what = error.msg.removesuffix(" at")
        raise _NotJsonError(f"{what} at {place}", is_extra=error.msg == "Extra data") from None
    except (ValueError, RecursionError) as error:
        raise _NotJsonError(str(error)[:200], is_extra=False) from None


def _fault(line: str) -> str:
    try:
        _json(line)
    except _NotJsonError as error:
        return error.text
    return "the lines below it are broken"
