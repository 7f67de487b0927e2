"""Do the promises about time and processes hold, over many runs of the built binary?

    python3 conformance/reliability.py --binary target/debug/omni [--times 10] [--only deadlines,cancels]

Real servers, real tools that misbehave, and this process as the one that inherits every orphan: what is left
of a server is a child of ours, and is counted. Figures are printed for people; only what holds on any machine
is a check. `--times` multiplies the runs: 1 is what a merge needs, 10 what a release needs.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import crossing
import overload
import planted
import thefts
from harness import CONFORMANCE, SetupError, stdio_command

SKILLS = CONFORMANCE / "reliability" / "skills"
#: Wide enough for a machine that does much else; what it bounds takes milliseconds.
PATIENCE_SECONDS = 30.0
#: No process may be left this long after the server's end.
ORPHAN_SECONDS = 5.0
LIMIT_SECONDS = 1.0
AT_ONCE = 4
PR_SET_CHILD_SUBREAPER = 36

#: Each ends a call past its time in another way.
OVERTIME = [
    "sleeps",
    "sleeps_async",
    "spins",
    "holds_the_gil",
    "blows_up_a_regex",
    "ignores_termination",
    "ignores_every_signal",
    "works_in_a_thread",
    "has_children",
    "stops_itself",
]
#: Who ignores the signal that asks for the stack, or is stopped, cannot say where it is.
WITHOUT_STACK = {"ignores_every_signal", "stops_itself"}


#: The processes that `subprocess` waits for; all other children of ours are orphans that we inherited.
SERVERS: set[int] = set()


class Server:
    """`omni mcp` over our pipes, its handshake done."""

    def __init__(self, binary: Path, root: Path, *more: str) -> None:
        self.child = subprocess.Popen(
            [*stdio_command(binary, SKILLS, root), *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        SERVERS.add(self.child.pid)
        self.strangers: list[bytes] = []
        self._inbox: queue.Queue[dict | None] = queue.Queue()
        self._kept: list[dict] = []
        self._number = 0
        threading.Thread(target=self._read, daemon=True).start()
        hello = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "reliability", "version": "1"},
        }
        self.answer(self.send("initialize", hello))
        self.notify("notifications/initialized")

    def _read(self) -> None:
        for line in self.child.stdout or ():
            try:
                self._inbox.put(json.loads(line))
            except ValueError:
                self.strangers.append(line)
        self._inbox.put(None)

    def _write(self, message: dict) -> None:
        self.child.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.child.stdin.flush()

    def notify(self, method: str, params: dict | None = None) -> None:
        """Send a notification."""
        self._write({"method": method, "params": params or {}})

    def send(self, method: str, params: dict) -> int:
        """Send a request and return its id."""
        self._number += 1
        self._write({"id": self._number, "method": method, "params": params})
        return self._number

    def call(self, tool: str, **arguments: Any) -> int:
        """Start a call and return its id."""
        return self.send("tools/call", {"name": f"trouble.{tool}", "arguments": arguments})

    def messages(self, seconds: float = PATIENCE_SECONDS) -> Iterator[dict]:
        """Yield what has been kept, then what comes, until the server closes its output or time is up."""
        kept, self._kept = self._kept, []
        yield from kept
        give_up = time.monotonic() + seconds
        while (left := give_up - time.monotonic()) > 0:
            try:
                message = self._inbox.get(timeout=left)
            except queue.Empty:
                return
            if message is None:
                self._inbox.put(None)
                return
            yield message

    def answer(self, number: int, seconds: float = PATIENCE_SECONDS) -> dict | None:
        """Wait for the answer to a request; None when it does not come."""
        others = []
        found = None
        for message in self.messages(seconds):
            if message.get("id") == number and "method" not in message:
                found = message
                break
            others.append(message)
        self._kept = others + self._kept
        return found

    def answers_to_come(self, seconds: float = PATIENCE_SECONDS) -> dict[int, list[dict]]:
        """Return every answer until the server closes its output, by id."""
        found: dict[int, list[dict]] = {}
        for message in self.messages(seconds):
            if "id" in message and "method" not in message:
                found.setdefault(message["id"], []).append(message)
        return found

    def close_input(self) -> None:
        """Tell the server that its client is done."""
        self.child.stdin.close()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> float | None:
        """Wait for the server's end; return how long that took."""
        started = time.monotonic()
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            return None
        return time.monotonic() - started


