"""One call in a process of its own: by hand with its exit codes, and for the server over a channel."""

import json
import os
import subprocess
import sys

import pytest
from harness import PATIENCE_SECONDS, environment

from omni.skills.visible import shown

SOURCE = '''
    import sys, time
    from omni import tool, Context, ToolError, Image, ToolResult

    LIMIT = 0.2

    @tool
    def hi(name: str, times: int = 1) -> str:
        """Greet."""
        print("printed by the tool")
        return ", ".join([f"hi {name}"] * times)

    @tool(name="sum")
    def total(numbers: list[float]) -> dict:
        return {"total": sum(numbers)}

    @tool
    async def later(ctx: Context) -> str:
        await ctx.report_progress(1, 2, "half")
        await ctx.warning("careful")
        return str(ctx.root)

    @tool
    def nothing(): ...

    @tool
    def refuse():
        raise ToolError("no such note")

    @tool
    def fail():
        raise KeyError("x")

    @tool
    def leave():
        sys.exit(7)

    @tool
    def bad():
        return {"a": bytes([255])}

    @tool
    def picture():
        return ["a picture:", Image(b"x")]

    @tool
    def failed_result():
        return ToolResult("did not work", is_error=True)

    @tool(timeout=LIMIT)
    def hang():
        time.sleep(60)

    @tool(timeout=0.2)
    def cling():
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass

    @tool
    def hostile() -> str:
        return "a\\x1b[2Jb\\u202ec 👩\\u200d💻\\x7f"
'''


@pytest.fixture
def run(skill):
    """Return a function that runs a command by hand and returns exit code, output and errors."""
    demo = skill(
        files={
            "a.py": SOURCE,
            "broken.py": "def x(:\n",
            "needs.py": "from omni import tool\nimport no_such_thing\n@tool\ndef need(): ...\n",
            "_helper.py": "from omni import tool\n@tool\ndef hidden(): ...\n",
        }
    )
    skills = os.path.dirname(demo.folder)

    def start(*words, stdin="", skills=skills, **env):
        done = subprocess.run(
            [sys.executable, "-m", "omni.skills.run", *words],
            input=stdin,
            env=environment(**{**({"OMNI_SKILLS": skills} if skills else {}), **env}),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
            cwd=os.path.dirname(os.path.dirname(demo.folder)),
        )
        return done.returncode, done.stdout, done.stderr

    start.skills = skills
    start.demo = demo
    return start


def test_the_text_goes_to_stdout_and_what_the_tool_prints_to_stderr(run):
    assert run("demo", "hi", "--args", '{"name": "you"}') == (0, "hi you\n", "printed by the tool\n")


def test_arguments_come_from_stdin_when_asked(run):
    assert run("demo", "hi", "--args", "-", stdin='{"name": "you", "times": 2}')[:2] == (
        0,
        "hi you, hi you\n",
    )


def test_json_is_the_whole_result(run):
    code, out, _ = run("demo", "sum", '--args={"numbers": [1, 2]}', "--json")
    assert code == 0
    assert json.loads(out) == {"content": [{"type": "text", "text": '{"total":3.0}'}], "isError": False}


def test_a_context_is_filled_in_and_speaks_on_stderr(run):
    code, out, err = run("demo", "later")
    assert (code, err) == (0, "progress 1/2 half\nwarning: careful\n")
    assert out == os.path.dirname(run.skills) + "\n"


def test_by_hand_there_is_no_client_to_ask(run, tmp_path):
    scripts = tmp_path / "more" / "asking" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "a.py").write_text(
        "from omni import tool, Context\n@tool\ndef ask(ctx: Context):\n    ctx._ask('roots/list', {})\n"
    )
    code, out, err = run("asking", "ask", skills=str(tmp_path / "more"))
    assert (code, out) == (1, "")
    assert err.startswith("omni: `roots/list` cannot be asked here: the call was made without a client"), err


ITEMS = """
    import datetime
    from omni import Context, Message, NotFoundError, prompt, resource

    @resource("notes://today", mime_type="text/markdown")
    def today():
        return "# Today"

    @resource("notes://{number}{?long}")
    def note(number: int, ctx: Context, long: bool = False):
        if number < 1:
            raise NotFoundError(f"there is no note {number}")
        return {"number": number, "long": long}

    @resource("files://{path*}")
    def file(path: str):
        return path

    @resource(name="logo")
    def picture():
        return bytes([255])

    @prompt
    def review(day: datetime.date, language: str = "rust"):
        return [f"review {language} of {day}", Message("gladly", role="assistant")]
"""


