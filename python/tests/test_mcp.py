"""The way back, as far as it goes without the SDK: with it, the tests of the binary drive it."""

import json
import subprocess
import sys

import pytest
from harness import PATIENCE_SECONDS, environment

from omni.constants import MCP_PACKAGE


def test_without_the_sdk_the_first_line_says_what_to_run(tmp_path):
    # An interpreter without packages, whatever is installed here.
    command = [sys.executable, "-S", "-m", "omni.mcp", "--skills", str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    first = done.stderr.splitlines()[0]
    assert MCP_PACKAGE in first
    assert "omni python-path --with-mcp" in first
    assert sys.executable in first


@pytest.mark.parametrize("module", ["omni.supervise", "omni.runner.server", "omni.mcp.server"])
def test_what_went_is_gone(module):
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"], env=environment(), capture_output=True, check=False
    )
    assert b"ModuleNotFoundError" in done.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no older Python reads a settings file")
def test_what_is_set_of_what_clients_see_is_named_since_it_does_not_hold(tmp_path, capsys):
    from omni.mcp.__main__ import _settings

    path = tmp_path / "omni.toml"
    path.write_text('filter = ["web"]\nnames = "dotted"\n[overrides."a.b"]\nalias = "x"\n[profiles]\n')
    assert _settings(str(path))["names"] == "dotted"
    said = capsys.readouterr().err.splitlines()
    assert [line.split("`")[1] for line in said] == ["filter", "overrides"]
    assert all("has no effect here" in line for line in said)


ITEMS = """
from omni import McpError, Message, NotFoundError, ToolError, completion, prompt, resource, tool

@tool
def archive():
    raise McpError(-31001, "read-only", data={"archive": 1})

@resource("notes://today")
def today():
    return "# Today"

@resource("notes://{number}")
def note(number: int):
    if number < 1:
        raise NotFoundError(f"there is no note {number}")
    if number == 9:
        raise McpError(-31002, "moved")
    if number > 9:
        raise ToolError("too many")
    return {"number": number}

@prompt
async def review(language: str):
    return [f"review {language}", Message("gladly", role="assistant")]

@completion("language", prompt="review")
def languages(value: str):
    return [name for name in ("dart", "de", "rust") if name.startswith(value)]
"""


