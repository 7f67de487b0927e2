"""The server in Python alone, driven over its standard input and output."""

import json
import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from conftest import SOURCES

from omni.mcp import validate
from omni.mcp.similar import closest

PATIENCE = 30

TOOLS = '''
    import os, signal, subprocess, sys, time
    from omni import Context, ToolError, tool

    @tool
    def add(a: int, b: int = 1) -> int:
        """Add two numbers."""
        return a + b

    @tool
    def dies() -> str:
        os.kill(os.getpid(), signal.SIGKILL)

    @tool(timeout=0.3)
    def hangs() -> str:
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        time.sleep(600)

    @tool
    def nap(path: str) -> str:
        with open(path, "w") as file:
            file.write(str(os.getpid()))
        try:
            time.sleep(600)
        finally:
            open(path + ".left", "w").write("left")

    @tool
    def prints() -> str:
        print("loose words")
        os.write(1, b"looser words")
        subprocess.run(["echo", "loosest words"])
        return "said"

    @tool
    def talks(ctx: Context) -> str:
        ctx.progress(1, 2, "half")
        ctx.warning("careful")
        return "done"

    @tool(affinity="session")
    def remembers(word: str) -> list[str]:
        kept.append(word)
        return kept

    kept = []
'''


class Client:
    """A client that has started the server."""

    def __init__(self, folder, *options, environment=None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "omni.mcp", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": SOURCES, **(environment or {})},
        )
        self.lines = queue.Queue()
        self.others = []
        self.ids = iter(range(1, 1000))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            # Nothing but MCP may stand here: anything else fails whoever waits.
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def send(self, method, params=None, **more):
        message = {"jsonrpc": "2.0", "method": method, "params": params or {}, **more}
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def start(self, method, params=None):
        request = next(self.ids)
        self.send(method, params, id=request)
        return request

    def answer(self, request):
        return self.wait_for(lambda message: message.get("id") == request)

    def wait_for(self, wanted):
        for message in self.others:
            if wanted(message):
                self.others.remove(message)
                return message
        while True:
            message = self.lines.get(timeout=PATIENCE)
            assert message is not None, "the server has ended"
            if wanted(message):
                return message
            self.others.append(message)

    def ask(self, method, params=None):
        return self.answer(self.start(method, params))

    def call(self, tool, **arguments):
        return self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]

    def initialize(self, revision="2025-11-25"):
        info = {"name": "test", "version": "1"}
        params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": info}
        answer = self.ask("initialize", params)
        self.send("notifications/initialized")
        return answer["result"]

    def rest(self):
        """Close the input; return everything that still comes."""
        self.process.stdin.close()
        return self.remaining()

    def remaining(self):
        messages, self.others = self.others, []
        while True:
            message = self.lines.get(timeout=PATIENCE)
            if message is None:
                return messages
            messages.append(message)


@pytest.fixture
def client(tmp_path):
    """Return a function that starts a server over the tools above; servers end with the test."""
    skill = tmp_path / "skills" / "t"
    (skill / "scripts").mkdir(parents=True)
    (skill / "scripts" / "t.py").write_text(textwrap.dedent(TOOLS))
    (skill / "SKILL.md").write_text("---\nname: t\ndescription: Tools for tests.\n---\n")
    started = []

    def start(*options, **more):
        started.append(Client(tmp_path, *options, **more))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        one.process.stdin.close()
        one.process.stdout.close()


def failure(result):
    return result["_meta"]["omni/failure"]["kind"]


def wait_for_file(path):
    end = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end, f"{path} was not written"
        time.sleep(0.01)
    return path.read_text()


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_gone(pid):
    end = time.monotonic() + PATIENCE
    while is_alive(pid):
        assert time.monotonic() < end, f"process {pid} is still there"
        time.sleep(0.01)


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_each_revision_shakes_hands_and_lists_what_it_knows(revision, client):
    one = client()
    assert one.initialize(revision)["protocolVersion"] == revision
    tools = one.ask("tools/list")["result"]["tools"]
    assert [tool["name"] for tool in tools] == sorted(tool["name"] for tool in tools)
    assert ("outputSchema" in tools[0]) == (revision >= "2025-06-18")
    result = one.call("t.add", a=2)
    assert result["content"] == [{"type": "text", "text": "3"}]
    assert ("structuredContent" in result) == (revision >= "2025-06-18")


