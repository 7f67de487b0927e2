"""The decorator `prompt`."""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.tool_marks import mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def prompt(function: Any = None, /, **options: Any) -> Any:
    """Make a function a prompt: `@prompt`, `@prompt("name")` or `@prompt(title="Review")`.

    Raises:
        TypeError: It is given something else than a function or a text.
    """
    given = {key: value for key, value in options.items() if value is not None}
    return mark(function, given, {}, "prompt")
