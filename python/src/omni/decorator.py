"""The decorator `tool`. Made of `conformance/options.json` by `cargo xtask docs`; do not edit."""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.tool_marks import mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Callable, Literal, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., Any])

    @overload
    def tool(function: F, /) -> F: ...
    @overload
    def tool(
        called: str | None = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        category: str | None = None,
        title: str | None = None,
        read_only: bool | None = None,
        destructive: bool | None = None,
        idempotent: bool | None = None,
        open_world: bool | None = None,
        timeout: float | None = None,
        idle_timeout: float | None = None,
        executor: Literal["pool", "fork", "spawn", "embedded", "runner"] | None = None,
        ahead: int | None = None,
        calls: int | None = None,
        affinity: Literal["none", "session", "single"] | None = None,
        concurrency: int | None = None,
        retry_on: type[BaseException] | str | Iterable[type[BaseException] | str] | None = None,
        max_attempts: int | None = None,
        enabled: bool | None = None,
        task: Literal["forbidden", "optional", "required"] | bool | None = None,
        cache_ttl: float | None = None,
        input_schema: dict[str, Any] | None = None,
        output_schema: dict[str, Any] | None = ...,
        meta: dict[str, Any] | None = None,
        icons: list[dict[str, Any]] | None = None,
        app: str | dict[str, Any] | None = None,
        tags: Iterable[str] | None = None,
        version: str | None = None,
    ) -> Callable[[F], F]: ...


def tool(  # noqa: D417 - one keyword per property of a tool
    function: Any = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    category: str | None = None,
    title: str | None = None,
    read_only: bool | None = None,
    destructive: bool | None = None,
    idempotent: bool | None = None,
    open_world: bool | None = None,
    timeout: float | None = None,
    idle_timeout: float | None = None,
    executor: str | None = None,
    ahead: int | None = None,
    calls: int | None = None,
    affinity: str | None = None,
    concurrency: int | None = None,
    retry_on: Any = None,
    max_attempts: int | None = None,
    enabled: bool | None = None,
    task: str | bool | None = None,
    cache_ttl: float | None = None,
    input_schema: dict[str, Any] | None = None,
    output_schema: dict[str, Any] | None = ...,  # type: ignore[assignment] - None says something
    meta: dict[str, Any] | None = None,
    icons: list[dict[str, Any]] | None = None,
    app: str | dict[str, Any] | None = None,
    tags: Iterable[str] | None = None,
    version: str | None = None,
    **unknown: Any,
) -> Any:
    """Make a function a tool: `@tool`, `@tool("name")` or `@tool(read_only=True)`.

    The function stays what it was and can be called and tested as before. The server reads the
    decorator from the source without running it, so every value is a literal or a constant of the
    module. An option that does not exist, or has a value that it cannot have, is not applied and costs
    no more than that: a warning tells it here, and `omni doctor` shows its place.

    Args:
        name: The tool is listed as `<skill>.<name>`; the function's name by default.
        description: What the model reads; the docstring by default, without its `Args:` and what follows.
        category: Groups tools for people; clients find it in the tool's `_meta`.
        title: A name for people.
        read_only: The tool changes nothing. Such a tool may be tried again after a crash.
        destructive: The tool may destroy something.
        idempotent: Calling it twice does no more than calling it once. May be tried again too.
        open_world: The tool reaches beyond this machine.
        timeout: Seconds the whole call may take, from the moment it is accepted; 0 for no limit. The skill's
            or the server's limit by default (`omni describe` shows which).
        idle_timeout: Seconds the tool may be silent, 0 for no limit. By default as for `timeout`.
        executor: Where the tool runs: in a warm worker (`pool`), in a process of its own that is forked from
            a parent which has imported the skill (`fork`) or started from nothing (`spawn`), in the server
            itself (`embedded`: nothing there can be killed), or at the runner that the server was told of
            (`runner`).
        ahead: With `fork`: processes that wait for a call, already forked, 0 to 64.
        calls: With `fork`: calls that one process serves, 1 unless given.
        affinity: Which calls of the skill share memory: `none`, those of one `session`, or all (`single`).
        concurrency: Calls of this tool that run at once at most; more wait. No limit by default.
        retry_on: Exception classes after which the call is run again, subclasses included. A class or its
            name, or several in a tuple; none by default.
        max_attempts: Runs of one call at most; 3 with `retry_on`.
        enabled: False for a tool that clients neither list nor call until a call of theirs has shown it with
            `ctx.show`.
        task: Whether a call becomes a task for clients that take tasks: never (`forbidden`, also `False`), at
            once (`optional`, also `True`), or at once with all other clients refused (`required`). When it
            takes long by default.
        cache_ttl: Seconds for which a result answers the same arguments again, whoever asks.
        input_schema: JSON Schema of the arguments, taken as it is; made of the signature by default. Values
            still become what the signature says.
        output_schema: JSON Schema of the structured result, taken as it is; None for no schema, made of the
            annotation of the result by default.
        meta: Goes into the tool's `_meta`.
        icons: A list of `Icon(…)`, or of dictionaries as MCP describes them: `src` is an `https:` or `data:`
            URI, or an image of the skill of 16 KiB at most, relative to its folder, which is sent as a
            `data:` URI.
        app: The page that hosts show with a result of the tool: its `ui://` URI, or
            `AppConfig(resource_uri=…, visibility=…)`. Goes into `_meta.ui`.
        tags: Words for people and routers.
        version: The tool's version.

    Raises:
        TypeError: It is given something else than a function or a name.
    """
    options = {
        "name": name,
        "description": description,
        "category": category,
        "title": title,
        "read_only": read_only,
        "destructive": destructive,
        "idempotent": idempotent,
        "open_world": open_world,
        "timeout": timeout,
        "idle_timeout": idle_timeout,
        "executor": executor,
        "ahead": ahead,
        "calls": calls,
        "affinity": affinity,
        "concurrency": concurrency,
        "retry_on": retry_on,
        "max_attempts": max_attempts,
        "enabled": enabled,
        "task": task,
        "cache_ttl": cache_ttl,
        "input_schema": input_schema,
        "meta": meta,
        "icons": icons,
        "app": app,
        "tags": tags,
        "version": version,
    }
    given = {key: value for key, value in options.items() if value is not None}
    if output_schema is not ...:
        given["output_schema"] = output_schema
    return mark(function, given, unknown)


skill_command = tool
