"""What a folder of skills lists when it is described by importing it."""

import base64
import json
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from conftest import SOURCES

from omni.describe import Catalogue, front_matter


@pytest.fixture
def skills(tmp_path):
    """Return a function that writes files below a folder of skills, and describes what is there."""
    folder = tmp_path / "skills"
    folder.mkdir()
    catalogue = Catalogue(str(folder), seconds_per_skill=3)

    def describe(files=None):
        for name, text in (files or {}).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        tools, problems = catalogue.read()
        return {tool["name"]: tool for tool in tools}, [str(problem) for problem in problems]

    describe.folder = folder
    return describe


GREET = '''
    from omni import Context, tool

    @tool(read_only=True, timeout=2, retry_on=OSError, tags=["a", "b"])
    def greet(name: str, ctx: Context, times: int = 1) -> list[str]:
        """Greet somebody.

        Args:
            name: Whom.
        """
        return ["hello " + name] * times
'''


def test_a_tool_is_described_as_the_runner_contract_says(skills):
    tools, problems = skills({"demo/scripts/a.py": GREET})
    assert problems == []
    digest = tools["demo.greet"]["omni"].pop("digest")
    assert len(digest) == 32
    assert tools["demo.greet"] == {
        "name": "demo.greet",
        "title": "Greet",
        "description": "Greet somebody.",
        "inputSchema": {
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "description": "Whom."},
                "times": {"default": 1, "type": "integer"},
            },
            "required": ["name"],
            "type": "object",
        },
        "outputSchema": {
            "properties": {"result": {"items": {"type": "string"}, "type": "array"}},
            "required": ["result"],
            "type": "object",
            "x-fastmcp-wrap-result": True,
        },
        "annotations": {"readOnlyHint": True},
        "_meta": {"fastmcp": {"tags": ["a", "b"]}},
        "omni": {
            "skill": "demo",
            "command": "greet",
            "async": False,
            "timeout_ms": 2000,
            "idle_timeout_ms": None,
            "policy": {"retry_on": ["OSError"], "repeatable": True},
            "file": "scripts/a.py",
            "function": "greet",
            "wrap": True,
            "structured": True,
            "inject": [{"parameter": "ctx", "kind": "context"}],
        },
    }


def test_what_the_skill_says_holds_for_tools_that_say_nothing(skills):
    front = "---\nname: demo\ndescription: d\nflat: yes\ntimeout: 9\nconcurrency: 3\naffinity: session\n---\n"
    tools, problems = skills({"demo/SKILL.md": front, "demo/scripts/a.py": GREET})
    assert problems == []
    omni = tools["greet"]["omni"]
    assert omni["timeout_ms"] == 2000
    assert omni["policy"]["skill_concurrency"] == 3
    assert omni["policy"]["affinity"] == "session"


def test_programs_declared_in_front_matter_are_tools_too(skills):
    front = """
        ---
        name: demo
        description: d
        tools:
          - name: count_words
            description: Count.
            command: [wc, -w]
            input_schema:
              properties:
                text: {type: string}
            read_only: true
          - name: broken
        ---
        """
    tools, problems = skills({"demo/SKILL.md": textwrap.dedent(front).lstrip()})
    assert list(tools) == ["demo.count_words"]
    assert tools["demo.count_words"]["title"] == "Count words"
    assert tools["demo.count_words"]["inputSchema"] == {
        "properties": {"text": {"type": "string"}},
        "type": "object",
    }
    assert tools["demo.count_words"]["omni"]["program"]["argv"] == ["wc", "-w"]
    assert ["`broken` has no list `command`" in problem for problem in problems] == [True]


LETHAL = {
    "syntax": ("def f(:\n", "scripts/bad.py:1"),
    "raises": ("raise RuntimeError('no')\n", "RuntimeError: no"),
    "missing": ("import nothing_like_it\n", "nothing_like_it"),
    "exits": ("raise SystemExit(3)\n", "SystemExit"),
    "leaves": ("import os\nos._exit(7)\n", "with code 7"),
    "crashes": ("import os\nos.kill(os.getpid(), 9)\n", "with signal 9"),
    "hangs": ("import time\ntime.sleep(600)\n", "longer than 3 seconds"),
    "kills": ("import os\nos.kill(os.getppid(), 9)\n", "was ended by it"),
}


