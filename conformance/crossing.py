"""Does anything of one client reach another? Scenarios of `reliability.py`.

Two clients with tokens of their own call one server at the same time, with the same ids, progress tokens, handles and arguments but
for a mark that is in everything each of them sends. `crossing` looks for the other's mark in every byte that either gets; `thefts` has
one bring whatever the other was given, which must be answered as what never was.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import secrets
import subprocess
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import CONFORMANCE, SetupError, free_port, stop
from http_client import HttpClient, HttpSession, Reply, SseSession

if TYPE_CHECKING:
    from reliability import Report

SKILLS = CONFORMANCE / "crossing" / "skills"
#: A merge needs as many calls for each `--times`; so many more are asked for by `OMNI_CROSSING_CALLS`.
CALLS = 3_000
#: Requests that each client has open at once in each of its sessions.
AT_ONCE = 4
FORM = {"elicitation": {"form": {}}}
TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}, "elicitation": {"form": {}}}
REVISIONS = ["2025-03-26", "2025-06-18", "2025-11-25"]
#: Has elicitation.
ASKED_IN = "2025-11-25"


class Client:
    """One of the two, and what it has been given."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.token = secrets.token_hex(24)
        self.mark = f"{name}-{secrets.token_hex(16)}"
        self.others: list[bytes] = []
        self.crossed: list[bytes] = []
        self.read = 0
        self._numbers = itertools.count()
        self._tail = b""
        self.http = HttpClient(0)

    def at(self, address: int | str) -> None:
        """Call the server there from now on."""
        self.http.close()
        self.http = HttpClient(address, self.token, self.look)

    def look(self, chunk: bytes) -> None:
        """Look for what is another's in what has come."""
        self.read += len(chunk)
        text = self._tail + chunk
        self.crossed += [other for other in self.others if other in text]
        self._tail = chunk[-64:]

    def text(self) -> str:
        """Return something that only this client has, and has once."""
        return f"{self.mark}-{next(self._numbers)}"


class Served:
    """`omni mcp` over HTTP with a token for each of the two."""

    def __init__(self, binary: Path, root: Path, clients: list[Client]) -> None:
        self.root, self.clients = root, clients
        tokens = root / "tokens"
        tokens.write_text("".join(f"{client.token}\n" for client in clients))
        tokens.chmod(0o600)
        config = root / "omni.toml"
        config.write_text(
            "[profiles.ann]\nclients = ['of-ann']\n[profiles.default]\nfilter = ['hers', 'hers.*']\n"
        )
        self.port = free_port()
        self._command = [binary, "mcp", "--transport", "http", "--port", str(self.port), "--skills", SKILLS]
        self._command += ["--root", root, "--http-token", tokens, "--config", config]
        self._start()

    def _start(self) -> None:
        self.child = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "HOME": str(self.root), "XDG_STATE_HOME": str(self.root / "state")},
            cwd=self.root,
        )
        said = []
        for line in self.child.stderr or ():
            said.append(line.decode(errors="replace"))
            if " at http://" in said[-1]:
                break
        else:
            message = f"the server ended: {''.join(said)}"
            raise SetupError(message)
        threading.Thread(target=lambda: list(self.child.stderr or ()), daemon=True).start()
        for client in self.clients:
            client.at(self.port)

    def restart(self) -> None:
        """Kill the server and start it anew."""
        self.child.kill()
        self.child.wait()
        self._start()

    def stop(self) -> bool:
        """End the server; return whether it ended by itself."""
        return stop(self.child, 15)


@asynccontextmanager
async def served(binary: Path, root: Path, report: Report) -> AsyncIterator[tuple[Served, Client, Client]]:
    """Serve the two, and look for what is the other's in all that they get."""
    ann, bob = Client("ann"), Client("bob")
    ann.others = [bob.mark.encode(), bob.token.encode()]
    bob.others = [ann.mark.encode(), ann.token.encode()]
    server = await asyncio.to_thread(Served, binary, root, [ann, bob])
    try:
        yield server, ann, bob
        report.check("the server is there to the end", server.child.poll() is None)
    finally:
        for client in (ann, bob):
            client.http.close()
        ended = await asyncio.to_thread(server.stop)
        report.check("and ends when it is told", ended)
    report.check(
        f"nothing of the other is in {(ann.read + bob.read) / 1e6:.1f} MB that the two have read",
        not ann.crossed and not bob.crossed,
        (ann.crossed[:3], bob.crossed[:3]),
    )


