"""Is what one client brings that is another's answered as what never was? A scenario of `reliability.py`.

Ann has something; Bob knows its name, as if he had read it over her shoulder, and brings it with a token of his own. What he is told
must be what he is told of a name that nobody has, and Ann must have everything afterwards that she had before.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossing import FORM, TASKS, Client, Served, call_of, served, text_of
from http_client import PATIENCE_SECONDS, HttpSession, Reply, until

if TYPE_CHECKING:
    from reliability import Report

NEWEST_WITH_SESSIONS = "2025-11-25"
NEWEST_WITHOUT_RESUMING = "2025-06-18"
#: Of what was seen where a check fails.
SHOWN_CHARS = 1_000
#: Ann's client gives itself this name, which has a profile.
OF_ANN = "of-ann"

Step = Callable[["Theft"], Awaitable[None]]


class Theft:
    """What the steps work on."""

    def __init__(self, root: Path, report: Report, server: Served, ann: Client, bob: Client) -> None:
        self.root, self.report, self.server, self.ann, self.bob = root, report, server, ann, bob

    def check(self, what: str, ok: bool, seen: object = "") -> None:
        """Count one check."""
        self.report.check(what, ok, str(seen)[:SHOWN_CHARS])

    async def alike(
        self, what: str, real: str, unknown: str, bring: Callable[[str], Awaitable[Reply]]
    ) -> None:
        """Check that Bob is refused, with the answer that a name gets which nobody has."""
        got, wanted = [await _told(await bring(name), name) for name in (real, unknown)]
        self.check(f"{what}: as if it were not there", got == wanted, (got, wanted))
        self.check(
            f"{what}: refused", got[0] >= 400 or '"error"' in got[1] or '"isError":true' in got[1], got
        )


async def _told(reply: Reply, name: str) -> tuple[int, str]:
    """Return the status of a reply and its messages, with the name taken out of them."""
    text = json.dumps(await reply.messages(), separators=(",", ":"))
    text = re.sub(r'"elapsed_ms":\d+', "", text)
    return reply.status, text.replace(name, "NAME").replace(name[:100], "NAME")


def forged(name: str) -> str:
    """Return a name of the same shape that nobody has."""
    kept, last = name[:-8], name[-8:]
    return kept + last.translate(str.maketrans("0123456789abcdefABCDEF", "123456789abcdef0BCDEFA"))


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


async def _views(theft: Theft) -> None:
    """What a call shows or hides is shown or hidden to its client alone, and only that one is told."""
    ann, bob = theft.ann.http, theft.bob.http
    sessions = [await who.open_session(NEWEST_WITH_SESSIONS) for who in (ann, ann, bob)]
    streams = [await session.listen() for session in sessions]
    listening = await bob.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    heard: list[list[str]] = [[], [], [], []]
    tasks = [asyncio.create_task(_hear(stream, heard[at])) for at, stream in enumerate([*streams, listening])]
    hidden = {"name": "own.hidden", "arguments": {}}

    async def seen() -> list[bool]:
        lists = [await session.answer("tools/list") for session in sessions]
        lists += [await who.modern_answer("tools/list") for who in (ann, bob)]
        return ["hidden" in json.dumps(listed) for listed in lists]

    theft.check("what is off is nobody's", not any(await seen()))
    await sessions[0].answer("tools/call", call_of("reveal"))
    theft.check(
        "what a session was shown is that session's", await seen() == [True, False, False, False, False]
    )
    await ann.modern_answer("tools/call", call_of("reveal"))
    theft.check("what a client was shown is that client's", await seen() == [True, False, False, True, False])
    answer = await sessions[0].answer("tools/call", hidden)
    theft.check("who was shown it may call it", text_of(answer) == "the hidden tool", answer)
    for what, call in (
        ("in a session", sessions[2].request("tools/call", hidden)),
        ("without a session", bob.modern("tools/call", hidden)),
        ("by a tool", bob.modern("tools/call", call_of("other", tool="own.hidden"))),
    ):
        got = json.dumps(await (await call).messages())
        theft.check(f"others may not, {what}", "the hidden tool" not in got, got)
    await sessions[2].answer("tools/call", call_of("conceal"))
    theft.check("who hides something hides it from itself", await seen() == [True, False, False, True, False])
    await until(lambda: heard[0].count("notifications/tools/list_changed") == 1)
    theft.check(
        "nobody else is told",
        not any("list_changed" in method for said in heard[1:] for method in said),
        heard,
    )
    for task in tasks:
        task.cancel()
    for stream in (*streams, listening):
        stream.close()


async def _hear(stream: Reply, heard: list[str]) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        async for event in stream.events():
            said = [json.loads(event["data"])] if event["data"] else []
            heard += [message.get("method", "") for message in said]


#: What a profile has that leaves nothing out, and what is not there for the other.
OF_HERS: list[tuple[str, dict[str, Any], str]] = [
    ("tools/call", {"name": "hers.tool_of_hers", "arguments": {}}, "hers.tool_of_hers"),
    ("tools/call", {"name": "hers_tool_of_hers", "arguments": {}}, "hers_tool_of_hers"),
    ("resources/read", {"uri": "hers://page"}, "hers://page"),
    ("resources/read", {"uri": "hers://items/5"}, "hers://items/5"),
    (
        "prompts/get",
        {"name": "hers.prompt_of_hers", "arguments": {"kind": "other-kind"}},
        "hers.prompt_of_hers",
    ),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "hers.prompt_of_hers"},
            "argument": {"name": "kind", "value": "kind"},
        },
        "hers.prompt_of_hers",
    ),
    ("resources/subscribe", {"uri": "hers://page"}, "hers://page"),
    ("resources/read", {"uri": "omni://skill/hers/SKILL.md"}, "omni://skill/hers/SKILL.md"),
    ("tools/call", {"name": "skill_read", "arguments": {"skill": "hers"}}, "hers"),
    ("tools/call", {"name": "own.other", "arguments": {"tool": "hers.tool_of_hers"}}, "hers.tool_of_hers"),
    ("tools/call", {"name": "own.read", "arguments": {"uri": "hers://page"}}, "hers://page"),
]
LISTS = ["tools/list", "resources/list", "resources/templates/list", "prompts/list"]


async def _profiles(theft: Theft) -> None:
    """What a client's profile leaves out is neither listed, called, read, completed nor subscribed to, and is as if it were not there."""
    ann, bob = theft.ann.http, theft.bob.http
    hers = await ann.open_session(NEWEST_WITH_SESSIONS, client=OF_ANN)
    his = await bob.open_session(NEWEST_WITH_SESSIONS)
    for method in [*LISTS, "skills/list", "server/discover"]:
        for client, name in ((ann, OF_ANN), (bob, "of-bob")):
            in_session = hers if client is ann else his
            found = [json.dumps(await client.modern_answer(method, {}, client=name))]
            if method in LISTS:
                found.append(json.dumps(await in_session.answer(method)))
            wanted = client is ann
            theft.check(
                f"{method} {'has' if wanted else 'lacks'} what is hers for {name}",
                all((re.search(r"\bhers", listed) is not None) == wanted for listed in found),
                found,
            )
            theft.check(f"{method} is for {name} alone", '"cacheScope": "private"' in found[0], found)
    for method, params, name in OF_HERS:
        text = json.dumps(params)
        nothing = name.replace("hers", "none")
        what = f"{method} of `{name}` in another's profile"
        if method != "resources/subscribe":
            await theft.alike(
                what,
                name,
                nothing,
                lambda named, m=method, t=text, n=name: bob.modern(
                    m, json.loads(t.replace(n, named)), client="of-bob"
                ),
            )
        await theft.alike(
            f"{what}, in a session",
            name,
            nothing,
            lambda named, m=method, t=text, n=name: his.request(m, json.loads(t.replace(n, named))),
        )
        mine = await hers.answer(method, params)
        theft.check(
            f"{method} of `{name}` in its own",
            "error" not in mine and not mine["result"].get("isError"),
            mine,
        )


STEPS: list[Step] = [_sessions, _calls, _questions, _tasks, _results, _values, _views, _profiles]
SCENARIOS = {"thefts": thefts}
