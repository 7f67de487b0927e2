"""How do the benchmarks speak MCP? Raw sockets and pipes, as little Python as possible per message."""

from __future__ import annotations

import json
import re
import select
import socket
import time
from dataclasses import dataclass, field
from typing import Callable

from servers import Running

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HELLO = {
    "protocolVersion": LEGACY,
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}

_NEXT_CURSOR = re.compile(rb'"nextCursor":("(?:[^"\\]|\\.)+")')


def message(
    number: int, method: str, params: dict, *, modern: bool = True, token: int | None = None
) -> bytes:
    """Return a request as it goes over the wire; `token` asks for progress."""
    meta = dict(META) if modern else {}
    if token is not None:
        meta["progressToken"] = token
    if meta:
        params = {**params, "_meta": meta}
    return json.dumps(
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}, separators=(",", ":")
    ).encode()


def call(number: int, tool: str, arguments: dict, *, modern: bool = True, token: int | None = None) -> bytes:
    """Return a tool call."""
    return message(number, "tools/call", {"name": tool, "arguments": arguments}, modern=modern, token=token)


class Stdio:
    """MCP over the pipes of a running server."""

    def __init__(self, server: Running) -> None:
        self._in = server.child.stdin
        self._out = server.child.stdout

    def shake_hands(self) -> None:
        """Begin as the legacy era does."""
        check(self.ask(message(0, "initialize", HELLO, modern=False)))
        self.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')

    def send(self, body: bytes) -> None:
        """Send one message without waiting."""
        self._in.write(body + b"\n")
        self._in.flush()

    def ask(self, body: bytes) -> bytes:
        """Send one request and return the line that answers it; notifications before it are dropped."""
        self.send(body)
        return self._answer()

    def _answer(self) -> bytes:
        while True:
            line = self._out.readline()
            if not line:
                raise SystemExit("the server closed its output")
            if b'"id":' in line:
                return line

    def pipelined(self, make: Callable[[int], bytes], window: int, seconds: float) -> float:
        """Keep `window` calls under way for some time; return calls per second."""
        for number in range(window):
            self._in.write(make(number) + b"\n")
        self._in.flush()
        sent, done, started = window, 0, time.perf_counter()
        while True:
            check(self._answer())
            done += 1
            if done % 64 == 0 and time.perf_counter() - started > seconds:
                break
            self._in.write(make(sent) + b"\n")
            self._in.flush()
            sent += 1
        rate = done / (time.perf_counter() - started)
        for _ in range(sent - done):
            self._answer()
        return rate


@dataclass
class Http:
    """One connection to an HTTP server, and the session on it if the server gives one."""

    port: int
    modern: bool = True
    session: str = ""
    _socket: socket.socket = field(init=False)
    _rest: bytes = b""

    def __post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.modern:
            head, _ = self._exchange(
                self.request(message(0, "initialize", HELLO, modern=False), "initialize")
            )
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"mcp-session-id:"):
                    self.session = line.partition(b":")[2].strip().decode()
            note = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
            self._exchange(self.request(note, "notifications/initialized"))

    def request(self, body: bytes, method: str, name: str = "") -> bytes:
        """Wrap a message into a POST with the headers that its era wants."""
        lines = [
            "POST /mcp HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"Content-Length: {len(body)}",
        ]
        if self.modern:
            lines += [f"MCP-Protocol-Version: {MODERN}", f"Mcp-Method: {method}"]
            lines += [f"Mcp-Name: {name}"] if name else []
        elif method != "initialize":
            lines += [f"MCP-Protocol-Version: {LEGACY}"]
            lines += [f"Mcp-Session-Id: {self.session}"] if self.session else []
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def call(self, number: int, tool: str, arguments: dict, *, token: int | None = None) -> bytes:
        """Return the POST of a tool call."""
        return self.request(
            call(number, tool, arguments, modern=self.modern, token=token), "tools/call", tool
        )

    def send(self, request: bytes) -> None:
        """Send without waiting."""
        self._socket.sendall(request)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> bytes:
        """Send a request and return the body of the answer, events included."""
        return self._exchange(request)[1]

    def receive(self) -> bytes:
        """Wait for one whole answer; return its body."""
        return self._receive()[1]

    def _exchange(self, request: bytes) -> tuple[bytes, bytes]:
        self._socket.sendall(request)
        return self._receive()

    def _receive(self) -> tuple[bytes, bytes]:
        data = self._rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head, body = data[:end], data[end + 4 :]
        lower = head.lower()
        at = lower.find(b"content-length:")
        if at >= 0:
            length = int(lower[at + 15 :].split(b"\r\n", 1)[0])
            parts, have = [body], len(body)
            while have < length:
                parts.append(self._more())
                have += len(parts[-1])
            body = b"".join(parts)
            body, self._rest = body[:length], body[length:]
            return head, body
        if b"transfer-encoding: chunked" in lower:
            while not (body.endswith(b"0\r\n\r\n") and (len(body) == 5 or body[-7:-5] == b"\r\n")):
                body += self._more()
        self._rest = b""
        return head, body

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 20)
        if not data:
            raise SystemExit("the server closed the connection")
        return data


def check(answer: bytes) -> None:
    """Stop the benchmark when an answer is not a good result: a server that refuses is fast."""
    if b'"result"' not in answer or b'"isError":true' in answer:
        raise SystemExit(f"not a good answer: {answer[:400]!r}")


def concurrent(
    port: int, connections: int, seconds: float, tool: str = "echo", arguments: dict | None = None
) -> float:
    """Keep one call under way on each of some connections; return calls per second."""
    arguments = {"text": "hello"} if arguments is None else arguments
    clients = [Http(port) for _ in range(connections)]
    requests = {
        client.fileno(): (client, client.call(number, tool, arguments))
        for number, client in enumerate(clients)
    }
    poll = select.epoll()
    for number, (client, request) in requests.items():
        poll.register(number, select.EPOLLIN)
        client.send(request)
    done, started, measuring = 0, time.perf_counter(), False
    while True:
        for number, _ in poll.poll():
            client, request = requests[number]
            check(client.receive())
            client.send(request)
            done += 1
        now = time.perf_counter()
        if not measuring and now - started > seconds / 4:
            # What went before warmed both sides up.
            done, started, measuring = 0, now, True
        elif measuring and now - started > seconds:
            break
    for client in clients:
        client.close()
    poll.close()
    return done / (now - started)


def latencies(ask: Callable[[], bytes], seconds: float) -> list[float]:
    """Ask again and again, one at a time; return microseconds, sorted."""
    taken = []
    give_up = time.perf_counter() + seconds
    while (started := time.perf_counter()) < give_up:
        check(ask())
        taken.append((time.perf_counter() - started) * 1e6)
    taken.sort()
    return taken


def read(number: int, uri: str) -> bytes:
    """Return a request that reads a resource."""
    return message(number, "resources/read", {"uri": uri})


def list_all(
    ask: Callable[[bytes], bytes], method: str = "tools/list", of_each: bytes = b'"inputSchema":'
) -> tuple[int, int]:
    """
    Walk a list to its end; return how many items there are and how many bytes came.

    `of_each` stands in each item once.

    The pages are searched, not parsed: parsing megabytes here would take longer than sending them there.
    """
    count = size = 0
    params: dict = {}
    for number in range(1, 10_000):
        answer = ask(message(number, method, params))
        check(answer)
        count += answer.count(of_each)
        size += len(answer)
        cursor = _NEXT_CURSOR.search(answer)
        if cursor is None:
            return count, size
        params = {"cursor": json.loads(cursor[1])}
    raise SystemExit(f"the answers to `{method}` do not end")
