"""Signs of life and progress from threads and from the processes that a tool starts."""

import json
import os
import socket
import subprocess
import sys

import pytest
from harness import environment

from omni import progress, remaining, report
from omni.skill import Context


def told(frames, kind):
    return [frame[kind] for frame in frames if kind in frame]


def target(demo, function="f", **more):
    return demo.target(function, inject=[{"parameter": "ctx", "kind": "context"}], **more)


def run(source, worker, skill, mode="sync", **more):
    """Call the function `f` of this source; return what was said meanwhile."""
    demo = skill(files={"a.py": "import subprocess, sys, threading\nfrom omni import *\n" + source})
    frames = worker(mode).call(target(demo), **more)
    assert "result" in frames[-1], frames[-1]
    return frames[:-1]


STARTS = {
    "a thread": "threads = [threading.Thread(target=work)]; threads[0].start(); threads[0].join()",
    "a thread of an executor": """
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as executor:
        executor.submit(work).result()""",
    "a forked process": """
    ctx.child_env()
    import os
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    os.waitpid(child, 0)""",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("who", ["ctx.progress", "progress"])
def test_whoever_works_for_a_call_can_say_how_far_it_is(start, mode, who, worker, skill):
    define = "async def" if mode == "async" else "def"
    source = f"{define} f(ctx):\n    def work():\n        {who}(3, 10, 'third')\n    {STARTS[start]}\n"
    frames = run(source.lstrip(), worker, skill, mode)
    assert told(frames, "progress") == [{"id": 1, "value": 3.0, "total": 10.0, "message": "third"}]


def test_a_child_tells_that_a_resource_was_updated(worker, skill):
    code = "import omni; omni.resource_updated('a:b')"
    child = f"[sys.executable, '-c', {code!r}], env=ctx.child_env(), check=True"
    frames = run(f"def f(ctx):\n    subprocess.run({child})\n", worker, skill)
    assert told(frames, "resource_updated") == [{"id": 1, "uri": "a:b"}]


CHILDREN = {
    "python": """[sys.executable, "-c", "import omni; omni.heartbeat('h'); omni.progress(1, 2, 'm')"]""",
    "shell": """["sh", "-c", f"{sys.executable} -m omni.report; {sys.executable} -m omni.report 1 2 m"]""",
    "grandchild": """["sh", "-c", f"sh -c '{sys.executable} -m omni.report 1 - m; true'; true"]""",
}


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_process_reports_before_the_result(child, mode, worker, skill):
    define = "async def" if mode == "async" else "def"
    frames = run(
        f"{define} f(ctx):\n    subprocess.run({CHILDREN[child]}, env=ctx.child_env(), check=True)\n",
        worker,
        skill,
        mode,
    )
    (last,) = told(frames, "progress")
    assert (last["value"], last["message"]) == (1.0, "m")
    assert last["total"] == (None if child == "grandchild" else 2.0)


def test_any_program_may_send_a_datagram_and_nonsense_is_passed_over(worker, skill):
    source = """
def f(ctx):
    import os, socket
    address = ctx.child_env({})["OMNI_REPORT"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        for data in (b"", b"[1]", b"nonsense", b"\\xff", b"{}", b'{"progress": "x"}', b"{" * 9000,
                     b'{"progress": 1}', b'{"progress": 2, "total": null, "more": 1}'):
            out.sendto(data, "\\0" + address[1:])
"""
    frames = run(source.lstrip(), worker, skill)
    assert [one["value"] for one in told(frames, "progress")] == [1.0, 2.0]


def test_a_flood_of_reports_is_thinned_out_and_the_last_one_is_kept(worker, skill):
    source = """
def f(ctx):
    code = "import omni\\nfor n in range(2000): omni.progress(n, 1999)"
    subprocess.run([sys.executable, "-c", code], env=ctx.child_env(), check=True)
"""
    values = [one["value"] for one in told(run(source.lstrip(), worker, skill), "progress")]
    assert values[-1] == 1999.0
    assert len(values) < 200


def test_nothing_is_left_of_listening_when_the_call_has_ended(worker, skill):
    source = """
import os
def state():
    return [len(os.listdir("/proc/self/task")), sorted(os.listdir("/proc/self/fd"))]
def f(ctx):
    before = state()
    children = [ctx.child_env(), ctx.child_env()]
    assert children[0] == children[1]
    f.kept = ctx
    f.address = children[0]["OMNI_REPORT"]
    return [before, state()]
def g(ctx):
    from omni import report
    assert "OMNI_REPORT" not in f.kept.child_env(), "that call is over"
    assert not report.send(f.address, {"heartbeat": None}), "nobody hears it"
    return state()
"""
    demo, one = skill(files={"a.py": source}), worker()
    before, during = json.loads(one.text(target(demo)))
    assert (before[0], during[0]) == (1, 2)
    assert json.loads(one.text(target(demo, "g"))) == before


def test_a_child_of_a_former_call_is_not_heard(worker, skill):
    source = """
import subprocess, sys, time
def f(ctx):
    code = "import sys, omni; sys.stdin.read(); omni.progress(9, 9, 'of another client')"
    f.child = subprocess.Popen([sys.executable, "-c", code], env=ctx.child_env(), stdin=subprocess.PIPE)
def g(ctx):
    ctx.child_env()
    f.child.stdin.close()
    f.child.wait()
"""
    demo, one = skill(files={"a.py": source}), worker()
    one.call(target(demo))
    assert told(one.call(target(demo, "g")), "progress") == []


def test_a_thread_speaks_for_no_call_where_several_run(worker, skill):
    source = """
import asyncio, threading
from omni import heartbeat
async def waits(ctx):
    ctx.info("waiting")
    await asyncio.sleep(60)
async def f(ctx):
    thread = threading.Thread(target=heartbeat, args=("whose?",))
    thread.start()
    thread.join()
    await asyncio.to_thread(heartbeat, "mine")
"""
    demo, one = skill(files={"a.py": source}), worker("async")
    one.start(target(demo, "waits"))
    assert "log" in one.receive()
    assert told(one.call(target(demo)), "beat") == [{"id": 2, "note": "mine"}]


def test_a_child_knows_how_much_time_is_left(worker, skill):
    source = """
def f(ctx):
    code = "import omni; print(omni.remaining())"
    child = subprocess.run([sys.executable, "-c", code], env=ctx.child_env(), check=True, capture_output=True)
    return [ctx.remaining, float(child.stdout)]
"""
    demo = skill(files={"a.py": "import subprocess, sys\n" + source})
    mine, its = json.loads(worker().text(target(demo), deadline_ms=50000))
    assert 40 < mine <= its <= 50, "it was asked first"


def test_outside_a_call_nothing_happens(tmp_path):
    assert not report.heartbeat()
    assert remaining() is None
    progress(1, 2, "m")
    child = Context().child_env({"A": "1", "OMNI_REPORT": "@of-another-call"})
    assert child == {"A": "1", "PYTHONPATH": child["PYTHONPATH"]}
    for words, code in ((["1", "2", "m"], 0), ([], 0), (["x"], 1), (["nan"], 0), (["1", "2", "m", "y"], 1)):
        done = subprocess.run(
            [sys.executable, "-m", "omni.report", *words],
            env=environment(),
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, (words, done.stderr)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become somebody else")
def test_another_user_is_not_heard(worker, skill):
    source = """
def f(ctx):
    import os
    ctx.child_env()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        ctx.progress(9, 9, "forged")
        os._exit(0)
    os.waitpid(child, 0)
"""
    assert told(run(source.lstrip(), worker, skill), "progress") == []


def test_a_report_that_nobody_reads_holds_nobody_up(monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(f"\0omni-test-{os.getpid()}")
        monkeypatch.setenv("OMNI_REPORT", f"@omni-test-{os.getpid()}")
        monkeypatch.setattr(report, "_PATIENCE_SECONDS", 0.001)
        sent = [report.heartbeat("x") for _ in range(2000)]
    assert sent[0]
    assert not sent[-1]
