"""The reference runner as its callers see it: a process, a socket, and HTTP."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from harness import PATIENCE_SECONDS, TOP, environment

from omni.runner import peer

TOOLS = (
    TOP
    + '''
import os, time

@tool(read_only=True, timeout=9)
def echo(text: str) -> str:
    """Say it again."""
    return text

@tool
def waits_for(path: str, ctx: Context) -> str:
    ctx.info("here")
    try:
        while not os.path.exists(path):
            time.sleep(0.01)
            ctx.heartbeat()
    finally:
        with open(path + ".over", "w"):
            pass
    return "it is there"

@tool
def asks(ctx: Context) -> str:
    try:
        return str(ctx._ask("elicitation/create", {"message": "size?"}))
    except Exception as error:
        return f"{error.why}: {error}"
'''
)


class Runner:
    """A runner's process, and requests to it in one line each."""

    def __init__(self, skills, *words, tcp=False):
        self.path = os.path.join(os.path.dirname(skills), f"runner-{len(words)}.sock")
        place = ["--port", "0"] if tcp else ["--unix", self.path]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "omni.runner", "--skills", skills, *place, *words],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=os.path.dirname(skills),
        )
        self.line = self.process.stdout.readline().strip()
        self.port = int(self.line.rpartition(":")[2]) if tcp else None

    def connect(self):
        if self.port is not None:
            return socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(PATIENCE_SECONDS)
        stream.connect(self.path)
        return stream

    def client(self):
        client = http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE_SECONDS)
        client.sock = self.connect()
        return client

    def ask(self, method, path, body=None, **headers):
        """Return status, headers and body of an answer, the body parsed."""
        client = self.client()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            body = body if isinstance(body, str) else json.dumps(body)
            named.setdefault("Content-Type", "application/json")
        client.request(method, path, body, named)
        answer = client.getresponse()
        data = answer.read()
        client.close()
        return answer.status, answer.headers, json.loads(data) if data else None

    def start(self, name, arguments=None, **more):
        """Begin a call; return the client and the answer, whose lines are its events."""
        client = self.client()
        body = {"name": name, "arguments": arguments or {}, "id": 7, "context": {"log": "info"}, **more}
        client.request("POST", "/run_tool", json.dumps(body), {"Content-Type": "application/json"})
        return client, client.getresponse()

    def run(self, name, arguments=None, **more):
        """Make a call and return its events."""
        client, answer = self.start(name, arguments, **more)
        assert answer.status == 200, answer.read()
        events = [json.loads(line) for line in answer]
        client.close()
        return events

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def runner(skill, tmp_path):
    made = skill("demo", {"a.py": TOOLS})
    with open(f"{made.folder}/SKILL.md", "w") as file:
        file.write("---\nname: demo\ndescription: Shows.\n---\nHello.\n")
    os.mkdir(f"{made.folder}/references")
    with open(f"{made.folder}/references/über.md", "w") as file:
        file.write("More.\n")
    os.symlink("/etc/passwd", f"{made.folder}/references/passwd")
    started = []

    def start(*words, **options):
        started.append(Runner(str(tmp_path / "skills"), *words, **options))
        return started[-1]

    yield start
    for one in started:
        one.end()


def wait_until(true):
    limit = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.01)


def wait_running(answer):
    """Read events until the tool speaks."""
    while b'"log"' not in next(answer):
        pass


def test_it_says_where_it_listens_and_how_it_is(runner):
    one = runner()
    assert one.line == f"omni runner: listening at unix:{one.path}"
    assert os.stat(one.path).st_mode & 0o777 == 0o600
    one.ask("GET", "/tools")
    status, _, health = one.ask("GET", "/health")
    assert status == 200
    assert (health["status"], health["ready"], health["initializing"]) == ("ok", True, False)


def test_a_call_over_tcp_and_unix_gives_the_same_events(runner):
    expected = [
        {"started": {"id": 7}},
        {"result": {"id": 7, "content": [{"type": "text", "text": "a"}], "structured": {"result": "a"}}},
    ]
    for one in (runner(), runner(tcp=True)):
        assert one.run("demo.echo", {"text": "a"}) == expected


