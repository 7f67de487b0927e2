"""As much of HTTP/1.1 as a runner needs: one request at a time from a connection, one answer to it."""

from __future__ import annotations

import select
import socket
import struct

from omni import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEAD_BYTES_MAX = 64 << 10
BODY_BYTES_MAX = (16 << 20) + (64 << 10)
_RECEIVE_BYTES = 1 << 18
_REASONS = {
    200: "OK",
    304: "Not Modified",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"


class RefusedError(Exception):
    """The request is not answered as it hoped. `final`: nothing more can be read from the connection."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None, final: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.final = final


class Request:
    """A request that has come whole."""

    __slots__ = ("body", "headers", "keep_alive", "method", "path")

    def __init__(self, method: str, path: str, headers: dict[str, str], *, keep_alive: bool) -> None:
        self.method = method
        #: Without the query.
        self.path = path
        #: By their names in small letters.
        self.headers = headers
        self.keep_alive = keep_alive
        self.body = b""


class Connection:
    """One client's connection. Also tells whether the client has gone, while its call runs."""

    #: What `poll` has to look for.
    events = getattr(select, "POLLRDHUP", select.POLLIN)

    def __init__(self, stream: socket.socket, *, idle_seconds: int = 0) -> None:
        """Speak over a socket in blocking mode, on which nothing may move for so long at most.

        The kernel keeps that time. Python's own timeout would wait for a byte even to see that there is none.
        """
        self._stream = stream
        if idle_seconds:
            limit = struct.pack("ll", idle_seconds, 0)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._held = b""

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._stream.fileno()

    def left(self) -> bool:
        """Tell whether the client has closed its end."""
        try:
            return not self._stream.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    # -- reading -------------------------------------------------------------------------------------

    def receive(self) -> Request | None:
        """Wait for the next request; None when the client closed the connection.

        Raises:
            RefusedError: What came is no request, or a larger one than is taken.
        """
        head = self._head()
        if head is None:
            return None
        request = _read_head(head)
        request.body = self._body(request)
        return request

    def _head(self) -> bytes | None:
        looked_at = 0
        while True:
            end = self._held.find(b"\r\n\r\n", looked_at)
            if end > HEAD_BYTES_MAX or (end < 0 and len(self._held) > HEAD_BYTES_MAX):
                message = f"a request's head may be {HEAD_BYTES_MAX} bytes long"
                raise RefusedError(431, "too_large", message, final=True)
            if end >= 0:
                head, self._held = self._held[:end], self._held[end + 4 :]
                return head
            looked_at = max(0, len(self._held) - 3)
            if not self._more():
                return None

    def _body(self, request: Request) -> bytes:
        headers = request.headers
        if "transfer-encoding" in headers:
            raise RefusedError(411, "too_large", "say how long the body is: `Content-Length`", final=True)
        text = headers.get("content-length", "0")
        if not (text.isascii() and text.isdigit()):
            raise RefusedError(400, "bad_request", f"`Content-Length: {text[:40]}` is no length", final=True)
        length = int(text[:20])
        if length > BODY_BYTES_MAX:
            message = f"a request's body may be {BODY_BYTES_MAX} bytes long, not {length}"
            raise RefusedError(413, "too_large", message, final=True)
        if length > len(self._held) and headers.get("expect", "").lower() == "100-continue":
            self._stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        pieces = [self._held]
        missing = length - len(self._held)
        while missing > 0:
            piece = self._stream.recv(min(missing, _RECEIVE_BYTES))
            if not piece:
                raise ConnectionError
            pieces.append(piece)
            missing -= len(piece)
        whole = b"".join(pieces) if len(pieces) > 1 else pieces[0]
        self._held = whole[length:]
        return whole[:length]

    def _more(self) -> bool:
        data = self._stream.recv(_RECEIVE_BYTES)
        self._held += data
        return bool(data)

    # -- writing -------------------------------------------------------------------------------------

    def answer(self, status: int, body: bytes = b"", *, headers: str = "", keep_alive: bool = True) -> None:
        """Send a whole answer: JSON, or nothing."""
        kind = "" if status == 304 else f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        last = "" if keep_alive else "Connection: close\r\n"
        head = f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n{kind}{headers}{last}\r\n"
        self._stream.sendall(head.encode("latin-1") + body)

    def refuse(self, refused: RefusedError) -> None:
        """Send what went wrong."""
        headers = "" if refused.retry_after is None else f"Retry-After: {refused.retry_after}\r\n"
        error = {"error": {"code": refused.code, "message": str(refused)}}
        body = wire.write_json(error).encode("utf-8", "replace")
        self.answer(refused.status, body, headers=headers, keep_alive=not refused.final)

    def begin_events(self) -> None:
        """Send the head of an answer that is a stream of events."""
        self._stream.sendall(_EVENTS)

    def event(self, line: bytes, *, last: bool = False) -> None:
        """Send one event, which is one line without its end."""
        end = b"\n\r\n0\r\n\r\n" if last else b"\n\r\n"
        self._stream.sendall(b"%x\r\n%b%b" % (len(line) + 1, line, end))


def _read_head(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not words[1].startswith("/"):
        raise RefusedError(400, "bad_request", "that is no request of HTTP/1.1", final=True)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise RefusedError(400, "bad_request", f"`{line[:40]}` is no header", final=True)
        name = name.lower()
        if name in headers and name in ("content-length", "host", "transfer-encoding"):
            raise RefusedError(400, "bad_request", f"`{name}` is there twice", final=True)
        headers[name] = value.strip()
    wish = headers.get("connection", "").lower()
    keep_alive = wish == "keep-alive" if words[2] == "HTTP/1.0" else wish != "close"
    return Request(words[0], words[1].partition("?")[0], headers, keep_alive=keep_alive)


def read_object(body: bytes) -> dict[str, Any]:
    """Parse a request's body. Raises `RefusedError` unless it is a JSON object."""
    try:
        value = wire.scan_json(body.decode())
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "bad_request", f"the body is no JSON: {error}") from None
    if type(value) is not dict:
        raise RefusedError(400, "bad_request", "the body is no JSON object")
    return value
