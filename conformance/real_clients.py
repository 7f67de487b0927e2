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
        return {"protocol": None, "steps": steps, "changes": None}

    return look


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


def inspector_request() -> Callable[..., dict]:
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

# Those that look at resources, prompts and completions: their job has `"steps"`, `"edit"` and `"subscribes"` in place of
# the calls, and they return `{"protocol", "steps", "changes"}`; None is what a client cannot do.
OFFERED: dict[str, tuple[Callable[[], Client], tuple[str, ...]]] = {
    "python": (python_offers_client, ("legacy", "auto", "2026-07-28")),
    "python 1": (python_1_offers_client, ("legacy",)),
    "typescript": (lambda: typescript_offers_client("client"), ("legacy", "auto", "2026-07-28")),
    "ts 1": (lambda: typescript_offers_client("sdk"), ("legacy",)),
    "rmcp": (rmcp_client, ("legacy", "auto", "2026-07-28")),
    "inspector": (inspector_offers_client, ("legacy", "modern")),
}
