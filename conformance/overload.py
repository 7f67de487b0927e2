"""What does it cost a server when its clients are hostile, or too many? Scenarios of `reliability.py`.

Figures are printed; what is checked holds on any machine: answers, bounds of memory, who is closed and who is not.
Times are checked only as far as they are limits of ours with much room.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import subprocess
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import CONFORMANCE, SetupError, stop

if TYPE_CHECKING:
    from reliability import Report

SKILLS = CONFORMANCE / "reliability" / "skills"
#: What the server may hold for clients beyond what it holds without them, and what its allocator keeps of that.
BUDGET_MIB = 64
MIB = 1 << 20
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Web:
    """`omni mcp` over HTTP, at a port or a Unix socket, and raw connections to it."""

    def __init__(
        self, binary: Path, root: Path, settings: str = "", files: int | None = None, unix: bool = False
    ) -> None:
        config = root / "omni.toml"
        # Large answers are what these tests are about, so none is kept in a file instead.
        config.write_text(settings + "\n[results]\ninline_kib = 0\n")

        def limit() -> None:
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        self.path = root / "omni.sock" if unix else None
        listen = ["--unix", self.path] if self.path else ["--transport", "http", "--port", "0"]
        command = [binary, "mcp", *listen, "--skills", SKILLS, "--root", root]
        self.child = subprocess.Popen(
            [*command, "--config", config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=limit,  # noqa: PLW1509 (one thread runs at this time)
            cwd=root,
        )
        self.log: deque[str] = deque()
        self.port = 0
        for line in self.child.stderr or ():
            self.log.append(line.decode(errors="replace"))
            if found := re.search(r" at (?:http://127\.0\.0\.1:(\d+)|unix:)", self.log[-1]):
                self.port = int(found[1] or 80)
                break
        if not self.port:
            message = f"the server ended: {''.join(self.log)}"
            raise SetupError(message)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.child.stderr or ():
            self.log.append(line.decode(errors="replace"))

    def memory(self) -> float:
        """Return the resident memory of the server itself, in MiB."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self) -> bool:
        """End the server; return whether it ended by itself."""
        return stop(self.child, 15)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        if self.path:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection("127.0.0.1", self.port)

    def head(self, method: str, length: int | None = None, **headers: str) -> bytes:
        """Write the head of a request."""
        lines = [f"{method} /mcp HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += ["Content-Type: application/json", "Accept: application/json, text/event-stream"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [] if length is None else [f"Content-Length: {length}"]
        return "\r\n".join([*lines, "", ""]).encode()

    def request(self, method: str, params: dict, number: int = 1) -> bytes:
        """Write a whole request of the modern era."""
        params = {**params, "_meta": MODERN}
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
        named = {"Mcp_Name": params["name"]} if "name" in params else {}
        return (
            self.head("POST", len(body), MCP_Protocol_Version="2026-07-28", Mcp_Method=method, **named) + body
        )

    def call(self, tool: str, number: int = 1, **arguments: Any) -> bytes:
        """Write a call of a tool."""
        return self.request("tools/call", {"name": f"trouble.{tool}", "arguments": arguments}, number)

    async def ask(self, request: bytes, on: tuple | None = None) -> tuple[int, bytes]:
        """Send a request and return status and body of its reply."""
        reader, writer = on or await self.connect()
        try:
            writer.write(request)
            return await reply(reader)
        finally:
            if on is None:
                writer.close()

    async def session(self) -> str:
        """Open a session of 2025-03-26."""
        hello = {
            "protocolVersion": "2025-03-26",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        }
        body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}).encode()
        reader, writer = await self.connect()
        writer.write(self.head("POST", len(body)) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return re.search(rb"mcp-session-id: (\w+)", head)[1].decode()


async def reply(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one reply; its body only when its length is told."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = re.search(rb"content-length: (\d+)", head)
    return status, await reader.readexactly(int(length[1]) if length else 0)


@asynccontextmanager
async def serving(binary: Path, root: Path, report: Report, **more: Any) -> AsyncIterator[Web]:
    """Serve, and check that the server lives to the end."""
    web = await asyncio.to_thread(Web, binary, root, **more)
    try:
        # The first call starts a worker.
        await web.ask(web.call("echo", text="x"))
        yield web
        report.check("the server is there to the end", web.child.poll() is None)
    finally:
        ended = await asyncio.to_thread(web.stop)
        report.check("and ends when it is told", ended)


async def still_serves(web: Web, count: int = 50) -> tuple[list[float], list[int]]:
    """Make small calls, one after the other; return how long each took, and what was refused."""
    took, refused = [], []
    for _ in range(count):
        started = time.monotonic()
        status, _ = await asyncio.wait_for(web.ask(web.call("echo", text="x")), 30)
        took.append(time.monotonic() - started)
        refused += [status] if status != 200 else []
    return took, refused


async def peak(web: Web, seconds: float) -> float:
    """Watch the server's memory for a while."""
    most, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, web.memory())
        await asyncio.sleep(0.02)
    return most


def hostile(binary: Path, root: Path, report: Report, _times: int) -> None:
    """Clients that promise, stall, do not read, or say nothing take no more than the budget, and nobody else's."""
    raise_own_limit()
    for scenario in (_promises, _unread, _unread_streams, _batch, _silence):
        asyncio.run(scenario(binary, root, report))


def overload(binary: Path, root: Path, report: Report, times: int) -> None:
    """Ten times more calls than there is capacity for: as many are answered as before, the others soon told."""
    raise_own_limit()
    asyncio.run(_overload(binary, root, report, times))
    asyncio.run(_slow_clients(binary, root, report, times))


def raise_own_limit() -> None:
    """Have as many files open as the system lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _promises(binary: Path, root: Path, report: Report) -> None:
    """Heads without bodies, and bodies that stop, keep nobody out."""
    async with serving(binary, root, report) as web:
        held = []
        for number in range(64):
            reader, writer = await web.connect()
            writer.write(web.head("POST", 4 * MIB - 1) + (b"x" * 100_000 if number % 2 else b""))
            held.append((reader, writer))
        took, refused = await still_serves(web)
        report.check("64 promised bodies: calls are served", not refused, refused)
        report.figure("a call meanwhile", took)
        trickled = asyncio.create_task(_trickle(web))
        statuses = [await asyncio.wait_for(reply(reader), 40) for reader, _ in held]
        report.check("each is refused with 408", all(status == 408 for status, _ in statuses), statuses[:3])
        report.check("a body of one byte a chunk is refused", (await trickled) in {400, 408}, await trickled)


async def _trickle(web: Web) -> int:
    reader, writer = await web.connect()
    writer.write(web.head("POST", Transfer_Encoding="chunked"))
    with suppress(ConnectionError):
        for _ in range(100):
            writer.write(b"1\r\nx\r\n" * 100)
            await writer.drain()
    return (await asyncio.wait_for(reply(reader), 40))[0]


async def _unread(binary: Path, root: Path, report: Report) -> None:
    """60 clients that do not read answers of 6 MB."""
    async with serving(binary, root, report) as web:
        base = web.memory()
        held = []
        for number in range(60):
            _, writer = await asyncio.open_connection("127.0.0.1", web.port, limit=1024)
            writer.write(web.call("heavy", number, size=6_000_000))
            held.append(writer)
        most, (took, refused) = await asyncio.gather(peak(web, 6), still_serves(web))
        report.check(
            f"60 unread answers of 6 MB: at most {BUDGET_MIB} MiB more", most - base < BUDGET_MIB, most - base
        )
        print(f"       memory: {base:.0f} MiB, then {most:.0f} MiB")
        report.check("small calls are served meanwhile", not refused, refused)
        report.figure("a call meanwhile", took)
        for writer in held:
            writer.transport.abort()
        # A lone client that reads gets all of its large answers, however many it asks for at once.
        sizes = await asyncio.gather(*(_read_large(web, number) for number in range(40)))
        report.check(
            "40 that are read at once come whole", all(size > 6_000_000 for size in sizes), sizes[:5]
        )


async def _unread_streams(binary: Path, root: Path, report: Report) -> None:
    """60 sessions over HTTP+SSE whose clients do not read, with four answers of nearly a megabyte to come in each."""
    async with serving(binary, root, report) as web:
        base = web.memory()
        held = []
        hello = {
            "protocolVersion": "2024-11-05",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        }
        call = {"name": "trouble.heavy", "arguments": {"size": 900_000}}
        messages = [
            {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            *(
                {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call}
                for number in range(1, 5)
            ),
        ]
        accepted: list[int] = []

        async def session() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port, limit=1024)
            held.append((reader, writer))
            writer.write(web.head("GET").replace(b"/mcp", b"/sse", 1))
            await reader.readuntil(b"data: ")
            # What is given is relative to the address of the stream.
            endpoint = b"/" + (await reader.readuntil(b"\n")).strip()
            for message in messages:
                body = json.dumps(message).encode()
                # Where the session takes nothing more, its posts wait as long as its client does.
                with suppress(asyncio.TimeoutError, asyncio.IncompleteReadError):
                    posted = web.ask(web.head("POST", len(body)).replace(b"/mcp", endpoint, 1) + body)
                    accepted.append((await asyncio.wait_for(posted, 5))[0])

        opened = asyncio.gather(*(session() for _ in range(60)))
        most, (took, refused) = await asyncio.gather(peak(web, 6), still_serves(web))
        await opened
        report.check(f"posts are accepted ({len(accepted)})", set(accepted) == {202}, set(accepted))
        report.check(
            f"60 sessions whose streams are not read: at most {BUDGET_MIB} MiB more",
            most - base < BUDGET_MIB,
            most - base,
        )
        print(f"       memory: {base:.0f} MiB, then {most:.0f} MiB")
        report.check("small calls are served meanwhile", not refused, refused)
        report.figure("a call meanwhile", took)
        for _, writer in held:
            writer.transport.abort()


async def _read_large(web: Web, number: int) -> int:
    # Not as a stream, however long it takes.
    request = web.call("heavy", number, size=6_000_000).replace(b", text/event-stream", b"", 1)
    status, body = await asyncio.wait_for(web.ask(request), 60)
    return len(body) if status == 200 else -status


async def _batch(binary: Path, root: Path, report: Report) -> None:
    """One batch of 60 calls with answers of 6 MB."""
    async with serving(binary, root, report) as web:
        base = web.memory()
        token = await web.session()
        call = {"name": "trouble.heavy", "arguments": {"size": 6_000_000}}
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call} for number in range(60)
        ]
        body = json.dumps(batch).encode()
        # Not as a stream, however long it takes.
        head = web.head("POST", len(body), Mcp_Session_Id=token).replace(b", text/event-stream", b"", 1)
        asked = web.ask(head + body)
        watch = asyncio.create_task(peak(web, 5))
        status, answers = await asyncio.wait_for(asked, 60)
        found = json.loads(answers)
        report.check("a batch of 60 large answers is answered", status == 200 and len(found) == 60, status)
        report.check("its answers are bounded together", len(answers) < 9 * MIB, len(answers))
        most = await watch
        report.check(f"at most {BUDGET_MIB} MiB more", most - base < BUDGET_MIB, most - base)
        print(f"       memory: {base:.0f} MiB, then {most:.0f} MiB")


async def _silence(binary: Path, root: Path, report: Report) -> None:
    """1,010 idle streams where 1,024 files may be open."""
    async with serving(binary, root, report, files=1024) as web:
        token = await web.session()
        streams = []
        for _ in range(1010):
            reader, writer = await web.connect()
            # A stream each, of the modern era.
            writer.write(web.request("subscriptions/listen", {"notifications": {"toolsListChanged": True}}))
            streams.append((reader, writer))
            await asyncio.sleep(0)
        took, refused = await still_serves(web)
        report.check("1,010 streams: calls are served", not refused, refused)
        report.figure("a call meanwhile", took)
        await asyncio.sleep(0.5)
        open_ones = [not _ended(reader) for reader, _ in streams]
        old, new = sum(open_ones[:300]), sum(open_ones[-300:])
        report.check("the oldest were closed", old < 30 and new > 200, (old, new))
        lines = [line for line in web.log if "connection" in line]
        report.check("the log has a few lines of it", len(lines) < 10, lines[:10])
        print(
            f"       {sum(open_ones)} streams are left, {len(lines)} lines in the log; session {token[:4]}…"
        )


def _ended(reader: asyncio.StreamReader) -> bool:
    # What has come and was not read yet hides the end from `at_eof`.
    return reader.exception() is not None or reader._eof  # noqa: SLF001


async def _overload(binary: Path, root: Path, report: Report, times: int) -> None:
    settings = 'workers = "2..2"\n[admission]\ncalls = 8\nwaiting_calls = 32\n'
    async with serving(binary, root, report, settings=settings) as web:
        seconds = 5.0 * times
        usual = await _load(web, clients=8, seconds=3)
        pings: list[float] = []
        pinging = asyncio.create_task(_ping(web, pings, seconds))
        heavy = await _load(web, clients=80, seconds=seconds)
        await pinging
        started = time.monotonic()
        took, refused = await still_serves(web, 5)
        report.check("after it, calls are served", not refused, refused)
        print(
            f"       {usual['good']:.0f} calls/s at capacity, {heavy['good']:.0f} calls/s at ten times of it, "
            f"{heavy['refused']:.0f} refusals/s; first call after it {took[0] * 1000:.0f} ms "
            f"({time.monotonic() - started:.1f} s for five)"
        )
        report.figure("a refusal", heavy["refusals"])
        report.figure("a ping meanwhile", pings)
        report.check(
            "as much is done as before", heavy["good"] > usual["good"] * 0.8, (usual["good"], heavy["good"])
        )
        report.check("nothing else happened", not heavy["strange"], heavy["strange"][:3])


async def _load(web: Web, clients: int, seconds: float) -> dict[str, Any]:
    end = time.monotonic() + seconds
    good, refusals, strange = 0, [], []

    async def client() -> None:
        nonlocal good
        connection = await web.connect()
        while time.monotonic() < end:
            started = time.monotonic()
            status, body = await web.ask(web.call("nap", seconds=0.02), connection)
            if status == 200:
                good += 1
            elif status == 503:
                refusals.append(time.monotonic() - started)
                # A client waits before it tries again, though less than it was told.
                await asyncio.sleep(0.05)
            else:
                strange.append((status, body[:200]))
        connection[1].close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return {
        "good": good / seconds,
        "refused": len(refusals) / seconds,
        "refusals": refusals,
        "strange": strange,
    }


async def _ping(web: Web, took: list[float], seconds: float) -> None:
    connection = await web.connect()
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        await web.ask(web.head("POST", len(ping)) + ping, connection)
        took.append(time.monotonic() - started)
        await asyncio.sleep(0.02)


#: What a client says that never says the rest, on every route.
HALF_SAID = [
    b"",
    b"P",
    b"POST /mcp HTTP/1.1\r\nHost: x\r\n",
    b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n",
    b"GET /sse HTTP/1.1\r\n",
    b"POST /messages?session=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n",
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n",
    b"GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: localhost\r\n",
]
#: A head has 15 s; the rest is for a machine that does much else.
HALF_SAID_SECONDS = 30


async def _slow_clients(binary: Path, root: Path, report: Report, times: int) -> None:
    most_of_all = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500
    count = min(1000 * times, 10_000, most_of_all) // 2
    for name in ("port", "socket"):
        (root / name).mkdir()
    async with (
        serving(binary, root / "port", report) as port,
        serving(binary, root / "socket", report, unix=True) as socket,
    ):
        await asyncio.gather(
            _half_said(port, "port", report, count), _half_said(socket, "Unix socket", report, count)
        )


async def _half_said(web: Web, where: str, report: Report, count: int) -> None:
    base, held = web.memory(), []
    for number in range(count):
        connection = await web.connect()
        connection[1].write(HALF_SAID[number % len(HALF_SAID)])
        held.append((connection, time.monotonic()))
    dripping = [asyncio.create_task(_drip(web)) for _ in range(20)]
    took, refused = await still_serves(web, 200)
    report.check(f"{count} half-open heads at a {where}: calls are served", not refused, refused)
    report.figure(f"a call at a {where} meanwhile", took)
    most = web.memory()
    report.check(f"at most {BUDGET_MIB} MiB more", most - base < BUDGET_MIB, most - base)
    print(f"       memory: {base:.0f} MiB, then {most:.0f} MiB")
    lasted = [await _closed_after(*one) for one in held[-len(HALF_SAID) :]]
    report.check("they are closed, whatever they had begun", max(lasted) < HALF_SAID_SECONDS, lasted)
    drips = await asyncio.gather(*dripping)
    report.check("and those that send a line now and then", max(drips) < HALF_SAID_SECONDS, drips)


async def _closed_after(connection: tuple, since: float) -> float:
    """Return how long after `since` the server closed the connection, or how long it was waited for."""
    with suppress(ConnectionError, asyncio.TimeoutError):
        await asyncio.wait_for(connection[0].read(), HALF_SAID_SECONDS)
    return time.monotonic() - since


async def _drip(web: Web) -> float:
    """Send a head line by line, with no end; return after how long it was over."""
    reader, writer = await web.connect()
    started = time.monotonic()
    writer.write(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n")
    with suppress(ConnectionError):
        while not _ended(reader) and time.monotonic() - started < 2 * HALF_SAID_SECONDS:
            writer.write(b"X-More: and more\r\n")
            await writer.drain()
            await asyncio.sleep(0.5)
    return time.monotonic() - started


SCENARIOS = {"hostile": hostile, "overload": overload}