def test_one_connection_serves_many_requests(runner):
    one = runner()
    client = one.client()
    for text in ("a", "b", "c"):
        body = json.dumps({"name": "demo.echo", "arguments": {"text": text}})
        client.request("POST", "/run_tool", body, {"Content-Type": "application/json"})
        assert json.loads(client.getresponse().read().splitlines()[-1])["result"]["structured"] == {
            "result": text
        }
    client.close()


def test_its_tools_are_listed_once_and_known_by_their_tag(runner):
    one = runner()
    status, headers, body = one.ask("GET", "/tools")
    assert status == 200
    tools = {tool["name"]: tool for tool in body["tools"]}
    assert list(tools) == ["demo.asks", "demo.echo", "demo.waits_for"]
    echo = tools["demo.echo"]
    assert echo["inputSchema"]["required"] == ["text"]
    assert echo["omni"]["timeout_ms"] == 9000
    assert echo["omni"]["policy"]["repeatable"] is True
    status, _, body = one.ask("GET", "/tools", If_None_Match=headers["ETag"])
    assert (status, body) == (304, None)


def test_a_skill_is_run_under_the_name_of_its_folder_whatever_its_file_says(runner, tmp_path):
    (tmp_path / "skills/demo/SKILL.md").write_text("---\nname: other\ndescription: Shows.\n---\n")
    one = runner()
    listed = one.ask("GET", "/tools")[2]["tools"]
    assert "demo.echo" in [tool["name"] for tool in listed]
    assert "result" in one.run("demo.echo", {"text": "a"})[-1]


ITEMS = (
    TOP
    + """
from typing import Literal
from omni import Message, NotFoundError, completion, prompt, resource

@resource("notes://today", mime_type="text/markdown", tags=["daily"], version="2")
def today():
    'What is to be done.'
    return "# Today"

@resource("notes://{number}")
def note(number: int):
    if number < 1:
        raise NotFoundError(f"there is no note {number}")
    if number > 9:
        raise ToolError("too many")
    return {"number": number}

@prompt
def review(language: str, tone: Literal["kind", "strict"] = "kind"):
    'Review.\\n\\nArgs:\\n    language: Of the program.'
    return [f"review {language}", Message(tone, role="assistant")]

@completion("language", prompt="review")
def languages(value: str, known: dict):
    return [name for name in ("dart", "de", "rust") if name.startswith(value)] + sorted(known)
"""
)


