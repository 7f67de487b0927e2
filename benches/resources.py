"""What do 10,000 resources cost: to list them, to start with them, to read one? (P9, P11)"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Callable

import generate
import wire
from calls import rotated
from memory import server
from report import Table, number
from servers import Running, Server, cpu_seconds
from start import bare, list_once, omni_over_stdio

METHOD = "resources/list"
OF_EACH = b'"uri":'


def start(binary: Path, python: str, others: list[Server], count: int, rounds: int) -> None:
    """Process start → last page of `resources/list`, over stdio, beside a bare Python in the same rounds."""
    table = Table("process start to the complete list of resources, stdio", "ms")
    with tempfile.TemporaryDirectory(prefix="omni-bench-") as folder:
        skills = generate.resources(Path(folder, "skills"), count)
        cached = omni_over_stdio("omni, cached", binary, skills, Path(folder, "cached"))
        list_once(cached, 2.0, METHOD, OF_EACH)
        fresh = omni_over_stdio("omni, nothing cached", binary, skills, Path(folder, "fresh"))
        runs: dict[str, Callable[[], float]] = {
            "python3 -c pass": lambda: bare(python),
            "omni, cached": lambda: list_once(cached, 0.0, METHOD, OF_EACH),
            "omni, nothing cached": lambda: list_once(
                fresh, 0.0, METHOD, OF_EACH, empty=Path(folder, "fresh")
            ),
            **{
                peer.name: lambda p=peer: list_once(p.with_resources(count), 0.0, METHOD, OF_EACH)
                for peer in others
                if peer.stdio
            },
        }
        for turn in range(rounds):
            for name in rotated(list(runs), turn):
                table.add(f"{count:,} resources", name, runs[name]() * 1e3)
    table.show("omni, cached", more_is_better=False)


def steady(binary: Path, others: list[Server], count: int, rounds: int, seconds: float) -> None:
    """The list from memory, and one read at a time; a tool's call is what a read has to be held against."""
    cost = Table(f"processor time to send the list of {count:,} resources", "µs")
    taken = Table(f"latency of one read at a time, {count:,} resources", "µs, median")
    sizes: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory(prefix="omni-bench-") as folder:
        skills = generate.resources(Path(folder, "skills"), count)
        omni = server(binary, skills, Path(folder, "cache"))
        for turn in range(rounds):
            for one in rotated([omni, *(peer.with_resources(count) for peer in others if peer.http)], turn):
                with Running(one, http=True) as running:
                    connection = wire.Http(running.port)
                    sizes[one.name], per_list = _list_cost(running, connection, seconds)
                    cost.add("HTTP", one.name, per_list)
                    asked = {"function": _read(connection, "bench://note/00000")}
                    if one is omni:
                        asked["tool"] = connection.call(1, "echo", {"text": "hello"})
                    for what, request in asked.items():
                        column = one.name if what == "function" else f"{one.name}, a {what}"
                        latencies = wire.latencies(partial(connection.ask, request), seconds)
                        taken.add("HTTP", column, median(latencies))
                    connection.close()
    cost.show("omni", more_is_better=False)
    for name, (items, size) in sizes.items():
        print(f"    {name:24} {items:,} resources, {size:,} bytes, {number(size / max(items, 1))} bytes each")
    taken.show("omni", more_is_better=False)


def _read(connection: wire.Http, uri: str) -> bytes:
    return connection.request(wire.read(1, uri), "resources/read", uri)


def _list_cost(running: Running, connection: wire.Http, seconds: float) -> tuple[tuple[int, int], float]:
    """Return how many resources there are, in how many bytes, and the processor time of a list from memory in µs."""
    pages: list[bytes] = []

    def ask(body: bytes) -> bytes:
        pages.append(connection.request(body, METHOD))
        answer = connection.ask(pages[-1])
        # A peer may answer with an event.
        return answer[answer.index(b"{") : answer.rindex(b"}") + 1]

    size = wire.list_all(ask, METHOD, OF_EACH)
    # The check of the folder at the start is not part of a list from memory.
    running.settle()
    done, before, give_up = 0, cpu_seconds(running.pid), time.perf_counter() + seconds
    while time.perf_counter() < give_up:
        for page in pages:
            connection.ask(page)
        done += 1
    return size, (cpu_seconds(running.pid) - before) / done * 1e6
