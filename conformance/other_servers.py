"""Does the built binary get along, as a client, with a server that is not ours?

`omni list`, `describe` and `call` with `--server` against the TypeScript SDK's `server-everything`, over its standard
streams and over HTTP. One line for each thing tried. Servers on Python's SDK are spoken to in
`crates/omni/tests/other_servers`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import TARGET, free_port, node_with, other_server

SECONDS_MAX = 120
PACKAGE = "@modelcontextprotocol/server-everything"


@dataclass
class Tried:
    """A command of omni, without `--server`, and how it has to end."""

    what: str
    command: tuple[str, ...]
    code: int = 0
    # Parts of what is printed, and of what is written to standard error.
    out: tuple[str, ...] = ()
    err: tuple[str, ...] = ()


EVERYWHERE = (
    Tried("lists", ("list",), out=("echo ", "get-sum ")),
    Tried(
        "describes", ("describe", "get-sum"), out=("Returns the sum of two numbers", "protocol 2025-11-25")
    ),
    Tried("calls", ("call", "get-sum", "a=1", "b=2"), out=("The sum of 1 and 2 is 3.",)),
    Tried(
        "hears progress",
        ("call", "trigger-long-running-operation", "duration=1", "steps=2"),
        out=("completed",),
        err=("1/2", "2/2"),
    ),
    Tried("is told of a wrong name", ("call", "get_sum"), code=1, err=("did you mean `get-sum`?",)),
    Tried(
        "is told of wrong arguments", ("call", "get-sum", "a=1", "b=x"), code=1, err=("Invalid arguments",)
    ),
    Tried(
        "gives up in time",
        ("call", "trigger-long-running-operation", "duration=60", "--timeout", "1"),
        code=124,
        err=("did not answer `tools/call` within 1 s",),
    ),
)
# Over HTTP the server asks on the stream beside the call's own, which a client need not open, and lists no such tool.
OVER_STDIO = (
    Tried(
        "cancels a question that nobody can answer",
        ("call", "trigger-elicitation-request"),
        out=("User cancelled",),
        err=("the tool asks: Please provide inputs", "no terminal is here to answer at"),
    ),
)
# What a person does who takes the HTTP form of a server for its stdio form.
WRONG_TRANSPORT = Tried(
    "is told of another transport",
    ("list", "--server-timeout", "8"),
    code=1,
    err=("no MCP server is at", "`Starting Streamable HTTP server...`", "listening on port"),
)


def tried(binary: Path, home: str) -> Iterator[tuple[str, str]]:
    """Try all; yields a line, and what was wrong."""
    node, package = node_with(PACKAGE)
    program = [node, str(package / "dist" / "index.js")]
    environment = {**os.environ, "HOME": home}
    for one in (*EVERYWHERE, *OVER_STDIO):
        yield line("stdio", one), fault(binary, shlex.join(program), one, environment)
    log = TARGET / "clients-everything.log"
    over_http = [*program, "streamableHttp"]
    with other_server(over_http, log) as port:
        for one in EVERYWHERE:
            yield line("http", one), fault(binary, f"http://127.0.0.1:{port}/mcp", one, environment)
    environment["PORT"] = str(free_port())
    yield line("stdio", WRONG_TRANSPORT), fault(binary, shlex.join(over_http), WRONG_TRANSPORT, environment)


def line(transport: str, one: Tried) -> str:
    """Name what was tried."""
    return f"{'omni':10}  {transport:6}  {'everything':10}  {one.what}"


def fault(binary: Path, server: str, one: Tried, environment: dict[str, str]) -> str:
    """Run a command; return what was wrong with its end."""
    command = [str(binary), *one.command, "--server", server]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=SECONDS_MAX,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {SECONDS_MAX} s"
    missing = [part for part in one.out if part not in done.stdout]
    missing += [part for part in one.err if part not in done.stderr]
    if done.returncode == one.code and not missing:
        return ""
    said = " ".join(f"{done.stdout} {done.stderr}".split())[:400]
    return f"status {done.returncode}, without {missing}: {said}"