def test_a_resource_is_read_by_its_name_or_its_uri(run, skill):
    skill("items", {"a.py": ITEMS})
    assert run("items", "--resource", "today") == (0, "# Today\n", "")
    assert run("items", "--resource", "notes://today")[1] == "# Today\n"
    assert run("items", "--resource=notes://7?long=yes")[1] == '{"number":7,"long":true}\n'
    assert run("items", "--resource", "note", "--args", '{"number": "8"}')[1] == '{"number":8,"long":false}\n'
    assert run("items", "--resource", "files://a/b%20c.md")[1] == "a/b c.md\n"
    code, out, _ = run("items", "--resource", "omni://skill/items/logo", "--json")
    contents = [{"uri": "omni://skill/items/logo", "mimeType": "application/octet-stream", "blob": "/w=="}]
    assert (code, json.loads(out)) == (0, {"contents": contents})


def test_a_resource_that_has_a_uri_counts_before_a_template_that_makes_it(run, skill):
    source = """
    from omni import resource

    @resource("notes://{name}")
    def note(name: str):
        return f"the note {name}"

    @resource(resource_uri="notes://today")
    def today():
        return "what is on today"
    """
    skill("items", {"a.py": source})
    assert run("items", "--resource", "notes://today")[1] == "what is on today\n"
    assert run("items", "--resource", "notes://bees")[1] == "the note bees\n"


def test_a_prompt_file_is_said_to_be_one(run, skill, tmp_path):
    skill("items", {"a.py": ITEMS})
    folder = next(tmp_path.rglob("items"))
    (folder / "prompts").mkdir()
    (folder / "prompts" / "page.md").write_text("---\ndescription: A page.\n---\nHello\n")
    code, _, err = run("items", "--prompt", "page")
    assert code == 2
    assert "`prompts/page.md` is a prompt file: it needs no Python" in err


def test_what_is_no_resource_or_prompt_is_named(run, skill):
    skill("items", {"a.py": ITEMS})
    code, _, err = run("items", "--resource", "notes://0")
    assert (code, "there is no note 0" in err) == (1, True)
    code, _, err = run("items", "--resource", "notes://many")
    assert (code, "/number" in err) == (2, True)
    code, _, err = run("items", "--resource", "mail://1")
    assert (code, "has no resource `mail://1`; there are" in err) == (2, True)
    code, _, err = run("items", "--prompt", "revue")
    assert (code, "did you mean `review`?" in err) == (2, True)
    code, _, err = run("items", "today")
    assert (code, "has no command `today`" in err) == (2, True)
    code, _, err = run("items", "--prompt", "a", "--resource", "b")
    assert (code, "one too many" in err) == (2, True)


def test_a_prompt_is_filled_in(run, skill):
    skill("items", {"a.py": ITEMS})
    code, out, _ = run("items", "--prompt", "review", "--args", '{"day": "2025-01-31"}')
    assert (code, out) == (0, "user: review rust of 2025-01-31\nassistant: gladly\n")
    code, out, _ = run("items", "--prompt", "review", "--args", '{"day": "2025-01-31"}', "--json")
    assert [message["role"] for message in json.loads(out)["messages"]] == ["user", "assistant"]
    code, _, err = run("items", "--prompt", "review")
    assert (code, "/day: required, but missing" in err) == (2, True)


def test_no_result_prints_nothing(run):
    assert run("demo", "nothing") == (0, "", "")


def test_blocks_that_are_no_text_are_named(run):
    assert run("demo", "picture")[:2] == (0, "a picture:\n[image image/png]\n")


def test_the_folder_is_found_by_option_environment_or_default(run):
    assert run("demo", "nothing", "--skills", run.skills, skills=None)[0] == 0
    assert run("demo", "nothing", "--skills", run.skills, OMNI_SKILLS="/nowhere")[0] == 0
    assert run("demo", "nothing", skills=None)[0] == 0


