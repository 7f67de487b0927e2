"""`python -m omni.mcp --skills DIR`: the command line, and the server that the SDK makes of the tools."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
import warnings
from threading import Thread

from omni import __version__
from omni.constants import ERROR_DETAILS, LEVELS, MCP_PACKAGE, NAME_STYLES
from omni.inprocess import InProcessTools
from omni.inprocess_items import InProcessItems
from omni.mcp.items import ItemHandlers
from omni.mcp.outcomes import failed_result, log_failure, refused_result, with_stderr
from omni.mcp.questions import (
    MISSING_CAPABILITY,
    ParkedCalls,
    RunningCall,
    joined,
    missing_capability,
)
from omni.names import meanings, wire_names
from omni.stdlib_types import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WHAT_IT_IS = (
    "omni: this is the way back, an adapter on the package `mcp`: no time limits, no retries, nothing is "
    "ended, and a tool that crashes or exits takes all with it; of a skill it offers the functions, no files "
    "and no prompt files; `omni mcp` supervises\n"
)
_LOG_LEVEL = "io.modelcontextprotocol/logLevel"


def _package() -> Any:
    """Import the SDK, or end with a line that says what to run."""
    try:
        import mcp.server.lowlevel
        import mcp.server.stdio
        import mcp_types
        from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
    except ImportError as error:
        python = "Python %d.%d at `%s`" % (*sys.version_info[:2], sys.executable)
        sys.stderr.write(
            f"omni: `python -m omni.mcp` needs the package `{MCP_PACKAGE}` and Python 3.10 or newer, and "
            f"{python} cannot import it ({error}); run `omni python-path --with-mcp`, which prepares it and "
            "says how to go on\n"
        )
        sys.exit(1)
    # Clients of older revisions want their log messages all the same.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    return mcp, mcp_types, MCPError


class Adapter:
    """Answers the SDK's questions about the tools of a folder."""

    def __init__(self, tools: Any, sdk: Any, *, detail: str, names: str) -> None:
        self._tools = tools
        self._mcp, self._types, self._error = sdk
        self._parked = ParkedCalls(self._types)
        #: How much clients read of exceptions.
        self._detail = detail
        #: What `logging/setLevel` asked for; newer clients say it with each request.
        self._level: str | None = None
        self._wire = wire_names(tools.listed, names)
        self._meanings = meanings(self._wire)
        shown = [
            {key: value for key, value in tool.items() if key != "omni"} for tool in tools.listed.values()
        ]
        self._listing = {"tools": [{**tool, "name": self._wire[tool["name"]]} for tool in shown]}

    async def serve(self) -> None:
        """Serve one client on standard input and output."""
        server = self._mcp.server.lowlevel.Server(
            "omni",
            version=__version__,
            title="omni skills",
            on_list_tools=self._list,
            on_call_tool=self._call,
            on_set_logging_level=self._set_level,
            **ItemHandlers(InProcessItems(self._tools), self._types, self._error, self._detail).offered(),
        )
        async with self._mcp.server.stdio.stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    async def _list(self, _context: Any, _params: Any) -> Any:
        return self._types.ListToolsResult.model_validate(self._listing, by_name=False)

    async def _set_level(self, _context: Any, params: Any) -> Any:
        self._level = params.level
        return self._types.EmptyResult()

    async def _call(self, context: Any, params: Any) -> Any:
        meant = self._meanings.get(params.name, [])
        if len(meant) != 1:
            raise self._error(self._types.INVALID_PARAMS, self._not_named(params.name[:128], meant))
        tool = self._tools.listed[meant[0]]
        arguments = params.arguments or {}
        began = time.monotonic()
        faults = _faults(tool["inputSchema"], arguments)
        if faults:
            elapsed_ms = int((time.monotonic() - began) * 1000)
            return self._result(refused_result(params.name, faults, elapsed_ms=elapsed_ms))
        meta = context.meta or {}
        wanted = meta.get(_LOG_LEVEL) or self._level
        words = {"progress": meta.get("progress_token") is not None, "log": wanted, "session": "stdio"}
        call = self._parked.take(params, tool, arguments)
        if call is None and params.request_state is not None:
            message = "`params.requestState` is none that waits for this request; call again without it"
            raise self._error(self._types.INVALID_PARAMS, message)
        if call is None:
            call = self._begin(tool, arguments, {"context": words})
        kind, body = await self._follow(context, call)
        if kind == "asked":
            return self._parked.park(call)
        if kind == "result":
            kind, body = _checked(tool, body)
        if kind == "result":
            return self._result(_shown(with_stderr(body, self._detail)))
        if body["kind"] == "mcp_error":
            raise self._error(body["code"], body["message"], body.get("data"))
        missing = missing_capability(context, body.get("capability"))
        if missing is not None:
            raise self._error(MISSING_CAPABILITY, body["message"], missing)
        log_failure(tool["name"], body)
        elapsed_ms = int((time.monotonic() - began) * 1000)
        return self._result(
            failed_result(params.name, body, started=call.started, elapsed_ms=elapsed_ms, detail=self._detail)
        )

    def _not_named(self, name: str, meant: list[str]) -> str:
        if not meant:
            return f"unknown tool `{name}`; the tool list names all there are"
        each = "; ".join(f"`{tool}`, listed as `{self._wire[tool]}`" for tool in meant[:5])
        more = f"; and {len(meant) - 5} more" if len(meant) > 5 else ""
        return f"`{name}` means {len(meant)} tools, so none was called: {each}{more}"

    def _result(self, result: dict[str, Any]) -> Any:
        return self._types.CallToolResult.model_validate(result, by_name=False)

    def _begin(self, tool: dict, arguments: dict, more: dict) -> RunningCall:
        """Run a call in its own thread."""
        loop = asyncio.get_running_loop()
        call = RunningCall(tool, arguments)

        def say(kind: str, body: dict) -> None:
            try:
                loop.call_soon_threadsafe(call.said.put_nowait, (kind, body))
            except RuntimeError:  # the client has left, and the loop is closed
                call.thread.cancel()

        def work() -> None:
            try:
                last = self._tools.run(tool, arguments, say=say, running=call.thread, more=more, asks=True)
            except Exception as error:  # a bug of ours costs one call
                last = "error", {"kind": "lost", "message": f"{type(error).__name__}: {error}"}
            say(*last)

        Thread(target=work, name=f"omni-{tool['name']}", daemon=True).start()
        return call

    async def _follow(self, context: Any, call: RunningCall) -> tuple[str, dict]:
        """Pass on what a call says, to its last frame, or until only its client can help it on: `asked`."""
        try:
            while True:
                if call.has_questions() and await joined(call):
                    return "asked", {}
                kind, body = await call.said.get()
                if kind in ("result", "error"):
                    call.end()
                    return kind, body
                call.started = call.started or kind == "started"
                if kind == "progress" and body["value"] > call.progress:
                    call.progress = body["value"]
                    await context.session.report_progress(
                        body["value"], body.get("total"), body.get("message")
                    )
                elif kind == "log":
                    await self._log(context, body["level"], body.get("data"), body.get("logger"))
                elif kind == "beat" and body.get("note") is not None:
                    await self._log(context, "info", body["note"], "heartbeat")
                elif kind == "ask":
                    call.ask(context, self._types, body)
                elif kind == "retract":
                    call.retract(body["ask"])
                elif kind in ("show", "hide"):
                    why = f"this server lists everything to everybody, so `ctx.{kind}` does nothing"
                    sys.stderr.write(f"omni: {call.tool['name']}: {why}\n")
        except BaseException:
            call.end()
            raise

    async def _log(self, context: Any, level: str, data: Any, logger: str | None) -> None:
        wanted = (context.meta or {}).get(_LOG_LEVEL) or self._level
        if wanted is not None and LEVELS.index(level) >= LEVELS.index(wanted):
            await context.session.send_log_message(level, data, logger, context.request_id)