class Report:
    """What was checked, and what was seen."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def check(self, what: str, ok: bool, seen: object = "") -> None:
        """Count one check, and say what was seen where it fails."""
        self.passed += ok
        self.failed += not ok
        print(f"  {'ok  ' if ok else 'FAIL'} {what}" + ("" if ok or seen == "" else f": {seen}"), flush=True)

    def figure(self, what: str, values: list[float], unit: str = "ms", scale: float = 1000) -> None:
        """Print a figure that is no check."""
        if len(values) > 1:
            ninety_nine = quantiles(values, n=100)[98] if len(values) >= 20 else max(values)
            print(
                f"       {what}: median {median(values) * scale:.1f} {unit}, p99 {ninety_nine * scale:.1f}, "
                f"max {max(values) * scale:.1f} ({len(values)} runs)"
            )
        elif values:
            print(f"       {what}: {values[0] * scale:.1f} {unit}")


def inherit_orphans() -> None:
    """Become the parent of whatever loses its own below us, so that nothing gets out of sight."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        message = "this process cannot become a subreaper (Linux 3.4 or newer is needed)"
        raise SetupError(message)


def family() -> list[int]:
    """Return all living processes below this one, and collect the dead ones that are ours."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid, state, parent = int(entry.name), fields[0], int(fields[1])
        if state != "Z":
            parents.setdefault(parent, []).append(pid)
        elif parent == os.getpid() and pid not in SERVERS:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
    found, next_ones = [], parents.get(os.getpid(), [])
    while next_ones:
        found += next_ones
        next_ones = [child for one in next_ones for child in parents.get(one, [])]
    return found


def nobody_left(seconds: float = ORPHAN_SECONDS) -> list[str]:
    """Wait until no process is left below this one; return those that still are, by command line."""
    give_up = time.monotonic() + seconds
    while left := family():
        if time.monotonic() > give_up:
            return [_command_line(pid) for pid in left]
        time.sleep(0.02)
    return []


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:120]
    except OSError:
        return f"{pid}"


def stops_growing(path: Path, seconds: float) -> float | None:
    """Wait until a file has not grown for a while; return when it grew last, None if it grows on."""
    started = last = time.monotonic()
    size = -1
    while time.monotonic() - started < seconds:
        now = path.stat().st_size if path.exists() else 0
        if now != size:
            size, last = now, time.monotonic()
        elif time.monotonic() - last > 0.5:
            return last - started
        time.sleep(0.02)
    return None


def wait_for_work(path: Path) -> bool:
    """Wait until a tool has written to its file."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        if path.exists() and path.stat().st_size:
            return True
        time.sleep(0.005)
    return False


# -- scenarios ---------------------------------------------------------------------------------------------


def deadlines(binary: Path, root: Path, report: Report, times: int) -> None:
    """A call past its time limit is answered at once, says where it hung, and its work stops. (R3, R14)"""
    late: list[float] = []
    for tool in OVERTIME:
        for run in range(times):
            path = root / f"{tool}-{run}"
            server = Server(binary, root, "--timeout", str(LIMIT_SECONDS))
            server.answer(server.call("echo", text="warm"))
            started = time.monotonic()
            answer = server.answer(server.call(tool, path=str(path)))
            took = time.monotonic() - started
            stopped = stops_growing(path, PATIENCE_SECONDS)
            if answer is not None:
                late.append(took - LIMIT_SECONDS)
            result = (answer or {}).get("result", {})
            failure = result.get("_meta", {}).get("omni/failure", {})
            said = result.get("content", [{}])[0].get("text", "")
            report.check(
                f"{tool}: answered as `timeout_total`", failure.get("kind") == "timeout_total", answer
            )
            if tool not in WITHOUT_STACK:
                report.check(
                    f"{tool}: the error shows the line",
                    "scripts/trouble.py" in failure.get("stack", ""),
                    said,
                )
            report.check(f"{tool}: its work stops", stopped is not None)
            if run == 0 and tool in ("sleeps", "holds_the_gil", "blows_up_a_regex"):
                print("       " + said.replace("\n", "\n       "))
            server.close_input()
            report.check(f"{tool}: the server ends", server.wait() is not None)
            report.check(f"{tool}: nobody is left", not (left := nobody_left()), left)
    report.figure("answered after the limit", late)


