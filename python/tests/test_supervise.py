"""Worker processes under Python's own supervision: how calls end, and what is left afterwards."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from harness import PATIENCE_SECONDS, TOP, environment

from omni.supervise import Closed, Config, Job, Supervisor
from omni.supervise.printed import looks_complete, user_frames

TOOLS = (
    TOP
    + """
import itertools, os, signal, subprocess, sys, threading, time

@tool
def echo(text: str = "") -> str:
    return text

@tool
def pid() -> int:
    return os.getpid()

_CALLS = []

@tool
def counts() -> str:
    _CALLS.append(1)
    return f"{os.getpid()} {len(_CALLS)}"

@tool
def raises():
    raise KeyError("missing")

@tool
def dies(how: str):
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)

@tool
def prints():
    print("one")
    sys.stderr.write("two\\n")
    os.write(1, b"three")

@tool
def says(ctx: Context):
    ctx.info({"n": 1})
    ctx.progress(1, 2, "half")

@tool
def waits(ctx: Context, how: str = "sleep", seconds: float = 1000):
    if how in ("gil", "ignore"):
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    if how == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctx.info({"pid": os.getpid()})
    if how == "gil":
        all(itertools.repeat(True))
    if how in ("child", "daemon"):
        child = subprocess.Popen(["sleep", "1000"], start_new_session=how == "daemon")
        ctx.info({"pid": child.pid})
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)

@tool
def beats(times: int, pause: float) -> str:
    for _ in range(times):
        time.sleep(pause)
        heartbeat()
    return "alive"

@tool
async def later(text: str) -> str:
    import asyncio
    await asyncio.sleep(0)
    return text

@tool
def replaces() -> str:
    os.getcwd = lambda: "/nowhere"
    return "done"

@tool
async def waits_async():
    import asyncio
    await asyncio.sleep(1000)

@tool
def garbage():
    os.write(1000, b"\\x05\\0\\0\\0hello")
    time.sleep(1000)
