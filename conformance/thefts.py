"""Is what one client brings that is another's answered as what never was? A scenario of `reliability.py`.

Ann has something; Bob knows its name, as if he had read it over her shoulder, and brings it with a token of his own. What he is told
must be what he is told of a name that nobody has, and Ann must have everything afterwards that she had before.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lists_apart
from crossing import FORM, TASKS, call_of, served, text_of
from http_client import PATIENCE_SECONDS, HttpSession, Reply, SseSession, until
from theft import NEWEST_WITH_SESSIONS, NEWEST_WITHOUT_RESUMING, Step, Theft, forged

if TYPE_CHECKING:
    from reliability import Report


def thefts(binary: Path, root: Path, report: Report, _times: int) -> None:
    """Sessions, calls, questions, tasks, results, values and lists of one client are not there for another. (R13)"""
    asyncio.run(_thefts(binary, root, report))


async def _thefts(binary: Path, root: Path, report: Report) -> None:
    async with served(binary, root, report) as (server, ann, bob):
        theft = Theft(root, report, server, ann, bob)
        for step in STEPS:
            try:
                await asyncio.wait_for(step(theft), 4 * PATIENCE_SECONDS)
            except (OSError, LookupError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
                theft.check(f"{step.__doc__}: to its end", ok=False, seen=repr(error))


async def _sessions(theft: Theft) -> None:
    """A session is no session for another, before and after a restart."""
    ann, bob = theft.ann.http, theft.bob.http
    session = await ann.open_session(NEWEST_WITH_SESSIONS)
    stream = await session.listen()
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    notice = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    for again in (False, True):
        when = " after a restart" if again else ""
        for what, send in (
            ("a request", lambda s: s.send(ping)),
            ("a call", lambda s: s.request("tools/call", call_of("echo", text="x"))),
            ("a notification", lambda s: s.send(notice)),
            ("an answer", lambda s: s.send({"jsonrpc": "2.0", "id": 1, "result": {}})),
            ("its stream", lambda s: s.listen()),
            ("resuming its stream", lambda s: s.listen(**{"Last-Event-ID": "1"})),
            ("its end", lambda s: s.client.send("DELETE", headers=s.headers)),
        ):
            await theft.alike(
                f"a session, {what}{when}",
                session.name,
                forged(session.name),
                lambda name, send=send, bob=bob: send(HttpSession(bob, name, NEWEST_WITH_SESSIONS)),
            )
        answer = await session.answer("ping")
        theft.check(f"a session is its owner's afterwards{when}", "result" in answer, answer)
        if not again:
            stream.close()
            await asyncio.to_thread(theft.server.restart)
            ann, bob = theft.ann.http, theft.bob.http
            session.client = ann


async def _resumption(theft: Theft) -> None:
    """A stream is taken up again in its own session alone."""
    ann, bob = theft.ann.http, theft.bob.http
    session = await ann.open_session(NEWEST_WITH_SESSIONS)
    second = await ann.open_session(NEWEST_WITH_SESSIONS)
    own = await bob.open_session(NEWEST_WITH_SESSIONS)
    path = theft.root / "work that is resumed"
    begin = {**call_of("begin", path=str(path), text=theft.ann.text()), "_meta": {"progressToken": 7}}
    running = await session.request("tools/call", begin, 7)
    event = {"data": ""}
    async for event in running.events():
        if event["data"]:
            break
    running.close()
    stream, number, request = event["id"].split("-", 2)
    for what, where in (("another's", own), ("its owner's other", second)):
        await theft.alike(
            f"a stream that is resumed in {what} session",
            event["id"],
            f"{forged(stream)}-{number}-{request}",
            lambda name, where=where: where.listen(**{"Last-Event-ID": name}),
        )
    theft.check("its call goes on", path.read_text() == "begun")
    resumed = await session.listen(**{"Last-Event-ID": event["id"]})
    await session.notify("notifications/cancelled", {"requestId": 7})
    await until(lambda: path.read_text() == "stopped")
    theft.check(
        "and its owner has its stream again", resumed.status == 200 and resumed.is_stream, resumed.status
    )
    resumed.close()


async def _streams(theft: Theft) -> None:
    """A session over HTTP+SSE is posted to by its owner alone, and a call of it is stopped by no other."""
    ann, bob = theft.ann.http, theft.bob.http

    def answering(_question: dict[str, Any]) -> dict[str, Any]:
        return {"action": "accept", "content": {"value": "ann"}}

    session = await SseSession.open(ann, NEWEST_WITH_SESSIONS, FORM, answering)
    own = await SseSession.open(bob, NEWEST_WITH_SESSIONS, FORM, answering)
    path = theft.root / "work over sse"
    begin = asyncio.create_task(
        session.answer("tools/call", call_of("begin", path=str(path), text=theft.ann.text()), 7)
    )
    await until(lambda: path.exists() and path.read_text() == "begun")
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    for what, message in (
        ("a request", ping),
        ("a cancellation", cancel),
        ("an answer", _accepted(1, "bob")),
    ):
        await theft.alike(
            f"a session over HTTP+SSE, {what}",
            session.endpoint,
            forged(session.endpoint),
            lambda endpoint, message=message: bob.post(message, path=endpoint),
        )
    await own.post(cancel)
    own.close()
    theft.check("a call over HTTP+SSE goes on when others cancel its id", path.read_text() == "begun")
    text = theft.ann.text()
    answer = await session.answer("tools/call", call_of("ask", text=text), 8)
    theft.check(
        "a question over HTTP+SSE is answered by its client", text_of(answer) == f"{text} ann", answer
    )
    await session.post(cancel)
    await until(lambda: path.read_text() == "stopped")
    begin.cancel()
    session.close()


async def _calls(theft: Theft) -> None:
    """A call is not cancelled by another's request, whatever session and id it names, nor by another's leaving."""
    path = theft.root / "work"
    session = await theft.ann.http.open_session(NEWEST_WITH_SESSIONS)
    # Without ids of events, so that its calls end with their connections.
    own = await theft.bob.http.open_session(NEWEST_WITHOUT_RESUMING)
    begin = {**call_of("begin", path=str(path), text=theft.ann.text()), "_meta": {"progressToken": 7}}
    running = await session.request("tools/call", begin, 7)
    await until(lambda: path.exists() and path.read_text() == "begun")
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    for headers in ({}, own.headers, session.headers):
        await (await theft.bob.http.post(cancel, headers)).body()
    mine = theft.root / "mine"
    other = await own.request(
        "tools/call", {**call_of("begin", path=str(mine), text="x"), "_meta": {"progressToken": 7}}, 7
    )
    await until(lambda: mine.exists() and mine.read_text() == "begun")
    other.close()
    await until(lambda: mine.read_text() == "stopped")
    theft.check("a call goes on when others cancel its id", path.read_text() == "begun")
    await session.notify("notifications/cancelled", {"requestId": 7})
    await until(lambda: path.read_text() == "stopped")
    theft.check("and stops when its own client does", True)
    running.close()


async def _questions(theft: Theft) -> None:
    """A question is not answered by another, whatever session and id it names; a state is good for its owner alone."""
    session = await theft.ann.http.open_session(NEWEST_WITH_SESSIONS, FORM)
    own = await theft.bob.http.open_session(NEWEST_WITH_SESSIONS, FORM)
    text = theft.ann.text()
    reply = await session.request("tools/call", call_of("ask", text=text), 7)
    answer: dict[str, Any] = {}
    async for event in reply.events():
        answer = json.loads(event["data"]) if event["data"] else answer
        if answer.get("method") == "elicitation/create":
            for value, headers in (("bob", {}), ("bob", own.headers), ("bob", session.headers)):
                await (await theft.bob.http.post(_accepted(answer["id"], value), headers)).body()
            await (await session.send(_accepted(answer["id"], "ann"))).body()
    theft.check("a question is answered by its client alone", text_of(answer) == f"{text} ann", answer)

    # Of the era without sessions. Both have asked for the same, so that only who they are differs.
    call = call_of("ask", text="same")
    asked = (await theft.ann.http.modern_answer("tools/call", call, capabilities=FORM))["result"]
    given = {"action": "accept", "content": {"value": "ann"}}
    call["inputResponses"] = dict.fromkeys(asked["inputRequests"], given)

    async def bring(state: str) -> Reply:
        return await theft.bob.http.modern("tools/call", {**call, "requestState": state}, capabilities=FORM)

    state = asked["requestState"]
    await theft.alike("a request state", state, ("B" if state[0] == "A" else "A") + state[1:], bring)
    answer = await theft.ann.http.modern_answer(
        "tools/call", {**call, "requestState": state}, capabilities=FORM
    )
    theft.check("a state is its owner's afterwards", text_of(answer) == "same ann", answer)


def _accepted(number: object, value: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": {"action": "accept", "content": {"value": value}}}


async def _tasks(theft: Theft) -> None:
    """A task, and what it asks, is its owner's."""
    text = theft.ann.text()
    answer = await theft.ann.http.modern_answer(
        "tools/call", call_of("work", text=text, ask=True), capabilities=TASKS
    )
    task = answer["result"]["taskId"]

    async def state() -> dict[str, Any]:
        answer = await theft.ann.http.modern_answer("tasks/get", {"taskId": task}, capabilities=TASKS)
        return answer["result"]

    asked = await _status_but(state, "working")
    given = {"action": "accept", "content": {"value": "bob"}}
    responses = dict.fromkeys(asked["inputRequests"], given)
    for method, more in (
        ("tasks/get", {}),
        ("tasks/update", {"inputResponses": responses}),
        ("tasks/cancel", {}),
    ):
        await theft.alike(
            f"a task, {method}",
            task,
            forged(task),
            lambda name, method=method, more=more: theft.bob.http.modern(
                method, {"taskId": name, **more}, capabilities=TASKS
            ),
        )
    for name in (task, forged(task)):
        listening = await theft.bob.http.modern(
            "subscriptions/listen", {"notifications": {"taskIds": [name]}}, capabilities=TASKS
        )
        first = await _first(listening)
        theft.check("a task is not listened to by another", name not in json.dumps(first), first)
        listening.close()
    theft.check("a task waits for its owner afterwards", (await state())["status"] == "input_required")
    given = {"action": "accept", "content": {"value": "ann"}}
    update = {"taskId": task, "inputResponses": dict.fromkeys(asked["inputRequests"], given)}
    await theft.ann.http.modern_answer("tasks/update", update, capabilities=TASKS)
    ended = await _status_but(state, "working", "input_required")
    theft.check("and goes on with its owner's answer", text_of(ended) == f"{text} ann", ended)


