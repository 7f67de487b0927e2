"""How JSON arguments become the types that a function's annotations name."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class ArgumentError(Exception):
    """An argument passed its schema but is no value of its type, such as the 30th of February."""


def plan_arguments(function: Callable[..., Any], injected: set[str]) -> Callable[[dict], dict] | None:
    """Return a function that converts the arguments, or None when there is nothing to convert."""
    return None
