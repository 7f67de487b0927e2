"""A small HTTP client that shows what has come, byte for byte: for scripts that look at what a server lets out.

Each request takes a connection that has been kept, or a new one; a reply that goes on holds its connection until it has ended or is
closed. Whatever is read is also handed to `seen`, head included.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urljoin

PATIENCE_SECONDS = 60.0
MODERN_REVISION = "2026-07-28"


async def until(holds: Callable[[], bool]) -> None:
    """Wait until that holds."""
    for _ in range(int(PATIENCE_SECONDS / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


class Reply:
    """A reply whose head has been read."""

    def __init__(
        self, client: HttpClient, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._client = client
        self._reader = reader
        self._writer = writer

    async def read_head(self) -> None:
        """Read status and headers."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        self._client.seen(head)
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream of events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    async def body(self) -> bytes:
        """Read the rest."""
        return b"".join([chunk async for chunk in self._chunks()])

    async def events(self) -> AsyncIterator[dict[str, str]]:
        """Yield the events of a stream: their fields by name, of which `data` is there even when it is empty."""
        rest, fields = b"", {}
        async for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                text = line.rstrip(b"\r").decode()
                if not text:
                    if fields:
                        yield {"data": "", **fields}
                    fields = {}
                elif not text.startswith(":"):
                    name, _, value = text.partition(":")
                    fields[name] = fields.get(name, "") + value.removeprefix(" ")

    async def messages(self) -> list[dict[str, Any]]:
        """Read to the end; return the messages, whether they came as JSON or as events."""
        if self.is_stream:
            return [json.loads(event["data"]) async for event in self.events() if event["data"]]
        body = await self.body()
        found = json.loads(body) if body else []
        return found if isinstance(found, list) else [found]

    async def _chunks(self) -> AsyncIterator[bytes]:
        whole = False
        try:
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                while size := int((await self._reader.readuntil(b"\r\n")).strip(), 16):
                    chunk = (await self._reader.readexactly(size + 2))[:-2]
                    self._client.seen(chunk)
                    yield chunk
                await self._reader.readuntil(b"\r\n")
            elif length := int(self.headers.get("content-length", "0")):
                body = await self._reader.readexactly(length)
                self._client.seen(body)
                yield body
            whole = True
        finally:
            if whole and self.headers.get("connection", "").lower() != "close":
                self._client.keep(self._reader, self._writer)
            else:
                self._writer.close()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class HttpClient:
    """Whoever calls a server at a port of the loopback interface, or at a Unix socket."""

    def __init__(
        self, address: int | str, token: str | None = None, seen: Callable[[bytes], None] = lambda _: None
    ) -> None:
        self.address = address
        self.token = token
        self.seen = seen
        self._kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def keep(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection back."""
        self._kept.append((reader, writer))

    def close(self) -> None:
        """Close what is kept."""
        for _, writer in self._kept:
            writer.close()
        self._kept.clear()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._kept:
            reader, writer = self._kept.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        limit = 4 << 20
        if isinstance(self.address, str):
            return await asyncio.open_unix_connection(self.address, limit=limit)
        return await asyncio.open_connection("127.0.0.1", self.address, limit=limit)

    async def send(
        self,
        method: str,
        path: str = "/mcp",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Send a request and read the head of its reply."""
        host = "localhost" if isinstance(self.address, str) else f"127.0.0.1:{self.address}"
        fields = {"Host": host, "Accept": "application/json, text/event-stream"}
        if self.token is not None:
            fields["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        fields |= headers or {}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        reader, writer = await self._connect()
        reply = Reply(self, reader, writer)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
            await asyncio.wait_for(reply.read_head(), PATIENCE_SECONDS)
        except BaseException:
            writer.close()
            raise
        return reply

    async def post(self, message: Any, headers: dict[str, str] | None = None, path: str = "/mcp") -> Reply:
        """Send a message, or a batch."""
        return await self.send("POST", path, headers, json.dumps(message).encode())

    async def modern(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        number: int | str = 1,
        capabilities: dict[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
        client: str = "crossing",
    ) -> Reply:
        """Send a request of the era without sessions, with the headers that repeat what it says."""
        all_meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN_REVISION,
            "io.modelcontextprotocol/clientCapabilities": capabilities or {},
            "io.modelcontextprotocol/clientInfo": {"name": client, "version": "1"},
            **(meta or {}),
        }
        params = {**(params or {}), "_meta": all_meta}
        headers = {"MCP-Protocol-Version": MODERN_REVISION, "Mcp-Method": method}
        named = next(
            (params[key] for key in ("name", "uri", "taskId") if isinstance(params.get(key), str)), None
        )
        if named is not None:
            headers["Mcp-Name"] = named
        return await self.post({"jsonrpc": "2.0", "id": number, "method": method, "params": params}, headers)

    async def modern_answer(
        self, method: str, params: dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Send such a request, and return its answer."""
        return (await (await self.modern(method, params, **more)).messages())[-1]

    async def open_session(
        self, revision: str, capabilities: dict[str, Any] | None = None, client: str = "crossing"
    ) -> HttpSession:
        """Open a session of an era that has them."""
        hello = {
            "protocolVersion": revision,
            "capabilities": capabilities or {},
            "clientInfo": {"name": client, "version": "1"},
        }
        reply = await self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
        await reply.messages()
        session = HttpSession(self, reply.headers["mcp-session-id"], revision)
        await session.notify("notifications/initialized")
        return session


class HttpSession:
    """A session over Streamable HTTP."""

    def __init__(self, client: HttpClient, name: str, revision: str) -> None:
        self.client = client
        self.name = name
        self.revision = revision

    @property
    def headers(self) -> dict[str, str]:
        """The headers that name it."""
        return {"Mcp-Session-Id": self.name, "MCP-Protocol-Version": self.revision}

    async def send(self, message: Any) -> Reply:
        """Send a message, or a batch."""
        return await self.client.post(message, self.headers)

    async def notify(self, method: str, params: dict[str, Any] | None = None) -> int:
        """Send a notification; return the status of its reply."""
        reply = await self.send({"jsonrpc": "2.0", "method": method, "params": params or {}})
        await reply.body()
        return reply.status

    async def request(
        self, method: str, params: dict[str, Any] | None = None, number: int | str = 1
    ) -> Reply:
        """Send a request."""
        return await self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}})

    async def answer(
        self, method: str, params: dict[str, Any] | None = None, number: int | str = 1
    ) -> dict[str, Any]:
        """Send a request, and return its answer."""
        return (await (await self.request(method, params, number)).messages())[-1]

    async def listen(self, **headers: str) -> Reply:
        """Open the stream of what belongs to no request."""
        return await self.client.send(
            "GET", headers={**self.headers, "Accept": "text/event-stream", **headers}
        )

    async def end(self) -> int:
        """End it; return the status of the reply."""
        reply = await self.client.send("DELETE", headers=self.headers)
        await reply.body()
        return reply.status


class SseSession:
    """A session over HTTP+SSE: one stream of all that the server says, and an address to post to."""

    def __init__(self, client: HttpClient, revision: str, answering: Callable[[dict[str, Any]], Any]) -> None:
        self.client = client
        self.revision = revision
        #: Where its messages are posted.
        self.endpoint = ""
        self._answering = answering
        self._waiting: dict[int | str, asyncio.Future[list[dict[str, Any]]]] = {}
        self._before: list[dict[str, Any]] = []
        self._stream: Reply | None = None
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        client: HttpClient,
        revision: str,
        capabilities: dict[str, Any] | None = None,
        answering: Callable[[dict[str, Any]], Any] = lambda _: None,
        name: str = "crossing",
    ) -> SseSession:
        """Open a session. `answering` gives the result of each request of the server."""
        session = cls(client, revision, answering)
        session._stream = await client.send("GET", "/sse", {"Accept": "text/event-stream"})
        if session._stream.status != 200:
            message = f"`GET /sse` is answered with {session._stream.status}"
            raise ConnectionError(message)
        events = session._stream.events()
        first = await asyncio.wait_for(events.__anext__(), PATIENCE_SECONDS)
        # A reference that is relative to the address of the stream.
        session.endpoint = urljoin("/sse", first["data"])
        session._reader = asyncio.create_task(session._read(events))
        hello = {
            "protocolVersion": revision,
            "capabilities": capabilities or {},
            "clientInfo": {"name": name, "version": "1"},
        }
        await session.answer("initialize", hello, 0)
        await session.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return session

    async def _read(self, events: AsyncIterator[dict[str, str]]) -> None:
        try:
            async for event in events:
                message = json.loads(event["data"])
                if "method" not in message:
                    waiting = self._waiting.pop(message.get("id"), None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result([*self._before, message])
                    self._before = []
                elif "id" in message:
                    result = self._answering(message)
                    await self.post({"jsonrpc": "2.0", "id": message["id"], "result": result})
                else:
                    self._before = [*self._before[-100:], message]
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for waiting in self._waiting.values():
                waiting.cancel()

    async def post(self, message: Any, client: HttpClient | None = None) -> tuple[int, bytes]:
        """Post a message, also as another client; return the status and body of the reply."""
        reply = await (client or self.client).post(message, path=self.endpoint)
        return reply.status, await reply.body()

    async def messages(
        self, method: str, params: dict[str, Any] | None = None, number: int | str = 1
    ) -> list[dict[str, Any]]:
        """Send a request; return what was said since the last answer of the session, and its answer last."""
        # The answer may be there before the reply to the post is.
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self.post({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}})
        return await asyncio.wait_for(waiting, PATIENCE_SECONDS)

    async def answer(
        self, method: str, params: dict[str, Any] | None = None, number: int | str = 1
    ) -> dict[str, Any]:
        """Send a request, and return its answer."""
        return (await self.messages(method, params, number))[-1]

    def close(self) -> None:
        """Hang up, which ends the session."""
        if self._reader is not None:
            self._reader.cancel()
        if self._stream is not None:
            self._stream.close()