async def _status_but(state: Callable[[], Awaitable[dict[str, Any]]], *passing: str) -> dict[str, Any]:
    """Wait until a task has none of these statuses."""
    for _ in range(int(PATIENCE_SECONDS / 0.05)):
        if (seen := await state())["status"] not in passing:
            return seen
        await asyncio.sleep(0.05)
    raise TimeoutError


async def _first(reply: Reply) -> dict[str, Any]:
    async for event in reply.events():
        if event["data"]:
            return json.loads(event["data"])
    return {}


async def _results(theft: Theft) -> None:
    """A result that is kept is read by whom it was for, in the session that it was for, and by its tools."""
    ann, bob = theft.ann.http, theft.bob.http
    session = await ann.open_session(NEWEST_WITH_SESSIONS)
    second = await ann.open_session(NEWEST_WITH_SESSIONS)
    other = await bob.open_session(NEWEST_WITH_SESSIONS)
    call = call_of("large", text=theft.ann.text())
    of_session = _link(await session.answer("tools/call", call))
    of_nobody = _link(await ann.modern_answer("tools/call", call))
    for what, uri, owner in (
        ("of a session", of_session, lambda uri: session.request("resources/read", {"uri": uri})),
        ("of no session", of_nobody, lambda uri: ann.modern("resources/read", {"uri": uri})),
    ):
        ways: dict[str, Callable[[str], Awaitable[Reply]]] = {
            "read": lambda uri: bob.modern("resources/read", {"uri": uri}),
            "read in a session": lambda uri: other.request("resources/read", {"uri": uri}),
            "a range of it": lambda uri: bob.modern("resources/read", {"uri": f"{uri}?offset=0&length=64"}),
            "read by a tool": lambda uri: bob.modern("tools/call", call_of("read", uri=uri)),
            "read by a tool in a session": lambda uri: other.request("tools/call", call_of("read", uri=uri)),
            "subscribed to": lambda uri: other.request("resources/subscribe", {"uri": uri}),
        }
        if uri == of_session:
            ways["read in another session of its owner"] = lambda uri: second.request(
                "resources/read", {"uri": uri}
            )
        for way, bring in ways.items():
            await theft.alike(f"a result {what}, {way}", uri, forged(uri), bring)
        mine = json.dumps(await (await owner(uri)).messages())
        theft.check(f"a result {what} is its owner's", theft.ann.mark in mine, mine[:200])


