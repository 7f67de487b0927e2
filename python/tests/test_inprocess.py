"""Calls in the process that asks for them."""

import os
import sys
import threading

import pytest
from harness import TOP

from omni.inprocess import InProcessCall, InProcessTools

TOOLS = (
    TOP
    + '''
import asyncio, threading

@tool
def echo(text: str) -> str:
    """Say it again."""
    return text

@tool
async def later(value: int) -> int:
    await asyncio.sleep(0.001)
    return value

@tool
def where(ctx: Context) -> dict:
    return {"root": str(ctx.root), "settings": ctx.settings, "session": ctx.session_id, "left": ctx.remaining}

@tool
def speaks(ctx: Context) -> str:
    ctx.progress(1, 2, "half")
    ctx.info("heard")
    ctx.debug("not heard")
    return "done"

@tool
def asks(ctx: Context) -> dict:
    return ctx._ask("roots/list", {})

@tool
def goes_on(ctx: Context) -> str:
    ready.set()
    while True:
        go.wait(30)
        ctx.heartbeat()

ready, go = threading.Event(), threading.Event()

@tool
def exits() -> str:
    raise SystemExit(3)
'''
)


@pytest.fixture
def tools(skill, tmp_path):
    made = skill("demo", {"a.py": TOOLS})
    with open(f"{made.folder}/SKILL.md", "w") as file:
        file.write(
            "---\nname: demo\ndescription: Shows.\ntools:\n"
            "  - {name: count, description: Count., command: [wc, -w]}\n"
            "  - {name: flags, description: Flags., command: [printf, '%s ', '--'], input: flags}\n"
            "  - {name: json, description: Json., command: [cat], output: json}\n"
            "  - {name: fails, description: F., command: [sh, -c, 'echo sorry; echo and why >&2; exit 3']}\n"
            "  - {name: dies, description: Die., command: [sh, -c, 'kill -9 $$']}\n"
            "  - {name: lies, description: Lie., command: [echo, '{'], output: json}\n"
            "  - {name: missing, description: None., command: [no-such-program]}\n---\n"
        )
    before = os.getcwd()
    yield InProcessTools(str(tmp_path / "skills"), str(tmp_path), {"demo": {"colour": "blue"}})
    os.chdir(before)


def run(tools, name, arguments=None, running=None, **more):
    said = []
    tool = tools.listed[f"demo.{name}"]
    kind, body = tools.run(
        tool,
        arguments or {},
        say=lambda *event: said.append(event),
        running=running or InProcessCall(),
        call_id=7,
        more=more,
    )
    assert body["id"] == 7
    return kind, body, [kind for kind, _ in said]


def test_a_call_gives_its_result_and_says_that_it_began(tools):
    assert run(tools, "echo", {"text": "a"}) == (
        "result",
        {"id": 7, "content": [{"type": "text", "text": "a"}], "structured": {"result": "a"}},
        ["started"],
    )
    assert run(tools, "later", {"value": 3})[1]["structured"] == {"result": 3}


def test_arguments_are_checked_here_too(tools):
    kind, body, said = run(tools, "echo", {"words": "a"})
    assert (kind, body["kind"], body["class"]) == ("error", "invalid_arguments", "ArgumentError")
    assert said == ["started"]


def test_a_tool_knows_where_it_is(tools, tmp_path):
    context = {"session": "s-1"}
    body = run(tools, "where", deadline_ms=60_000, context=context)[1]["structured"]
    assert 0 < body.pop("left") <= 60
    assert body == {"root": str(tmp_path), "settings": {"colour": "blue"}, "session": "s-1"}


def test_a_call_says_what_was_asked_for(tools):
    assert run(tools, "speaks", context={"progress": True, "log": "info"})[2] == [
        "started",
        "progress",
        "log",
    ]
    assert run(tools, "speaks")[2] == ["started", "beat"]


def test_a_call_that_nobody_answers_is_told_so(tools):
    kind, body, said = run(tools, "asks")
    assert (kind, body["class"], body["intended"], said) == ("error", "AskRefused", True, ["started"])
    assert "made without a client that could answer" in body["message"]


def test_a_tool_that_exits_costs_its_call(tools):
    assert run(tools, "exits")[1]["kind"] == "exited"
    assert run(tools, "echo", {"text": "a"})[0] == "result"


def test_a_call_that_is_taken_back_ends_when_its_tool_next_speaks(tools):
    running, ends = InProcessCall(), []
    thread = threading.Thread(target=lambda: ends.append(run(tools, "goes_on", running=running)))
    thread.start()
    while "omni_skills.demo.a" not in sys.modules or not sys.modules["omni_skills.demo.a"].ready.wait(0.01):
        pass
    running.cancel()
    sys.modules["omni_skills.demo.a"].go.set()
    thread.join(30)
    assert ends[0][1]["kind"] == "cancelled"
    for name in [name for name in sys.modules if name.startswith("omni_skills")]:
        del sys.modules[name]


def test_calls_at_once_all_get_their_own_result(tools):
    ends = {}

    def ask(number):
        ends[number] = run(tools, "later", {"value": number})[1]["structured"]["result"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert ends == {number: number for number in range(40)}


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "expected"),
    [
        ("count", {"text": "a b"}, "result", {"content": [{"type": "text", "text": "2"}]}),
        (
            "flags",
            {"one_word": "x y", "many": [1, "b"], "yes": True, "no": False},
            "result",
            {"content": [{"type": "text", "text": "-- --one-word=x y --many=1 --many=b --yes "}]},
        ),
        (
            "json",
            {"a": 1},
            "result",
            {"content": [{"type": "text", "text": '{"a":1}'}], "structured": {"a": 1}},
        ),
        (
            "fails",
            {},
            "result",
            {
                "content": [
                    {"type": "text", "text": "sorry"},
                    {"type": "text", "text": "`demo.fails` ended with exit code 3"},
                ],
                "is_error": True,
                "stderr": "and why\n",
            },
        ),
        ("dies", {}, "error", {"kind": "signalled", "signal": 9, "stderr": ""}),
        (
            "missing",
            {},
            "error",
            {"kind": "worker_start", "message": "`no-such-program`: No such file or directory"},
        ),
    ],
)
def test_a_program_is_run_to_its_end(tools, name, arguments, kind, expected):
    assert run(tools, name, arguments) == (kind, {"id": 7, **expected}, ["started"])


@pytest.mark.parametrize(
    ("name", "arguments", "kind"), [("lies", {}, "bad_result"), ("flags", {"a": "\0"}, "invalid_arguments")]
)
def test_a_program_that_lies_or_cannot_be_told_fails_by_its_kind(tools, name, arguments, kind):
    assert run(tools, name, arguments)[1]["kind"] == kind
