"""`python -m omni.runner --skills DIR --unix PATH | --port N`: its command line, and HTTP around calls."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import secrets
import select
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, SimpleQueue
from socketserver import ThreadingMixIn
from threading import Thread

from omni import __version__, wire
from omni.constants import BODY_BYTES_MAX, CONTRACT
from omni.inprocess import InProcessCall, InProcessTools
from omni.inprocess_items import InProcessItems, RefusedItemError
from omni.runner import peer
from omni.runner.request import (
    RefusedError,
    RunRequest,
    read_answer,
    read_completing,
    read_object,
    read_text,
    read_texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WHAT_IT_IS = (
    "omni runner: this is the small reference of the contract: one process, no supervision, so a tool that "
    "hangs, crashes or leaks does it to all; `omni runner` keeps limits and ends tools\n"
)
_GRACE_SECONDS = 10.0
_LOOK_SECONDS = 0.25
_ROUTES = {
    "/run_tool": "POST",
    "/calls/CALL/answer": "POST",
    "/tools": "GET",
    "/health": "GET",
    "/resources": "GET",
    "/resources/read": "POST",
    "/prompts": "GET",
    "/prompts/get": "POST",
    "/complete": "POST",
}
#: What an `error` frame of something that is no tool is here.
_STATUSES = {"not_found": (404, "not_found"), "invalid_arguments": (400, "bad_request")}
_ANSWER = re.compile(r"/calls/([^/]+)/answer")
_OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1)(:[0-9]{0,5})?", re.IGNORECASE | re.ASCII)


class Runner(ThreadingMixIn, HTTPServer):
    """Listens, and gives each connection a thread."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, tools: InProcessTools, address: Any, family: int) -> None:
        self.address_family = family
        super().__init__(address, Handler)
        self.tools = tools
        self.items = InProcessItems(tools)
        self.listing = wire.write_json({"tools": list(tools.listed.values())}).encode("utf-8", "replace")
        self.etag = f'"{hashlib.sha256(self.listing).hexdigest()[:32]}"'
        self.running: set[InProcessCall] = set()
        #: What may ask, by the name that only its caller is told, with the questions that wait.
        self.asking: dict[str, tuple[InProcessCall, int, set[int]]] = {}
        self.draining = False

    def server_bind(self) -> None:
        """Bind, without asking the network what this machine is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)

    def drain(self) -> None:
        """Take no more calls, give those that run their time, and stop serving."""
        self.draining = True
        until = time.monotonic() + _GRACE_SECONDS
        while self.running and time.monotonic() < until:
            time.sleep(0.05)
        self.shutdown()


class Handler(BaseHTTPRequestHandler):
    """One connection: one request at a time."""

    protocol_version = "HTTP/1.1"
    #: A connection on which nothing comes for so many seconds is closed.
    timeout = 60
    server: Runner

    def setup(self) -> None:
        """Find out whose the connection is, while it is still connected."""
        super().setup()
        if self.server.address_family != socket.AF_UNIX:
            self.user = peer.user(self.connection, self.client_address)

    def do_GET(self) -> None:
        """Answer; the route says which method it takes."""
        try:
            self._check()
            self._answer(self._body())
        except RefusedError as refused:
            self._refuse(refused)
        except OSError:  # the caller went away
            self.close_connection = True

    do_POST = do_GET  # noqa: N815 - the library finds a method by this name

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request: the library says 414 of a long line, 501 of a method."""
        status = {414: 431, 501: 405, 505: 400}.get(code, int(code))
        self.close_connection = True
        kind = {431: "too_large", 405: "method_not_allowed"}.get(status, "bad_request")
        self._refuse(RefusedError(status, kind, message or explain or "that is no request of HTTP/1.1"))

    def log_message(self, *_words: object) -> None:
        """Say nothing of single requests."""

    def _check(self) -> None:
        if self.server.address_family != socket.AF_UNIX and self.user not in (0, os.geteuid()):
            self.close_connection = True
            whose = "nobody who can be told" if self.user is None else f"user {self.user}"
            message = f"only the runner's own user and root may call it, and this connection is of {whose}"
            raise RefusedError(403, "forbidden", message)
        method = "POST" if _ANSWER.fullmatch(self.path) else _ROUTES.get(self.path)
        if method is None:
            routes = ", ".join(f"{method} {path}" for path, method in _ROUTES.items())
            raise RefusedError(404, "not_found", f"there is no `{self.path[:100]}`; there are {routes}")
        if self.command != method:
            raise RefusedError(405, "method_not_allowed", f"`{self.path}` takes {method}")
        if self.server.address_family == socket.AF_UNIX:
            return
        # A web page could send a request to a port of this machine, but none that passes here.
        hosts = self.headers.get_all("Host", [])
        named = len(hosts) == 1 and _OWN_HOST.fullmatch(hosts[0])
        if "Origin" in self.headers or not named:
            raise RefusedError(
                403, "forbidden", "no `Origin`, and `Host` must be `localhost`: no web page calls"
            )
        if method == "POST" and self.headers.get_content_type() != "application/json":
            raise RefusedError(403, "forbidden", "`Content-Type` must be `application/json`")

    def _body(self) -> bytes:
        text = self.headers.get("Content-Length", "0")
        refused = None
        if "Transfer-Encoding" in self.headers:
            refused = RefusedError(411, "too_large", "say how long the body is: `Content-Length`")
        elif not (text.isascii() and text.isdecimal()):
            refused = RefusedError(400, "bad_request", f"`Content-Length: {text[:40]}` is no length")
        elif len(text) > 12 or int(text) > BODY_BYTES_MAX:
            refused = RefusedError(413, "too_large", f"a request's body may be {BODY_BYTES_MAX} bytes long")
        if refused is not None:
            # What follows is not the next request.
            self.close_connection = True
            raise refused
        body = self.rfile.read(int(text))
        if len(body) < int(text):
            raise ConnectionError
        return body

    def _answer(self, body: bytes) -> None:
        server = self.server
        answered = _ANSWER.fullmatch(self.path)
        if answered:
            self._take_answer(answered[1], read_answer(body))
        elif self.path == "/run_tool":
            self._run_tool(RunRequest(body))
        elif self.path == "/tools":
            known = self.headers.get("If-None-Match", "").replace("W/", "").split(",")
            same = server.etag in map(str.strip, known)
            self._send(304 if same else 200, b"" if same else server.listing, ETag=server.etag)
        elif self.path == "/health":
            status = "draining" if server.draining else "ok"
            health = {"status": status, "ready": status == "ok", "initializing": False, "contract": CONTRACT}
            if server.items.completes:
                health["completions"] = True
            self._send_json(200, {**health, "runner": f"omni.runner {__version__}", "pid": os.getpid()})
        elif self.path == "/resources":
            self._send_json(200, server.items.resources(for_caller=True))
        elif self.path == "/prompts":
            self._send_json(200, server.items.prompts(for_caller=True))
        else:
            self._answer_item(body)

    def _answer_item(self, body: bytes) -> None:
        """Answer with what a resource holds, a filled-in prompt, or the values of an argument."""
        items = self.server.items
        try:
            if self.path == "/complete":
                asked = read_completing(body)
                answer = {"completion": items.complete(*asked)}
            elif self.path == "/resources/read":
                answer = items.read(read_text(read_object(body), "uri"))
            else:
                members = read_object(body)
                answer = items.get(read_text(members, "name"), read_texts(members, "arguments"))
        except RefusedItemError as refused:
            status, code = _STATUSES.get(refused.kind, (500, "internal"))
            failure = refused.failure if status == 500 else None
            raise RefusedError(status, code, str(refused), failure) from None
        self._send_json(200, answer)

    def _run_tool(self, asked: RunRequest) -> None:
        server = self.server
        tool = server.tools.listed.get(asked.name)
        if server.draining:
            raise RefusedError(503, "draining", "the runner is about to end")
        if tool is None:
            message = f"there is no tool `{asked.name[:200]}`; `GET /tools` lists those there are"
            raise RefusedError(404, "unknown_tool", message)
        # The head goes first: what breaks before it may be sent again.
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        name = secrets.token_hex(16)
        if asked.ask:
            self.send_header("Omni-Call", name)
        self.end_headers()
        said: SimpleQueue[tuple[str, dict]] = SimpleQueue()
        running = InProcessCall()
        waiting: set[int] = set()

        def say(kind: str, body: dict) -> None:
            if kind == "ask" and not asked.ask:
                # The caller is of an earlier version, or its client cannot be asked.
                message = f"this call's client cannot be asked `{body['method']}`"
                refused = {"id": asked.id, "ask": body["ask"], "refused": "unsupported", "message": message}
                Thread(target=running.answer, args=(refused,), daemon=True).start()
                return
            if kind == "ask":
                waiting.add(body["ask"])
            elif kind == "retract":
                waiting.discard(body["ask"])
                if not asked.ask:
                    return
            said.put((kind, body))

        def run() -> None:
            try:
                more = {"deadline_ms": asked.deadline_ms, "context": asked.context}
                last = server.tools.run(
                    tool,
                    asked.arguments,
                    say=say,
                    running=running,
                    call_id=asked.id,
                    more=more,
                    asks=True,
                )
            except Exception as error:  # a bug of ours: the caller is told that nobody knows
                text = f"the runner is broken: {error!r}"
                last = "error", {"id": asked.id, "kind": "lost", "message": text}
            server.asking.pop(name, None)
            said.put(last)
            server.running.discard(running)

        server.running.add(running)
        if asked.ask:
            server.asking[name] = running, asked.id, waiting
        Thread(target=run, name=f"omni-{asked.name}", daemon=True).start()
        try:
            self._pass_on(said)
        except OSError:
            # The caller went away. Its tool hears of it when it next speaks.
            running.cancel()
            server.asking.pop(name, None)
            for question in list(waiting):
                gone = {"id": asked.id, "ask": question, "refused": "gone", "message": "the client went away"}
                running.answer(gone)
            raise

    def _take_answer(self, name: str, answer: dict) -> None:
        running, call_id, waiting = self.server.asking.get(name, (None, 0, set()))
        if running is None:
            raise RefusedError(404, "unknown_call", "no call of that name runs here, or it cannot ask")
        try:
            # Whoever takes it out has the answer.
            waiting.remove(answer["ask"])
        except KeyError:
            message = f"question {answer['ask']} of that call is not open"
            raise RefusedError(409, "not_open", message) from None
        running.answer({"id": call_id, **answer})
        self._send_json(200, {})

    def _pass_on(self, said: SimpleQueue[tuple[str, dict]]) -> None:
        kind = ""
        while kind not in ("result", "error"):
            try:
                kind, body = said.get(timeout=_LOOK_SECONDS)
            except Empty:
                if self._left():
                    raise ConnectionError from None
                continue
            line = wire.write_json({kind: body}).encode("utf-8", "replace") + b"\n"
            self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def _left(self) -> bool:
        """Tell whether the caller has closed its end, or the sending half of it."""
        ready = select.select([self.connection], [], [], 0)[0]
        return bool(ready) and not self.connection.recv(1, socket.MSG_PEEK)

    def _refuse(self, refused: RefusedError) -> None:
        more = {"Retry-After": "1"} if refused.status == 503 else {}
        self._send_json(refused.status, refused.body(), **more)

    def _send_json(self, status: int, answer: dict, **headers: str) -> None:
        self._send(status, wire.write_json(answer).encode("utf-8", "replace"), **headers)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        # Before its first line is understood a request has the oldest version, whose answers have no head.
        self.request_version = self.protocol_version
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    """Serve until a signal comes; return the exit code. Where it listens goes to standard output."""
    from omni.worker import forget_current_folder

    forget_current_folder()
    parser = argparse.ArgumentParser(prog="python -m omni.runner", description=_WHAT_IT_IS)
    parser.add_argument("--skills", metavar="DIR", default="skills", help="the folder of skills [./skills]")
    parser.add_argument("--root", metavar="DIR", default=".", help="the folder that tools work in [.]")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--unix", metavar="PATH", help="listen on this Unix socket, for this user only")
    place.add_argument(
        "--port", type=int, metavar="N", help="listen on this port of 127.0.0.1; 0: a free one"
    )
    options, rest = parser.parse_known_args()
    if rest:
        parser.error(f"`{rest[0]}` is not taken here: `omni runner` takes what says how tools are run")
    sys.stderr.write(_WHAT_IT_IS)
    path = options.unix and os.path.abspath(options.unix)
    try:
        tools = InProcessTools(options.skills, options.root, {})
        # From its first moment on nobody else may connect.
        before = os.umask(0o177)
        address, family = (path, socket.AF_UNIX) if path else (("127.0.0.1", options.port), socket.AF_INET)
        server = Runner(tools, address, family)
        os.umask(before)
    except OSError as error:
        sys.stderr.write(f"omni runner: cannot serve: {error}\n")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: Thread(target=server.drain, daemon=True).start())
    where = f"unix:{path}" if path else f"http://127.0.0.1:{server.socket.getsockname()[1]}"
    sys.stdout.write(f"omni runner: listening at {where}\n")
    sys.stdout.flush()
    server.serve_forever(poll_interval=0.1)
    if path and os.path.exists(path):
        os.unlink(path)
    # Not the ordinary way out, which waits for threads that wait for nobody.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
