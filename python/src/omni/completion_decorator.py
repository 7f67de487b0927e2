"""The decorator `completion`. Made of `conformance/options.json` by `cargo xtask docs`; do not edit."""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.tool_marks import mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Literal, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])


def completion(  # noqa: D417 - one keyword per property of a completion
    called: str | None = None,
    /,
    *,
    timeout: float | None = None,
    idle_timeout: float | None = None,
    executor: Literal["pool", "fork", "spawn", "embedded", "runner"] | None = None,
    ahead: int | None = None,
    calls: int | None = None,
    affinity: Literal["none", "session", "single"] | None = None,
    concurrency: int | None = None,
    retry_on: Any = None,
    max_attempts: int | None = None,
    prompt: str | Callable[..., Any] | None = None,
    resource: str | Callable[..., Any] | None = None,
    argument: str | None = None,
    **unknown: Any,
) -> Callable[[F], F]:
    """Make a function complete an argument: `@completion("language", prompt=review)`.

    The function takes `value`, what the user has typed so far, and returns the texts that it may become.
    With a parameter `context` it is given the other arguments too, as a dictionary of texts. The
    choices of a `Literal` or an `Enum` need no such function.

    Args:
        timeout: Seconds the whole call may take, from the moment it is accepted; 0 for no limit. The skill's
            or the server's limit by default (`omni describe` shows which).
        idle_timeout: Seconds the function may be silent, 0 for no limit. By default as for `timeout`.
        executor: Where the function runs, as for a tool: in a warm worker (`pool`), in a process of its own
            (`fork`, `spawn`), in the server itself (`embedded`), or at the runner (`runner`).
        ahead: With `fork`: processes that wait for a call, already forked, 0 to 64.
        calls: With `fork`: calls that one process serves, 1 unless given.
        affinity: Which calls of the skill share memory: `none`, those of one `session`, or all (`single`).
        concurrency: Calls of this function that run at once at most; more wait. No limit by default.
        retry_on: Exception classes after which the call is run again, subclasses included. A class or its
            name, or several in a tuple; none by default.
        max_attempts: Runs of one call at most; 3 with `retry_on`.
        prompt: The prompt whose argument is completed: its function, or its name. Either this or `resource`
            is needed.
        resource: The resource whose template has the variable that is completed: its function, or its name.
        argument: The argument or variable that is completed; may be left out where there is but one. It may
            also stand first, without its name.

    Raises:
        TypeError: It is given something else than an argument's name.
    """
    options = {
        "timeout": timeout,
        "idle_timeout": idle_timeout,
        "executor": executor,
        "ahead": ahead,
        "calls": calls,
        "affinity": affinity,
        "concurrency": concurrency,
        "retry_on": retry_on,
        "max_attempts": max_attempts,
        "prompt": prompt,
        "resource": resource,
        "argument": argument,
    }
    given = {key: value for key, value in options.items() if value is not None}
    return mark(called, given, unknown, "completion")
