"""What does the public suite say of resources, prompts and a changing list of tools that come from a runner?

The runner of the run `runner`: what the suite asks servers for, behind omni's runner contract. It runs no skill, so
that everything the suite sees of it has come through `omni mcp --runner`.

    python3 conformance/runner.py PORT
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

RESOURCES = [
    {"uri": "test://static-text", "name": "text", "description": "A text.", "mimeType": "text/plain"},
    {"uri": "test://static-binary", "name": "binary", "description": "A pixel.", "mimeType": "image/png"},
]
TEMPLATES = [
    {
        "uriTemplate": "test://template/{id}/data",
        "name": "data",
        "description": "Data under an id.",
        "mimeType": "application/json",
    }
]


def argument(name: str) -> dict:
    return {"name": name, "description": f"The {name}.", "required": True}


PROMPTS = [
    {"name": "test_simple_prompt", "description": "Takes nothing."},
    {
        "name": "test_prompt_with_arguments",
        "description": "Takes two texts.",
        "arguments": [argument("arg1"), argument("arg2")],
    },
    {
        "name": "test_prompt_with_embedded_resource",
        "description": "Embeds a resource.",
        "arguments": [argument("resourceUri")],
    },
    {"name": "test_prompt_with_image", "description": "Shows a pixel."},
]


def tool(name: str) -> dict:
    return {"name": name, "description": f"Is {name}.", "inputSchema": {"type": "object"}}


# Each call of the first adds another one. The second needs a client that can be asked for a sample. The others are
# there because the suite calls them; they say `done`.
TOOLS = [
    tool("test_trigger_tool_change"),
    tool("test_missing_capability"),
    tool("test_logging_tool"),
    tool("test_streaming_elicitation"),
]


class RefusedError(Exception):
    """Holds the status and the code of a refusal; the text is its message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def contents(uri: str) -> dict:
    """Return what a resource holds."""
    if uri == "test://static-text":
        text = "This is the content of the static text resource."
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": text}]}
    if uri == "test://static-binary":
        return {"contents": [{"uri": uri, "mimeType": "image/png", "blob": PIXEL}]}
    found = re.fullmatch(r"test://template/([^/]+)/data", uri)
    if found:
        data = {"id": found[1], "templateTest": True, "data": f"Data for ID: {found[1]}"}
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": json.dumps(data)}]}
    raise RefusedError(404, "not_found", f"there is no resource `{uri}`")


def prompt(name: str, arguments: dict) -> dict:
    """Return a prompt with its arguments filled in."""

    def messages(*blocks: dict) -> dict:
        return {"messages": [{"role": "user", "content": block} for block in blocks]}

    def text(words: str) -> dict:
        return {"type": "text", "text": words}

    known = {prompt["name"]: prompt for prompt in PROMPTS}
    if name not in known:
        raise RefusedError(404, "not_found", f"there is no prompt `{name}`")
    for wanted in known[name].get("arguments", []):
        if wanted["name"] not in arguments:
            raise RefusedError(400, "bad_request", f"the argument `{wanted['name']}` is missing")
    if name == "test_simple_prompt":
        return messages(text("This is a simple prompt for testing."))
    if name == "test_prompt_with_arguments":
        words = f"Prompt with arguments: arg1='{arguments['arg1']}', arg2='{arguments['arg2']}'"
        return messages(text(words))
    if name == "test_prompt_with_image":
        image = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
        return messages(image, text("Please analyze the image above."))
    embedded = {
        "uri": arguments["resourceUri"],
        "mimeType": "text/plain",
        "text": "Embedded resource content for testing.",
    }
    return messages(
        {"type": "resource", "resource": embedded}, text("Please process the embedded resource above.")
    )


def events(call: dict) -> bytes:
    """Run a call; return its events, one a line."""
    if call["name"] not in {tool["name"] for tool in TOOLS}:
        raise RefusedError(404, "unknown_tool", f"there is no tool `{call['name']}`")
    if call["name"] == "test_trigger_tool_change":
        TOOLS.append(tool(f"test_added_{len(TOOLS)}"))
    last = {"result": {"id": call["id"], "content": [{"type": "text", "text": "done"}]}}
    client = call["context"].get("client", {})
    if call["name"] == "test_missing_capability" and "sampling" not in client.get("capabilities", []):
        said = {"message": "this client takes no sampling", "intended": True, "capability": "sampling"}
        last = {"error": {"id": call["id"], "kind": "tool_error", "class": "AskRefused", **said}}
    lines = [{"started": {"id": call["id"]}}, last]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


class Runner(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        lists = {
            "/tools": {"tools": TOOLS},
            "/health": {"status": "ok", "ready": True, "initializing": False},
            "/resources": {"resources": RESOURCES, "resourceTemplates": TEMPLATES},
            "/prompts": {"prompts": PROMPTS},
        }
        if self.path not in lists:
            self.refuse(RefusedError(404, "not_found", f"there is no `{self.path}`"))
            return
        body = json.dumps(lists[self.path]).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == tag:
            self.answer(304, b"")
        else:
            self.answer(200, body, ETag=tag)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            if self.path == "/run_tool":
                self.answer(200, events(asked))
            elif self.path == "/resources/read":
                self.answer(200, json.dumps(contents(asked["uri"])).encode())
            elif self.path == "/prompts/get":
                self.answer(200, json.dumps(prompt(asked["name"], asked["arguments"])).encode())
            else:
                self.refuse(RefusedError(404, "not_found", f"there is no `{self.path}`"))
        except RefusedError as error:
            self.refuse(error)

    def refuse(self, error: RefusedError) -> None:
        body = {"error": {"code": error.code, "message": str(error)}}
        self.answer(error.status, json.dumps(body).encode())

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Runner).serve_forever()
