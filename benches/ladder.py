"""What does each way of running a tool add to the least that it could cost? (P5, P6, P7)"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Callable

import generate
import memory
import wire
from report import Table
from servers import Running, Server, descendants, usage

WAYS = ("pool", "spawn", "fork", "fork ahead", "fork reused", "embedded", "runner")

#: What the front matter of each says, where that is not just its name.
FRONT = {
    "fork ahead": "executor: fork\nahead: 2",
    "fork reused": "executor: fork\ncalls: 100",
}

#: Long enough that neither side's core is still awake from the call before.
GAP_SECONDS = 0.02

ECHO = """
import socket, sys
line = socket.socket(fileno=int(sys.argv[1]))
while data := line.recv(65536):
    line.sendall(data)
"""

#: Forks, has the child exit, and waits for it, for as long as it is asked to; with as much memory as was asked for.
FORK = """
import os, sys, time
ballast = bytearray(max(0, int(sys.argv[1])) << 10)
for page in range(0, len(ballast), 4096):
    ballast[page] = 1
print(flush=True)
for line in sys.stdin:
    started = time.perf_counter()
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    print((time.perf_counter() - started) * 1e6, flush=True)
"""


#: A process per call as it is where there are no namespaces.
OPEN = "spawn, no namespace"


def ladder(binary: Path, python: str, folder: Path, rounds: int, calls: int) -> None:
    """
    Latency of one small call at a time with pauses between them, by executor, beside its floor.

    The floors are a Python that echoes over a Unix socket, a bare start of the command line of a spawned call, and a
    bare fork, exit and wait of a parent as large as ours.
    """
    ways = {way: _server(binary, folder, way) for way in WAYS}
    ways[OPEN] = _server(binary, folder, "spawn", "--isolation", "none")
    site = _runner(python, binary, folder)
    spawn = _spawner(python, binary, folder)
    table = Table("latency of one small call at a time, with pauses", "µs")
    for _ in range(rounds):
        running = {way: Running(server, http=False) for way, server in ways.items()}
        try:
            ask = {way: _asker(one) for way, one in running.items()}
            for one in ask.values():
                for _ in range(5):
                    one()
            parent_kib = max(usage(pid).rss_kib for pid in descendants(running["fork"].pid))
            echo, fork = _Echo(python), _Forker(python, parent_kib)
            floors = {
                "Python echo on a socket": echo.ask,
                "bare spawn of the same argv": spawn,
                "bare fork, exit, wait": fork.ask,
            }
            taken = _interleaved({**ask, **floors}, calls)
            echo.stop()
            fork.stop()
        finally:
            for one in running.values():
                one.stop()
        for name, values in taken.items():
            table.add("p50", name, median(values))
            table.add("p99", name, quantiles(values, n=100)[98])
    site.terminate()
    site.wait()
    table.show("pool", more_is_better=False)
    for ours, floor in (
        ("pool", "Python echo on a socket"),
        ("spawn", "bare spawn of the same argv"),
        (OPEN, "bare spawn of the same argv"),
        ("fork", "bare fork, exit, wait"),
        ("fork ahead", "pool"),
        ("fork reused", "pool"),
        ("runner", "pool"),
        ("runner", "Python echo on a socket"),
        ("embedded", "pool"),
    ):
        for row, columns in table.rows.items():
            ratios = [mine / other for mine, other in zip(columns[ours], columns[floor])]
            print(
                f"  {row}: `{ours}` took {median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f}) times {floor}"
            )


def _interleaved(askers: dict[str, Callable[[], float]], calls: int) -> dict[str, list[float]]:
    """Let everyone have one turn after the other, so that what disturbs one disturbs all."""
    taken: dict[str, list[float]] = {name: [] for name in askers}
    for _ in range(calls):
        for name, ask in askers.items():
            time.sleep(GAP_SECONDS)
            taken[name].append(ask())
    return taken


def _server(binary: Path, folder: Path, way: str, *more: str) -> Server:
    """Return omni with the tools of the benchmarks, run in this way."""
    folder = folder.joinpath(*more)
    skill = folder / way / "bench"
    shutil.copytree(generate.BENCH, skill, ignore=shutil.ignore_patterns("__pycache__"))
    front = skill / "SKILL.md"
    front.write_text(front.read_text().replace("---\n", f"---\n{FRONT.get(way, f'executor: {way}')}\n", 1))
    server = memory.server(binary, skill.parent, folder / f"cache-{way}")
    server.stdio += more
    if way == "runner":
        server.stdio += ["--runner", f"unix:{folder / 'runner.sock'}"]
    return server


def _runner(python: str, binary: Path, folder: Path) -> subprocess.Popen[str]:
    """Start the runner that comes with omni, on the skills of the way of that name."""
    words = ["runner", "--python", python, "--skills", folder / "runner", "--unix", folder / "runner.sock"]
    runner = subprocess.Popen(
        [binary, *words, "--cache-dir", folder / "cache-of-runner"],
        stdout=subprocess.PIPE,
        text=True,
    )
    line = runner.stdout.readline() if runner.stdout else ""
    if "listening" not in line:
        raise SystemExit(f"the runner said {line!r}")
    return runner


def _package(binary: Path, folder: Path) -> Path:
    """Have omni lay out its Python package, and return where."""
    cache = folder / "cache-spawn"
    listed = subprocess.run(
        [binary, "call", "echo", "text=hello", "--skills", folder / "spawn", "--cache-dir", cache],
        capture_output=True,
        check=True,
        text=True,
    )
    if "hello" not in listed.stdout:
        raise SystemExit(f"`omni call echo` printed {listed.stdout!r}")
    return next(cache.glob("**/omni/__init__.py")).parent.parent


def _asker(running: Running) -> Callable[[], float]:
    pipe = wire.Stdio(running)
    body = wire.call(1, "echo", {"text": "hello"})

    def ask() -> float:
        started = time.perf_counter()
        answer = pipe.ask(body)
        took = (time.perf_counter() - started) * 1e6
        wire.check(answer)
        return took

    return ask


def _spawner(python: str, binary: Path, folder: Path) -> Callable[[], float]:
    """Return what runs the command line of a spawned call without a server."""
    package = _package(binary, folder)
    command = [python, "-m", "omni.skills.run", "bench", "echo", "--args", json.dumps({"text": "hello"})]
    environment = {**os.environ, "PYTHONPATH": str(package), "OMNI_SKILLS": str(folder / "spawn")}

    def ask() -> float:
        started = time.perf_counter()
        subprocess.run(command, env=environment, capture_output=True, check=True)
        return (time.perf_counter() - started) * 1e6

    return ask


class _Echo:
    """A Python process that sends back what it is sent."""

    def __init__(self, python: str) -> None:
        self._line, theirs = socket.socketpair()
        self._child = subprocess.Popen([python, "-c", ECHO, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        self.ask()

    def ask(self) -> float:
        started = time.perf_counter()
        self._line.sendall(b'{"text":"hello"}')
        self._line.recv(65536)
        return (time.perf_counter() - started) * 1e6

    def stop(self) -> None:
        self._line.close()
        self._child.wait()


class _Forker:
    """A Python process of some size that forks when it is asked to."""

    def __init__(self, python: str, kib: int) -> None:
        bare = subprocess.Popen([python, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
        bare.stdout.readline()
        ballast = kib - usage(bare.pid).rss_kib
        bare.communicate(b"\n")
        self._child = subprocess.Popen([python, "-c", FORK, str(ballast)], stdin=-1, stdout=-1)
        self._child.stdout.readline()

    def ask(self) -> float:
        self._child.stdin.write(b"\n")
        self._child.stdin.flush()
        return float(self._child.stdout.readline())

    def stop(self) -> None:
        self._child.communicate()
