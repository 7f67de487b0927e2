"""
An MCP server that behaves as one of the kinds that are met in the world, over stdio or (`--http`) over HTTP.

    python3 fake.py KIND [FILE] [--http]

What it was told is written to FILE, one message a line, with the HTTP headers beside it. Over HTTP the port is printed.
"""

import http.server
import json
import os
import sys
import threading
import time

KIND = sys.argv[1]
FILE = next((word for word in sys.argv[2:] if not word.startswith("--")), None)
HTTP = "--http" in sys.argv
MODERN = "2026-07-28"
SEEN = threading.Lock()
SESSIONS = set()
LAST = []

TOOLS = [
    {"name": "echo", "description": "Say it again. And more.", "inputSchema": {
        "type": "object", "properties": {"text": {"type": "string", "x-mcp-header": "Text"}, "n": {"type": "integer"}}}},
    {"name": "ask", "title": "Asks back", "inputSchema": {"type": "object"}},
    {"name": "nap", "inputSchema": {"type": "object"}},
    {"name": "bad", "inputSchema": {"type": "object", "properties": {"x": {"type": "number", "x-mcp-header": "X"}}}},
]
FORM = {"message": "who are you?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}


def note(message, headers=None):
    if FILE:
        with SEEN, open(FILE, "a") as file:
            file.write(json.dumps({"message": message, "headers": headers or {}}) + "\n")


def text(value):
    return {"content": [{"type": "text", "text": value}]}


class Refused(Exception):
    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.error = {"code": code, "message": message}
        if data is not None:
            self.error["data"] = data


def is_modern(params):
    return "io.modelcontextprotocol/protocolVersion" in params.get("_meta", {})


def complete(params, result):
    return {"resultType": "complete", **result} if is_modern(params) else result


def opening(method, params):
    """Answer what opens a conversation, by the kind of server that this is."""
    eras = {"modern": "modern", "headers": "modern", "both": "both"}.get(KIND, "legacy")
    if method == "server/discover":
        if eras == "legacy":
            raise Refused(-32601, "Method not found")
        return {"resultType": "complete", "supportedVersions": [MODERN], "capabilities": {"tools": {}},
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "fake", "version": "1"}}}
    if eras == "modern":
        raise Refused(-32022, "Unsupported protocol version", {"supported": [MODERN], "requested": "?"})
    offers = {} if KIND == "bare" else {"tools": {}}
    version = {"old": "2024-11-05", "future": "2099-01-01"}.get(KIND, params.get("protocolVersion"))
    return {"protocolVersion": version, "capabilities": offers, "serverInfo": {"name": "fake", "version": "1"}}


def listing(params):
    cursor = params.get("cursor")
    if KIND == "pages":
        return {"tools": TOOLS[:1], "nextCursor": str(int(cursor or 0) + 1)}
    if KIND == "loop":
        return {"tools": TOOLS[:1], "nextCursor": "again"}
    if KIND == "malformed":
        return {"tools": 5}
    if KIND == "huge":
        return {"tools": TOOLS, "padding": "x" * (40 << 20)}
    if KIND in ("bare", "liar"):
        raise Refused(-32601, "Method not found")
    return {"tools": TOOLS[2:]} if cursor == "2" else {"tools": TOOLS[:2], "nextCursor": "2"}


def call(params, say, ask):
    name, arguments = params["name"], params.get("arguments", {})
    token = params.get("_meta", {}).get("progressToken")
    if name == "echo":
        if token is not None:
            say("notifications/progress", {"progressToken": token, "progress": 1, "total": 2, "message": "half"})
        say("notifications/message", {"level": "warning", "logger": "fake", "data": "careful"})
        return text(json.dumps(arguments, sort_keys=True, ensure_ascii=False))
    if name == "ask" and is_modern(params):
        if "inputResponses" in params:
            return text(json.dumps([params["inputResponses"], params.get("requestState")]))
        return {"resultType": "input_required", "requestState": "s",
                "inputRequests": {"q": {"method": "elicitation/create", "params": FORM}}}
    if name == "ask":
        asked = [ask("ping", None), ask("elicitation/create", FORM), ask("roots/list", None), ask("what/ever", None)]
        return text(json.dumps(asked))
    if name == "data":
        return {"content": [], "structuredContent": {"n": 5}}
    if name == "nap":
        if KIND == "chatty":
            print("log line 1", flush=True)
            print("disk full", file=sys.stderr, flush=True)
        if KIND == "cut":
            sys.stdout.write('{"jsonrpc":"2.0","id":%d,"res' % LAST[0])
            sys.stdout.flush()
            os._exit(0)
        if KIND == "dies":
            print("I am dying", file=sys.stderr, flush=True)
            os._exit(7)
        time.sleep(3600)
    if KIND == "soft":
        return {**text("Unknown tool: " + name), "isError": True}
    raise Refused(-32602, "Unknown tool: " + name)


