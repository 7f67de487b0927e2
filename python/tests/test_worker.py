"""The worker in sync mode: a real process at the other end of a real socket pair."""

import os
import re
import signal
import subprocess
import sys
from time import monotonic

import pytest
from harness import environment

from omni import McpError

ECHO = "def echo(text):\n    return text\n"


# -- the ordinary -----------------------------------------------------------------------------------


def test_the_first_frame_says_who_is_there(worker):
    one = worker()
    version = "%d.%d.%d" % sys.version_info[:3]
    assert one.ready == {"ready": {"proto": 2, "python": version, "pid": one.process.pid}}


def test_ready_does_not_wait_for_hello(worker):
    one = worker(greet=False)
    assert "ready" in one.receive()


def test_a_tool_s_text_comes_back(worker, skill):
    one, demo = worker(), skill(files={"a.py": ECHO})
    assert one.text(demo.target("echo"), {"text": 'naïve 🦀 "\n'}) == 'naïve 🦀 "\n'


@pytest.mark.parametrize(
    ("structured", "wrap", "more"),
    [(False, False, {}), (True, True, {"structured": {"result": "a"}}), (True, False, {"structured": "a"})],
)
def test_structured_content_comes_when_the_target_asks(worker, skill, structured, wrap, more):
    one, demo = worker(), skill(files={"a.py": ECHO})
    result = one.result(demo.target("echo", structured=structured, wrap=wrap), {"text": "a"})
    assert result == {"id": 1, "content": [{"type": "text", "text": "a"}], **more}


def test_an_object_is_its_own_structured_content(worker, skill):
    one, demo = worker(), skill(files={"a.py": "def f():\n    return {'n': [1]}"})
    result = one.result(demo.target("f", structured=True))
    assert result["structured"] == {"n": [1]}
    assert result["content"] == [{"type": "text", "text": '{"n":[1]}'}]


def test_arguments_have_the_types_of_the_annotations(worker, skill):
    source = """
        from __future__ import annotations
        from pathlib import Path
        def f(path: Path, size: float = 1.0) -> str:
            return f"{path.name} {type(size).__name__}"
    """
    one, demo = worker(), skill(files={"a.py": source})
    assert one.text(demo.target("f"), {"path": "/a/b", "size": 2}) == "b float"
    assert one.text(demo.target("f"), {"path": "/a/b"}) == "b float"


def test_the_status_page_names_the_call_whose_code_was_started(worker, skill):
    one, demo = worker(), skill(files={"a.py": ECHO})
    assert one.started() == 0
    one.error(demo.target("missing"))
    assert one.started() == 0, "no line of the tool ran"
    one.text(demo.target("echo"), {"text": ""})
    assert one.started() == 2


def test_a_revoked_call_is_skipped_and_its_code_does_not_run(worker, skill):
    source = """
        def f(path):
            open(path, "a").write("ran")
            return "done"
    """
    one, demo = worker(), skill(files={"a.py": source})
    path = os.path.join(demo.folder, "ran.txt")
    one.revoke(1)
    assert one.call(demo.target("f"), {"path": path}) == [{"skipped": {"id": 1}}]
    assert not os.path.exists(path)
    assert one.text(demo.target("f"), {"path": path}) == "done"


def test_without_a_status_page_a_frame_says_that_user_code_starts(worker, skill):
    one, demo = worker(page=False), skill(files={"a.py": ECHO})
    frames = one.call(demo.target("echo"), {"text": "a"})
    assert frames[0] == {"started": {"id": 1}}
    assert "result" in frames[1]


def test_a_context_knows_its_call(worker, skill):
    source = """
        def f(ctx):
            return {
                "root": str(ctx.root), "settings": ctx.settings, "call": ctx.call_id,
                "session": ctx.session_id, "dir": str(ctx.skill_dir),
                "in time": 0 < ctx.remaining <= 60, "cancelled": ctx.cancelled,
            }
    """
    one = worker(root="/project", settings={"demo": {"k": 1}, "other": {"k": 2}})
    demo = skill(files={"a.py": source})
    target = demo.target("f", inject=[{"parameter": "ctx", "kind": "context"}], structured=True)
    assert one.result(target)["structured"] == {
        "root": "/project",
        "settings": {"k": 1},
        "call": 1,
        "session": "s",
        "dir": demo.folder,
        "in time": True,
        "cancelled": False,
    }


def test_an_async_tool_runs_in_a_sync_worker_too(worker, skill):
    source = "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 'x'\n"
    assert worker().text(skill(files={"a.py": source}).target("f")) == "x"


