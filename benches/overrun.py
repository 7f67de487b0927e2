"""How long after its limit is a call answered, and how long does its work go on? (R3)"""

from __future__ import annotations

import select
import tempfile
import time
from pathlib import Path

import memory
import wire
from report import Table
from servers import Running, Server

FOLDER = Path(__file__).parent / "overrun" / "skills"
LIMIT_SECONDS = 1.0
#: The bodies end by themselves after six seconds; whoever has not answered by then is shown with this.
PATIENCE_SECONDS = 9.0
TOOLS = ["waits", "sleeps", "spins", "holds_the_gil", "backtracks", "refuses", "stops"]
QUIET_SECONDS = 0.4
#: Less than this is shown as this: it is below what a file's time can say.
LEAST_SECONDS = 0.005


def overrun(binary: Path, peers: list[Server], rounds: int) -> None:
    """
    Call tools that take six seconds under a limit of one.

    Two figures each: how long after the limit the answer came, and how long after it the tool still worked. A
    tool that shows no work meanwhile (a C function, a stopped process) has only the first.
    """
    answered = Table("answered so long after the limit of 1 s", "ms")
    worked = Table("worked on so long after the limit of 1 s", "ms")
    with tempfile.TemporaryDirectory(prefix="omni-overrun-") as folder:
        omni = memory.server(binary, FOLDER, Path(folder, "cache"))
        omni.stdio = [*omni.stdio, "--timeout", str(LIMIT_SECONDS)]
        for turn in range(rounds):
            for tool in TOOLS:
                for server in (omni, *peers) if turn % 2 == 0 else (*peers, omni):
                    path = Path(folder, f"{server.name}-{tool}-{turn}")
                    late, went_on = _one(server, tool, path)
                    answered.add(tool, server.name, late * 1000)
                    worked.add(tool, server.name, went_on * 1000)
        answered.show(omni.name, more_is_better=False)
        worked.show(omni.name, more_is_better=False)


def _one(server: Server, tool: str, path: Path) -> tuple[float, float]:
    with Running(server, http=False) as running:
        line = wire.Stdio(running)
        line.shake_hands()
        line.ask(wire.call(1, "echo", {"text": "warm"}, modern=False))
        started = time.time()
        line.send(wire.call(2, tool, {"path": str(path)}, modern=False))
        readable, _, _ = select.select([running.child.stdout], [], [], PATIENCE_SECONDS)
        took = time.time() - started
        _wait_until_quiet(path)
        last = path.stat().st_mtime if path.exists() else started
        if not readable:
            running.child.kill()
        return max(took - LIMIT_SECONDS, LEAST_SECONDS), max(last - started - LIMIT_SECONDS, LEAST_SECONDS)


def _wait_until_quiet(path: Path) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    size = -1
    quiet_since = time.monotonic()
    while time.monotonic() < give_up and time.monotonic() - quiet_since < QUIET_SECONDS:
        now = path.stat().st_size if path.exists() else 0
        if now != size:
            size, quiet_since = now, time.monotonic()
        time.sleep(0.02)
