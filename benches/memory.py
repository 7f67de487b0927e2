"""How much memory does it hold: idle, for each connection, for a worker? (P13)"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import generate
import wire
from report import Table
from servers import Running, Server, descendants, usage

CONNECTIONS = 400


def idle(binary: Path, others: list[Server], counts: list[int], rounds: int) -> None:
    """
    Resident memory of the server itself, after everything was listed once and things went quiet.

    A process that had to read all skills first keeps some of what that took; one that found them cached, which
    is every start but the first, does not.
    """
    table = Table("memory of the idle server, without its workers", "MiB resident")
    with tempfile.TemporaryDirectory(prefix="omni-bench-") as folder:
        for count in counts:
            skills = generate.skills(Path(folder, f"skills-{count}"), count)
            row = f"{count:,} skills"
            for turn in range(rounds):
                omni = server(binary, skills, Path(folder, f"cache-{count}-{turn}"))
                table.add(row, "omni, first start", _idle_mib(omni))
                table.add(row, "omni", _idle_mib(omni))
                for peer in others:
                    if peer.http:
                        table.add(row, peer.name, _idle_mib(peer.with_tools(count)))
    table.show("omni", more_is_better=False)


def _idle_mib(one: Server) -> float:
    with Running(one, http=True) as running:
        connection = wire.Http(running.port)
        wire.list_all(lambda body: connection.ask(connection.request(body, "tools/list")))
        connection.close()
        running.settle()
        return settled(running.pid) / 1024


def connections(omni: Server, others: list[Server], rounds: int) -> None:
    """What an open connection costs that has made one call and now waits."""
    table = Table(f"memory for each of {CONNECTIONS} open connections", "KiB")
    for _ in range(rounds):
        for one in [omni, *(peer for peer in others if peer.http)]:
            with Running(one, http=True) as running:
                # The first connections pay for what is set up once.
                opened = [_opened(running.port) for _ in range(20)]
                before = settled(running.pid)
                opened += [_opened(running.port) for _ in range(CONNECTIONS)]
                table.add("HTTP", one.name, (settled(running.pid) - before) / CONNECTIONS)
                for connection in opened:
                    connection.close()
    table.show(omni.name, more_is_better=False)


def _opened(port: int) -> wire.Http:
    connection = wire.Http(port)
    wire.check(connection.ask(connection.call(1, "add", {"a": 2, "b": 40})))
    return connection


def worker(omni: Server, python: str, rounds: int) -> None:
    """A worker after its first call, beside a Python that does nothing."""
    table = Table("memory of one Python process", "MiB resident")
    for _ in range(rounds):
        with Running(omni, http=True) as running:
            _opened(running.port).close()
            # A spare worker may wait beside the one that was called; it holds less.
            held = max(usage(pid).rss_kib for pid in descendants(running.pid))
            table.add("resident", "worker after a call", held / 1024)
        bare = subprocess.Popen(
            [python, "-c", "import sys; print(flush=True); sys.stdin.read()"], stdin=-1, stdout=-1
        )
        bare.stdout.readline()
        table.add("resident", "python3 that waits", usage(bare.pid).rss_kib / 1024)
        bare.communicate()
    table.show("worker after a call", more_is_better=False)


def settled(pid: int) -> float:
    """Return the resident memory in KiB once it has stopped changing."""
    last, same = -1, 0
    for _ in range(100):
        now = usage(pid).rss_kib
        same = same + 1 if now == last else 0
        if same >= 5:
            break
        last = now
        time.sleep(0.05)
    return now


def server(binary: Path, skills: Path, cache: Path) -> Server:
    """Return omni with these skills, over both transports."""
    common = [
        str(binary),
        "mcp",
        "--skills",
        str(skills),
        "--root",
        str(cache.parent),
        "--cache-dir",
        str(cache),
    ]
    return Server("omni", stdio=common, http=[*common, "--transport", "http", "--port", "{port}"])