def test_frames_and_fields_that_nobody_knows_are_ignored(worker, skill):
    one, demo = worker(news=1), skill(files={"a.py": ECHO})
    one.send("weather", {"mild": True})
    assert one.text(demo.target("echo", colour="red"), {"text": "a"}, mood="good") == "a"


def test_large_arguments_and_results_pass(worker, skill):
    one, demo = worker(frame_bytes_max=1 << 25), skill(files={"a.py": ECHO})
    text = "ü" * 2_000_000
    assert one.text(demo.target("echo"), {"text": text}) == text


# -- loading ------------------------------------------------------------------------------------------


def test_files_of_a_skill_import_each_other_and_skills_do_not_meet(worker, skill):
    first = skill(
        "first", {"a.py": "from ._db import name\ndef f():\n    return name", "_db.py": "name = 'one'"}
    )
    second = skill(
        "sec.ond", {"a.py": "from ._db import name\ndef f():\n    return name", "_db.py": "name = 'two'"}
    )
    one = worker()
    assert (one.text(first.target("f")), one.text(second.target("f"))) == ("one", "two")


def test_a_skill_s_init_and_folders_are_a_package(worker, skill):
    files = {
        "__init__.py": "base = 40",
        "deep/er/tool.py": "from ... import base\nfrom ..._more import two\ndef f():\n    return base + two",
        "_more.py": "two = 2",
        "dotted.name.py": "from ._more import two\ndef f():\n    return two",
        "with-dash.py": "def f():\n    return __name__",
    }
    one, demo = worker(), skill(files=files)
    assert one.text(demo.target("f", "deep/er/tool.py")) == "42"
    assert one.text(demo.target("f", "dotted.name.py")) == "2"
    assert one.text(demo.target("f", "with-dash.py")) == "omni_skills.demo.with-dash"


def test_a_file_is_loaded_once(worker, skill):
    source = "count = 0\ndef f():\n    global count\n    count += 1\n    return count"
    one, demo = worker(), skill(files={"a.py": source})
    assert [one.text(demo.target("f")) for _ in range(3)] == ["1", "2", "3"]


def load_error(one, demo, **target):
    error = one.error(demo.target("f", **target))
    assert error["kind"] == "load_error"
    return error


def test_a_syntax_error_is_named_by_its_line(worker, skill):
    error = load_error(worker(), skill(files={"a.py": "x = 1\ndef f(:\n"}))
    assert error["location"] == "scripts/a.py:2"
    assert error["class"] == "SyntaxError"
    assert error["message"].startswith("`scripts/a.py:2`: SyntaxError: ")


def test_a_missing_module_is_named_with_the_way_to_install_it(worker, skill):
    error = load_error(worker(), skill(files={"a.py": "\nimport no_such_thing.deep\n"}))
    assert error["location"] == "scripts/a.py:2"
    assert "module `no_such_thing` is not installed" in error["message"]
    assert "(often `no_such_thing`)" in error["message"]
    assert "importlib" not in error["traceback"].replace("importlib.py", "")


def test_a_file_of_the_skill_that_is_imported_absolutely_is_explained(worker, skill):
    error = load_error(worker(), skill(files={"a.py": "from _db import x\n", "_db.py": ""}))
    assert "write `from ._db import …` instead of `import _db`" in error["message"]