# -- many calls at once --------------------------------------------------------------------------------------


def crossing(binary: Path, root: Path, report: Report, times: int) -> None:
    """Two clients with equal ids call at once, in every way: each gets its own answers, and nothing else. (R13)"""
    calls = int(os.environ.get("OMNI_CROSSING_CALLS", CALLS * times))
    asyncio.run(_crossing(binary, root, report, calls))


class Tally:
    """How many calls are left, what was called, and what went wrong."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.called: Counter[str] = Counter()
        self.wrong: list[tuple[str, object]] = []

    def take(self) -> bool:
        """Take one of the calls that are left."""
        self.left -= 1
        return self.left >= 0

    def expect(self, what: str, expected: object, found: object) -> None:
        """Count a call, and note where it went wrong."""
        self.called[what] += 1
        if expected != found:
            self.wrong.append((what, found))


async def _crossing(binary: Path, root: Path, report: Report, calls: int) -> None:
    async with served(binary, root, report) as (_, ann, bob):
        tally = Tally(calls)
        started = time.monotonic()
        work = []
        for client in (ann, bob):
            work += [_stateless(client, number, tally) for number in range(2 * AT_ONCE)]
            for revision in REVISIONS:
                session = await client.http.open_session(revision, FORM)
                work += [_in_session(client, session, number, tally) for number in range(AT_ONCE)]
            stream = await SseSession.open(client.http, ASKED_IN, FORM, _as_asked)
            work += [_over_sse(client, stream, number, tally) for number in range(AT_ONCE)]
        await asyncio.gather(*work)
        took = time.monotonic() - started
        done = sum(tally.called.values())
        print(f"       {done} calls in {took:.0f} s: {dict(sorted(tally.called.items()))}")
        report.check(f"{done} calls are answered with their own answers", not tally.wrong, tally.wrong[:3])


def text_of(answer: dict[str, Any]) -> str:
    """Return the text of a result, of a task's too; all of an answer that has none."""
    result = answer.get("result", answer)
    return " ".join(block.get("text", "") for block in result.get("content", [])) or json.dumps(answer)


def call_of(name: str, **arguments: Any) -> dict[str, Any]:
    """Return the parameters of a call of a tool of `own`."""
    return {"name": f"own.{name}", "arguments": arguments}


async def _stateless(client: Client, number: int, tally: Tally) -> None:
    """Make calls of the era without sessions. The id and the progress token of each are the same as the other client's."""
    chance = random.Random(number)  # noqa: S311 - the same calls every time
    values: list[str] = []
    handle = f"handle-{number}"
    while tally.take():
        text = client.text()
        kind = chance.choices(
            ["echo", "told", "keep", "below", "ask", "task", "cached"], [20, 4, 3, 2, 2, 1, 1]
        )[0]
        call = call_of(kind, text=text)
        meta = (
            {"progressToken": number, "io.modelcontextprotocol/logLevel": "debug"} if kind == "told" else {}
        )
        if kind == "keep":
            call["arguments"]["handle"] = handle
        elif kind == "task":
            call = call_of("work", text=text)
        elif kind == "cached":
            call = call_of("cached")
        able = TASKS if kind == "task" else FORM
        reply = await client.http.modern("tools/call", call, number=number, capabilities=able, meta=meta)
        *before, answer = await reply.messages()
        if kind == "ask":
            asked = answer["result"]
            given = {"action": "accept", "content": {"value": text}}
            call["requestState"] = asked["requestState"]
            call["inputResponses"] = dict.fromkeys(asked["inputRequests"], given)
            answer = await client.http.modern_answer("tools/call", call, number=number, capabilities=FORM)
        elif kind == "task":
            answer = await _task_ended(client, answer, number)
        elif kind == "told":
            tally.expect("progress and log", (text, text), _told(before, number))
        expected = {
            "keep": f"{values[-1] if values else None} then {text}",
            "ask": f"{text} {text}",
            "cached": "None",
        }.get(kind, text)
        values += [text] if kind == "keep" else []
        tally.expect(f"stateless {kind}", (number, expected), (answer.get("id"), text_of(answer)))