def _faults(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    """Return what is wrong with a value: JSON pointers, and a sentence for each."""
    from jsonschema import Draft202012Validator

    errors = sorted(
        Draft202012Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.path))
    )
    return [(pointer(*error.path), error.message) for error in errors]


def _checked(tool: dict[str, Any], body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Hold a result to its output schema: a client may rely on it."""
    schema = tool.get("outputSchema")
    if schema is None or body.get("is_error"):
        return "result", body
    if "structured" not in body:
        text = "it declares an output schema and returned no structured content"
        return "error", {"kind": "bad_result", "message": text}
    faults = _faults(schema, body["structured"])
    if not faults:
        return "result", body
    text = "it does not fit the output schema" + "".join(
        f"\n- {place or '(the whole value)'}: {reason}" for place, reason in faults
    )
    return "error", {"kind": "bad_result", "message": text}


def _shown(body: dict[str, Any]) -> dict[str, Any]:
    named = (("isError", "is_error"), ("structuredContent", "structured"), ("_meta", "meta"))
    return {"content": body["content"], **{name: body[own] for name, own in named if own in body}}


def main() -> None:
    """Serve until standard input ends. Does not return."""
    from omni.worker import forget_current_folder

    forget_current_folder()
    sdk = _package()
    sys.stderr.write(_WHAT_IT_IS)
    options = _options()
    try:
        settings = _settings(options.config)
        names = _name_style(options.names, settings.get("names"))
        tools = InProcessTools(options.skills, options.root, settings.get("skills", {}))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"omni: {error}; name what is meant with `--skills`, `--root` and `--config`\n")
        sys.exit(1)
    asyncio.run(Adapter(tools, sdk, detail=options.errors, names=names).serve())
    # Not the ordinary way out, which waits for threads that wait for nobody.
    os._exit(0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m omni.mcp",
        description="Serve a folder of skills over MCP on standard input and output, with Python alone.",
        epilog="The other options of `omni mcp` are taken and have no effect.",
    )
    add, given = parser.add_argument, os.environ.get
    # A variable that is empty counts as unset, as it does for the binary.
    add("--skills", default=given("OMNI_SKILLS") or "skills", help="the folder of skills [./skills]")
    add("--root", default=given("OMNI_ROOT") or ".", help="the folder that tools work in [.]")
    config = given("OMNI_CONFIG") or None
    about = "an `omni.toml`: `names` and `[skills]` are read, by Python 3.11"
    add("--config", default=config, help=about)
    add("--names", default=given("OMNI_NAMES") or None, help="how tools are named: underscore or dotted")
    # The client has started this process: it is the same person's.
    add(
        "--errors",
        default=given("OMNI_ERRORS") or "message",
        choices=ERROR_DETAILS,
        help="what of an exception the client reads [message]",
    )
    options, rest = parser.parse_known_args()
    if options.errors not in ERROR_DETAILS:
        parser.error(f"`OMNI_ERRORS={options.errors}` is none of `{'`, `'.join(ERROR_DETAILS)}`")
    for word in rest:
        if word.startswith("-"):
            # No error: what started the server shall start this one in its place.
            sys.stderr.write(f"omni: `{word.partition('=')[0]}` has no effect here\n")
    return options


def _name_style(chosen: str | None, in_file: Any) -> str:
    """Return how tools are named. Raises `ValueError` for what is no way to."""
    style, where = (chosen, "--names") if chosen is not None else (in_file, "names")
    if style is None:
        return NAME_STYLES[0]
    if style not in NAME_STYLES:
        raise ValueError(f"`{where}`: `{style}` is none of {', '.join(NAME_STYLES)}")
    return style


# What decides in the binary which tools a client sees. Whoever has set one has to know that it does not hold.
_SHAPES = ("filter", "overrides", "profiles")


def _settings(path: str | None) -> dict[str, Any]:
    """Read an `omni.toml` that was named. Raises `OSError` or `ValueError` where that fails."""
    if path is None:
        return {}
    if sys.version_info < (3, 11):
        raise ValueError(f"`{path}` cannot be read by a Python older than 3.11")
    import tomllib

    with open(path, "rb") as file:
        settings = tomllib.load(file)
    for key in _SHAPES:
        if settings.get(key):
            sys.stderr.write(
                f"omni: `{key}` in `{path}` has no effect here: all tools are listed and can be called\n"
            )
    return settings


if __name__ == "__main__":
    main()
