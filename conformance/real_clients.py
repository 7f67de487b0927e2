"""Which real clients does one get, and how is each given a job?"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Callable

from harness import CONFORMANCE, TARGET, SetupError, node_with, python_with_client

CLIENT_SECONDS_MAX = 120
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


def asked_python_client() -> Client:
    """The same, which answers when it is asked."""
    return program([python_with_client(), str(CONFORMANCE / "clients" / "asking_client.py")])


def rmcp_client() -> Client:
    """The client of the Rust SDK, built here."""
    manifest = CONFORMANCE / "clients" / "rmcp" / "Cargo.toml"
    folder = TARGET / "rmcp-client"
    build = [
        "cargo",
        "build",
        "--quiet",
        "--release",
        "--manifest-path",
        str(manifest),
        "--target-dir",
        str(folder),
    ]
    if subprocess.run(build, check=False).returncode != 0:
        message = f"`{' '.join(build)}` failed; its messages stand above"
        raise SetupError(message)
    return program([str(folder / "release" / "rmcp-client")])


def inspector_client() -> Client:
    """Inspector's command line: a process, and so a connection, for every request."""
    node, package = node_with("@modelcontextprotocol/inspector")
    launcher = [node, str(package / "clients" / "launcher" / "build" / "index.js"), "--cli", "--quiet"]

    def ask(job: dict, *request: str) -> dict:
        options = ["--format", "json", "--protocol-era", job["mode"], *request]
        target = (
            ["--server-url", job["url"], "--transport", "http"] if "url" in job else ["--", *job["command"]]
        )
        answer = run([*launcher, *options, *target], job["home"], (0, INSPECTOR_TOOL_FAILED))
        try:
            told = json.loads(answer)
        except ValueError:
            message = f"printed no JSON: {answer[:300]!r}"
            raise ClientFailedError(message) from None
        return told.get("result", told)

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
