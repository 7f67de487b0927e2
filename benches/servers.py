"""How is a server started, watched and ended here?

A server is a command that takes MCP on its stdin, or one that listens on a port. Processor time and memory
come from `/proc` and cover the whole tree of processes below it.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

START_SECONDS_MAX = 120
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """A server to measure: its name, how it is started over each transport, and with how many tools."""

    name: str
    stdio: list[str] = field(default_factory=list)
    http: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def with_tools(self, count: int) -> Server:
        """Return the same server with `count` more tools. Peers hear of it in `BENCH_TOOLS`."""
        return self._with("BENCH_TOOLS", count)

    def with_resources(self, count: int) -> Server:
        """Return the same server with `count` resources. Peers hear of it in `BENCH_RESOURCES`."""
        return self._with("BENCH_RESOURCES", count)

    def _with(self, variable: str, count: int) -> Server:
        environment = {**self.environment, variable: str(count)}
        return Server(self.name, self.stdio, self.http, environment)


def peers(described: list[str]) -> list[Server]:
    """Read servers from `NAME=TRANSPORT:[VARIABLE=VALUE …] COMMAND`; equal names are one server."""
    found: dict[str, Server] = {}
    for text in described:
        name, _, rest = text.partition("=")
        transport, _, command = rest.partition(":")
        if transport not in {"stdio", "http"} or not command:
            raise SystemExit(f"`{text}` is not NAME=stdio:COMMAND or NAME=http:COMMAND with {{port}} in it")
        words = shlex.split(command)
        peer = found.setdefault(name, Server(name))
        while words and "=" in words[0]:
            variable, _, value = words.pop(0).partition("=")
            peer.environment[variable] = value
        setattr(peer, transport, words)
    return list(found.values())


@dataclass
class Usage:
    """What a tree of processes has used and holds."""

    cpu_seconds: float = 0.0
    rss_kib: int = 0
    pss_kib: int = 0


@final
class Running:
    """A server that runs. Leaving the block ends it, and everything it started."""

    def __init__(self, server: Server, *, http: bool, extra: dict[str, str] | None = None) -> None:
        self.port = free_port() if http else 0
        command = [word.replace("{port}", str(self.port)) for word in (server.http if http else server.stdio)]
        pipe = subprocess.DEVNULL if http else subprocess.PIPE
        self.started = time.perf_counter()
        self.child = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **server.environment, **(extra or {})},
            start_new_session=True,
        )
        if http:
            self._wait_until_it_listens(server.name)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self.child.pid

    def settle(self) -> None:
        """Wait until the server has done what it does by itself after its start."""
        last = cpu_seconds(self.pid)
        for _ in range(300):
            time.sleep(0.2)
            now = cpu_seconds(self.pid)
            if now - last < 0.002:
                return
            last = now

    def stop(self) -> None:
        """End the server, gently first."""
        family = [self.pid, *descendants(self.pid)]
        for stream in (self.child.stdin, self.child.stdout):
            if stream is not None:
                stream.close()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        for pid in family[1:]:
            # A worker that outlives its server would disturb whoever is measured next.
            give_up = time.monotonic() + 5
            while alive(pid) and time.monotonic() < give_up:
                time.sleep(0.005)
            if alive(pid):
                os.kill(pid, signal.SIGKILL)

    def _wait_until_it_listens(self, name: str) -> None:
        give_up = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < give_up:
            if self.child.poll() is not None:
                raise SystemExit(f"`{name}` ended with status {self.child.returncode} before it listened")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.001)
            else:
                return
        raise SystemExit(f"`{name}` did not listen within {START_SECONDS_MAX} s")


def free_port() -> int:
    """Return a port that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    found: list[int] = []
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return found
    for thread in threads:
        try:
            children = (thread / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            found += [int(child), *descendants(int(child))]
    return found


def usage(*pids: int) -> Usage:
    """Sum up what these processes have used and hold. Processor time comes in steps of the kernel's tick."""
    total = Usage()
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            memory = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total.cpu_seconds += (int(fields[11]) + int(fields[12])) / _TICKS
        for line in memory.splitlines():
            if line.startswith("Rss:"):
                total.rss_kib += int(line.split()[1])
            elif line.startswith("Pss:"):
                total.pss_kib += int(line.split()[1])
    return total


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and everything below it, finer than a tick where possible."""
    total = 0.0
    for member in [pid, *descendants(pid)]:
        try:
            for thread in Path(f"/proc/{member}/task").iterdir():
                total += int((thread / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            total += usage(member).cpu_seconds
    return total