def test_resources_and_prompts_are_listed_read_filled_in_and_completed(runner, tmp_path):
    (tmp_path / "skills/demo/scripts/items.py").write_text(ITEMS)
    one = runner()
    assert one.ask("GET", "/health")[2]["completions"] is True
    listed = one.ask("GET", "/resources")[2]
    (only,) = listed["resources"]
    named = [only[name] for name in ("uri", "name", "mimeType", "description")]
    assert named == ["notes://today", "today", "text/markdown", "What is to be done."]
    assert only["_meta"] == {"fastmcp": {"tags": ["daily"]}, "omni/version": "2"}
    assert [template["uriTemplate"] for template in listed["resourceTemplates"]] == ["notes://{number}"]
    (only,) = one.ask("GET", "/prompts")[2]["prompts"]
    assert (only["name"], only["description"]) == ("demo.review", "Review.")
    assert only["arguments"] == [
        {"name": "language", "description": "Of the program.", "required": True},
        {"name": "tone", "required": False},
    ]
    read = one.ask("POST", "/resources/read", {"uri": "notes://today"})
    contents = [{"uri": "notes://today", "mimeType": "text/markdown", "text": "# Today"}]
    assert (read[0], read[2]) == (200, {"contents": contents})
    read = one.ask("POST", "/resources/read", {"uri": "notes://7"})[2]
    assert read["contents"][0]["text"] == '{"number":7}'
    for uri, status, said in (
        ("notes://0", 404, "there is no note 0"),
        ("notes://many", 400, "/number"),
        ("notes://10", 500, "too many"),
        ("mail://1", 404, "no resource `mail://1`"),
    ):
        answer = one.ask("POST", "/resources/read", {"uri": uri})
        assert (answer[0], said in answer[2]["error"]["message"]) == (status, True), answer
    failure = one.ask("POST", "/resources/read", {"uri": "notes://10"})[2]["error"]["failure"]
    assert (failure["kind"], failure["class"], failure["intended"]) == ("tool_error", "ToolError", True)
    filled = one.ask("POST", "/prompts/get", {"name": "demo.review", "arguments": {"language": "de"}})
    assert filled[2]["description"] == "Review."
    assert [message["role"] for message in filled[2]["messages"]] == ["user", "assistant"]
    assert one.ask("POST", "/prompts/get", {"name": "demo.review"})[0] == 400, "one is missing"
    asked = {"ref": {"type": "ref/prompt", "name": "demo.review"}}
    for argument, context, values in (
        ({"name": "language", "value": "d"}, {"tone": "kind"}, ["dart", "de", "tone"]),
        ({"name": "tone", "value": "s"}, {}, ["strict"]),
        # What has it further on is found, too, whatever its case.
        ({"name": "tone", "value": "I"}, {}, ["kind", "strict"]),
    ):
        asked = {**asked, "argument": argument, "context": {"arguments": context}}
        assert one.ask("POST", "/complete", asked)[2]["completion"]["values"] == values
    asked["argument"] = {"name": "no", "value": ""}
    assert one.ask("POST", "/complete", asked)[0] == 400


def test_what_is_off_is_told_to_the_caller_and_can_be_asked_for(runner, tmp_path):
    text = (
        TOP
        + """
from omni import prompt, resource

@tool(enabled=False)
def secret(): return 1

@tool
def plain(): return 1

@resource("notes://off", enabled=False)
def off(): return "off"

@resource("notes://on")
def on(): return "on"

@prompt(enabled=False)
def hush(): return "hush"
"""
    )
    (tmp_path / "skills/demo/scripts/items.py").write_text(text)
    one = runner()
    tools = {tool["name"]: tool for tool in one.ask("GET", "/tools")[2]["tools"]}
    assert tools["demo.secret"]["omni"]["policy"]["enabled"] is False
    assert "enabled" not in tools["demo.plain"]["omni"]["policy"]
    resources = {item["uri"]: item for item in one.ask("GET", "/resources")[2]["resources"]}
    assert resources["notes://off"]["omni"] == {"enabled": False}
    assert "omni" not in resources["notes://on"]
    assert one.ask("GET", "/prompts")[2]["prompts"][0]["omni"] == {"enabled": False}
    assert one.ask("POST", "/resources/read", {"uri": "notes://off"})[2]["contents"][0]["text"] == "off"


def test_it_has_no_resources_and_no_prompts(runner):
    one = runner()
    assert one.ask("GET", "/resources")[2] == {"resources": [], "resourceTemplates": []}
    assert one.ask("GET", "/prompts")[2] == {"prompts": []}
    assert one.ask("POST", "/resources/read", {"uri": "a"})[0] == 404
    assert one.ask("POST", "/prompts/get", {"name": "a"})[0] == 404
    of_prompt = {"ref": {"type": "ref/prompt", "name": "a"}, "argument": {"name": "b", "value": ""}}
    assert one.ask("POST", "/complete", of_prompt)[0] == 404
    assert "completions" not in one.ask("GET", "/health")[2]