def test_a_modern_client_needs_no_handshake(client):
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    answer = client().ask("tools/call", {"name": "t.add", "arguments": {"a": 1}, "_meta": meta})
    assert answer["result"]["structuredContent"] == {"result": 2}
    assert answer["result"]["resultType"] == "complete"


def test_arguments_that_do_not_fit_are_explained_and_run_nothing(client):
    one = client()
    one.initialize()
    result = one.call("t.add", aa="x")
    assert failure(result) == "invalid_arguments"
    assert result["content"][0]["text"] == (
        "`t.add` was not called: 2 problems with its arguments\n"
        "- /a: required, but missing\n"
        "- /aa: unknown argument (known: `a`, `b`)"
    )


def test_a_lethal_tool_costs_its_own_call(client):
    one = client()
    one.initialize()
    running = [one.start("tools/call", {"name": f"t.{name}"}) for name in ("dies", "hangs")]
    assert one.call("t.add", a=1)["structuredContent"] == {"result": 2}
    assert [failure(one.answer(request)["result"]) for request in running] == ["signalled", "timeout_total"]
    assert one.call("t.add", a=2)["structuredContent"] == {"result": 3}


def test_what_tools_print_never_reaches_the_protocol(client):
    one = client()
    one.initialize()
    assert one.call("t.prints")["content"][0]["text"] == "said"
    assert one.ask("ping")["result"] == {}


def test_progress_and_log_come_when_they_were_asked_for(client):
    one = client()
    one.initialize()
    one.ask("tools/call", {"name": "t.talks"})
    assert not [message for message in one.others if "method" in message]
    one.ask("logging/setLevel", {"level": "warning"})
    one.ask("tools/call", {"name": "t.talks", "_meta": {"progressToken": 7}})
    heard = {message["method"]: message["params"] for message in one.others}
    assert heard["notifications/progress"] == {
        "progressToken": 7,
        "progress": 1,
        "total": 2,
        "message": "half",
    }
    assert heard["notifications/message"] == {"level": "warning", "data": "careful"}


def test_a_call_that_is_taken_back_stops_and_is_not_answered(client, tmp_path):
    one = client()
    one.initialize()
    path = tmp_path / "nap"
    request = one.start("tools/call", {"name": "t.nap", "arguments": {"path": str(path)}})
    wait_for_file(path)
    one.send("notifications/cancelled", {"requestId": request})
    assert wait_for_file(tmp_path / "nap.left") == "left"
    assert one.call("t.add", a=1)["structuredContent"] == {"result": 2}
    assert request not in [message.get("id") for message in one.rest()]
    assert one.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("way", ["end of input", "SIGTERM"])
def test_when_it_ends_every_process_ends(way, client, tmp_path):
    one = client()
    one.initialize()
    path = tmp_path / "nap"
    request = one.start("tools/call", {"name": "t.nap", "arguments": {"path": str(path)}})
    pid = int(wait_for_file(path))
    if way == "SIGTERM":
        one.process.send_signal(signal.SIGTERM)
        messages = one.remaining()
    else:
        messages = one.rest()
    answer = next(message for message in messages if message.get("id") == request)
    assert failure(answer["result"]) == "shutdown"
    assert one.process.wait(PATIENCE) == 0
    wait_gone(pid)


def test_killed_it_leaves_no_worker(client, tmp_path):
    one = client()
    one.initialize()
    path = tmp_path / "nap"
    one.start("tools/call", {"name": "t.nap", "arguments": {"path": str(path)}})
    pid = int(wait_for_file(path))
    one.process.kill()
    wait_gone(pid)


