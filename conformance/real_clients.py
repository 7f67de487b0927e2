"""Which real clients does one get, and how is each given a job?"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import Callable

from harness import (
    CONFORMANCE,
    NPM_PACKAGES,
    PYTHON_PACKAGES,
    TARGET,
    SetupError,
    node_with,
    python_with_client,
)

CLIENT_SECONDS_MAX = 300
# Inspector's exit status for a result that is marked as an error. The result is printed all the same.
INSPECTOR_TOOL_FAILED = 5

# A client takes a job, `{"mode", "command" or "url", "calls", "home"}`, and returns `{"tools", "calls"}`. The Python and
# the TypeScript client also take `"name"`, what they call themselves.
Client = Callable[[dict], dict]


class ClientFailedError(Exception):
    """The client could not do its job; the text is its own."""


def run(command: list[str], home: str, good: tuple[int, ...] = (0,)) -> str:
    """Run a client's program in a world without settings of its user; return what it printed."""
    environment = {**os.environ, "HOME": home}
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=CLIENT_SECONDS_MAX,
    )
    if done.returncode not in good:
        message = (
            f"ended with status {done.returncode}: {' '.join((done.stderr or done.stdout).split())[-600:]}"
        )
        raise ClientFailedError(message)
    return done.stdout


def program(command: list[str]) -> Client:
    """Return a client that takes its job as one argument and prints what it saw."""

    def look(job: dict) -> dict:
        return json.loads(run([*command, json.dumps(job)], job["home"]))

    return look


def python_client() -> Client:
    """The official Python client."""
    return program([python_with_client(), str(CONFORMANCE / "clients" / "python_client.py")])


def python_offers_client() -> Client:
    """The official Python client, which looks at what is more than tools."""
    return program([python_with_client(), str(CONFORMANCE / "clients" / "python_offers.py")])


def python_1_offers_client() -> Client:
    """The 1.x line of the same."""
    return program([python_with_client("venv-1"), str(CONFORMANCE / "clients" / "python_1_offers.py")])


def typescript_offers_client(package: str) -> Client:
    """The official TypeScript client of a package, which looks at what is more than tools."""
    node, installed = node_with(f"@modelcontextprotocol/{package}")
    script = CONFORMANCE / "clients" / "typescript_offers.mjs"
    return program([node, str(script), str(installed.parent.parent), package])


def fastmcp_offers_client() -> Client:
    """FastMCP's client, which is made on the official one."""
    return program([python_with_client("venv-fastmcp"), str(CONFORMANCE / "clients" / "fastmcp_offers.py")])


def apps_host() -> Client:
    """The host and the view of the extension for apps, on the official TypeScript client."""
    node, installed = node_with("@modelcontextprotocol/ext-apps")
    script = CONFORMANCE / "clients" / "apps_host.mjs"
    return program([node, str(script), str(installed.parent.parent)])


def inspector_offers_client() -> Client:
    """Inspector's command line, which is asked one thing by a process and so is told of no change."""
    ask = inspector_request()

    def step(job: dict, wanted: dict) -> dict:
        method, params = wanted["method"], wanted.get("params", {})
        options = ["--method", method]
        if "uri" in params:
            options += ["--uri", params["uri"]]
        if method == "prompts/get":
            pairs = (f"{name}={value}" for name, value in params["arguments"].items())
            options += ["--prompt-name", params["name"], "--prompt-args", *pairs]
        if method == "skills/list":
            # It reads every file, and ends as failed where one has another digest or size than the list says.
            ask(job, *options, "--verify", "--require-digests")
        return ask(job, *options)

    def look(job: dict) -> dict:
        # It has no command for completions, and tells of a refusal in words alone. Each step is a process, so one of each
        # method is enough, and what a step has shown is gone with its session.
        left = {wanted["method"] for wanted in job["steps"]} - {"completion/complete", "tools/call"}
        steps: list[dict | None] = []
        for wanted in job["steps"]:
            takes = "refuses" not in wanted and wanted["method"] in left
            steps.append(step(job, wanted) if takes else None)
            left -= {wanted["method"]} if takes else set()
        return {"steps": steps, "asked": None, "cancelled": None, "progress": None}

    return look


def asked_python_client() -> Client:
    """The same, which answers when it is asked."""
    return program([python_with_client(), str(CONFORMANCE / "clients" / "asking_client.py")])


def rmcp_client(line: str = "rmcp") -> Client:
    """The client of the Rust SDK, of one of its lines, built here."""
    manifest = CONFORMANCE / "clients" / line / "Cargo.toml"
    folder = TARGET / f"{line}-client"
    build = [
        "cargo",
        "build",
        "--quiet",
        "--manifest-path",
        str(manifest),
        "--target-dir",
        str(folder),
    ]
    if subprocess.run(build, check=False).returncode != 0:
        message = f"`{' '.join(build)}` failed; its messages stand above"
        raise SetupError(message)
    return program([str(folder / "debug" / f"{line.replace('.', '-')}-client")])


def inspector_request() -> Callable[..., dict]:
    """Inspector's command line: a process, and so a connection, for every request."""
    node, package = node_with("@modelcontextprotocol/inspector")
    launcher = [node, str(package / "clients" / "launcher" / "build" / "index.js"), "--cli", "--quiet"]

    def ask(job: dict, *request: str) -> dict:
        options = ["--format", "json", "--protocol-era", job["mode"], *request]
        target = ["--", *job.get("command", ())]
        for key, transport in (("url", "http"), ("sse", "sse")):
            if key in job:
                target = ["--server-url", job[key], "--transport", transport]
        answer = run([*launcher, *options, *target], job["home"], (0, INSPECTOR_TOOL_FAILED))
        try:
            # `--verify` prints a report of each skill, on a line of its own.
            told = (
                [json.loads(line) for line in answer.splitlines()]
                if "--verify" in request
                else json.loads(answer)
            )
        except ValueError:
            message = f"printed no JSON: {answer[:300]!r}"
            raise ClientFailedError(message) from None
        return told.get("result", told) if isinstance(told, dict) else {"reports": told}

    return ask