def test_a_skill_is_found_by_the_name_it_declares(run):
    with open(f"{run.demo.folder}/SKILL.md", "w") as file:
        file.write('---\nname: "greeter"\n---\n')
    assert run("greeter", "nothing")[0] == 0
    assert run("demo", "nothing")[0] == 0


FAILURES = [
    ("refuse", 1, "omni: no such note (`scripts/a.py:28`)\n"),
    ("leave", 1, "omni: the tool exited with code 7 (`scripts/a.py:36`)\n"),
    (
        "bad",
        1,
        (
            "omni: result.a is a `bytes` that is no UTF-8 (return an `Image`, `Audio` or "
            "`EmbeddedResource`), which has no form in JSON (`scripts/a.py:38`)\n"
        ),
    ),
    ("hang", 124, "omni: the tool took longer than its 0.2 seconds\n"),
    ("cling", 124, "omni: the tool took longer than its 0.2 seconds\n"),
]


@pytest.mark.parametrize(("command", "code", "message"), FAILURES)
def test_a_failure_is_an_exit_code_and_a_sentence(run, command, code, message):
    assert run("demo", command) == (code, "", message)


def test_an_unforeseen_exception_shows_its_traceback(run):
    code, out, err = run("demo", "fail")
    assert (code, out) == (1, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("KeyError: 'x'\nomni: KeyError: 'x' (`scripts/a.py:32`)\n")


def test_a_result_marked_as_failed_is_printed_and_exits_with_1(run):
    assert run("demo", "failed_result") == (1, "did not work\n", "")


def test_a_failure_as_json_is_a_result_too(run):
    code, out, _ = run("demo", "refuse", "--json")
    assert code == 1
    assert json.loads(out) == {
        "content": [{"type": "text", "text": "no such note (`scripts/a.py:28`)"}],
        "isError": True,
    }


def test_a_missing_module_is_named(run):
    code, _, err = run("demo", "need")
    assert code == 1
    assert "omni: `scripts/needs.py:2`: module `no_such_thing` is not installed" in err


WRONG = "`demo.{}` was not called: 1 problem with its arguments\n  - {}"

USAGE = [
    ([], "give a skill and a command\nusage:"),
    (["demo"], "give a skill and a command\nusage:"),
    (["demo", "hi", "there"], "`there` is one word too many\nusage:"),
    (["demo", "hi", "--loud"], "there is no option `--loud`\nusage:"),
    (["demo", "hi", "--args"], "`--args` needs a value\nusage:"),
    (["dem", "hi"], "there is no skill `dem` in `SKILLS`; did you mean `demo`?"),
    (["demo", "hi", "--skills", "/nowhere"], "`/nowhere` is no folder of skills"),
    (["demo", "hi", "--args", "{"], "the arguments are no JSON"),
    (["demo", "hi", "--args", "[]"], "the arguments are no JSON object"),
    (["demo", "hi", "--args", '{"name": NaN}'], "the arguments are no JSON"),
    (
        ["demo", "hi"],
        WRONG.format("hi", "/name: required, but missing"),
    ),
    (
        ["demo", "hi", "--args", '{"name": 1}'],
        WRONG.format("hi", "/name: 1 is no string"),
    ),
    (
        ["demo", "hi", "--args", '{"name": "a", "x": 1}'],
        WRONG.format("hi", "/x: unknown argument (known: `name`, `times`)"),
    ),
    (
        ["demo", "later", "--args", '{"ctx": 1}'],
        WRONG.format("later", "/ctx: unknown argument (none is known)"),
    ),
]


@pytest.mark.parametrize(("words", "message"), USAGE, ids=[" ".join(case[0]) for case in USAGE])
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(run, words, message):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith("omni: " + message.replace("SKILLS", run.skills))


def test_a_command_that_may_be_in_a_file_that_cannot_be_read_is_looked_for_no_further(run):
    code, out, err = run("demo", "sun")
    assert (code, out) == (1, "")
    assert err.startswith("omni: `scripts/broken.py:1`: SyntaxError: ")


def test_an_unknown_command_is_answered_with_those_there_are(run):
    os.remove(f"{run.demo.folder}/scripts/broken.py")
    assert run("demo", "sun") == (2, "", "omni: skill `demo` has no command `sun`; did you mean `sum`?\n")
    code, _, err = run("demo", "hidden")
    assert code == 2
    assert "there are `bad`, `cling`, `fail`" in err


def test_help_names_options_and_exit_codes(run):
    code, out, _ = run("--help")
    assert code == 0
    assert "--args JSON" in out
    assert "124" in out


# -- for the server -------------------------------------------------------------------------------------


def spawn(worker, command, *words):
    return worker(argv=("-m", "omni.skills.run", "demo", command, *words))


def test_for_the_server_the_call_comes_down_the_channel(worker, skill):
    one = spawn(worker, "hi", "--args", "-")
    demo = skill(files={"a.py": SOURCE})
    assert "ready" in one.ready
    assert one.text(demo.target("hi"), {"name": "you"}) == "hi you"
    assert one.wait() == 0
    assert one.printed == {"out": "printed by the tool\n", "err": ""}
    assert one.started() == 1


def test_for_the_server_events_and_errors_go_up_the_channel(worker, skill):
    one = spawn(worker, "later", "--args", "-")
    demo = skill(files={"a.py": SOURCE})
    frames = one.call(demo.target("later", inject=[{"parameter": "ctx", "kind": "context"}]))
    assert [next(iter(frame)) for frame in frames] == ["progress", "log", "result"]
    assert one.wait() == 0

    one = spawn(worker, "fail", "--args", "-")
    assert one.error(demo.target("fail"))["location"] == "scripts/a.py:32"
    assert one.wait() == 1
    assert one.printed["err"] == ""


def test_for_the_server_a_result_marked_as_failed_exits_with_1(worker, skill):
    one = spawn(worker, "failed_result", "--args", "-")
    assert one.result(skill(files={"a.py": SOURCE}).target("failed_result"))["is_error"] is True
    assert one.wait() == 1


def test_for_the_server_a_call_can_be_cancelled(worker, skill):
    one = spawn(worker, "f", "--args", "-")
    source = "import time\ndef f(ctx):\n    ctx.info('x')\n    time.sleep(60)"
    one.start(skill(files={"a.py": source}).target("f", inject=[{"parameter": "ctx", "kind": "context"}]))
    one.receive()
    one.wait_until_blocked()
    one.interrupt()
    assert one.receive()["error"]["kind"] == "cancelled"
    assert one.wait() == 1


def test_for_the_server_drain_or_a_closed_channel_ends_it_without_a_call(worker):
    assert spawn(worker, "hi", "--args", "-").drain() == {"out": "", "err": ""}
    one = spawn(worker, "hi", "--args", "-")
    one.channel.close()
    assert one.wait() == 0


def test_a_person_sees_every_character_and_a_program_gets_the_text(run):
    raw = "a\x1b[2Jb\u202ec 👩\u200d💻\x7f"
    words = [sys.executable, "-m", "omni.skills.run", run.demo.name, "hostile", "--skills", run.skills]

    def printed(*words):
        done = subprocess.run(
            words, env=environment(), capture_output=True, timeout=PATIENCE_SECONDS, check=True
        )
        return done.stdout.decode()

    assert printed(*words) == raw + "\n"
    as_json = printed(*words, "--json")
    assert as_json.isascii()
    assert "\x7f" not in as_json
    assert json.loads(as_json)["content"][0]["text"] == raw
    at_a_terminal = printed(sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *words)
    assert at_a_terminal.strip() == r"a\x1b[2Jb\u{202e}c 👩" + "\u200d💻" + r"\x7f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\ttext\r\n\u05e9\u05dc\u200f \u06cc\u200c\u062e 👩\u200d💻 ❤\ufe0f 葛\ufe00", None),
        ("a\u200bb\u2066c\ufeff\x9b", r"a\u{200b}b\u{2066}c\u{feff}\u{9b}"),
        ("a\ufe00 \U000e0041 x\u200d", r"a\u{fe00} \u{e0041} x\u{200d}"),
        ("one\rtwo\u2028", r"one\x0dtwo\u{2028}"),
        ("👩\u200d\u200d", "👩\u200d" + r"\u{200d}"),
    ],
)
def test_what_is_not_seen_is_shown_by_its_number(text, expected):
    assert shown(text) == (text if expected is None else expected)