def test_a_skill_that_keeps_state_has_one_process_for_all_calls(client):
    one = client()
    one.initialize()
    for word in ("a", "b"):
        one.call("t.remembers", word=word)
    assert one.call("t.remembers", word="c")["structuredContent"] == {"result": ["a", "b", "c"]}


def test_a_changed_tool_runs_as_it_is_now(client, tmp_path):
    one = client()
    one.initialize()
    one.ask("tools/list")
    assert one.call("t.add", a=1)["structuredContent"] == {"result": 2}
    file = tmp_path / "skills/t/scripts/t.py"
    file.write_text(file.read_text().replace("return a + b", "return a - b").replace("two numbers", "anew"))
    one.wait_for(lambda message: message.get("method") == "notifications/tools/list_changed")
    assert one.call("t.add", a=1)["structuredContent"] == {"result": 0}


def test_the_options_of_the_server_are_taken(client):
    one = client("--skills", "skills", "--executor", "fork", "--cache-dir=x", "--timeout", "5", "--new")
    assert one.initialize()["serverInfo"]["name"] == "omni"


def test_a_wrong_place_is_refused_with_the_option_to_correct(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "omni.mcp", "--skills", "nowhere"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCES},
    )
    assert done.returncode == 2
    assert b"`--skills nowhere`: there is no such folder" in done.stderr


def test_broken_lines_are_answered_one_by_one(client):
    one = client()
    for line in (b"{", b"[1]", b'{"jsonrpc":"2.0","id":[1],"method":"x"}', b'{"id":1,"id":2}', b"\xff"):
        one.process.stdin.write(line + b"\n")
        one.process.stdin.flush()
        assert "error" in one.lines.get(timeout=PATIENCE), line
    deep = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b'{"a":' * 5000 + b"1" + b"}" * 5001
    one.process.stdin.write(deep + b"\n")
    one.process.stdin.flush()
    assert "nested" in one.lines.get(timeout=PATIENCE)["error"]["message"]
    assert one.ask("ping")["result"] == {}


@pytest.mark.parametrize(
    ("schema", "value", "says"),
    [
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "1", 'expected integer or null, got "1"'),
        ({"enum": ["red", "blue"]}, "rde", 'expected one of "red", "blue", got "rde" (did you mean "red"?)'),
        ({"type": "array", "items": {"minimum": 3}}, [4, 2], "/1: must be at least 3, got 2"),
        ({"const": 1}, True, "expected 1, got true"),
        ({"$ref": "#/properties/other"}, 1, "expected string, got number 1"),
        ({"uniqueItems": True}, [1, 1.0], "its items must all differ"),
        ({"prefixItems": [{"type": "string"}], "items": False}, ["a", 2], "nothing is allowed here, got 2"),
        ({"patternProperties": {"^a": {"type": "null"}}}, {"ab": 1}, "/ab: expected null, got number 1"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 1, "fits more than one"),
        ({"not": {"type": "string"}}, "a", "is what is not allowed here"),
        ({"if": {"const": 1}, "else": {"type": "string"}}, 2, "expected string, got number 2"),
        ({"multipleOf": 0.5}, 0.7, "must be a multiple of 0.5, got 0.7"),
        ({"pattern": "^x"}, "ax", 'must match the pattern `^x`, got "ax"'),
    ],
)
def test_each_keyword_of_a_schema_is_checked_and_explained(schema, value, says):
    whole = {"type": "object", "properties": {"v": schema, "other": {"type": "string"}}}
    found = validate.argument_faults("t", whole, {"v": value})
    assert found is not None
    assert says in found
    assert validate.argument_faults("t", whole, {"other": "fits"}) is None


def test_a_slip_of_the_keyboard_is_recognised_and_a_different_word_is_not():
    known = ["title", "body", "tags", "created_at"]
    pairs = {"titel": "title", "Title": "title", "createdAt": "created_at", "tgas": "tags", "bdy": "body"}
    assert {typed: closest(typed, known) for typed in pairs} == pairs
    assert closest("colour", known) is None
    assert closest("notes_save", ["notes.find", "notes.save"]) == "notes.save"