@pytest.mark.parametrize("way", LETHAL)
def test_one_bad_file_hides_nothing_else(way, skills):
    text, says = LETHAL[way]
    marked = "" if way == "syntax" else "\nfrom omni import tool\n@tool\ndef f(): ...\n"
    tools, problems = skills(
        {
            "bad/scripts/bad.py": text + marked,
            "bad/scripts/good.py": GREET,
            "better/scripts/good.py": GREET,
        }
    )
    assert "better.greet" in tools
    # Whoever kills the process that imports has taken its neighbours in the skill along.
    assert ("bad.greet" in tools) == (way != "kills")
    errors = [problem for problem in problems if problem.startswith("error: bad/scripts")]
    assert len(errors) == 1
    assert says in errors[0]


def test_nothing_that_an_import_starts_outlives_it(skills, tmp_path):
    started = tmp_path / "started"
    source = f"""
        import subprocess
        from omni import tool
        child = subprocess.Popen(["sleep", "600"])
        open({str(started)!r}, "w").write(str(child.pid))

        @tool
        def f(): ...
    """
    tools, _ = skills({"demo/scripts/a.py": source})
    assert list(tools) == ["demo.f"]
    child = int(started.read_text())
    deadline = time.monotonic() + 30
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(child)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_without_tools_is_not_run(skills, tmp_path):
    ran = tmp_path / "ran"
    tools, problems = skills({"demo/scripts/a.py": f"open({str(ran)!r}, 'w')\n"})
    assert (tools, problems) == ({}, [])
    assert not ran.exists()


def test_what_an_import_prints_does_not_mix_with_the_answer(skills):
    tools, problems = skills({"demo/scripts/a.py": GREET + "    print('hello')\n"})
    assert list(tools) == ["demo.greet"]
    assert problems == []


def test_only_what_changed_is_imported_again(skills, tmp_path):
    log = tmp_path / "log"
    note = f"\n    open({str(log)!r}, 'a').write(__name__ + ' ')\n"
    files = {f"{name}/scripts/x.py": GREET + note for name in ("one", "two")}
    first, _ = skills(files)
    again, _ = skills()
    assert first == again
    changed, _ = skills({"two/scripts/_helper.py": "X = 1\n"})
    assert log.read_text().split() == ["omni_skills.one.x", "omni_skills.two.x", "omni_skills.two.x"]
    assert changed["one.greet"] == first["one.greet"]
    assert changed["two.greet"]["omni"]["digest"] != first["two.greet"]["omni"]["digest"]
    os.remove(skills.folder / "one/scripts/x.py")
    assert list(skills()[0]) == ["two.greet"]


def test_what_is_known_can_be_had_while_a_skill_hangs(skills):
    hangs = "import time\ntime.sleep(600)\nfrom omni import tool\n@tool\ndef f(): ...\n"
    for name, text in (("a", textwrap.dedent(GREET)), ("b", hangs)):
        (skills.folder / name / "scripts").mkdir(parents=True)
        (skills.folder / name / "scripts" / "x.py").write_text(text)
    catalogue = Catalogue(str(skills.folder), seconds_per_skill=20)
    threading.Thread(target=catalogue.read, daemon=True).start()
    deadline = time.monotonic() + 30
    while not catalogue.known() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [tool["name"] for tool in catalogue.known()] == ["a.greet"]


