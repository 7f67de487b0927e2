"""Do real clients get along with the built binary?

Each client lists all tools of the shipped `skills/` and makes the five calls of `clients/calls.json`, one of
which has to fail, in every protocol mode it knows: over stdio, over HTTP, and of the server in Python alone, which
has to show the same list. One line for each. The Python client also looks at what comes from a runner
(`runner.py`): resources, prompts, and a list of tools that changes.

    python3 conformance/clients.py --binary target/debug/omni [--client python]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

from harness import (
    CONFORMANCE,
    TARGET,
    WORKSPACE,
    SetupError,
    http_server,
    node_with,
    python_alone_command,
    python_with_client,
    runner,
    stdio_command,
)

SKILLS = WORKSPACE / "skills"
ASKING_SKILLS = CONFORMANCE / "clients" / "skills"
# Calls that are sent behind one whose client is asked.
OTHERS = 16
CLIENT_SECONDS_MAX = 120
# Inspector's exit status for a result that is marked as an error. The result is printed all the same.
INSPECTOR_TOOL_FAILED = 5

# A client takes a job, `{"mode", "command" or "url", "calls"}`, and returns `{"tools", "calls"}`.
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


CLIENTS: dict[str, tuple[Callable[[], Client], tuple[str, ...]]] = {
    "python": (python_client, ("legacy", "auto", "2026-07-28")),
    "rmcp": (rmcp_client, ("legacy", "auto", "2026-07-28")),
    "inspector": (inspector_client, ("legacy", "auto", "modern")),
}


def faults(seen: dict, wanted: list[dict]) -> list[str]:
    """Return what is wrong with what a client saw."""
    found = []
    if len(set(seen["tools"])) != len(seen["tools"]):
        found.append("a tool is listed twice")
    found += [f"`{call['tool']}` is not listed" for call in wanted if call["tool"] not in seen["tools"]]
    for call, done in zip(wanted, seen["calls"]):
        if done["failed"] != call.get("fails", False):
            found.append(
                f"`{call['tool']}` {'failed' if done['failed'] else 'did not fail'}: {done['text'][:300]}"
            )
        elif call["says"] not in done["text"]:
            found.append(f"`{call['tool']}` does not say {call['says']!r}: {done['text'][:300]}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True, help="the `omni` to test")
    parser.add_argument("--client", action="append", choices=CLIENTS, help="only this one; all by default")
    asked = parser.parse_args()

    binary = asked.binary.resolve()
    world = json.loads((CONFORMANCE / "clients" / "calls.json").read_text())
    TARGET.mkdir(parents=True, exist_ok=True)
    listed: dict[str, tuple[str, ...]] = {}
    passed = failed = 0
    try:
        with tempfile.TemporaryDirectory(prefix="omni-clients-") as folder:
            root, home = Path(folder, "root"), Path(folder, "home")
            root.mkdir()
            home.mkdir()
            for name, text in world["files"].items():
                (root / name).write_text(text)
            with http_server(binary, SKILLS, TARGET / "clients-server.log", root) as url:
                servers = {
                    "stdio": {"command": stdio_command(binary, SKILLS, root)},
                    "http": {"url": url},
                    "alone": {"command": python_alone_command(binary, SKILLS, root)},
                }
                for client in asked.client or CLIENTS:
                    make, modes = CLIENTS[client]
                    look = make()
                    for transport, server in servers.items():
                        for mode in modes:
                            job = {**server, "mode": mode, "calls": world["calls"], "home": str(home)}
                            line = f"{client:9}  {transport:5}  {mode:10}"
                            wrong, tools = attempt(look, job, world["calls"])
                            listed[line] = tools
                            if wrong:
                                failed += 1
                                print(f"failed  {line}  {'; '.join(wrong)}", flush=True)
                            else:
                                passed += 1
                                calls = len(world["calls"])
                                print(f"passed  {line}  {len(tools)} tools, {calls} calls", flush=True)
            if "python" in (asked.client or CLIENTS):
                with runner(CONFORMANCE / "runner.py", TARGET / "clients-runner.log") as address:
                    options = ("--runner", address, "--tools", "runner", "--runner-refresh", "0.1")
                    log = TARGET / "clients-forward.log"
                    with http_server(binary, SKILLS, log, root, options) as url:
                        command = [*stdio_command(binary, SKILLS, root), *options]
                        for line, wrong in forwarded({"command": command}, {"url": url}, str(home)):
                            passed, failed = passed + (not wrong), failed + bool(wrong)
                            print(f"{'failed' if wrong else 'passed'}  {line}  {wrong}".rstrip(), flush=True)
                for line, wrong in asked_by_tools(binary, root, str(home)):
                    passed, failed = passed + (not wrong), failed + bool(wrong)
                    print(f"{'failed' if wrong else 'passed'}  {line}  {wrong}".rstrip(), flush=True)
    except SetupError as error:
        print(f"clients: {error}", file=sys.stderr)
        return 2
    if len({tools for tools in listed.values() if tools}) > 1:
        failed += 1
        print("failed  the clients were shown different lists")
        for line, tools in listed.items():
            print(f"          {line}  {len(tools)} tools")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def forwarded(stdio: dict, http: dict, home: str) -> Iterator[tuple[str, str]]:
    """Let the Python client look at what a runner has; yields a line, and what was wrong."""
    make, modes = CLIENTS["python"]
    look = make()
    for transport, server in (("stdio", stdio), ("http", http)):
        for mode in modes:
            job = {**server, "mode": mode, "calls": [], "home": home, "changes": "test_trigger_tool_change"}
            wrong = ""
            try:
                seen = look(job)
                wanted = {
                    "resource": "This is the content of the static text resource.",
                    "prompt": "Prompt with arguments: arg1='one', arg2='two'",
                    "unknown": -32602 if seen["protocol"] >= "2026-07-28" else -32002,
                    "added": 1,
                }
                if seen["around"] != wanted:
                    wrong = f"saw {seen['around']} instead of {wanted}"
            except (ClientFailedError, subprocess.TimeoutExpired) as error:
                wrong = str(error)
            yield f"{'python':9}  {transport:5}  {mode:10}  from a runner", wrong


def asked_by_tools(binary: Path, root: Path, home: str) -> Iterator[tuple[str, str]]:
    """Let tools ask the Python client, in each way to run them; yields a line, and what was wrong."""
    ask = program([python_with_client(), str(CONFORMANCE / "clients" / "asking_client.py")])
    modes = CLIENTS["python"][1]
    size, colour = ({"action": "accept", "content": {field: f"a {field}"}} for field in ("size", "colour"))
    several = [size, {"roots": [{"uri": "file:///work", "name": "work"}]}, colour]
    wanted = {"others": True, "waited": True, "once": size, "in_turn": several, "at_once": several}
    for executor in ("pool", "fork", "spawn", "embedded"):
        options = ("--executor", executor)
        command = [*stdio_command(binary, ASKING_SKILLS, root), *options]
        log = TARGET / f"clients-asking-{executor}.log"
        with http_server(binary, ASKING_SKILLS, log, root, options) as url:
            for transport, server in (("stdio", {"command": command}), ("http", {"url": url})):
                # One mode of each era says as much of the other ways.
                for mode in modes if executor == "pool" else (modes[0], modes[-1]):
                    wrong = ""
                    try:
                        seen = ask({**server, "mode": mode, "others": OTHERS, "home": home})
                        del seen["protocol"]
                        if seen != wanted:
                            wrong = f"saw {seen} instead of {wanted}"
                    except (ClientFailedError, subprocess.TimeoutExpired) as error:
                        wrong = str(error)
                    yield f"{'python':9}  {transport:5}  {mode:10}  is asked by {executor}", wrong


def attempt(look: Client, job: dict, wanted: list[dict]) -> tuple[list[str], tuple[str, ...]]:
    """Let a client do its job; return what was wrong, and the tools it saw."""
    try:
        seen = look(job)
    except (ClientFailedError, subprocess.TimeoutExpired) as error:
        return [str(error)], ()
    return faults(seen, wanted), tuple(seen["tools"])


if __name__ == "__main__":
    sys.exit(main())