def test_an_import_by_the_folder_of_scripts_is_explained(worker, skill):
    error = load_error(worker(), skill(files={"a.py": "from scripts._db import x\n", "_db.py": ""}))
    assert "write `from .name import …` instead of `from scripts.name import …`" in error["message"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_that_are_started_from_nothing_find_the_skill_s_modules(worker, skill, method):
    source = f"""
        import multiprocessing
        def square(x):
            return x * x
        def f():
            with multiprocessing.get_context("{method}").Pool(1) as pool:
                return pool.map(square, range(3))
    """
    one, demo = worker(), skill("de.mo", {"a.py": source, "b.c.py": source})
    assert one.text(demo.target("f")) == "[0,1,4]"
    assert one.text(demo.target("f", "b.c.py")) == "[0,1,4]"


def test_an_error_says_something(worker, skill):
    source = """
        import sys
        from omni import ToolError, ToolResult
        def silent():
            raise ToolError(" ")
        def empty():
            return ToolResult("", is_error=True)
        def key():
            import os
            return os.environ["MY_TOKEN"]
        def words():
            sys.exit("the key file is missing")
        def other_key():
            return {}["a"]
        def configured():
            import os
            try:
                return os.environ["MY_TOKEN"]
            except KeyError as error:
                raise RuntimeError("no configuration") from error
    """
    one, demo = worker(), skill(files={"a.py": source})
    error = one.error(demo.target("silent"))
    assert (error["message"], error["intended"]) == (
        "`demo.silent` failed and gave no reason (scripts/a.py:5)",
        True,
    )
    result = one.result(demo.target("empty"))
    assert result["content"][0]["text"].startswith("`demo.empty` failed and gave no reason (scripts/a.py:")
    error = one.error(demo.target("key"))
    assert "`--env MY_TOKEN`" in error["message"]
    assert error["intended"]
    caused = one.error(demo.target("configured"))["message"]
    assert caused.startswith("no configuration\ncaused by `KeyError`: ")
    assert "`--env MY_TOKEN`" in caused
    assert one.error(demo.target("other_key"))["message"] == "'a'"
    assert one.error(demo.target("words"))["message"] == "the key file is missing"
    one.drain()
    assert one.printed["err"] == "the key file is missing\n"


@pytest.mark.parametrize("how", ["def", "async def"])
def test_what_a_tool_yields_is_its_list(worker, skill, how):
    source = f"""
        {how} f():
            yield 1
            yield 2
        {how} fails():
            yield 1
            raise KeyError("late")
    """
    one, demo = worker(), skill(files={"a.py": source})
    assert one.text(demo.target("f")) == "[1,2]"
    error = one.error(demo.target("fails"))
    assert (error["class"], error["location"]) == ("KeyError", "scripts/a.py:7")


def test_a_relative_import_of_nothing_is_explained(worker, skill):
    error = load_error(worker(), skill(files={"a.py": "from ._gone import x\n"}))
    assert "the skill has no file `scripts/_gone.py`" in error["message"]


def test_an_exception_while_loading_names_the_innermost_line_of_the_skill(worker, skill):
    files = {"a.py": "from ._b import x", "_b.py": "import json\nx = json.loads('{')"}
    error = load_error(worker(), skill(files=files))
    assert error["location"] == "scripts/_b.py:2"
    assert error["class"] == "JSONDecodeError"


def test_a_missing_function_and_a_missing_file_are_named(worker, skill):
    one, demo = worker(), skill(files={"a.py": ""})
    assert "`scripts/a.py` has no function `f`" in load_error(one, demo)["message"]
    assert "the skill has no file `scripts/b.py`" in load_error(one, demo, file="b.py")["message"]


def test_a_failed_load_is_tried_again(worker, skill):
    one, demo = worker(), skill(files={"a.py": "from ._late import f", "_ok.py": ""})
    load_error(one, demo)
    skill(files={"_late.py": "def f():\n    return 'now'"})
    assert one.text(demo.target("f")) == "now"


# -- errors ---------------------------------------------------------------------------------------------


def test_an_exception_is_told_from_the_user_s_frame_on(worker, skill):
    source = "from ._b import g\ndef f():\n    g({})\n"
    demo = skill(files={"a.py": source, "_b.py": "def g(d):\n    return d['x']\n"})
    error = worker().error(demo.target("f"))
    traceback = error.pop("traceback")
    assert error == {
        "id": 1,
        "kind": "tool_error",
        "class": "KeyError",
        "bases": ["LookupError", "Exception", "BaseException"],
        "message": "'x'",
        "location": "scripts/_b.py:2",
        "intended": False,
    }
    assert traceback.startswith(
        f'Traceback (most recent call last):\n  File "{demo.folder}/scripts/a.py", line 3, in f'
    )
    assert traceback.endswith("KeyError: 'x'\n")


def test_the_location_is_the_skill_s_line_even_when_a_library_raised(worker, skill):
    demo = skill(files={"a.py": "import json\ndef f():\n    json.loads('{')"})
    assert worker().error(demo.target("f"))["location"] == "scripts/a.py:3"


def test_a_tool_error_is_marked_as_meant(worker, skill):
    demo = skill(files={"a.py": "from omni import ToolError\ndef f():\n    raise ToolError('no such note')"})
    error = worker().error(demo.target("f"))
    assert (error["class"], error["message"], error["intended"]) == ("ToolError", "no such note", True)


def test_an_error_of_the_protocol_has_its_code_and_data(worker, skill):
    source = (
        "from omni import McpError\ndef f():\n    raise McpError(-31001, 'read-only', data={'archive': [1]})"
    )
    demo = skill(files={"a.py": source})
    error = worker().error(demo.target("f"))
    assert (error["kind"], error["class"], error["code"]) == ("mcp_error", "McpError", -31001)
    assert (error["message"], error["data"]) == ("read-only", {"archive": [1]})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", "m"), "`code` must be an integer of 32 bits, not 'x'"),
        ((True, "m"), "`code` must be an integer of 32 bits, not True"),
        ((2**31, "m"), "`code` must be an integer of 32 bits, not 2147483648"),
        ((1, "m", "x" * 70_000), "`data` is larger than 65536 bytes"),
    ],
)
def test_an_error_of_the_protocol_that_cannot_be_sent_is_refused_where_it_is_made(arguments, said):
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        McpError(*arguments)


