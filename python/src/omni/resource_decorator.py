"""The decorator `resource`. Made of `conformance/options.json` by `cargo xtask docs`; do not edit."""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.tool_marks import mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Callable, Literal, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., Any])

    @overload
    def resource(function: F, /) -> F: ...
    @overload
    def resource(
        called: str | None = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        title: str | None = None,
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
        meta: dict[str, Any] | None = None,
        icons: list[dict[str, Any]] | None = None,
        app: str | dict[str, Any] | None = None,
        tags: Iterable[str] | None = None,
        version: str | None = None,
        uri: str | None = None,
        mime_type: str | None = None,
        size: int | None = None,
        annotations: dict[str, Any] | None = None,
        ttl: float | None = None,
        scope: Literal["public", "private"] | None = None,
    ) -> Callable[[F], F]: ...


def resource(  # noqa: D417 - one keyword per property of a resource
    function: Any = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    title: str | None = None,
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
    meta: dict[str, Any] | None = None,
    icons: list[dict[str, Any]] | None = None,
    app: str | dict[str, Any] | None = None,
    tags: Iterable[str] | None = None,
    version: str | None = None,
    uri: str | None = None,
    mime_type: str | None = None,
    size: int | None = None,
    annotations: dict[str, Any] | None = None,
    ttl: float | None = None,
    scope: str | None = None,
    **unknown: Any,
) -> Any:
    """Make a function a resource: `@resource`, `@resource("notes://today")`, `@resource("notes://{name}")`.

    Clients read what the function returns at the URI; with a template, its variables are the function's
    arguments, turned into the types of the parameters. The function stays what it was. The server reads
    the decorator from the source without running it, so every value is a literal or a constant of the
    module. An option that does not exist, or has a value that it cannot have, is not applied and costs
    no more than that: a warning tells it here, and `omni doctor` shows its place.

    Args:
        name: What clients and `@completion` call the resource; the function's name by default.
        description: What a model or a user reads of it; the docstring by default, without its `Args:` and
            what follows.
        title: A name for people.
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
        enabled: False for a resource or template that clients neither list nor read until a call of theirs
            has shown it with `ctx.show`.
        meta: Goes into the resource's `_meta`.
        icons: A list of `Icon(…)`, or of dictionaries as MCP describes them: `src` is an `https:` or `data:`
            URI, or an image of the skill of 16 KiB at most, relative to its folder, which is sent as a
            `data:` URI.
        app: What a page may load and asks for, `AppConfig(csp=…, permissions=…, domain=…, prefers_border=…)`.
            Goes into `_meta.ui` of the resource and of its contents.
        tags: Words for people and routers.
        version: The resource's version.
        uri: Where it is read: `notes://today`, or a template whose variables are the function's parameters:
            `{x}` is a part between slashes, `{x*}` may hold slashes, `{?a,b}` at the end stands for a query
            whose parameters have defaults. It may also stand first, without its name;
            `omni://skill/<skill>/<name>` by default.
        mime_type: The type of what is read, as `text/markdown`; by what the function returns where it is not
            given.
        size: Bytes of what is read, where that is known beforehand: a client shows it, or decides by it.
        annotations: For whom it is and how much it matters, as MCP describes it: `audience` (a list of
            `user`, `assistant`), `priority` (0 to 1), `lastModified` (a time as ISO 8601 writes it).
        ttl: Seconds for which a client may show what it has read without asking again; 0 for not at all.
        scope: Who may share what a client keeps of it: every user (`public`), or the one who asked
            (`private`).

    Raises:
        TypeError: It is given something else than a function or a URI.
    """
    options = {
        "name": name,
        "description": description,
        "title": title,
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
        "meta": meta,
        "icons": icons,
        "app": app,
        "tags": tags,
        "version": version,
        "uri": uri,
        "mime_type": mime_type,
        "size": size,
        "annotations": annotations,
        "ttl": ttl,
        "scope": scope,
    }
    given = {key: value for key, value in options.items() if value is not None}
    return mark(function, given, unknown, "resource")


skill_resource = resource
