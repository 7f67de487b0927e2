"""Does one caller feel the others: many calls that wait, more connections, more workers? (P14, P15)"""

from __future__ import annotations

import select
import time
from statistics import median, quantiles

import wire
from calls import rotated
from report import Table
from servers import Running, Server

SLEEPERS = 45
SLEEP_MS = 20_000
WAITING = 1000


def beside_sleepers(omni: Server, others: list[Server], rounds: int, seconds: float) -> None:
    """
    Latency of a small call, alone and while others keep the server's tools busy.

    `nap` is the blocking twin of `sleep`: it holds a whole worker (here) or the event loop (elsewhere). A server
    that does not answer the small call within the sleepers' time is shown with that time.
    """
    table = Table(
        f"latency of a small call, alone and beside {SLEEPERS} others of {SLEEP_MS // 1000} s", "ms"
    )
    for turn in range(rounds):
        for server in rotated([omni, *others], turn):
            with Running(server, http=True) as running:
                probe = wire.Http(running.port)
                _bounded(probe, seconds / 4)
                _note(table, "alone", server.name, _bounded(probe, seconds))
                for tool in ("sleep", "nap"):
                    row = f"beside {SLEEPERS} calls of `{tool}`"
                    sleepers = [wire.Http(running.port) for _ in range(SLEEPERS)]
                    for number, sleeper in enumerate(sleepers):
                        sleeper.send(sleeper.call(number, tool, {"ms": SLEEP_MS}))
                    time.sleep(1)  # a fixed head start, the same for everyone
                    taken = _bounded(probe, seconds)
                    _note(table, row, server.name, taken)
                    for sleeper in sleepers:
                        sleeper.close()
                    if len(taken) == 1:
                        break  # it is stuck; what follows would measure the same wait again
    table.show(omni.name, more_is_better=False)


def _note(table: Table, row: str, name: str, taken: list[float]) -> None:
    table.add(f"{row}, p50", name, median(taken) / 1000)
    ninety_nine = quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]
    table.add(f"{row}, p99", name, ninety_nine / 1000)


def _bounded(probe: wire.Http, seconds: float) -> list[float]:
    """Ask for some time, but wait for no answer longer than the sleepers sleep."""
    taken: list[float] = []
    give_up = time.perf_counter() + seconds
    while (started := time.perf_counter()) < give_up:
        probe.send(probe.call(1, "echo", {"text": "hello"}))
        if not select.select([probe], [], [], SLEEP_MS / 1000)[0]:
            return [SLEEP_MS * 1000.0]
        wire.check(probe.receive())
        taken.append((time.perf_counter() - started) * 1e6)
    return taken


def at_once(omni: Server, others: list[Server], rounds: int) -> None:
    """How long until the last of a thousand calls that wait a second each is answered."""
    table = Table(f"{WAITING:,} calls that wait 1 s, all at once: the last answer after", "s")
    for turn in range(rounds):
        for server in rotated([omni, *others], turn):
            with Running(server, http=True) as running:
                clients = [wire.Http(running.port) for _ in range(WAITING)]
                wire.check(clients[0].ask(clients[0].call(0, "sleep", {"ms": 1})))
                started = time.perf_counter()
                for number, client in enumerate(clients):
                    client.send(client.call(number, "sleep", {"ms": 1000}))
                for client in clients:
                    wire.check(client.receive())
                table.add("HTTP", server.name, time.perf_counter() - started)
                for client in clients:
                    client.close()
    table.show(omni.name, more_is_better=False)


def scale(omni: Server, rounds: int, seconds: float) -> None:
    """What is left of the throughput with ten times the connections, and what a second worker adds."""
    table = Table("calls per second of one server, by connections", "calls/s")
    for turn in range(rounds):
        with Running(omni, http=True) as running:
            for connections in rotated([100, 1000], turn):
                table.add(
                    "`echo`",
                    f"{connections:,} connections",
                    wire.concurrent(running.port, connections, seconds),
                )
    table.show("1,000 connections", more_is_better=True)

    table = Table("calls per second of a tool that computes for some milliseconds, by workers", "calls/s")
    for turn in range(rounds):
        for workers in rotated([1, 2], turn):
            fixed = Server(omni.name, http=[*omni.http, "--workers", f"{workers}..{workers}"])
            with Running(fixed, http=True) as running:
                rate = wire.concurrent(running.port, 8, seconds, tool="spin", arguments={"ms": 5})
                table.add("`spin` of 5 ms", f"{workers} workers" if workers > 1 else "1 worker", rate)
    table.show("2 workers", more_is_better=True)