class Client:
    """A client of the way back, over its standard input and output."""

    def __init__(self, skills, capabilities=None, *, opens=True):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "omni.mcp", "--skills", str(skills), "--root", str(skills)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.last = 0
        if not opens:
            return
        asked = {
            "protocolVersion": "2025-06-18",
            "capabilities": capabilities or {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        self.offered = self.ask("initialize", asked)["result"]["capabilities"]
        self.say({"method": "notifications/initialized"})

    def say(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def ask(self, method, params, answers=None):
        """Send a request and return its answer; requests of the server get the result that `answers` has."""
        self.last += 1
        self.say({"id": self.last, "method": method, "params": params})
        while True:
            answer = json.loads(self.process.stdout.readline())
            if "method" in answer and "id" in answer:
                self.say({"id": answer["id"], "result": answers[answer["method"]]})
            elif answer.get("id") == self.last:
                return answer

    def end(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE_SECONDS)
        self.process.stdout.close()


def test_resources_prompts_and_completions_are_those_of_the_skills(tmp_path):
    pytest.importorskip("mcp.server.lowlevel", reason="the SDK is not installed: nothing of it was tested")
    scripts = tmp_path / "skills/demo/scripts"
    scripts.mkdir(parents=True)
    (scripts / "items.py").write_text(ITEMS)
    one = Client(tmp_path / "skills")
    try:
        assert {"resources", "prompts", "completions"} <= one.offered.keys()
        listed = one.ask("resources/list", {})["result"]["resources"]
        assert [(item["uri"], item["name"]) for item in listed] == [("notes://today", "today")]
        listed = one.ask("resources/templates/list", {})["result"]["resourceTemplates"]
        assert [item["uriTemplate"] for item in listed] == ["notes://{number}"]
        read = one.ask("resources/read", {"uri": "notes://7"})["result"]["contents"]
        assert read == [{"uri": "notes://7", "mimeType": "application/json", "text": '{"number":7}'}]
        for uri, code, said in (
            ("notes://0", -32002, "there is no note 0"),
            ("notes://many", -32602, "/number"),
            ("notes://10", -32603, "too many"),
            ("notes://9", -31002, "moved"),
        ):
            error = one.ask("resources/read", {"uri": uri})["error"]
            assert (error["code"], said in error["message"]) == (code, True), error
        error = one.ask("tools/call", {"name": "demo.archive", "arguments": {}})["error"]
        assert error == {"code": -31001, "message": "read-only", "data": {"archive": 1}}
        (listed,) = one.ask("prompts/list", {})["result"]["prompts"]
        assert (listed["name"], listed["arguments"][0]["required"]) == ("demo.review", True)
        filled = one.ask("prompts/get", {"name": "demo.review", "arguments": {"language": "de"}})["result"]
        assert [message["content"]["text"] for message in filled["messages"]] == ["review de", "gladly"]
        assert one.ask("prompts/get", {"name": "demo.none"})["error"]["code"] == -32602
        asked = {
            "ref": {"type": "ref/prompt", "name": "demo.review"},
            "argument": {"name": "language", "value": "d"},
        }
        assert one.ask("completion/complete", asked)["result"]["completion"]["values"] == ["dart", "de"]
    finally:
        one.end()


ASKS = """
from omni import Context, tool

@tool
def size(ctx: Context, of: str):
    return f"{of}: {ctx.elicit_sync('size?', str, key='size').data}, {len(ctx.roots_sync(default=[]))}"
"""
ACCEPTED = {"action": "accept", "content": {"value": "large"}}


@pytest.fixture
def asking(tmp_path):
    """Return what makes a client of a skill that asks."""
    pytest.importorskip("mcp.server.lowlevel", reason="the SDK is not installed: nothing of it was tested")
    scripts = tmp_path / "skills/demo/scripts"
    scripts.mkdir(parents=True)
    (scripts / "asks.py").write_text(ASKS)
    made = []

    def make(capabilities, *, opens=True):
        made.append(Client(tmp_path / "skills", capabilities, opens=opens))
        return made[-1]

    yield make
    for client in made:
        client.end()


def text(answer):
    return answer["result"]["content"][0]["text"]


def test_a_tool_asks_by_requests_of_the_server_what_its_client_has_declared(asking):
    call = {"name": "demo_size", "arguments": {"of": "hat"}}
    one = asking({"elicitation": {}, "roots": {}})
    answers = {"elicitation/create": ACCEPTED, "roots/list": {"roots": [{"uri": "file:///a"}]}}
    assert text(one.ask("tools/call", call, answers)) == "hat: large, 1"
    one = asking({})
    refused = one.ask("tools/call", call)
    assert refused["result"]["isError"]
    assert "did not declare the capability `elicitation.form`" in text(refused)


def test_a_request_that_comes_again_goes_on_with_its_call_once(asking):
    one = asking({}, opens=False)
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    }
    call = {"name": "demo_size", "arguments": {"of": "hat"}, "_meta": meta}
    asked = one.ask("tools/call", call)["result"]
    assert asked["resultType"] == "input_required"
    assert asked["inputRequests"]["size"]["method"] == "elicitation/create"
    again = {**call, "inputResponses": {"size": ACCEPTED}, "requestState": asked["requestState"]}
    for wrong in (
        {**again, "requestState": asked["requestState"] + "x"},
        {**again, "arguments": {"of": "coat"}},
    ):
        assert one.ask("tools/call", wrong)["error"]["code"] == -32602
    # What it did not declare, the roots, takes its default.
    assert text(one.ask("tools/call", again)) == "hat: large, 0"
    assert one.ask("tools/call", again)["error"]["code"] == -32602
    missing = {**meta, "io.modelcontextprotocol/clientCapabilities": {}}
    error = one.ask("tools/call", {**call, "_meta": missing})["error"]
    assert (error["code"], error["data"]) == (-32021, {"requiredCapabilities": {"elicitation": {}}})
