"""What does an agent send to its model? A model on the loopback interface that says what a script says.

It speaks as much of three public interfaces as agents need: Anthropic's Messages, OpenAI's Responses and Gemini's
`generateContent`. Every request is kept. A request is answered with the script's next call, counted by the results of calls
that the request carries, and after the last one with the word "done".
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable, Optional

# The name of a tool and its arguments.
Call = tuple[str, dict]
# A step of the script: given the names of the tools that are offered, its call; None where it has nothing to call.
Step = Callable[[list[str]], Optional[Call]]
# An event of an answer: its name, where the interface names events, and its data.
Event = tuple[Optional[str], dict]


class ScriptedModel:
    """What was asked and what tools gave, and the script."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.url = ""
        # The bodies of the requests for an answer.
        self.requests: list[dict] = []
        # The calls that were made, and the texts of their results as the model got them.
        self.calls: list[Call] = []
        self.results: list[str] = []

    def next_call(self, body: dict, offered: list[str], results: list[object]) -> Call | None:
        """Keep a request and its results; return the call that answers it."""
        self.requests.append(body)
        # An agent may shorten older results in later requests.
        self.results += ["\n".join(strings(result)) for result in results[len(self.results) :]]
        while len(self.steps) and len(self.calls) == len(self.results):
            call = self.steps.pop(0)(offered)
            if call is not None:
                self.calls.append(call)
                return call
        return None

    def messages(self, body: dict) -> list[Event]:
        """Answer by Anthropic's Messages."""
        contents = [message["content"] for message in body["messages"]]
        blocks = [block for content in contents if isinstance(content, list) for block in content]
        results = [block["content"] for block in blocks if block["type"] == "tool_result"]
        call = self.next_call(body, [tool["name"] for tool in body.get("tools", [])], results)
        usage = {"input_tokens": 1, "output_tokens": 1}
        if call is None:
            block, reason = {"type": "text", "text": ""}, "end_turn"
            delta, whole = {"type": "text_delta", "text": "done"}, {"type": "text", "text": "done"}
        else:
            reason = "tool_use"
            block = {"type": "tool_use", "id": f"toolu_{len(self.calls)}", "name": call[0], "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(call[1])}
            whole = {**block, "input": call[1]}
        message = {
            "id": f"msg_{len(self.requests)}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        if not body.get("stream"):
            return [(None, {**message, "content": [whole], "stop_reason": reason})]
        events = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": reason, "stop_sequence": None},
                "usage": usage,
            },
            {"type": "message_stop"},
        ]
        return [(event["type"], event) for event in events]

    def responses(self, body: dict) -> list[Event]:
        """Answer by OpenAI's Responses. Tools that had to be looked for stand in what the search gave."""
        groups = [*body.get("tools", []), *(tool for item in body["input"] for tool in item.get("tools", []))]
        offered: dict[str, tuple[dict, str]] = {}
        for group in groups:
            for tool in group.get("tools", [group]):
                name = tool.get("name") or tool["type"]
                offered[f"{group['name']}.{name}" if "tools" in group else name] = (group, name)
        results = [
            [item.get("output"), item.get("tools")]
            for item in body["input"]
            if item.get("type", "").endswith("_output")
        ]
        call = self.next_call(body, [*offered], results)
        number = len(self.calls)
        if call is None:
            text = {"type": "output_text", "text": "done", "annotations": []}
            item = {"type": "message", "id": "msg", "role": "assistant", "content": [text]}
        elif call[0] == "tool_search":
            item = {"type": "tool_search_call", "id": f"ts_{number}", "execution": "client"}
            item |= {"call_id": f"call_{number}", "status": "completed", "arguments": call[1]}
        else:
            group, name = offered[call[0]]
            item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
            item |= {"name": name, "arguments": json.dumps(call[1])}
            item |= {"namespace": group["name"]} if "tools" in group else {}
        response = {"id": f"resp_{len(self.requests)}", "object": "response", "status": "in_progress"}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        completed = {**response, "status": "completed", "output": [item], "usage": usage}
        events = [
            {"type": "response.created", "response": {**response, "output": []}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": completed},
        ]
        return [(event["type"], event) for event in events]

    def generate_content(self, body: dict) -> list[Event]:
        """Answer by Gemini's `generateContent`."""
        parts = [part for content in body["contents"] for part in content.get("parts", [])]
        results = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
        groups = [group.get("functionDeclarations", []) for group in body.get("tools", [])]
        call = self.next_call(body, [tool["name"] for group in groups for tool in group], results)
        part = {"text": "done"} if call is None else {"functionCall": {"name": call[0], "args": call[1]}}
        content = {"role": "model", "parts": [part]}
        return [(None, {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}]})]

    def answer(self, path: str, body: dict) -> list[Event]:
        """Return the events that answer a request; none where this interface is not spoken."""
        path = path.partition("?")[0]
        if path.endswith("/count_tokens"):
            return [(None, {"input_tokens": 1})]
        if path.endswith(":countTokens"):
            return [(None, {"totalTokens": 1})]
        if path.endswith("/messages"):
            return self.messages(body)
        if path.endswith("/responses"):
            return self.responses(body)
        if path.endswith("enerateContent"):
            return self.generate_content(body)
        return []


def strings(value: object) -> Iterator[str]:
    """Return all strings in a JSON value, without the names of members."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


@contextlib.contextmanager
def scripted_model(steps: list[Step]) -> Iterator[ScriptedModel]:
    """Answer by the script while the block runs."""
    model = ScriptedModel(steps)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send(200, "application/json", b'{"data":[],"models":[]}')

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                body = json.loads(text)
                events = model.answer(self.path, body)
            except (ValueError, KeyError, TypeError) as error:
                message = json.dumps({"error": {"message": repr(error)}})
                self.send(400, "application/json", message.encode())
                return
            if not events:
                self.send(404, "application/json", b'{"error":{"message":"not served here"}}')
            elif body.get("stream") or "alt=sse" in self.path:
                told = (
                    (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"
                    for name, data in events
                )
                self.send(200, "text/event-stream", "".join(told).encode())
            else:
                self.send(200, "application/json", json.dumps(events[0][1]).encode())

        def send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the lines of this program are its results."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