def test_arguments_that_do_not_fit_the_function_are_the_tool_s_error(worker, skill):
    error = worker().error(skill(files={"a.py": ECHO}).target("echo"), {"nope": 1})
    assert (error["kind"], error["class"]) == ("tool_error", "TypeError")
    assert error["location"] == "scripts/a.py:1", error


def test_an_argument_that_is_no_value_of_its_type_is_told_to_the_caller(worker, skill):
    demo = skill(files={"a.py": "import datetime\ndef f(day: datetime.date): ..."})
    error = worker().error(demo.target("f"), {"day": "2025-02-30"})
    assert (error["kind"], error["intended"]) == ("invalid_arguments", True)
    assert error["message"] == (
        "`demo.f` was not called: 1 problem with its arguments\n"
        "- /day: '2025-02-30' is no date: day is out of range for month"
    )


@pytest.mark.parametrize(
    ("code", "expected", "message"),
    [("", 0, ""), ("3", 3, ""), ("-1", 255, ""), ("'bye'", 1, "bye"), ("None", 0, ""), ("True", 1, "")],
)
def test_an_exit_is_an_answer_and_the_worker_lives_on(worker, skill, code, expected, message):
    one, demo = worker(), skill(files={"a.py": f"import sys\ndef f():\n    sys.exit({code})\n{ECHO}"})
    error = one.error(demo.target("f"))
    assert (error["kind"], error["code"], error["message"]) == ("exited", expected, message)
    assert error["location"] == "scripts/a.py:3"
    assert one.text(demo.target("echo"), {"text": "still here"}) == "still here"


@pytest.mark.parametrize(
    "raised",
    ["KeyboardInterrupt()", "BaseException('x')", "GeneratorExit()", "StopIteration()", "MemoryError()"],
)
def test_whatever_is_raised_the_worker_lives_on(worker, skill, raised):
    one, demo = worker(), skill(files={"a.py": f"def f():\n    raise {raised}\n{ECHO}"})
    error = one.error(demo.target("f"))
    assert (error["kind"], error["class"]) == ("tool_error", raised.partition("(")[0])
    assert one.text(demo.target("echo"), {"text": "a"}) == "a"


def test_endless_recursion_is_an_error(worker, skill):
    one, demo = worker(), skill(files={"a.py": f"def f():\n    f()\n{ECHO}"})
    assert one.error(demo.target("f"))["class"] == "RecursionError"
    assert one.text(demo.target("echo"), {"text": "a"}) == "a"


def test_an_exception_without_readable_text_is_still_told(worker, skill):
    source = """
        class Evil(Exception):
            def __str__(self): raise SystemExit(9)
            __repr__ = __str__
        def f():
            raise Evil()
    """
    error = worker().error(skill(files={"a.py": source}).target("f"))
    assert (error["kind"], error["class"]) == ("tool_error", "Evil")
    assert error["message"] == "<the exception's text cannot be read: SystemExit>"


def test_an_exception_whose_text_is_no_unicode_still_gets_through(worker, skill):
    demo = skill(files={"a.py": "def f():\n    raise ValueError('a\\udc80b')"})
    assert worker().error(demo.target("f"))["message"] == "a?b"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{'items': [{'price': float('nan')}]}", "result.items[0].price is NaN"),
        ("b'\\xff'", "result is a `bytes`"),
        ("'\\ud800'", "result has half a surrogate pair"),
        ("['\\ud800']", "result[0] has half a surrogate pair"),
        ("object()", "result is a `object`"),
    ],
)
@pytest.mark.parametrize("structured", [False, True])
def test_a_result_that_json_cannot_carry_names_the_place(worker, skill, value, message, structured):
    demo = skill(files={"a.py": f"\ndef f():\n    return {value}\n{ECHO}"})
    one = worker()
    error = one.error(demo.target("f", structured=structured, wrap=structured))
    assert (error["kind"], error["location"]) == ("bad_result", "scripts/a.py:2")
    assert error["message"].startswith(message)
    assert one.text(demo.target("echo"), {"text": "a"}) == "a"