def cancels(binary: Path, root: Path, report: Report, times: int) -> None:
    """Calls cancelled at random moments stop working, are not answered, and leave no process. (R4)"""
    runs = 100 * times
    chance = random.Random(7)  # noqa: S311 - the same moments every time
    tools = [tool for tool in OVERTIME if tool != "stops_itself"]
    server = Server(binary, root)
    server.answer(server.call("echo", text="warm"))
    before = len(family())
    open_calls: list[tuple[int, Path]] = []
    cancelled: list[int] = []
    for run in range(runs):
        path = root / f"cancel-{run}"
        open_calls.append((server.call(chance.choice(tools), path=str(path)), path))
        time.sleep(chance.random() * 0.1)
        if len(open_calls) >= 8 or run == runs - 1:
            while open_calls and (len(open_calls) > 4 or run == runs - 1):
                number, _ = open_calls.pop(chance.randrange(len(open_calls)))
                server.notify("notifications/cancelled", {"requestId": number, "reason": "changed my mind"})
                cancelled.append(number)
    answer = server.answer(server.call("echo", text="still there"))
    report.check("the next call is answered", bool(answer) and "result" in answer, answer)
    give_up = time.monotonic() + ORPHAN_SECONDS + 2
    while len(family()) > before + 4 and time.monotonic() < give_up:
        time.sleep(0.05)
    after = len(family())
    # Idle workers may be kept; a child of a tool is never one of them.
    tools_left = [line for line in map(_command_line, family()) if " -c \nimport os, sys, time" in line]
    report.check(f"after {runs} cancellations no child of a tool is left", not tools_left, tools_left)
    sizes = {path: path.stat().st_size for path in root.glob("cancel-*")}
    time.sleep(0.3)
    still = [path.name for path, size in sizes.items() if path.stat().st_size != size]
    report.check("none of them works on", not still, still)
    server.close_input()
    answers = server.answers_to_come()
    late = [answers[number] for number in cancelled if number in answers]
    report.check("none of them was answered", not late, f"{len(late)} were: {late[:2]}")
    report.check("the server ends", server.wait() is not None)
    report.check("nobody is left", not (left := nobody_left()), left)
    print(f"       processes: {before} before, {after} after the cancellations, {len(family())} in the end")
    report.check("nothing but MCP on stdout", not server.strangers, server.strangers[:3])


def _start_busy(binary: Path, root: Path, number: int) -> Server:
    """Start a server and have it busy with a tool that has children."""
    server = Server(binary, root)
    path = root / f"busy-{number}"
    path.unlink(missing_ok=True)
    server.call("has_children", path=str(path))
    if not wait_for_work(path):
        message = "a server did not begin its first call"
        raise SetupError(message)
    return server


def orphans(binary: Path, root: Path, report: Report, times: int) -> None:
    """However a server ends, nothing of it or of its tools is left. (R5)"""
    ends: dict[str, Callable[[Server], object]] = {
        "end of input": lambda server: server.close_input(),
        "SIGTERM": lambda server: server.child.send_signal(signal.SIGTERM),
        "SIGINT": lambda server: server.child.send_signal(signal.SIGINT),
    }
    for name, end in ends.items():
        _ended_servers(binary, root, report, 100 * times, name, end)
    _killed_clients(binary, root, report, 25 * times)


def kills(binary: Path, root: Path, report: Report, times: int) -> None:
    """A server that is killed can do nothing any more, and nothing is left all the same. (R5)"""
    _ended_servers(binary, root, report, 100 * times, "SIGKILL", lambda server: server.child.kill())


def _ended_servers(
    binary: Path, root: Path, report: Report, cycles: int, name: str, end: Callable[[Server], object]
) -> None:
    left_over, lasted = [], []
    for first in range(0, cycles, AT_ONCE):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            batch = range(first, min(first + AT_ONCE, cycles))
            servers = list(pool.map(lambda number: _start_busy(binary, root, number), batch))
            started = time.monotonic()
            list(pool.map(end, servers))
            list(pool.map(lambda server: server.wait(), servers))
        left = nobody_left()
        lasted.append(time.monotonic() - started)
        if left:
            left_over.append(left)
            _kill_all()
    report.check(f"{cycles} servers ended by {name} left nobody", not left_over, left_over[:3])
    report.figure(f"{AT_ONCE} at once, all processes gone after", lasted)


