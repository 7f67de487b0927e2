"""Whether what a client sees, by its calls or by its profile, is its own: steps of `thefts.py`."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from typing import Any

from crossing import call_of, text_of
from http_client import Reply, until
from theft import NEWEST_WITH_SESSIONS, Step, Theft

#: Ann's client gives itself this name, which has a profile.
OF_ANN = "of-ann"


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


STEPS: list[Step] = [_views, _profiles]
