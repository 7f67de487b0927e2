"""What a call leaves behind in its worker: found, put back, or taken for granted."""

import json
import os

import pytest

REPLACED = {
    "a function of os": ("import os; os.getcwd = None", "`os.getcwd` was replaced"),
    "a function of os.path": ("import os; os.path.join = None", "`os.path.join` was replaced"),
    "a deleted function": ("import os; del os.listdir", "`os.listdir` was replaced"),
    "a built-in function": (
        "import builtins; builtins.isinstance = None",
        "`builtins.isinstance` was replaced",
    ),
    "an import that the call makes itself": ("import json; json.dumps = None", "`json.dumps` was replaced"),
    "a class of another module": ("import socket; socket.socket = dict", "`socket.socket` was replaced"),
    "a function of our own": ("import omni.wire; omni.wire.quote = None", "`omni.wire.quote` was replaced"),
    "a method of our own": (
        "import omni.invoke; omni.invoke.ToolRunner.run = None",
        "`omni.invoke.ToolRunner.run` was replaced",
    ),
    "a thread": (
        "import threading, time; threading.Thread(target=time.sleep, args=(9,), name='t').start()",
        "the thread `t` was left running",
    ),
    "a thread that nobody knows": (
        "import _thread as t, time; t.start_new_thread(time.sleep, (9,)); [0 for _ in iter(t._count, 1)]",
        "1 thread(s) that `threading` does not know were left running",
    ),
    "more threads than a pool has": (
        "import threading as t; [t.Thread(target=t.Event().wait, daemon=True).start() for _ in 'x' * 40]",
        "40 threads were left running",
    ),
    "many descriptors": (
        "import os\n    for _ in range(300): os.dup(1)",
        "descriptors were left open",
    ),
    "a process that left the session": (
        "import subprocess; subprocess.Popen(['sleep', '9'], start_new_session=True)",
        "1 process(es) were left running",
    ),
}


def tool(body, name="f"):
    return f"def {name}(**_):\n    {body}\n    return 'done'\n"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("body", "finding"), REPLACED.values(), ids=REPLACED)
def test_what_would_hurt_the_next_call_is_said_with_the_answer_and_no_call_follows(
    worker, skill, body, finding
):
    one, demo = worker(), skill(files={"a.py": tool(body)})
    result = one.result(demo.target("f"))
    assert result["content"][0]["text"] == "done"
    assert finding in json.dumps(result["tainted"]), result
    for _ in range(2):
        assert "skipped" in one.call(demo.target("f"))[-1]


def test_an_error_says_it_as_well(worker, skill):
    one = worker()
    demo = skill(files={"a.py": "def f():\n    import os\n    os.getcwd = None\n    raise ValueError"})
    assert one.error(demo.target("f"))["tainted"] == ["`os.getcwd` was replaced"]


STATE = """
    import os, resource, signal, sys, threading
    def state():
        umask = os.umask(0o22)
        os.umask(umask)
        return [
            os.getcwd(), umask, sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            list(signal.getitimer(signal.ITIMER_REAL)), list(resource.getrlimit(resource.RLIMIT_NOFILE)),
            str(signal.getsignal(signal.SIGTERM)), str(signal.getsignal(signal.SIGUSR1)),
            str(sys.gettrace()), str(threading._trace_hook), str(sys.getprofile()), sys.getrecursionlimit(),
        ]
    def f():
        {body}
"""

RESTORED = {
    "folder": "os.chdir('/')",
    "umask": "os.umask(0o777)",
    "mask": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
    "timer": "signal.setitimer(signal.ITIMER_REAL, 0.2)",
    "soft limit": (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))"
    ),
    "handler": "signal.signal(signal.SIGTERM, lambda *_: None)",
    "handler of the server's signal": "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
    "depth of recursion": "sys.setrecursionlimit(60)",
    "hooks of later threads": "threading.settrace(lambda *_: None)",
    "hooks": "sys.settrace(lambda *_: None); sys.setprofile(lambda *_: None)",
}


@pytest.mark.parametrize("body", RESTORED.values(), ids=RESTORED)
def test_what_can_be_put_back_is_and_the_worker_goes_on(worker, skill, body):
    one, demo = worker(), skill(files={"a.py": STATE.format(body=body)})
    before = one.result(demo.target("state"))["content"]
    assert "tainted" not in one.result(demo.target("f"))
    assert one.result(demo.target("state"))["content"] == before


def test_what_cannot_be_put_back_ends_the_process(worker, skill):
    if os.geteuid() == 0:
        pytest.skip("root may raise limits again")
    source = "import resource\ndef f():\n    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))"
    one, demo = worker(), skill(files={"a.py": source})
    one.result(demo.target("f"))
    assert one.receive() is None


ACCEPTED = {
    "a pool of threads that a module keeps": """
        from concurrent.futures import ThreadPoolExecutor
        POOL = ThreadPoolExecutor(4)
        def f():
            return str(sum(POOL.map(int, range(8))))
    """,
    "a daemon thread from the first call": """
        import threading, time
        WATCH = []
        def f():
            if not WATCH:
                WATCH.append(threading.Thread(target=time.sleep, args=(9,), daemon=True))
                WATCH[0].start()
            return "28"
    """,
    "a connection that is kept": """
        import socket
        KEPT = []
        def f():
            KEPT.append(socket.socketpair())
            return "28"
    """,
    "a helper process from the first call": """
        import subprocess
        HELPER = []
        def f():
            if not HELPER:
                HELPER.append(subprocess.Popen(["sleep", "9"], stdout=-3, stderr=-3))
            return "28"
    """,
    "a pool of processes": """
        import multiprocessing
        POOL = []
        def f():
            if not POOL:
                POOL.append(multiprocessing.get_context("fork").Pool(2))
            return str(sum(POOL[0].map(int, range(8))))
    """,
    "children that have been waited for": """
        import subprocess
        def f():
            return subprocess.run(["echo", "28"], stdout=subprocess.PIPE, text=True).stdout.strip()
    """,
    "what a library replaces while it is imported": """
        import functools, os
        import json as library
        os.getcwd = functools.wraps(os.getcwd)(functools.partial(os.getcwd))
        os.getcwd.__module__ = "library"
        def f():
            return "28"
    """,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
def test_what_a_tool_keeps_for_its_later_calls_costs_no_worker(worker, skill, source):
    one, demo = worker(), skill(files={"a.py": source})
    for _ in range(5):
        assert one.result(demo.target("f")) == {
            "id": one._last_id,
            "content": [{"type": "text", "text": "28"}],
        }


def test_what_a_skill_itself_replaces_at_import_is_not_taken_for_granted(worker, skill):
    one = worker()
    demo = skill(files={"a.py": "import os\nos.getcwd = lambda: '/'\ndef f():\n    return 'a'"})
    assert one.result(demo.target("f"))["tainted"] == ["`os.getcwd` was replaced"]


def test_a_second_process_left_running_is_one_too_many(worker, skill):
    source = "import subprocess\ndef f():\n    subprocess.Popen(['sleep', '9'], stdout=-3, stderr=-3)"
    one, demo = worker(), skill(files={"a.py": source})
    assert "tainted" not in one.result(demo.target("f"))
    assert one.result(demo.target("f"))["tainted"] == ["1 process(es) were left running"]


def test_an_async_worker_says_it_too(worker, skill):
    one = worker("async")
    demo = skill(files={"a.py": "async def f():\n    import os\n    os.getcwd = None"})
    assert one.result(demo.target("f"))["tainted"] == ["`os.getcwd` was replaced"]
    assert "skipped" in one.call(demo.target("f"))[-1]
