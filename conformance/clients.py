"""Do real clients get along with the built binary?

The table: each client, in every protocol mode it knows and over each transport, does all that there is to do (`offered.py`).
Besides: the clients of `CLIENTS` list all tools of the shipped `skills/` and make the five calls of `clients/calls.json`,
one of which has to fail, over stdio, over HTTP, and of the server in Python alone, and are shown one list. The Python client
also looks at what comes from a runner (`runner.py`). A host of apps shows a tool's page (`apps.py`). Tools ask the Python and
the TypeScript client in each way to run them, and both use one server at once, each with a profile of its own. Last, omni
itself is a client (`other_servers.py`). What can go on side by side does.

    python3 conformance/clients.py --binary target/debug/omni [--client python] [--transport http] [--page FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Callable

from apps import shown
from clients_page import page
from harness import (
    CONFORMANCE,
    TARGET,
    WORKSPACE,
    SetupError,
    http_server,
    listening,
    python_alone_command,
    runner,
    stdio_command,
)
from offered import TRANSPORTS, Cell, Trial, all_cells, tried_in
from other_servers import tried
from real_clients import ASKED, CLIENTS, OFFERED, Client, ClientFailedError

SKILLS = WORKSPACE / "skills"
ASKING_SKILLS = CONFORMANCE / "clients" / "skills"
# Most of a client's time is waiting for its interpreter, a change or a restart.
AT_ONCE = 4
# Calls that are sent behind one whose client is asked.
OTHERS = 16
# Ways to run the tools that ask: the executors, runners, and without the binary.
RUNNERS = {
    "omni runner": lambda binary, *of: [str(binary), "runner", *stdio_command(binary, *of)[2:]],
    "the runner in Python": lambda *of: python_alone_command(*of, module="omni.runner"),
}
WAYS = ("pool", "fork", "spawn", "embedded", *RUNNERS, "Python alone")
# A tool of the server itself, which the server in Python alone does not have.
OWN_TOOL = "skill_read"


def faults(seen: dict, wanted: list[dict]) -> list[str]:
    """Return what is wrong with what a client saw."""
    found = []
    if len(set(seen["tools"])) != len(seen["tools"]):
        found.append("a tool is listed twice")
    found += [
        f"`{call['tool']}` is {'' if call.get('unlisted') else 'not '}listed"
        for call in wanted
        if (call["tool"] in seen["tools"]) == call.get("unlisted", False)
    ]
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
    parser.add_argument(
        "--client", action="append", choices={**CLIENTS, **OFFERED}, help="only this one; all by default"
    )
    parser.add_argument(
        "--transport", action="append", choices=TRANSPORTS, help="only cells of this one; all by default"
    )
    parser.add_argument(
        "--at-once", type=int, default=AT_ONCE, help="how many clients are tried side by side"
    )
    parser.add_argument("--page", type=Path, help="write the table of what each client did to this file")
    asked = parser.parse_args()

    binary = asked.binary.resolve()
    world = json.loads((CONFORMANCE / "clients" / "calls.json").read_text())
    TARGET.mkdir(parents=True, exist_ok=True)
    wanted = [
        client for client in {**CLIENTS, **OFFERED} if client in (asked.client or {**CLIENTS, **OFFERED})
    ]
    passed = failed = 0
    try:
        with tempfile.TemporaryDirectory(prefix="omni-clients-") as folder:
            root, home = Path(folder, "root"), Path(folder, "home")
            root.mkdir()
            home.mkdir()
            for name, text in world["files"].items():
                (root / name).write_text(text)
            makes = {client: OFFERED[client].make() for client in wanted if client in OFFERED}
            trials: list[Trial] = []
            units = [] if asked.transport else units_of(wanted, binary, root, str(home), world["calls"])
            for cell in all_cells([*makes]):
                if cell.transport in (asked.transport or TRANSPORTS):
                    units.append(partial(tried_cell, cell, makes[cell.client], binary, trials))
            with ThreadPoolExecutor(asked.at_once) as pool:
                for done in as_completed([pool.submit(lambda unit=unit: [*unit()]) for unit in units]):
                    for line, wrong in done.result():
                        passed, failed = passed + (not wrong), failed + bool(wrong)
                        print(f"{'failed' if wrong else 'passed'}  {line}  {wrong}".rstrip(), flush=True)
            if asked.page:
                asked.page.write_text(page(trials))
    except SetupError as error:
        print(f"clients: {error}", file=sys.stderr)
        return 2
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


# A part of the work that can go on beside others: what it yields is a line, and what was wrong.
Unit = Callable[[], Iterator[tuple[str, str]]]


def units_of(wanted: list[str], binary: Path, root: Path, home: str, calls: list[dict]) -> list[Unit]:
    """Return what is tried besides the cells of the table, the longest first."""
    units: list[Unit] = [
        partial(asked_by_tools, client, binary, root, home, way)
        for client in ASKED
        if client in wanted
        # One client is enough to see that all of them ask alike.
        for way in (WAYS if client == "python" else WAYS[:1])
    ]
    if set(CLIENTS) <= set(wanted):
        units.append(partial(tried, binary, home))
    clients = [client for client in CLIENTS if client in wanted]
    if clients:
        units.append(partial(lists_alike, clients, binary, root, home, calls))
    if {"python", "typescript"} <= set(wanted):
        units.append(partial(profiled, binary, root, home))
    if "python" in wanted:
        units.append(partial(from_a_runner, binary, root, home))
    if "typescript" in wanted:
        units.append(partial(shown, binary, root, home))
    return units


def tried_cell(cell: Cell, look: Client, binary: Path, trials: list[Trial]) -> Iterator[tuple[str, str]]:
    """Try a cell of the table, and keep what came of it."""
    trial = tried_in(cell, look, binary)
    trials.append(trial)
    yield trial.line, trial.wrong


def lists_alike(
    clients: list[str], binary: Path, root: Path, home: str, calls: list[dict]
) -> Iterator[tuple[str, str]]:
    """Let clients list and call the shipped skills, which all have to see alike; yields a line, and what was wrong."""
    listed: dict[str, tuple[str, ...]] = {}
    with http_server(binary, SKILLS, TARGET / "clients-server.log", root) as url:
        servers = {
            "stdio": {"command": stdio_command(binary, SKILLS, root)},
            "http": {"url": url},
            "alone": {"command": python_alone_command(binary, SKILLS, root)},
        }
        for client in clients:
            make, modes = CLIENTS[client]
            look = make()
            for transport, server in servers.items():
                for mode in modes:
                    job = {**server, "mode": mode, "calls": calls, "home": home}
                    line = f"{client:10}  {transport:6}  {mode:10}"
                    wrong, tools = attempt(look, job, calls)
                    listed[line] = tuple(tool for tool in tools if tool != OWN_TOOL)
                    if tools and (OWN_TOOL in tools) == (transport == "alone"):
                        wrong.append(f"`{OWN_TOOL}` is {'' if OWN_TOOL in tools else 'not '}listed")
                    yield f"{line}  {len(tools)} tools, {len(calls)} calls", "; ".join(wrong)
    lists = {tools for tools in listed.values() if tools}
    counts = ", ".join(f"{line}: {len(tools)}" for line, tools in listed.items())
    yield "all clients are shown one list", counts if len(lists) > 1 else ""


def from_a_runner(binary: Path, root: Path, home: str) -> Iterator[tuple[str, str]]:
    """Let the Python client look at what a runner has; yields a line, and what was wrong."""
    with runner(CONFORMANCE / "runner.py", TARGET / "clients-runner.log") as address:
        options = ("--runner", address, "--tools", "runner", "--runner-refresh", "0.1")
        with http_server(binary, SKILLS, TARGET / "clients-forward.log", root, options) as url:
            command = [*stdio_command(binary, SKILLS, root), *options]
            yield from forwarded({"command": command}, {"url": url}, home)


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
            yield f"{'python':10}  {transport:6}  {mode:10}  from a runner", wrong


def asked_by_tools(client: str, binary: Path, root: Path, home: str, way: str) -> Iterator[tuple[str, str]]:
    """Let tools that are run in a way ask a client; yields a line, and what was wrong."""
    ask, modes = ASKED[client](), CLIENTS[client][1]
    size, colour = (["accept", {field: f"a {field}"}] for field in ("size", "colour"))
    several = [size, [["work", "file:///work"]], colour]
    said = ["Be brief. Say hello. 9", "m", "endTurn"]
    kinds = [["accept", "a value"], ["accept", None], said]
    wanted = {
        "others": True,
        "waited": True,
        "once": size,
        "in_turn": several,
        "at_once": several,
        "other_kinds": kinds,
    }
    with asking_servers(way, binary, root) as servers:
        for transport, server in servers.items():
            # One mode of each era says as much of the other ways.
            for mode in modes if way == "pool" else (modes[0], modes[-1]):
                wrong = ""
                try:
                    seen = ask({**server, "mode": mode, "others": OTHERS, "home": home})
                    protocol = seen.pop("protocol")
                    if seen != wanted:
                        wrong = f"saw {seen} instead of {wanted}"
                    elif (protocol >= "2026-07-28") != (mode != "legacy"):
                        wrong = f"spoke revision {protocol}"
                except (ClientFailedError, subprocess.TimeoutExpired) as error:
                    wrong = str(error)
                yield f"{client:10}  {transport:6}  {mode:10}  is asked by {way}", wrong


@contextlib.contextmanager
def asking_servers(way: str, binary: Path, root: Path) -> Iterator[dict[str, dict]]:
    """Serve the skill that asks, its tools run in this way, while the block runs; yields servers by transport."""
    log = TARGET / f"clients-asking-{way.replace(' ', '-')}.log"
    if way == "Python alone":
        yield {"stdio": {"command": python_alone_command(binary, ASKING_SKILLS, root)}}
        return
    with contextlib.ExitStack() as world:
        options = ("--executor", way)
        if way in RUNNERS:
            command = RUNNERS[way](binary, ASKING_SKILLS, root)
            address = world.enter_context(listening([*command, "--port"], log.with_suffix(".runner.log")))
            options = ("--runner", address, "--tools", "runner", "--runner-refresh", "0.1")
        command = [*stdio_command(binary, ASKING_SKILLS, root), *options]
        url = world.enter_context(http_server(binary, ASKING_SKILLS, log, root, options))
        yield {"stdio": {"command": command}, "http": {"url": url}}


def profiled(binary: Path, root: Path, home: str) -> Iterator[tuple[str, str]]:
    """Let two clients use one server at once, each with a profile of its own; yields a line, and what was wrong."""
    profiles = json.loads((CONFORMANCE / "clients" / "profiles.json").read_text())
    looks = {name: CLIENTS[name][0]() for name in ("python", "typescript")}
    config = CONFORMANCE / "clients" / "profiles.toml"
    log = TARGET / "clients-profiles.log"
    with (
        http_server(binary, SKILLS, log, root, ("--config", str(config))) as url,
        ThreadPoolExecutor() as pool,
    ):
        for order in (("python", "typescript"), ("typescript", "python")):
            for mode in CLIENTS["python"][1]:
                jobs = [
                    {
                        "url": url,
                        "mode": mode,
                        "home": home,
                        "name": profile["name"],
                        "calls": profile["calls"],
                    }
                    for profile in profiles
                ]
                both = pool.map(
                    attempt, [looks[client] for client in order], jobs, [job["calls"] for job in jobs]
                )
                for client, profile, (wrong, tools) in zip(order, profiles, both):
                    if not wrong and tuple(profile.get("lists", tools)) != tools:
                        wrong.append(f"the list is {tools}")
                    line = f"{client:10}  {'http':6}  {mode:10}  as {profile['name']}, beside another profile"
                    yield line, "; ".join(wrong)


def attempt(look: Client, job: dict, wanted: list[dict]) -> tuple[list[str], tuple[str, ...]]:
    """Let a client do its job; return what was wrong, and the tools it saw."""
    try:
        seen = look(job)
    except (ClientFailedError, subprocess.TimeoutExpired) as error:
        return [str(error)], ()
    return faults(seen, wanted), tuple(seen["tools"])


if __name__ == "__main__":
    sys.exit(main())