@pytest.mark.parametrize("value", ["'x' * 1001", "['x' * 1001]", "'\\n' * 600", "'x' * 50_000_000"])
def test_a_result_above_the_limit_is_refused_before_it_is_sent(worker, skill, value):
    one = worker(result_bytes_max=1000)
    demo = skill(files={"a.py": f"def f():\n    return {value}\n{ECHO}"})
    error = one.error(demo.target("f", structured=True, wrap=True))
    assert error["kind"] == "output_limit"
    assert "more than the 1000 allowed" in error["message"]
    assert one.text(demo.target("echo"), {"text": "a"}) == "a"


def test_content_and_structured_content_are_counted_apart(worker, skill):
    one = worker(result_bytes_max=1000)
    demo = skill(files={"a.py": ECHO})
    result = one.result(demo.target("echo", structured=True, wrap=True), {"text": "x" * 900})
    assert len(result["structured"]["result"]) == 900


# -- progress and logs ---------------------------------------------------------------------------------


def told(frames, kind):
    return [frame[kind] for frame in frames if kind in frame]


def with_context(demo):
    return demo.target("f", inject=[{"parameter": "ctx", "kind": "context"}])


def test_the_last_progress_is_told_and_the_flood_is_not(worker, skill):
    demo = skill(
        files={"a.py": "def f(ctx):\n    for n in range(10000):\n        ctx.progress(n, 9999, f'at {n}')"}
    )
    frames = worker().call(with_context(demo))
    progress = told(frames, "progress")
    assert progress[0] == {"id": 1, "value": 0.0, "total": 9999.0, "message": "at 0"}
    assert progress[-1] == {"id": 1, "value": 9999.0, "total": 9999.0, "message": "at 9999"}
    values = [one["value"] for one in progress]
    assert values == sorted(set(values))
    assert len(values) < 200


def test_every_update_of_a_resource_leaves_the_process_in_order(worker, skill):
    demo = skill(
        files={
            "a.py": """
import omni
def f(ctx):
    ctx.resource_updated("a:1")
    ctx.resource_updated("a:1")
    omni.resource_updated("a:2")
    ctx.progress(1)
"""
        }
    )
    frames = worker().call(with_context(demo))
    assert [one["uri"] for one in told(frames, "resource_updated")] == ["a:1", "a:1", "a:2"]


def test_progress_that_does_not_grow_is_dropped(worker, skill):
    demo = skill(files={"a.py": "def f(ctx):\n    for n in (5, 5, 4, float(5)):\n        ctx.progress(n)"})
    assert [one["value"] for one in told(worker().call(with_context(demo)), "progress")] == [5.0]


def test_a_client_that_wants_no_progress_gets_signs_of_life(worker, skill):
    demo = skill(files={"a.py": "def f(ctx):\n    ctx.progress(1)"})
    frames = worker().call(with_context(demo), context={"progress": False})
    assert frames[:-1] == [{"beat": {"id": 1}}]


def test_a_heartbeat_needs_no_context(worker, skill):
    demo = skill(files={"a.py": "from omni import heartbeat\ndef f():\n    heartbeat('x' * 300)"})
    assert worker().call(demo.target("f"))[:-1] == [{"beat": {"id": 1, "note": "x" * 200}}]


def test_logs_below_the_wanted_level_stay_here(worker, skill):
    source = """
        def f(ctx):
            ctx.debug("no")
            ctx.info("yes")
            ctx.log("emergency", {"k": [1]}, logger="l")
            ctx.error(object)
    """
    demo = skill(files={"a.py": source})
    logs = told(worker().call(with_context(demo), context={"log": "info"}), "log")
    assert logs[:2] == [
        {"id": 1, "level": "info", "logger": None, "data": "yes"},
        {"id": 1, "level": "emergency", "logger": "l", "data": {"k": [1]}},
    ]
    assert logs[2]["data"] == "<class 'object'>"
    assert told(worker().call(with_context(demo), context={"log": None}), "log") == []


def test_threads_may_speak_and_frames_stay_whole(worker, skill):
    source = """
        import threading
        def f(ctx):
            def talk(name):
                for n in range(200):
                    ctx.info({"name": name, "n": n, "pad": "x" * 5000})
            threads = [threading.Thread(target=talk, args=(name,)) for name in "abcd"]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
    """
    logs = told(worker().call(with_context(skill(files={"a.py": source}))), "log")
    assert len(logs) == 800
    for name in "abcd":
        assert [log["data"]["n"] for log in logs if log["data"]["name"] == name] == list(range(200))


def test_a_thread_that_outlives_its_call_is_not_heard(worker, skill):
    source = """
        import threading
        go, said = threading.Event(), threading.Event()
        def f(ctx):
            def talk():
                go.wait(30)
                ctx.progress(1); ctx.info("late"); ctx.heartbeat()
                said.set()
            threading.Thread(target=talk, daemon=True).start()
        def g():
            go.set()
            said.wait(30)
    """
    one, demo = worker(), skill(files={"a.py": source})
    one.call(with_context(demo))
    assert len(one.call(demo.target("g"))) == 1