CLIENT = """
import json, subprocess, sys, time
server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
def send(**message):
    server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\\n")
    server.stdin.flush()
send(id=1, method="initialize", params={"protocolVersion": "2025-11-25", "capabilities": {},
     "clientInfo": {"name": "doomed", "version": "1"}})
server.stdout.readline()
send(method="notifications/initialized")
send(id=2, method="tools/call", params={"name": "trouble.has_children", "arguments": {"path": sys.argv[1]}})
time.sleep(3600)
"""


def _killed_clients(binary: Path, root: Path, report: Report, cycles: int) -> None:
    left_over = []
    for cycle in range(cycles):
        path = root / f"client-{cycle}"
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(path), *stdio_command(binary, SKILLS, root)]
        )
        wait_for_work(path)
        client.kill()
        client.wait()
        if left := nobody_left():
            left_over.append(left)
            _kill_all()
    report.check(f"{cycles} killed clients left nobody", not left_over, left_over[:3])


def _kill_all() -> None:
    for pid in family():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    nobody_left()


def stops(binary: Path, root: Path, report: Report, times: int) -> None:
    """A server that is told to stop answers every call that is open, then ends. (R8)"""
    runs, silent, twice, lasted, wrong = 50 * times, 0, 0, [], []
    for run in range(runs):
        server = Server(binary, root)
        numbers = [server.call("sleeps", path=str(root / f"stop-{run}-{n}")) for n in range(4)]
        numbers += [server.call("sleeps_async", path=str(root / f"stop-{run}-async"))]
        if run % 3:
            wait_for_work(root / f"stop-{run}-0")
        started = time.monotonic()
        if run % 2:
            server.child.send_signal(signal.SIGTERM)
        else:
            server.close_input()
        answers = server.answers_to_come()
        if server.wait() is None:
            wrong.append("the server did not end")
        lasted.append(time.monotonic() - started)
        for number in numbers:
            got = answers.get(number, [])
            silent += not got
            twice += len(got) > 1
            kinds = [a.get("result", {}).get("_meta", {}).get("omni/failure", {}).get("kind") for a in got]
            wrong += [kind for kind in kinds if kind != "shutdown"]
    report.check(f"{runs} stops: every open call was answered", not silent, f"{silent} were not")
    report.check("each of them once", not twice, f"{twice} were answered twice")
    report.check("each as `shutdown`", not wrong, wrong[:5])
    report.check("nobody is left", not (left := nobody_left()), left)
    report.figure("from the word to the end", lasted)


SCENARIOS = {
    "deadlines": deadlines,
    "cancels": cancels,
    "orphans": orphans,
    "kills": kills,
    "stops": stops,
    **overload.SCENARIOS,
    **crossing.SCENARIOS,
    **thefts.SCENARIOS,
    **planted.SCENARIOS,
}


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for what tools write."""
    folder = tempfile.mkdtemp(prefix="omni-reliability-")
    try:
        yield Path(folder)
    finally:
        # Where a check has failed, somebody may still write there.
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--times", type=int, default=1, help="how many times the runs that a merge needs")
    parser.add_argument("--only", default=",".join(SCENARIOS), help="scenarios, separated by commas")
    asked = parser.parse_args()
    report = Report()
    try:
        inherit_orphans()
        for name in asked.only.split(","):
            run(name, asked.binary.resolve(), report, asked.times)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        report.failed += 1
    print(f"\n{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


def run(name: str, binary: Path, report: Report, times: int) -> None:
    """Run one scenario in a folder of its own."""
    scenario = SCENARIOS.get(name)
    if scenario is None:
        message = f"there is no scenario `{name}`; there are {', '.join(SCENARIOS)}"
        raise SetupError(message)
    print(f"{name}: {(scenario.__doc__ or '').strip()}", flush=True)
    with scratch() as root:
        scenario(binary, root, report, times)


if __name__ == "__main__":
    sys.exit(main())