def answer(method, params, say, ask):
    if method in ("server/discover", "initialize"):
        return opening(method, params)
    if method == "tools/list":
        return complete(params, listing(params))
    if method == "tools/call":
        result = call(params, say, ask)
        return result if "resultType" in result else complete(params, result)
    raise Refused(-32601, "Method not found")


def reply(message, say, ask):
    try:
        result = answer(message["method"], message.get("params", {}), say, ask)
    except Refused as refused:
        return {"jsonrpc": "2.0", "id": message["id"], "error": refused.error}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def stdio():
    def write(message):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    def say(method, params):
        write({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(method, params):
        request = {"jsonrpc": "2.0", "id": "q", "method": method}
        write({**request, "params": params} if params else request)
        message = json.loads(sys.stdin.readline())
        note(message)
        return message.get("result", message.get("error", {}).get("code"))

    if KIND == "mute":
        print("listening on port 8080", file=sys.stderr, flush=True)
    if KIND == "banner":
        print("Welcome to the fake server!\n\n", flush=True)
    if KIND == "noise":
        while True:
            print("tick", flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        note(message)
        LAST[:] = [message.get("id")]
        if "id" not in message or KIND == "mute":
            continue
        if KIND == "quiet" and message["method"] == "server/discover":
            continue
        if KIND == "stuck" and message["method"] == "tools/list":
            continue
        write(reply(message, say, ask))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, body, kind="application/json", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, text):
        """Send events in pieces that cut lines, and CRLF itself, in two."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        data = text.encode()
        for at in range(0, len(data), 7):
            piece = data[at:at + 7]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self):
        note({"method": "GET"}, {name.lower(): value for name, value in self.headers.items()})
        if KIND == "resume" and self.headers.get("Last-Event-ID") == "7":
            return self.stream("id: 8\ndata: " + json.dumps(self.server.kept) + "\n\n")
        return self.send(405, {})

    def do_DELETE(self):
        note({"method": "DELETE"}, {name.lower(): value for name, value in self.headers.items()})
        self.send(200, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = json.loads(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        note(message, headers)
        if KIND == "page":
            return self.send(200, b"<html>Hello</html>", "text/html")
        if KIND == "moved":
            return self.send(307, b"", Location="http://127.0.0.1:1/other")
        if KIND == "broken":
            return self.send(500, b"out of\norder", "text/plain")
        if KIND == "locked" and headers.get("authorization") != "Bearer the-right-token":
            return self.send(401, {"error": "invalid_token"})
        if self.path != "/mcp":
            return self.send(404, b"not here", "text/plain")
        if "id" not in message:
            return self.send(202, b"")
        if "method" not in message:
            return self.send(202, b"")
        said = []
        answered = reply(message, lambda method, params: said.append({"jsonrpc": "2.0", "method": method, "params": params}),
                         lambda method, params: None)
        extra = {}
        if message["method"] == "initialize":
            session = "s%d" % len(SESSIONS)
            SESSIONS.add(session)
            extra["Mcp_Session_Id"] = session
        elif KIND == "forgetful" and message["method"] == "tools/list" and headers.get("mcp-session-id") == "s0":
            return self.send(404, b"gone", "text/plain")
        if KIND in ("modern", "headers") and is_modern(message.get("params", {})):
            for name in ("mcp-protocol-version", "mcp-method"):
                if name not in headers:
                    answered = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32020, "message": name}}
        if KIND == "resume" and message["method"] == "tools/call":
            self.server.kept = answered
            return self.stream("retry: 10\nid: 7\ndata: " + json.dumps(said[-1]) + "\n\ndata: {\"half")
        if KIND == "crlf" and message["method"] == "tools/call":
            events = "".join("event: message\r\ndata: %s\r\n\r\n" % json.dumps(event) for event in [*said, answered])
            return self.stream("\ufeff: hello\r\n\r\n" + events)
        refused = "error" in answered and message["method"] == "server/discover"
        return self.send(400 if refused else 200, answered, **extra)


if HTTP:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
else:
    stdio()