# -- cancelling -----------------------------------------------------------------------------------------

WAIT = """
    import time
    from omni import heartbeat, CallCancelled
    cleaned = []
    def f(ctx):
        try:
            ctx.info("running")
            while True:
                {body}
        finally:
            cleaned.append(ctx.cancelled)
    def g():
        return cleaned
"""


@pytest.mark.parametrize(
    "body", ["time.sleep(60)", "pass", "ctx.progress(time.monotonic())", "ctx.info('x' * 9000)"]
)
def test_a_signal_ends_the_call_that_runs(worker, skill, body):
    one, demo = worker(), skill(files={"a.py": WAIT.format(body=body)})
    one.start(with_context(demo))
    assert "log" in one.receive()
    if body == "time.sleep(60)":
        one.wait_until_blocked()
    one.interrupt()
    frame = one.receive()
    while "error" not in frame:
        frame = one.receive()
    assert (frame["error"]["kind"], frame["error"]["class"]) == ("cancelled", "CallCancelled")
    assert frame["error"]["location"].startswith("scripts/a.py:")
    assert one.text(demo.target("g")) == "[true]"


def test_a_signal_between_calls_does_nothing(worker, skill):
    one, demo = worker(), skill(files={"a.py": ECHO})
    for _ in range(50):
        one.interrupt()
        assert one.text(demo.target("echo"), {"text": "a"}) == "a"
        one.interrupt()
    assert one.text(demo.target("echo"), {"text": "b"}) == "b"


def test_signals_at_any_moment_leave_one_answer_per_call(worker, skill):
    source = "def f(ctx):\n    for n in range(50):\n        ctx.info('x' * 2000)\n"
    one, demo = worker(), skill(files={"a.py": source + ECHO})
    endings = []
    for _ in range(60):
        call_id = one.start(with_context(demo))
        one.interrupt()
        frame = one.receive()
        while "log" in frame:
            one.interrupt()
            frame = one.receive()
        ((kind, body),) = frame.items()
        assert body["id"] == call_id
        endings.append(body.get("kind", kind))
    assert set(endings) <= {"result", "cancelled"}
    assert "cancelled" in endings


def test_a_tool_that_swallows_the_cancel_hears_of_it_when_it_speaks(worker, skill):
    source = """
        import time
        from omni import CallCancelled
        def f(ctx):
            ctx.info("running")
            try:
                time.sleep(60)
            except CallCancelled:
                pass
            assert ctx.cancelled
            ctx.progress(1)
    """
    one = worker()
    one.start(with_context(skill(files={"a.py": source})))
    one.receive()
    one.wait_until_blocked()
    one.interrupt()
    assert one.receive()["error"]["kind"] == "cancelled"


@pytest.mark.parametrize("body", ["", "def f():\n    import slow\n"])
def test_a_cancelled_import_ends_the_worker_since_half_of_it_would_stay(worker, skill, tmp_path, body):
    flag = tmp_path / "flag"
    slow = f"import os, time\nopen({str(flag)!r}, 'w').close()\ntime.sleep(60)\n"
    (tmp_path / "slow.py").write_text(slow)
    source = f"import sys\nsys.path.append({str(tmp_path)!r})\n" + (body or slow + "def f(): pass\n")
    one, demo = worker(), skill(files={"a.py": source})
    one.start(demo.target("f"))
    while not flag.exists():
        assert one.process.poll() is None
    one.wait_until_blocked()
    one.interrupt()
    assert one.receive() is None
    assert one.process.wait(30) == 71


def test_sigusr1_prints_the_line_that_a_tool_hangs_on(worker, skill):
    one, demo = worker(), skill(files={"a.py": WAIT.format(body="time.sleep(60)")})
    one.start(with_context(demo))
    one.receive()
    one.process.send_signal(signal.SIGUSR1)
    one.wait_until_blocked()
    one.interrupt()
    one.receive()
    printed = one.drain()["err"]
    assert f'File "{demo.folder}/scripts/a.py", line ' in printed


# -- hostile tools --------------------------------------------------------------------------------------