"""
)


class Caller:
    """Somebody who may go away."""

    events = 1

    def __init__(self):
        self._read, self._write = os.pipe()

    def fileno(self):
        return self._read

    def left(self):
        return self._write is None

    def leave(self):
        write, self._write = self._write, None
        os.close(write)


class Lab:
    """A supervisor over one skill, and calls in one line each."""

    def __init__(self, skill, root, **options):
        self.skill = skill
        self.supervisor = Supervisor(Config(str(root), {skill.name: {"colour": "blue"}}), **options)
        self.said = []
        self.heard = threading.Condition()

    def _hear(self, line):
        with self.heard:
            self.said.append(json.loads(line))
            self.heard.notify_all()

    def job(self, function, arguments=None, *, file="a.py", **more):
        return Job(
            self.skill.target(function, file),
            json.dumps(arguments or {}),
            call_id=7,
            context={"progress": True, "log": "debug", "session": "s"},
            say=self._hear,
            **more,
        )

    def call(self, function, arguments=None, **more):
        """Run a call and return its last line, parsed."""
        return self.run(self.job(function, arguments, **more))

    def run(self, job):
        last = self.supervisor.run(job)
        return None if last is None else json.loads(last)

    def text(self, function, arguments=None, **more):
        last = self.call(function, arguments, **more)
        assert "result" in last, last
        return last["result"]["content"][0]["text"]

    def error(self, function, arguments=None, **more):
        last = self.call(function, arguments, **more)
        assert "error" in last, last
        assert last["error"]["id"] == 7
        return last["error"]

    def pids(self, count=1):
        """Wait until the tool has said so many process ids."""
        with self.heard:
            found = []
            while len(found) < count:
                found = [line["log"]["data"]["pid"] for line in self.said if "pid" in str(line.get("log"))]
                if len(found) < count:
                    assert self.heard.wait(PATIENCE_SECONDS)
            return found

    def start(self, job):
        """Run a call in a thread; return the thread, and where its end will be."""
        ends = []
        thread = threading.Thread(target=lambda: ends.append(self.run(job)))
        thread.start()
        return thread, ends


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in b"ZX"
    except OSError:
        return True


def wait_until(condition):
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def lab(skill, tmp_path):
    made = []

    def make(**options):
        made.append(Lab(skill("demo", {"a.py": TOOLS, **options.pop("files", {})}), tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        one.supervisor.close()
        assert one.supervisor.state()["busy"] == 0


def test_a_result_comes_back_under_the_caller_s_number(lab):
    one = lab()
    assert one.call("echo", {"text": "grüezi"}) == {
        "result": {"id": 7, "content": [{"type": "text", "text": "grüezi"}]}
    }
    assert one.said == [{"started": {"id": 7}}]


def test_one_worker_serves_call_after_call(lab):
    one = lab(workers=(1, 4))
    assert len({one.text("pid") for _ in range(5)}) == 1


def test_an_exception_keeps_its_worker(lab):
    one = lab()
    before = one.text("pid")
    error = one.error("raises")
    assert (error["kind"], error["class"], error["message"]) == ("tool_error", "KeyError", "'missing'")
    assert error["location"].startswith("scripts/a.py:")
    assert one.text("pid") == before


def test_arguments_are_checked_and_the_context_is_filled_in(lab):
    one = lab()
    assert one.error("echo", {"txt": "a"})["class"] == "ArgumentError"
    assert one.error("echo", {"text": 5})["class"] == "ArgumentError"
    assert one.call("says")["result"]["content"] == []
    assert [line for line in one.said if "log" in line or "progress" in line] == [
        {"log": {"id": 7, "level": "info", "logger": None, "data": {"n": 1}}},
        {"progress": {"id": 7, "value": 1.0, "total": 2.0, "message": "half"}},
    ]


def test_an_async_tool_runs_in_a_worker_of_its_own(lab):
    assert lab().text("later", {"text": "a"}) == "a"


@pytest.mark.parametrize(
    ("how", "end"), [("exit", ("exited", "code", 3)), ("kill", ("signalled", "signal", 9))]
)
def test_a_death_costs_one_call_and_is_told(lab, how, end):
    one = lab()
    kind, member, number = end
    error = one.error("dies", {"how": how})
    assert (error["kind"], error[member]) == (kind, number)
    assert one.text("echo", {"text": "up"}) == "up"


def test_a_file_that_kills_its_worker_when_it_is_imported_is_tried_twice(lab, tmp_path):
    count = tmp_path / "count"
    text = f"import os\nopen({str(count)!r}, 'a').write('x')\nos._exit(5)\n"
    one = lab(files={"dying.py": text})
    error = one.error("anything", file="dying.py")
    assert (error["kind"], error["code"]) == ("exited", 5)
    assert count.read_text() == "xx"
    assert one.said == []


def test_what_a_tool_prints_is_said_before_its_result(lab):
    one = lab()
    one.call("prints")
    lines = sorted((line["log"]["logger"], line["log"]["data"]) for line in one.said if "log" in line)
    assert lines == [("stderr", "two"), ("stdout", "one"), ("stdout", "three")]


@pytest.mark.parametrize("how", ["sleep", "gil", "ignore"])
def test_a_tool_is_stopped_at_its_time_limit_and_its_line_is_told(lab, how):
    one = lab()
    error = one.error("waits", {"how": how}, deadline_ms=1500)
    assert (error["kind"], error["limit_ms"]) == ("timeout_total", 1500)
    assert error["stack"].startswith('  File "scripts/a.py", line ')
    assert error["stack"].endswith(" in waits")
    (pid,) = one.pids()
    if how != "sleep":
        wait_until(lambda: is_gone(pid))
    assert one.text("echo", {"text": "up"}) == "up"


def test_silence_ends_a_call_and_signs_of_life_keep_it(lab):
    one = lab()
    error = one.error("waits", idle_ms=500)
    assert (error["kind"], error["limit_ms"]) == ("timeout_idle", 500)
    assert one.text("beats", {"times": 6, "pause": 0.3}, idle_ms=1500) == "alive"


@pytest.mark.parametrize("how", ["sleep", "gil", "ignore", "child", "daemon"])
def test_a_caller_that_leaves_ends_the_tool_and_what_it_started(lab, how):
    one = lab()
    caller = Caller()
    thread, ends = one.start(one.job("waits", {"how": how}, caller=caller))
    pids = one.pids(2 if how in ("child", "daemon") else 1)
    caller.leave()
    thread.join(PATIENCE_SECONDS)
    assert ends == [None]
    # The tool that obeys keeps its worker, unless it leaves something that would work on.
    for pid in [] if how == "sleep" else pids:
        wait_until(lambda pid=pid: is_gone(pid))
    one.supervisor.close()
    for pid in pids:
        wait_until(lambda pid=pid: is_gone(pid))


def test_a_worker_that_a_call_has_changed_serves_no_other(lab):
    one = lab(workers=(1, 1))
    before = one.text("pid")
    last = one.call("replaces")["result"]
    assert last["content"] == [{"type": "text", "text": "done"}]
    assert last["tainted"]
    assert one.text("pid") != before


def test_a_time_limit_tells_the_line_that_a_coroutine_waits_on(lab):
    error = lab().error("waits_async", deadline_ms=1500)
    assert error["stack"].endswith(" in waits_async")


def test_garbage_on_the_channel_ends_the_worker_and_its_call_only(lab):
    one = lab()
    assert one.error("garbage")["kind"] == "lost"
    assert one.text("echo", {"text": "up"}) == "up"


def test_calls_wait_for_a_worker_and_their_time_runs_meanwhile(lab):
    one = lab(workers=(1, 1))
    caller = Caller()
    thread, _ = one.start(one.job("waits", caller=caller))
    one.pids()
    begun = []
    error = one.error("echo", deadline_ms=200, begun=lambda: begun.append(1))
    assert (error["kind"], begun) == ("timeout_total", [])
    caller.leave()
    thread.join(PATIENCE_SECONDS)
    assert one.text("echo", {"text": "up"}) == "up"


def test_closing_ends_what_runs_and_takes_nothing_more(lab):
    one = lab()
    thread, ends = one.start(one.job("waits", {"how": "ignore"}))
    (pid,) = one.pids()
    one.supervisor.close()
    thread.join(PATIENCE_SECONDS)
    assert ends[0]["error"]["kind"] == "shutdown"
    assert is_gone(pid)
    with pytest.raises(Closed):
        one.call("echo")


def test_workers_that_know_old_code_serve_no_more_calls(lab):
    one = lab()
    before = one.text("pid")
    one.supervisor.renew()
    assert one.text("pid") != before


def test_calls_with_one_affinity_meet_in_one_worker_and_hear_when_its_memory_is_gone(lab):
    one = lab()
    ann, bob = {"affinity": ("demo", "ann")}, {"affinity": ("demo", "bob")}
    counted = [one.text("counts", **who).split() for who in (ann, ann, bob, ann)]
    assert [count for _, count in counted] == ["1", "2", "1", "3"]
    assert counted[0][0] == counted[1][0] == counted[3][0] != counted[2][0]
    assert one.error("dies", {"how": "kill"}, **ann)["kind"] == "signalled"
    after = one.call("counts", **ann)["result"]
    assert after["meta"] == {"omni/state": "lost"}
    assert after["content"][0]["text"].endswith(" 1")
    assert "meta" not in one.call("counts", **ann)["result"]


def test_sessions_that_nobody_uses_make_room_for_others(lab):
    one = lab(workers=(0, 2))
    for session in "abcabc":
        assert one.text("echo", {"text": session}, affinity=("demo", session)) == session
    assert one.supervisor.state()["idle"] <= 2


def test_an_interpreter_that_is_missing_is_named(skill, tmp_path):
    one = Lab(skill("demo", {"a.py": TOOLS}), tmp_path, workers=(0, 2))
    one.supervisor._config.python = "/no/such/python"
    error = one.error("echo")
    assert error["kind"] == "worker_start"
    assert "/no/such/python" in error["message"]
    one.supervisor.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part in it is Linux's")
def test_workers_die_with_their_supervisor_whatever_they_do(skill, tmp_path):
    made = skill("demo", {"a.py": TOOLS})
    script = (
        "import json, sys\n"
        "from omni.supervise import Config, Job, Supervisor\n"
        f"job = Job({made.target('waits')!r}, '{{\"how\":\"gil\"}}', context={{'log': 'debug'}},"
        " say=lambda line: (sys.stdout.write(line.decode() + '\\n'), sys.stdout.flush()))\n"
        f"Supervisor(Config({str(tmp_path)!r})).run(job)\n"
    )
    keeper = subprocess.Popen(
        [sys.executable, "-c", script], env=environment(), stdout=subprocess.PIPE, text=True
    )
    with keeper:
        lines = (json.loads(line) for line in keeper.stdout)
        pid = next(line["log"]["data"]["pid"] for line in lines if "log" in line)
        assert not is_gone(pid)
        keeper.send_signal(signal.SIGKILL)
    wait_until(lambda: is_gone(pid))


DUMP = """noise of the tool
Thread 0x00007f1 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 982 in run
  File "/p/skills/a/scripts/bg.py", line 9 in watch