@pytest.mark.parametrize(
    ("method", "path", "body", "refused"),
    [
        ("GET", "/nowhere", None, (404, "not_found")),
        ("GET", "/run_tool", None, (405, "method_not_allowed")),
        ("POST", "/run_tool", "{", (400, "bad_request")),
        ("POST", "/run_tool", {"name": "demo.nothing"}, (404, "unknown_tool")),
        ("POST", "/resources/read", {}, (400, "bad_request")),
        ("POST", "/prompts/get", {"name": 3}, (400, "bad_request")),
        ("POST", "/complete", {}, (400, "bad_request")),
        ("POST", "/complete", {"ref": {"type": []}}, (400, "bad_request")),
        ("POST", "/complete", {"ref": {"type": "ref/prompt", "uri": "a"}}, (400, "bad_request")),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(runner, method, path, body, refused):
    status, _, answer = runner().ask(method, path, body)
    assert (status, answer["error"]["code"]) == refused
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"POST /run_tool HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /run_tool HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST /run_tool HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"GET /tools HTTP/1.1\r\nX: " + b"x" * 70000, b"431"),
    ],
)
def test_what_is_no_request_is_refused_and_the_runner_goes_on(runner, sent, status):
    one = runner()
    with one.connect() as stream:
        stream.sendall(sent)
        assert stream.makefile("rb").read().startswith(b"HTTP/1.1 " + status)
    assert one.ask("GET", "/health")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Host": "evil.example"},
        {"Host": "localhost:80.evil.example"},
        {"Host": "localhost:x"},
        {"Host": "me@localhost"},
        {"Content_Type": "text/plain"},
    ],
)
def test_a_web_page_cannot_use_it(runner, headers):
    status, _, refused = runner(tcp=True).ask("POST", "/run_tool", {"name": "demo.echo"}, **headers)
    assert (status, refused["error"]["code"]) == (403, "forbidden")


REQUEST = "GET /tools HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"
CALLER = f"exec 3<>/dev/tcp/127.0.0.1/$0; printf '{REQUEST}' >&3; cat <&3"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_of_this_machine_is_refused(runner):
    port = str(runner(tcp=True).port)
    someone = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    reply = subprocess.run([*someone, "bash", "-c", CALLER, port], capture_output=True, text=True, check=True)
    assert reply.stdout.startswith("HTTP/1.1 403")
    assert "of user 65534" in reply.stdout


def test_whoever_has_closed_before_being_looked_at_is_nobody():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller = socket.create_connection(listener.getsockname())
        accepted, remote = listener.accept()
        assert peer.user(accepted, remote) == os.geteuid()
        assert peer.user(accepted, listener.getsockname()) is None, "a listener is no caller"
        caller.sendall(b"something")
        caller.close()
        assert peer.user(accepted, remote) is None
        accepted.close()


@pytest.mark.parametrize("half", [False, True])
def test_a_tool_whose_caller_has_gone_hears_of_it_when_it_next_speaks(runner, tmp_path, half):
    one = runner()
    client, answer = one.start("demo.waits_for", {"path": str(tmp_path / "there")})
    wait_running(answer)
    if half:
        client.sock.shutdown(socket.SHUT_WR)
    else:
        answer.close()
        client.close()
    wait_until((tmp_path / "there.over").exists)
    answer.close()
    client.close()


def test_told_to_end_it_lets_calls_finish_and_takes_no_new_ones(runner, tmp_path):
    one = runner()
    client, answer = one.start("demo.waits_for", {"path": str(tmp_path / "there")})
    wait_running(answer)
    one.process.send_signal(signal.SIGTERM)
    wait_until(lambda: one.ask("GET", "/health")[2]["status"] == "draining")
    status, headers, refused = one.ask("POST", "/run_tool", {"name": "demo.echo"})
    assert (status, refused["error"]["code"], headers["Retry-After"]) == (503, "draining", "1")
    (tmp_path / "there").touch()
    assert json.loads(answer.readlines()[-1])["result"]
    client.close()
    assert one.process.wait(PATIENCE_SECONDS) == 0
    assert not os.path.exists(one.path)


def test_what_says_how_tools_are_run_is_for_the_supervised_one(tmp_path):
    command = [
        sys.executable,
        "-m",
        "omni.runner",
        "--skills",
        str(tmp_path),
        "--port",
        "0",
        "--workers",
        "1..4",
    ]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "`--workers` is not taken here: `omni runner`" in done.stderr