def test_killed_in_the_middle_it_leaves_nothing_behind(skills, tmp_path):
    told = tmp_path / "told"
    hangs = f"""
        import os, subprocess, time
        child = subprocess.Popen(["sleep", "600"])
        with open({str(told)!r}, "w") as file:
            file.write(f"{{os.getppid()}} {{os.getpid()}} {{child.pid}}")
        time.sleep(600)
        from omni import tool

        @tool
        def f(): ...
    """
    (skills.folder / "a" / "scripts").mkdir(parents=True)
    (skills.folder / "a" / "scripts" / "x.py").write_text(textwrap.dedent(hangs))
    command = [sys.executable, "-m", "omni.describe", str(skills.folder)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": SOURCES})
    deadline = time.monotonic() + 30
    while not (told.exists() and len(told.read_text().split()) == 3) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    left = [int(pid) for pid in told.read_text().split()]
    while any(map(is_alive, left)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [pid for pid in left if is_alive(pid)]


def test_tools_that_cannot_be_called_by_name_are_reported(skills):
    source = """
        import functools
        from omni import tool

        def plain(function):
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper

        @tool
        def many(*names: str): ...

        @tool
        def twice(): ...

        @tool
        def twice(): ...

        class A:
            @tool
            def method(self): ...

        @tool
        @plain
        def hidden(a: int): ...

        @plain
        @tool
        def above(b: int): ...

        @tool(name="not a name")
        def named(): ...

        @tool(timeout="soon", output_schema=None)
        def odd() -> int: ...
    """
    tools, problems = skills({"demo/scripts/a.py": source})
    assert list(tools) == ["demo.above", "demo.hidden", "demo.odd", "demo.twice"]
    assert "outputSchema" not in tools["demo.odd"]
    for name, parameter in (("hidden", "a"), ("above", "b")):
        assert list(tools[f"demo.{name}"]["inputSchema"]["properties"]) == [parameter]
    for said in ("`*names`", "defined again", "`method` is not at the top", "not a name`", "`timeout=`"):
        assert any(said in problem for problem in problems), said


def test_the_command_prints_tools_and_problems(skills):
    skills({"demo/scripts/a.py": GREET, "demo/scripts/b.py": "def f(:\n"})
    done = subprocess.run(
        [sys.executable, "-m", "omni.describe", str(skills.folder)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": SOURCES},
    )
    said = json.loads(done.stdout)
    assert [tool["name"] for tool in said["tools"]] == ["demo.greet"]
    assert [problem["file"] for problem in said["problems"]] == ["demo/scripts/b.py"]
    assert b"error: demo/scripts/b.py:1" in done.stderr
    assert done.returncode == 1


def test_front_matter_is_read_as_far_as_it_is_used():
    read, problems = front_matter.read(
        "---\ndescription: >\n  two\n  lines\nlist:\n- a: b\n- [x, 'it''s']\nurl: http://x/#y # no\n---\n"
    )
    assert problems == []
    assert read == {"description": "two lines\n", "list": [{"a": "b"}, ["x", "it's"]], "url": "http://x/#y"}
    values = front_matter.read('---\na: 1\nb: "1"\nc: true\nd:\ne: 1.10\nf: no\n---\n')[0]
    assert front_matter.as_value(values) == {"a": 1, "b": "1", "c": True, "d": None, "e": 1.1, "f": "no"}


@pytest.mark.parametrize(
    ("text", "line", "rescued"),
    [
        (
            "---\nname: x\ndescription: Use when: asked\n---\n",
            3,
            {"name": "x", "description": "Use when: asked"},
        ),
        ("---\nname: x\nname: y\n---\n", 3, {"name": "x"}),
        ("---\na: &a x\nname: x\n---\n", 2, {"a": "&a x", "name": "x"}),
        ("---\na: [x\nname: x\n---\n", 2, {"a": "[x", "name": "x"}),
    ],
)
def test_a_line_that_cannot_be_read_costs_itself_alone(text, line, rescued):
    read, problems = front_matter.read(text)
    assert read == rescued
    assert [place for place, _ in problems] == [line]


SELF_HELD = '''
    from dataclasses import dataclass
    from typing import Dict, List, Optional, Union
    from omni import tool

    Value = Union[int, List["Value"], Dict[str, "Value"]]
    MaybeNode = Optional["Node"]

    @dataclass
    class Node:
        next: "MaybeNode" = None

    @tool
    def go(a: Value, b: MaybeNode = None) -> None:
        """Go."""
'''


def test_an_alias_that_holds_itself_is_a_definition_and_one_of_a_class_is_not(skills):
    tools, problems = skills({"demo/scripts/a.py": SELF_HELD})
    assert problems == []
    schema = tools["demo.go"]["inputSchema"]
    assert sorted(schema["$defs"]) == ["Node", "Value"]
    assert schema["$defs"]["Value"]["anyOf"][1] == {"type": "array", "items": {"$ref": "#/$defs/Value"}}
    maybe = {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": None}
    assert schema["properties"]["b"] == maybe
    assert schema["$defs"]["Node"]["properties"]["next"] == maybe


def test_an_icon_that_is_a_file_of_the_skill_is_sent_as_what_is_in_it(skills):
    icons = 'icons=[Icon("a.svg", sizes=["any"]), Icon("https://x/y"), Icon("../b.svg"), Icon("a.txt")]'
    tools, problems = skills(
        {
            "demo/scripts/a.py": f"""
                from omni import Icon, tool

                @tool({icons})
                def go():
                    \"\"\"Go.\"\"\"
            """,
            "demo/a.svg": "<svg/>",
            "demo/a.txt": "a",
            "b.svg": "<svg/>",
        }
    )
    src = "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode()
    assert tools["demo.go"]["icons"] == [
        {"src": src, "sizes": ["any"], "mimeType": "image/svg+xml"},
        {"src": "https://x/y"},
    ]
    assert ["`../b.svg`" in problem or "`a.txt`" in problem for problem in problems] == [True, True]
