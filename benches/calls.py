"""How many calls does a server make, and does any way of calling stall? (P1, P2, P18)"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import wire
from report import Table
from servers import Running, Server, cpu_seconds

IN_FLIGHT = (1, 16, 64)


def throughput(omni: Server, others: list[Server], rounds: int, seconds: float, mcpbench: str | None) -> None:
    """Calls per second of the `echo` tool, and what each costs the server in processor time."""
    calls = Table("calls per second, HTTP and stdio", "calls/s")
    costs = Table("processor time of the server and its workers per call", "µs")
    if mcpbench:
        _with_mcpbench(mcpbench, [omni, *others], rounds, seconds, calls, costs)
    else:
        print(
            "note: this client is Python and stops at some thousand calls a second; above that it is what is\n"
            "      measured. The processor time per call stays true. For rates, give --mcpbench."
        )
        for turn in range(rounds):
            for server in rotated([omni, *others], turn):
                _one_round(server, seconds, calls, costs)
    calls.show(omni.name, more_is_better=True)
    costs.show(omni.name, more_is_better=False)


def _one_round(server: Server, seconds: float, calls: Table, costs: Table) -> None:
    if server.http:
        with Running(server, http=True) as running:
            for connections in IN_FLIGHT:
                row = f"HTTP, {connections} in flight"
                before = cpu_seconds(running.pid)
                rate = wire.concurrent(running.port, connections, seconds)
                # The client warms up for a quarter of the time before it counts.
                made = rate * seconds
                calls.add(row, server.name, rate)
                costs.add(row, server.name, (cpu_seconds(running.pid) - before) / made * 1e6)
    if server.stdio:
        with Running(server, http=False) as running:
            pipe = wire.Stdio(running)
            wire.check(pipe.ask(wire.call(0, "echo", {"text": "hello"})))
            before = cpu_seconds(running.pid)
            rate = pipe.pipelined(lambda n: wire.call(n + 1, "echo", {"text": "hello"}), 16, seconds)
            calls.add("stdio, 16 in flight", server.name, rate)
            costs.add(
                "stdio, 16 in flight",
                server.name,
                (cpu_seconds(running.pid) - before) / (rate * seconds) * 1e6,
            )


def _with_mcpbench(
    program: str, servers: list[Server], rounds: int, seconds: float, calls: Table, costs: Table
) -> None:
    """Let a compiled load generator do the same; it prints one JSON object for each measurement."""
    targets = [
        {
            "name": server.name,
            "stdio": server.stdio,
            "http": server.http,
            "url": "http://127.0.0.1:{port}/mcp" if server.http else "",
            "env": server.environment,
        }
        for server in servers
    ]
    with tempfile.TemporaryDirectory(prefix="omni-bench-") as folder:
        file = Path(folder, "targets.json")
        file.write_text(json.dumps({"targets": targets}))
        common = [
            "--targets",
            str(file),
            "--rounds",
            str(rounds),
            "--secs",
            str(seconds),
            "--era",
            wire.MODERN,
        ]
        for command, options in (
            ("http", ["--conc", ",".join(map(str, IN_FLIGHT))]),
            ("stdio", ["--pipeline", "16"]),
        ):
            told = subprocess.run(
                [program, command, *common, *options], capture_output=True, check=True, text=True
            )
            for line in told.stdout.splitlines():
                found = json.loads(line)
                if "error" in found or found.get("errors"):
                    raise SystemExit(f"a measurement failed: {line}")
                via = {"http": "HTTP", "stdio": "stdio"}[found["via"]]
                row = f"{via}, {found['conc']} in flight"
                calls.add(row, found["target"], found["rps"])
                costs.add(row, found["target"], found["server_cpu_us"])


def modes(omni: Server, rounds: int, seconds: float) -> None:
    """The median latency of one call at a time in every way a call can be answered."""
    table = Table("latency of one call at a time, by how it is asked and answered", "µs, median")
    names = ["JSON, 2026-07-28", "JSON, session", "events, 2026-07-28", "events, session"]
    with Running(omni, http=True) as running:
        modern, session = wire.Http(running.port), wire.Http(running.port, modern=False)
        # A message that has to go before the result makes the answer a stream of events.
        asks = {
            "JSON, 2026-07-28": lambda: modern.ask(modern.call(1, "echo", {"text": "x"})),
            "JSON, session": lambda: session.ask(session.call(1, "echo", {"text": "x"})),
            "events, 2026-07-28": lambda: modern.ask(modern.call(1, "tell", {"text": "x"}, token=1)),
            "events, session": lambda: session.ask(session.call(1, "tell", {"text": "x"}, token=1)),
        }
        for name in names:
            is_stream = asks[name]().lstrip().startswith((b"{", b"[")) is False
            if is_stream != name.startswith("events"):
                raise SystemExit(f"`{name}` was not answered that way")
        for turn in range(rounds):
            for name in rotated(names, turn):
                taken = wire.latencies(asks[name], seconds / 2)
                table.add("HTTP, 1 in flight", name, taken[len(taken) // 2])
    table.show("JSON, 2026-07-28", more_is_better=False)


def rotated(things: list, turn: int) -> list:
    """Return the same things with another one first, so that nobody is always first."""
    turn %= len(things)
    return things[turn:] + things[:turn]
