"""How a call that a person started shows itself: result on standard output, all else on standard error."""

from __future__ import annotations

import json
import os
from _signal import ITIMER_REAL, SIGALRM, SIGUSR2, setitimer, signal
from _thread import allocate_lock
from binascii import a2b_base64

from omni import wire
from omni.call_frame import Call, Target
from omni.invoke import ToolRunner
from omni.skills import TIMED_OUT
from omni.skills.visible import shown
from omni.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from omni.skills.find import Command

_TIMEOUT_SECONDS = 1800.0
_GRACE_SECONDS = 2.0


class Console:
    """Stands where the control channel is in a worker.

    What the tool prints goes to standard error, so that standard output holds the result and nothing else.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._as_json = as_json
        self.lock = allocate_lock()
        self.mine = True

    def send_locked(self, frame: bytes) -> None:
        """Show progress, log messages, and what clients would be told."""
        kind, body = wire.decode(frame[4:])
        if kind == "progress":
            total = "" if body["total"] is None else f"/{body['total']:g}"
            self._tell(f"progress {body['value']:g}{total} {body['message'] or ''}".rstrip())
        elif kind == "log":
            data = body["data"]
            self._tell(f"{body['level']}: {data if isinstance(data, str) else wire.write_json(data)}")
        elif kind == "resource_updated":
            self._tell(f"resource updated: {body['uri']}")
        elif kind in ("show", "hide"):
            self._tell(f"{kind}: {body['name']}")

    def _tell(self, line: str) -> None:
        os.write(2, (shown(line).replace("\n", "\n  ") + "\n").encode("utf-8", "replace"))

    def show_item(self, kind: str, result: dict) -> None:
        """Print the contents of a resource or the messages of a prompt, or all of it as JSON."""
        if self._as_json:
            whole = {"contents" if kind == "resource" else "messages": result["content"]}
            for name, wire_name in (("description", "description"), ("_meta", "meta")):
                if wire_name in result:
                    whole[name] = result[wire_name]
            self._print_json(whole)
            return
        terminal = os.isatty(self._out)
        for item in result["content"]:
            if kind == "prompt":
                text = f"{item['role']}: {_as_text(item['content'])}"
            elif "text" in item:
                text = item["text"]
            elif terminal:
                text = f"[{item.get('mimeType') or 'bytes'}: {item['uri']}]"
            else:
                # As it is, for the file or the program that it goes to.
                self._write(a2b_base64(item["blob"]))
                continue
            self._print(shown(text) if terminal else text)

    def show(self, result: dict) -> None:
        """Print a result: its text, or all of it as JSON."""
        if self._as_json:
            whole: dict[str, Any] = {"content": result["content"]}
            for name, wire_name in (("structuredContent", "structured"), ("_meta", "meta")):
                if wire_name in result:
                    whole[name] = result[wire_name]
            whole["isError"] = bool(result.get("is_error"))
            self._print_json(whole)
            return
        for block in result["content"]:
            text = _as_text(block)
            # A program gets what the tool said; a person sees all of it.
            self._print(shown(text) if os.isatty(self._out) else text)

    def show_error(self, message: str, traceback: str | None = None) -> None:
        """Tell why there is no result."""
        if traceback:
            os.write(2, shown(traceback).encode("utf-8", "replace"))
        self._tell(f"omni: {message}")
        if self._as_json:
            self.show({"content": [{"type": "text", "text": message}], "is_error": True})

    def _print_json(self, whole: dict) -> None:
        # Without characters that a terminal would not show as they are.
        self._print(json.dumps(whole).replace("\x7f", "\\u007f"))

    def _print(self, text: str) -> None:
        self._write((text + "\n").encode("utf-8", "replace"))

    def _write(self, bytes_: bytes) -> None:
        data = memoryview(bytes_)
        while data:
            data = data[os.write(self._out, data) :]


def _as_text(block: dict) -> str:
    if block["type"] == "text":
        return block["text"]
    if block["type"] == "resource_link":
        return f"[{block['name']}: {block['uri']}]"
    if block["type"] == "resource":
        return block["resource"].get("text") or f"[{block['resource']['uri']}]"
    return f"[{block['type']} {block['mimeType']}]"


def run(
    console: Console, skill: str, folder: str, command: Command, arguments: dict, *, uri: str = ""
) -> bytes:
    """Run one call, show how it ended, and return the frame that answers it. `uri` is a resource's.

    When the tool's time is up, the process ends here.
    """
    tool_runner = ToolRunner(console, {"root": os.getcwd()}, None, Streams(), checked=True)
    tool_runner.install_handler(SIGUSR2)
    limit = _TIMEOUT_SECONDS if command.timeout is None else command.timeout
    _set_alarm(console, tool_runner, limit)
    target = {
        "tool": f"{skill}.{command.name}",
        "skill": skill,
        "dir": folder,
        "file": command.file,
        "function": command.function,
        "kind": command.kind,
        "mime_type": command.mime_type,
    }
    more = {
        "deadline_ms": limit * 1000 if limit else None,
        "context": {"progress": True, "log": "debug"},
        "uri": uri,
    }
    answer = tool_runner.run(Call(1, Target(target), arguments, more))
    setitimer(ITIMER_REAL, 0)
    kind, body = wire.decode(answer[4:])
    if kind == "result" and command.kind == "tool":
        console.show(body)
    elif kind == "result":
        console.show_item(command.kind, body)
    elif body["kind"] == "cancelled":
        _overrun(console, limit)
    else:
        console.show_error(_sentence(body), body["traceback"] if _is_surprise(body) else None)
    return answer


def _sentence(error: dict) -> str:
    """Return what is said about an error frame."""
    text = error["message"]
    if error["kind"] == "exited":
        text = text or f"the tool exited with code {error.get('code')}"
    elif _is_surprise(error) and error["kind"] == "tool_error":
        text = f"{error['class']}: {text}" if text.strip() else f"{error['class']} without a message"
    # A load error's message begins with its place.
    return f"{text} (`{error['location']}`)" if error["location"] and error["kind"] != "load_error" else text


def _is_surprise(error: dict) -> bool:
    """Tell whether the author of the tool needs the traceback to understand an error."""
    return error["kind"] == "load_error" or (error["kind"] == "tool_error" and not error["intended"])


def _set_alarm(console: Console, tool_runner: ToolRunner, limit: float) -> None:
    """Ask the tool to stop when its time is up; end the process when it does not."""
    struck = []

    def strike(number: int, frame: object) -> None:
        if struck:
            _overrun(console, limit)
        struck.append(number)
        tool_runner.interrupt(number, frame)

    signal(SIGALRM, strike)
    setitimer(ITIMER_REAL, limit, _GRACE_SECONDS)


def _overrun(console: Console, limit: float) -> NoReturn:
    console.show_error(f"the tool took longer than its {limit:g} seconds")
    os._exit(TIMED_OUT)