def test_its_first_line_says_what_it_does_not_do(runner):
    one = runner()
    one.process.kill()
    first = one.process.communicate()[1].splitlines()[0]
    assert "no supervision" in first
    assert "`omni runner`" in first


def test_many_calls_at_once_all_get_their_own_answer(runner):
    one = runner()
    ends = {}

    def ask(number):
        ends[number] = one.run("demo.echo", {"text": str(number)})[-1]["result"]["structured"]["result"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert ends == {number: str(number) for number in range(40)}


CAN_BE_ASKED = {"context": {"ask": True}}


def next_question(answer):
    """Read events until the tool asks."""
    for line in answer:
        event = json.loads(line)
        if "ask" in event:
            return event["ask"]
    raise AssertionError("it never asked")


def text_of(answer):
    last = [json.loads(line) for line in answer][-1]
    return last["result"]["content"][0]["text"]


def test_a_tool_asks_and_two_callers_with_one_id_get_their_own_answers(runner):
    one = runner()
    callers = [one.start("demo.asks", **CAN_BE_ASKED) for _ in range(2)]
    for number, (client, answer) in enumerate(callers):
        question = next_question(answer)
        assert (question["id"], question["ask"], question["method"]) == (7, 1, "elicitation/create")
        assert question["params"] == {"message": "size?"}
        path = f"/calls/{answer.headers['Omni-Call']}/answer"
        assert one.ask("POST", path, {"ask": 2, "result": {}})[0] == 409
        assert one.ask("POST", path, {"ask": 1, "result": {"size": number}})[0] == 200
        assert text_of(answer) == str({"size": number})
        late, _, body = one.ask("POST", path, {"ask": 1, "result": {}})
        assert (late, body["error"]["code"]) == (404, "unknown_call")
        client.close()
    names = {answer.headers["Omni-Call"] for _, answer in callers}
    assert len(names) == 2


def test_a_refusal_reaches_the_tool_and_a_forged_name_reaches_nobody(runner):
    one = runner()
    client, answer = one.start("demo.asks", **CAN_BE_ASKED)
    next_question(answer)
    refusal = {"ask": 1, "refused": "gone", "message": "nobody is there"}
    for forged in ("7", "0" * 32):
        assert one.ask("POST", f"/calls/{forged}/answer", refusal)[0] == 404
    path = f"/calls/{answer.headers['Omni-Call']}/answer"
    assert one.ask("POST", path, {"ask": 1})[0] == 400
    assert one.ask("GET", path)[0] == 405
    assert one.ask("POST", path, refusal)[0] == 200
    assert text_of(answer) == "gone: nobody is there"
    client.close()


def test_a_caller_of_the_first_version_is_never_asked(runner):
    events = runner().run("demo.asks")
    assert not any("ask" in event for event in events)
    assert events[-1]["result"]["content"][0]["text"].startswith("unsupported: ")


def test_a_caller_that_goes_away_leaves_no_tool_waiting(runner):
    one = runner()
    client, answer = one.start("demo.asks", **CAN_BE_ASKED)
    next_question(answer)
    path = f"/calls/{answer.headers['Omni-Call']}/answer"
    answer.close()
    client.close()
    wait_until(lambda: one.ask("POST", path, {"ask": 1, "result": {}})[0] == 404)


def test_answers_pass_the_same_checks_as_calls(runner):
    one = runner(tcp=True)
    client, answer = one.start("demo.asks", **CAN_BE_ASKED)
    next_question(answer)
    path = f"/calls/{answer.headers['Omni-Call']}/answer"
    body = {"ask": 1, "result": {}}
    assert one.ask("POST", path, body, Origin="http://a.example")[0] == 403
    assert one.ask("POST", path, body, Host="a.example")[0] == 403
    assert one.ask("POST", path, body, Content_Type="text/plain")[0] == 403
    assert one.ask("POST", path, body)[0] == 200
    assert text_of(answer) == "{}"
    client.close()
