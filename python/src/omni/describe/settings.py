"""What a skill says about all of its tools, in its SKILL.md: limits, retries, concurrency, affinity."""

from __future__ import annotations

import math

from omni.describe import front_matter
from omni.describe.options import wanted
from omni.options import OPTIONS, SECONDS_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class Settings:
    """The front matter of one skill, as far as its tools are concerned."""

    def __init__(self, entries: dict[str, Any], report: Callable[..., None]) -> None:
        self._entries = entries
        self._report = report
        #: Its tools are listed by command alone, without `<folder>.` before it.
        self.flat = self._flag("flat")
        #: What is acted on when a call is made, by what carries it and member.
        self.call: dict[str, dict[str, Any]] = {"limits": {}, "policy": {}, "fork": {}}
        for name, option in OPTIONS.items():
            if "carried" in option and "front_matter" in option["at"]:
                self._read(name, option)
        #: What `tools:` declares: programs with a command line of their own.
        self.tools = self._entries.get("tools")

    def _entry(self, key: str) -> Any:
        """Return a value from the top, or from below `metadata`."""
        metadata = self._entries.get("metadata")
        below = metadata if isinstance(metadata, dict) else {}
        return self._entries.get(key, below.get(key))

    def _flag(self, key: str) -> bool:
        value = self._entry(key)
        if value is None:
            return False
        flag = _FLAGS.get(value.lower()) if isinstance(value, str) else None
        if flag is None:
            self._report(f"`{key}` must be `true` or `false`; it is taken as `false`")
        return bool(flag)

    def _list(self, key: str) -> list[str]:
        value = self._entry(key)
        if isinstance(value, list):
            return [str(item) for item in value if isinstance(item, str)]
        return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else []

    def _read(self, name: str, option: dict[str, Any]) -> None:
        given = self._entry(name)
        if given is None:
            return
        value = self._list(name) if option["kind"] == "exceptions" else parsed(option, given, "front_matter")
        if value is None:
            instance = "write for instance `120`; " if option["kind"] == "seconds" else ""
            self._report(
                f"`{name}` must be {wanted(option, 'front_matter')}; {instance}{option['without']} until then"
            )
            return
        self.call[option["carried"]][option.get("front_matter_member", option["member"])] = value


_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parsed(option: dict[str, Any], given: Any, place: str) -> Any:
    """Return a value that stands as a word in a file, as it is carried; None where the option has no such."""
    kind = option["kind"]
    if kind == "seconds":
        return milliseconds(given, SECONDS_MAX[place])
    word = str(given) if isinstance(given, (str, int)) else ""
    if kind == "flag":
        return _FLAGS.get(word.lower())
    if kind == "count":
        return int(word) if word.isdecimal() and option["min"] <= int(word) <= option["max"] else None
    return word if word in option["choices"] else None


def milliseconds(value: Any, most: float) -> int | None:
    """Return seconds that stand in a file as milliseconds; None for anything else."""
    try:
        seconds = float(value) if isinstance(value, (str, int, float)) else math.nan
    except ValueError:
        return None
    return math.ceil(seconds * 1000.0) if 0.0 <= seconds <= most else None


def read(text: str | None, report: Callable[..., None]) -> Settings:
    """Read the text of a SKILL.md, if there is one; what is wrong costs no more than the value it concerns.

    `report` takes a message, and the line of it where that is known.
    """
    if text is None:
        return Settings({}, report)
    entries, problems = front_matter.read(text)
    for line, message in problems:
        report(message, line)
    return Settings(entries, report)