HOSTILE = {
    "prints": "print('out'); import sys; print('err', file=sys.stderr)",
    "writes to the descriptors": "import os; os.write(1, b'raw out'); os.write(2, b'raw err')",
    "prints from C": "import ctypes; ctypes.CDLL(None).puts(b'from C')",
    "prints from a child": "import subprocess; subprocess.run(['echo', 'child'], check=True)",
    "closes its streams": "import sys; sys.stdout.close(); sys.stderr.close()",
    "takes its streams away": "import sys; sys.stdout = sys.stderr = None",
    "replaces its streams": "import sys, io; sys.stdout = sys.stderr = io.BytesIO()",
    "closes the standard descriptors": "import os; os.close(0); os.close(1); os.close(2)",
    "closes low descriptors": "import os; os.closerange(3, 200)",
    "changes the folder": "import os; os.chdir('/')",
    "removes its folder": "import os, tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)",
    "breaks json": "import json; json.dumps = json.loads = None",
    "breaks socket": "import socket; socket.socket.send = None",
    "breaks os": "import os; os.write = os.getcwd = os._exit = os.getpid = None",
    "breaks sys.modules": "import sys; [sys.modules.pop(n) for n in list(sys.modules) if n[:5] == 'omni.']",
    "breaks traceback": "import traceback as t, linecache; t.TracebackException = linecache.getline = None",
    "breaks time": "import time; time.monotonic = time.sleep = None",
    "takes the signal": "import signal; signal.signal(signal.SIGUSR2, signal.SIG_IGN)",
    "leaves a thread": "import threading, time; threading.Thread(target=time.sleep, args=(99,)).start()",
    "leaves a trace function": "import sys; sys.settrace(lambda *a: None)",
    "forks a child that comes back": "import os; os.fork()",
    "forks a child that raises": "import os\n    if os.fork() == 0: raise ValueError",
    "uses multiprocessing": "import multiprocessing as m; m.get_context('fork').Process(target=id).start()",
    "looks for the channel": "import os; assert not [n for n in os.environ if n.startswith('OMNI_CONTROL')]",
    "removes builtins it does not own": "import builtins; builtins.print = builtins.open = None",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_tool_is_answered_and_the_next_call_too(worker, skill, body):
    one = worker()
    demo = skill(
        files={"a.py": f"def f(**_):\n    {body}\n    return 'done'\n{ECHO}def g():\n    return {{}}['k']"}
    )
    for _ in range(2):
        result = one.result(demo.target("f"))
        assert result["content"][0]["text"] == "done"
        if "tainted" in result:
            # Then there is no next call here.
            assert "skipped" in one.call(demo.target("echo"), {"text": "a"})[-1]
            return
        assert one.text(demo.target("echo"), {"text": "a"}) == "a"
        assert one.error(demo.target("g"))["class"] == "KeyError"
    assert one.drain() is not None


def test_what_a_tool_prints_is_captured_in_order_and_before_the_answer(worker, skill):
    one = worker()
    source = """
        import sys
        def f(n):
            sys.stdout.write(f'line {n}\\nrest {n} ')
            print('é\\udc80')
    """
    demo = skill(files={"a.py": source})
    for n in range(3):
        one.result(demo.target("f"), {"n": n})
    printed = one.drain()
    assert printed["out"] == "".join(f"line {n}\nrest {n} é\\udc80\n" for n in range(3))
    assert printed["err"] == ""


def test_a_print_after_closed_descriptors_reaches_us_again(worker, skill):
    one = worker()
    demo = skill(
        files={"a.py": "import os\ndef f():\n    os.close(1); os.close(2)\ndef g():\n    print('heard')"}
    )
    one.result(demo.target("f"))
    one.result(demo.target("g"))
    assert one.drain()["out"] == "heard\n"


def test_every_call_starts_in_the_worker_s_folder(worker, skill, tmp_path):
    one = worker(cwd=tmp_path)
    demo = skill(files={"a.py": "import os\ndef f():\n    was = os.getcwd(); os.chdir('/'); return was"})
    assert [one.text(demo.target("f")) for _ in range(2)] == [str(tmp_path)] * 2


def test_children_of_a_tool_do_not_hold_the_channel(worker, skill):
    source = (
        "import subprocess\ndef f():\n    subprocess.Popen('cat', stdin=subprocess.PIPE, close_fds=False)"
    )
    one = worker()
    one.result(skill(files={"a.py": source}).target("f"))
    one.process.kill()
    assert one.receive() is None


def test_a_project_s_own_json_py_does_not_stand_in_for_the_library_s(worker, skill, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong one')")
    (tmp_path / "_json.py").write_text("raise SystemExit('the wrong one')")
    one = worker(cwd=tmp_path)
    assert (
        one.text(skill(files={"a.py": "import json\ndef f():\n    return json.dumps(1)"}).target("f")) == "1"
    )


# -- the end -----------------------------------------------------------------------------------------------


def test_a_closed_channel_ends_the_worker(worker):
    one = worker()
    one.channel.close()
    assert one.wait() == 0


def test_a_channel_that_closes_before_hello_ends_the_worker(worker):
    one = worker(greet=False)
    one.receive()
    one.channel.close()
    assert one.wait() == 0


def test_a_tool_that_speaks_to_nobody_ends_with_its_server(worker, skill):
    one = worker()
    source = "def f(ctx):\n    ctx.info('x')\n    while True:\n        ctx.info('x')\n"
    one.start(with_context(skill(files={"a.py": source})))
    one.receive()
    one.channel.close()
    assert one.wait() == 0


def test_drain_runs_what_skills_left_for_the_exit(worker, skill):
    source = "import atexit\ndef f():\n    atexit.register(print, 'bye')"
    one = worker()
    one.result(skill(files={"a.py": source}).target("f"))
    assert one.drain()["out"] == "bye\n"


@pytest.mark.parametrize(
    "sent", [b"\x02\0\0\0{}", b"\x01\0\0\0{", b"\xff\xff\xff\xff", b"\x0b\0\0\0" + b'{"call": 1}']
)
def test_a_malformed_frame_ends_the_worker_with_a_reason(worker, sent):
    one = worker()
    one.channel.sendall(sent)
    assert one.wait() == 70
    assert one.printed["err"].startswith("omni worker: a ")


def test_without_a_channel_the_worker_says_who_starts_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "omni.worker"], env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "`OMNI_CONTROL_FD` is not set" in done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "omni.worker"],
        env=environment(OMNI_CONTROL_FD="77"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "`OMNI_CONTROL_FD=77` is no open socket" in done.stderr


def test_a_crash_prints_the_stack(worker, skill):
    one, demo = (
        worker(),
        skill(files={"a.py": "import os, signal\ndef f():\n    os.kill(os.getpid(), signal.SIGSEGV)"}),
    )
    one.start(demo.target("f"))
    assert one.receive() is None
    assert one.wait() == -signal.SIGSEGV
    assert f'File "{demo.folder}/scripts/a.py", line 3 in f' in one.printed["err"]
    assert one.started() == 1


HEAVY = {
    "json",
    "re",
    "typing",
    "dataclasses",
    "inspect",
    "logging",
    "argparse",
    "pathlib",
    "socket",
    "asyncio",
    "enum",
}


def test_nothing_heavy_is_loaded_for_a_plain_tool(worker, skill):
    source = """
        import sys
        from omni import tool
        @tool
        def f(a: str, b: int = 1) -> str:
            return list(sys.modules)
    """
    bare = [sys.executable, "-c", "import sys, runpy; print(*sys.modules)"]
    base = subprocess.run(bare, capture_output=True, text=True, check=True).stdout.split()
    demo = skill(files={"a.py": source})
    loaded = worker().result(demo.target("f", structured=True, wrap=True), {"a": "x"})
    assert HEAVY & set(loaded["structured"]["result"]) <= set(base)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_files_are_imported_before_any_call_when_the_server_says_so(mode, worker, skill):
    define = "async def" if mode == "async" else "def"
    source = f"from time import monotonic\nIMPORTED = monotonic()\n{define} f():\n    return str(IMPORTED)\n"
    demo = skill(files={"a.py": source, "b.py": "raise SystemExit('no')\n"})
    one = worker(mode)
    files = [{"skill": demo.name, "dir": demo.folder, "file": f"scripts/{name}.py"} for name in "abc"]
    one.send("preload", {"files": files})
    assert "ready" in one.receive(), "it goes on whatever one of them does"
    before = monotonic()
    assert float(one.text(demo.target("f"))) < before
    assert "error" in one.call(demo.target("f", "b.py"))[-1]


def test_a_worker_puts_the_key_that_it_was_told_before_each_frame(worker, skill):
    one, demo = worker(key="0123456789abcdef"), skill(files={"a.py": "def f(n):\n    return 'x' * n"})
    for size in (1, 1 << 20):
        one.start(demo.target("f"), {"n": size})
        assert one._exactly(8).hex() == "0123456789abcdef"
        assert one.receive()["result"]["content"][0]["text"] == "x" * size


def test_an_exception_from_outside_the_skill_is_placed_at_its_tool(worker, skill):
    demo = skill(files={"a.py": "\n\ndef f():\n    return (int(x) for x in map(int, ['x']))\n"})
    error = worker().error(demo.target("f"))
    assert (error["class"], error["location"]) == ("ValueError", "scripts/a.py:4")
    demo = skill(files={"a.py": "\n\ndef f():\n    return map(int, ['x'])\n"})
    error = worker().error(demo.target("f"))
    assert error["location"] == "scripts/a.py:3", error
