"""What does the front do by itself: long lists, many tools, a quick end? (P11, P12, P19)"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import generate
import wire
from calls import rotated
from memory import server
from report import Table
from servers import Running, Server, alive, cpu_seconds, descendants


def lists(binary: Path, others: list[Server], count: int, rounds: int, seconds: float) -> None:
    """Processor time of a whole `tools/list` of many tools, again and again from memory."""
    table = Table(f"processor time to send the list of {count:,} tools", "µs")
    with tempfile.TemporaryDirectory(prefix="omni-bench-") as folder:
        skills = generate.skills(Path(folder, "skills"), count)
        omni = server(binary, skills, Path(folder, "cache"))
        for turn in range(rounds):
            for one in rotated([omni, *(peer.with_tools(count) for peer in others if peer.http)], turn):
                with Running(one, http=True) as running:
                    table.add("HTTP", one.name, _cost_of_a_list(running, seconds))
    table.show("omni", more_is_better=False)


def _cost_of_a_list(running: Running, seconds: float) -> float:
    connection = wire.Http(running.port)
    pages = _pages(connection)
    for page in pages:
        connection.ask(page)
    # The check of the folder at the start is not part of a list from memory.
    running.settle()
    done, before, give_up = 0, cpu_seconds(running.pid), time.perf_counter() + seconds
    while time.perf_counter() < give_up:
        for page in pages:
            connection.ask(page)
        done += 1
    cost = (cpu_seconds(running.pid) - before) / done * 1e6
    connection.close()
    return cost


def _pages(connection: wire.Http) -> list[bytes]:
    """Return the requests that ask for every page."""
    bodies: list[bytes] = []

    def ask(body: bytes) -> bytes:
        bodies.append(body)
        answer = connection.ask(connection.request(body, "tools/list"))
        # A peer may answer with an event.
        return answer[answer.index(b"{") : answer.rindex(b"}") + 1]

    wire.list_all(ask)
    return [connection.request(body, "tools/list") for body in bodies]


def many_tools(
    binary: Path, others: list[Server], counts: tuple[int, int], rounds: int, seconds: float
) -> None:
    """A call with many tools against the same call with few; both servers run, and take turns."""
    few, many = counts
    time_taken = Table(f"latency of one call at a time, with {few:,} and {many:,} tools", "µs, median")
    cpu = Table(f"processor time of a call, with {few:,} and {many:,} tools", "µs")
    with tempfile.TemporaryDirectory(prefix="omni-bench-") as folder:
        for peer in [None, *(peer for peer in others if peer.http)]:
            name = peer.name if peer else "omni"
            running = {}
            for count in counts:
                if peer:
                    one = peer.with_tools(count)
                else:
                    skills = generate.skills(Path(folder, f"skills-{count}"), count)
                    one = server(binary, skills, Path(folder, f"cache-{count}"))
                running[count] = Running(one, http=True)
            try:
                for one in running.values():
                    # Whoever answers has read its skills; then it may still have to write a cache.
                    connection = wire.Http(one.port)
                    wire.check(connection.ask(connection.call(1, "echo", {"text": "x"})))
                    connection.close()
                    one.settle()
                _take_turns(running, name, rounds, seconds, time_taken, cpu)
            finally:
                for one in running.values():
                    one.stop()
    for table in (time_taken, cpu):
        table.show(f"{few:,} tools", more_is_better=False)


def _take_turns(
    running: dict[int, Running], name: str, rounds: int, seconds: float, time_taken: Table, cpu: Table
) -> None:
    clients = {count: wire.Http(one.port) for count, one in running.items()}
    for client in clients.values():
        wire.latencies(lambda c=client: c.ask(c.call(1, "echo", {"text": "x"})), 0.3)
    for turn in range(rounds):
        for count in rotated(list(clients), turn):
            client = clients[count]
            request = client.call(1, "echo", {"text": "x"})
            before = cpu_seconds(running[count].pid)
            taken = wire.latencies(lambda c=client, r=request: c.ask(r), seconds / 2)
            used = cpu_seconds(running[count].pid) - before
            time_taken.add(name, f"{count:,} tools", taken[len(taken) // 2])
            cpu.add(name, f"{count:,} tools", used / len(taken) * 1e6)


def end(omni: Server, others: list[Server], rounds: int) -> None:
    """Input closed → the process gone, and its workers with it, nothing being under way."""
    table = Table("input closed to the last process gone, idle", "ms")
    for turn in range(rounds):
        for one in rotated([omni, *(peer for peer in others if peer.stdio)], turn):
            with Running(one, http=False) as running:
                wire.check(wire.Stdio(running).ask(wire.call(1, "echo", {"text": "x"})))
                running.settle()
                family = [running.pid, *descendants(running.pid)]
                started = time.perf_counter()
                running.child.stdin.close()
                running.child.wait()
                while any(alive(pid) for pid in family):
                    time.sleep(0.0002)
                table.add(f"{len(family) - 1} workers", one.name, (time.perf_counter() - started) * 1e3)
    table.show(omni.name, more_is_better=False)