async def _task_ended(client: Client, answer: dict[str, Any], number: int) -> dict[str, Any]:
    task = answer["result"]["taskId"]
    while True:
        answer = await client.http.modern_answer(
            "tasks/get", {"taskId": task}, number=number, capabilities=TASKS
        )
        if answer["result"]["status"] != "working":
            return {"id": answer["id"], "result": answer["result"].get("result", answer["result"])}
        await asyncio.sleep(0.05)


def _told(messages: list[dict[str, Any]], number: int) -> tuple[object, object]:
    progress = [m["params"] for m in messages if m.get("method") == "notifications/progress"]
    log = [m["params"]["data"] for m in messages if m.get("method") == "notifications/message"]
    mine = [params.get("message") for params in progress if params["progressToken"] == number]
    return (mine[-1] if mine else None, log[-1] if log else None)


async def _in_session(client: Client, session: HttpSession, number: int, tally: Tally) -> None:
    """Make calls in a session that others share, with ids that the other client's session has open as well."""
    chance = random.Random(number)  # noqa: S311 - the same calls every time
    kinds = {"echo": 20, "told": 4, "below": 2, "add": 2}
    if session.revision == ASKED_IN:
        kinds["ask"] = 2
    if session.revision == "2025-03-26":
        kinds["batch"] = 2
    while tally.take():
        text = client.text()
        kind = chance.choices(list(kinds), list(kinds.values()))[0]
        if kind == "batch":
            numbers = [number, number + 100]
            calls = [
                {
                    "jsonrpc": "2.0",
                    "id": one,
                    "method": "tools/call",
                    "params": call_of("echo", text=f"{text}-{one}"),
                }
                for one in numbers
            ]
            answers = await (await session.send(calls)).messages()
            found = sorted((answer.get("id"), text_of(answer)) for answer in answers)
            tally.expect("session batch", [(one, f"{text}-{one}") for one in numbers], found)
            continue
        call = call_of(kind, text=text)
        if kind == "add":
            call["name"] = "memory.add"
        if kind == "told":
            call["_meta"] = {"progressToken": number}
        reply = await session.request("tools/call", call, number)
        if kind == "ask":
            answer = await _answered_in_session(session, reply, text)
        else:
            *before, answer = await reply.messages()
        if kind == "told":
            tally.expect("progress", text, _told(before, number)[0])
        found = text_of(answer)
        if kind == "add":
            # What the others of this session have added stands there as well, and nothing of another.
            found = text if all(value.startswith(client.mark) for value in found.split()) else found
        expected = f"{text} {text}" if kind == "ask" else text
        tally.expect(f"session {kind}", (number, expected), (answer.get("id"), found))


async def _over_sse(client: Client, session: SseSession, number: int, tally: Tally) -> None:
    """Make calls in a session whose answers all come on one stream."""
    chance = random.Random(number)  # noqa: S311 - the same calls every time
    while tally.take():
        text = client.text()
        kind = chance.choices(["echo", "told", "below", "ask"], [20, 4, 2, 2])[0]
        call = call_of(kind, text=text)
        if kind == "told":
            call["_meta"] = {"progressToken": number}
        answer = await session.answer("tools/call", call, number)
        expected = f"{text} {text}" if kind == "ask" else text
        tally.expect(f"HTTP+SSE {kind}", (number, expected), (answer.get("id"), text_of(answer)))


def _as_asked(question: dict[str, Any]) -> dict[str, Any]:
    """Answer a question with what it asks for."""
    return {"action": "accept", "content": {"value": question["params"]["message"].removesuffix("?")}}


async def _answered_in_session(session: HttpSession, reply: Reply, text: str) -> dict[str, Any]:
    last: dict[str, Any] = {}
    async for event in reply.events():
        last = json.loads(event["data"]) if event["data"] else last
        if last.get("method") == "elicitation/create":
            result = {"action": "accept", "content": {"value": text}}
            await (await session.send({"jsonrpc": "2.0", "id": last["id"], "result": result})).body()
    return last


SCENARIOS = {"crossing": crossing}
