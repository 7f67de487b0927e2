"""What a skill says about all of its tools, in its SKILL.md: limits, retries, concurrency, affinity."""

from __future__ import annotations

import math

from omni.constants import AFFINITIES, ATTEMPTS_MAX, CONCURRENCY_MAX, FRONT_MATTER_SECONDS_MAX
from omni.describe import front_matter

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
        self.limits = {
            f"{name}_ms": limit
            for name in ("timeout", "idle_timeout")
            if (limit := self._milliseconds(name)) is not None
        }
        self.policy = {
            "retry_on": self._list("retry_on"),
            "max_attempts": self._count("max_attempts", ATTEMPTS_MAX),
            "skill_concurrency": self._count("concurrency", CONCURRENCY_MAX),
            "affinity": self._affinity(),
        }
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
        text = str(value).lower() if isinstance(value, str) else ""
        if text not in ("true", "yes", "on", "false", "no", "off"):
            self._report(f"`{key}` must be `true` or `false`; it is taken as `false`")
        return text in ("true", "yes", "on")

    def _list(self, key: str) -> list[str]:
        value = self._entry(key)
        if isinstance(value, list):
            return [str(item) for item in value if isinstance(item, str)]
        return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else []

    def _count(self, key: str, most: int) -> int | None:
        value = self._entry(key)
        if value is None:
            return None
        if isinstance(value, str) and value.isdecimal() and 1 <= int(value) <= most:
            return int(value)
        self._report(f"`{key}` must be a number from 1 to {most}; there is no such limit until then")
        return None

    def _affinity(self) -> str | None:
        value = self._entry("affinity")
        if value is None or value in AFFINITIES:
            return None if value is None else str(value)
        self._report(
            "`affinity` must be `none`, `session` or `single`; any worker serves any call until then"
        )
        return None

    def _milliseconds(self, key: str) -> int | None:
        value = self._entry(key)
        if value is None:
            return None
        limit = milliseconds(value, FRONT_MATTER_SECONDS_MAX)
        if limit is None:
            self._report(
                f"`{key}` must be a number of seconds; write for instance `120`, or `0` for no limit"
            )
        return limit


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