def _link(answer: dict[str, Any]) -> str:
    links = [block["uri"] for block in answer["result"]["content"] if block["type"] == "resource_link"]
    return links[0]


async def _values(theft: Theft) -> None:
    """A value that a tool keeps, and the memory of a skill, is its client's."""
    ann, bob = theft.ann.http, theft.bob.http
    text = theft.ann.text()
    await ann.modern_answer("tools/call", call_of("keep", text=text, handle="the same"))
    session = await ann.open_session(NEWEST_WITH_SESSIONS)
    other = await bob.open_session(NEWEST_WITH_SESSIONS)
    await session.answer("tools/call", call_of("keep_in_session", text=text))
    asked = call_of("kept", handle="the same")
    for who, answer in (
        ("another", await bob.modern_answer("tools/call", asked)),
        ("another in a session", await other.answer("tools/call", asked)),
    ):
        theft.check(f"a value is not kept for {who}", text_of(answer) == "None", answer)
    answer = await other.answer("tools/call", call_of("keep_in_session", text="x"))
    theft.check("a value of a session is not kept for another", text_of(answer) == "None then x", answer)
    answer = await ann.modern_answer("tools/call", asked)
    theft.check("a value is its owner's", text_of(answer) == text, answer)
    answer = await ann.modern_answer("tools/call", call_of("cached"))
    await ann.modern_answer("tools/call", call_of("keep", text=text))
    answer = await ann.modern_answer("tools/call", call_of("cached"))
    theft.check("a tool that is cached gives its owner the value", text_of(answer) == text, answer)
    answer = await bob.modern_answer("tools/call", call_of("cached"))
    theft.check("and not another", text_of(answer) == "None", answer)

    # More calls than there are workers, or any of them might be the one that has no memory of it.
    for number in range(8):
        await session.answer("tools/call", {"name": "memory.add", "arguments": {"text": text}}, number)
    await session.answer("tools/call", {"name": "memory.first_value", "arguments": {}})
    for tool in ("all_values", "first_value"):
        call = {"name": f"memory.{tool}", "arguments": {}}
        answers = await asyncio.gather(
            *(bob.modern_answer("tools/call", call, number=number) for number in range(8)),
            *(other.answer("tools/call", call, number) for number in range(8)),
            *(ann.modern_answer("tools/call", call, number=number) for number in range(8)),
        )
        found = {"".join(block["text"] for block in answer["result"]["content"]) for answer in answers}
        theft.check(f"the memory of a session is nobody else's (`{tool}`)", found == {""}, found)


STEPS: list[Step] = [
    _sessions,
    _resumption,
    _streams,
    _calls,
    _questions,
    _tasks,
    _results,
    _values,
    *lists_apart.STEPS,
]
SCENARIOS = {"thefts": thefts}