def inspector_client() -> Client:
    """Inspector, which lists tools and calls them."""
    ask = inspector_request()

    def call(job: dict, wanted: dict) -> dict:
        arguments = json.dumps(wanted["arguments"])
        options = ["--method", "tools/call", "--tool-name", wanted["tool"], "--tool-args-json", arguments]
        result = ask(job, *options)
        text = "\n".join(block.get("text", "") for block in result["content"])
        return {"tool": wanted["tool"], "failed": bool(result.get("isError")), "text": text}

    def look(job: dict) -> dict:
        # `--strict` makes a schema that some client could not take an error.
        tools = ask(job, "--strict", "--method", "tools/list")["tools"]
        return {
            "tools": [tool["name"] for tool in tools],
            "calls": [call(job, wanted) for wanted in job["calls"]],
        }

    return look


def typescript_client() -> Client:
    """The official TypeScript client."""
    node, package = node_with("@modelcontextprotocol/client")
    installed = package.parent.parent
    return program([node, str(CONFORMANCE / "clients" / "typescript_client.mjs"), str(installed)])


CLIENTS: dict[str, tuple[Callable[[], Client], tuple[str, ...]]] = {
    "python": (python_client, ("legacy", "auto", "2026-07-28")),
    "typescript": (typescript_client, ("legacy", "auto", "2026-07-28")),
    "rmcp": (rmcp_client, ("legacy", "auto", "2026-07-28")),
    "inspector": (inspector_client, ("legacy", "auto", "modern")),
}

# Those that tools can ask: their job has `"others"`, how many calls are sent behind one that asks, instead of calls.
ASKED: dict[str, Callable[[], Client]] = {"python": asked_python_client, "typescript": typescript_client}


@dataclass(frozen=True)
class Offered:
    """
    A client that is tried in everything that there is: what it is called and how it is made.

    Attributes:
        transports: What it can connect over, and in which of its modes: HTTP+SSE is of sessions.
        others: What a program may not expect of it, by the name of what it does not do or of the member it drops, and why.
        told: Of which changes it is told.
    """

    named: str
    make: Callable[[], Client]
    transports: dict[str, tuple[str, ...]]
    others: dict[str, str] = field(default_factory=dict)
    told: tuple[str, ...] = ("prompts", "resources", "tools", "updated")


LEGACY = ("legacy",)
ERAS = ("legacy", "auto", "2026-07-28")

# Their job has `"steps"`, `"edit"`, `"subscribes"` and the like in place of the calls (`clients/python_offers.py`), and they
# return `{"protocol", "steps", "changes", "progress", "asked", "cancelled", "restart"}`; None is what a client cannot do.
OFFERED: dict[str, Offered] = {
    "python": Offered(
        f"Python SDK {PYTHON_PACKAGES['venv'].partition('==')[2]}",
        python_offers_client,
        {"stdio": ERAS, "http": ERAS, "sse": ("legacy", "auto"), "socket": ERAS},
    ),
    "python 1": Offered(
        f"Python SDK {PYTHON_PACKAGES['venv-1'].partition('==')[2]}",
        python_1_offers_client,
        {"stdio": LEGACY, "http": LEGACY, "sse": LEGACY, "socket": LEGACY},
        {"cancelled": "a program that gives up a call tells the server nothing"},
    ),
    "fastmcp": Offered(
        f"FastMCP {PYTHON_PACKAGES['venv-fastmcp'].partition('==')[2]}",
        fastmcp_offers_client,
        {
            "stdio": ("legacy", "auto"),
            "http": ("legacy", "auto"),
            "sse": ("auto",),
            "socket": ("legacy", "auto"),
        },
        {"changes": "it has no function to subscribe, so it is told of lists, and in sessions only"},
        told=("prompts", "resources", "tools"),
    ),
    "typescript": Offered(
        f"TypeScript SDK {NPM_PACKAGES['@modelcontextprotocol/client']}",
        lambda: typescript_offers_client("client"),
        {"stdio": ERAS, "http": ERAS, "sse": LEGACY, "socket": ERAS},
    ),
    "ts 1": Offered(
        f"TypeScript SDK {NPM_PACKAGES['@modelcontextprotocol/sdk']}",
        lambda: typescript_offers_client("sdk"),
        {"stdio": LEGACY, "http": LEGACY, "sse": LEGACY, "socket": LEGACY},
    ),
    "rmcp": Offered("rmcp 3.11.0", rmcp_client, {"stdio": ERAS, "http": ERAS, "socket": ERAS}),
    "rmcp 0.8": Offered(
        "rmcp 0.8.5",
        lambda: rmcp_client("rmcp-0.8"),
        {"stdio": LEGACY, "http": LEGACY, "sse": LEGACY},
        {
            "asked": "its revision, 2025-03-26, knows no forms",
            "_meta": "in its revision tools and contents have no `_meta`",
        },
    ),
    "inspector": Offered(
        f"Inspector {NPM_PACKAGES['@modelcontextprotocol/inspector']}",
        inspector_offers_client,
        {"stdio": ("legacy", "modern"), "http": ("legacy", "modern"), "sse": LEGACY},
        {"changes": "each command is a connection of its own"},
    ),
}