Current thread 0x00007f2 (most recent call first):
  File "/usr/lib/python3.11/socket.py", line 1 in recv
  File "/p/skills/a/scripts/hang.py", line 7 in inner
  File "/p/skills/a/scripts/hang.py", line 12 in tool
  File "/opt/omni/worker.py", line 100 in main
"""


WAITING = """Current thread 0x00007f2 (most recent call first):
  File "/usr/lib/python3.11/selectors.py", line 1 in select
  File "/p/skills/a/scripts/wait.py", line 9 in starts
  File "/opt/omni/waiting.py", line 3 in run
  File "/opt/omni/worker.py", line 100 in main
"""
WHERE = """Call 7 (`a.wait`), most recent call first:
  File "/p/skills/a/scripts/wait.py", line 5 in wait
"""


def test_where_an_awaitable_waits_is_better_than_where_its_thread_is():
    assert looks_complete(DUMP.encode(), 7)
    assert not looks_complete(DUMP.encode()[:-3], 7)
    assert not looks_complete(WAITING.encode(), 7)
    assert looks_complete((WAITING + WHERE).encode(), 7)
    assert user_frames(WAITING + WHERE, "/p/skills/a", 7) == '  File "scripts/wait.py", line 5 in wait'


def test_the_frames_of_the_skill_come_innermost_last():
    assert user_frames(DUMP, "/p/skills/a", 7) == (
        '  File "scripts/hang.py", line 12 in tool\n  File "scripts/hang.py", line 7 in inner'
    )
    assert user_frames(DUMP, "/p/skills/b", 7) is None
    assert user_frames("", "/p/skills/a", 7) is None
