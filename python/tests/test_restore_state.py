"""What a call changes in its process is as it was for the next one, and what an import sets stays."""

import os

import pytest
from harness import SOURCES

#: What is read, and what changes it; both are Python. Modules are imported by the call itself, or before it.
PUT_BACK = {
    "O_NONBLOCK on the standard descriptors": (
        "[os.get_blocking(n) for n in (0, 1, 2)]",
        "[os.set_blocking(n, False) for n in (0, 1, 2)]",
    ),
    "another file at standard output's number": (
        "[(os.fstat(n).st_dev, os.fstat(n).st_ino) for n in (0, 1, 2)]",
        "os.dup2(os.open('/dev/null', os.O_WRONLY), 1)",
    ),
    "a file that is appended to at standard error's number": (
        "[(os.fstat(n).st_dev, os.fstat(n).st_ino) for n in (0, 1, 2)]",
        "os.dup2(os.open(os.path.join(os.environ.get('TMPDIR', '/tmp'), 'a'), 0o2101, 0o600), 2)",
    ),
    "pipes at the standard descriptors' numbers": (
        "[os.fstat(n).st_ino for n in (1, 2)] + [os.fstat(0).st_rdev]",
        "r, w = os.pipe(); os.dup2(r, 0); os.dup2(w, 1); os.dup2(w, 2)",
    ),
    "processors": (
        "sorted(os.sched_getaffinity(0))",
        "os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})",
    ),
    "switch interval": ("sys.getswitchinterval()", "sys.setswitchinterval(1.5)"),
    "digits of an integer": (
        "getattr(sys, 'get_int_max_str_digits', int)()",
        "getattr(sys, 'set_int_max_str_digits', int)(0)",
    ),
    "collector off": ("gc.isenabled()", "gc.disable()"),
    "collector's thresholds": ("gc.get_threshold()", "gc.set_threshold(1, 1, 1)"),
    "collector's flags": ("gc.get_debug()", "gc.set_debug(gc.DEBUG_UNCOLLECTABLE)"),
    "collector's callbacks": ("len(gc.callbacks)", "gc.callbacks.append(print)"),
    "an entry of sys.path": ("sys.path", "sys.path.insert(0, '/nowhere')"),
    "all of sys.path": ("sys.path", "sys.path = ['/nowhere']"),
    "sys.path emptied": ("sys.path", "sys.path.clear()"),
    "sys.argv": ("sys.argv", "sys.argv[:] = ['a', 'b']"),
    "a finder of its own": (
        "len(sys.meta_path)",
        "sys.meta_path.append(type('F', (), {'__module__': __name__, 'find_spec': lambda *_: None})())",
    ),
    "finders removed": (
        "len(sys.meta_path), len(sys.path_hooks)",
        "sys.meta_path.clear(); sys.path_hooks.clear()",
    ),
    "a hook of its own": ("len(sys.path_hooks)", "sys.path_hooks.insert(0, lambda path: 1 / 0)"),
    "standard output": ("sys.stdout is OUT, sys.stdout.closed", "sys.stdout = io.StringIO()"),
    "standard output wrapped": (
        "sys.stdout.errors, sys.stdout.encoding, sys.stdout.closed",
        "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'ascii')",
    ),
    "standard output closed": ("sys.stdout.closed", "sys.stdout.close()"),
    "standard output detached": ("sys.stdout.fileno()", "sys.stdout.detach()"),
    "standard output deleted": ("sys.stdout.fileno()", "del sys.stdout"),
    "standard output set anew": ("sys.stdout.errors", "sys.stdout.reconfigure(encoding='latin-1')"),
    "standard error": ("sys.stderr.closed, sys.stderr.fileno()", "sys.stderr.close(); sys.stderr = None"),
    "standard input": ("sys.stdin.closed, sys.stdin.read()", "sys.stdin.close()"),
    "standard input replaced": ("sys.stdin.read()", "sys.stdin = io.StringIO('x')"),
    "locale": ("locale.setlocale(locale.LC_ALL)", "locale.setlocale(locale.LC_ALL, 'C.UTF-8')"),
    "exception hooks": (
        "sys.excepthook is sys.__excepthook__, sys.unraisablehook is sys.__unraisablehook__",
        "sys.excepthook = sys.unraisablehook = sys.displayhook = sys.breakpointhook = print",
    ),
    "hook of threads": ("str(threading.excepthook)", "threading.excepthook = print"),
    "filters of warnings": ("len(warnings.filters)", "warnings.simplefilter('error')"),
    "what shows warnings": ("warnings.showwarning.__module__", "warnings.showwarning = print"),
    "default timeout of sockets": ("socket.getdefaulttimeout()", "socket.setdefaulttimeout(0.001)"),
    "level of logging": (
        "logging.root.level, logging.root.manager.disable",
        "logging.basicConfig(level=10); logging.disable()",
    ),
    "handlers of logging": ("len(logging.root.handlers)", "logging.root.addHandler(logging.NullHandler())"),
    "event loop": (
        "str(asyncio.get_event_loop_policy()._local.__dict__)",
        "asyncio.new_event_loop().close()",
    ),
    "closed event loop": (
        "type(asyncio.events._event_loop_policy)",
        "loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop); loop.close()",
    ),
    "opener of urllib": (
        "urllib.request._opener",
        "urllib.request.install_opener(urllib.request.build_opener())",
    ),
    "tracing of memory": ("tracemalloc.is_tracing()", "tracemalloc.start()"),
    "a new variable": ("os.environ.get('LEFT'), os.popen('echo $LEFT').read()", "os.environ['LEFT'] = 'x'"),
    "a variable": ("os.environ.get('PATH')", "os.environ['PATH'] = '/nowhere'"),
    "a deleted variable": ("os.environ.get('PATH')", "del os.environ['PATH']"),
    "time zone": (
        "time.localtime(0).tm_hour, time.tzname",
        "os.environ['TZ'] = 'America/New_York'; time.tzset()",
    ),
    "precision of decimals": (
        "str(decimal.Decimal(1) / 3)",
        "decimal.getcontext().prec = 2; decimal.getcontext().rounding = decimal.ROUND_UP",
    ),
    "context variables": ("VARIABLE.get()", "VARIABLE.set('changed')"),
    "a dump to come": ("1", "faulthandler.dump_traceback_later(0.1, exit=True)"),
    "descriptor of signals": (
        "signal.set_wakeup_fd(-1)",
        "a, b = socket.socketpair(); b.setblocking(False); signal.set_wakeup_fd(b.detach())",
    ),
    "modules forgotten": (
        "sys.modules.keys() >= KNOWN",
        "[sys.modules.pop(n) for n in list(sys.modules) if n[:4] == 'omni']",
    ),
    "all modules forgotten": ("sys.modules.keys() >= KNOWN", "sys.modules.clear()"),
}
MODULES = (
    "asyncio, decimal, faulthandler, gc, io, locale, logging, os, signal, socket, sys, threading, time, "
    "tracemalloc, urllib.request, warnings"
)
#: Of modules that a call may be the first to load.
OF_MODULES = [
    name
    for name, (_, change) in PUT_BACK.items()
    if any(
        f"{module.strip()}." in change
        for module in MODULES.split(",")
        if module.strip() not in ("os", "sys", "io")
    )
]
SOURCE = """
import contextvars
{early}
VARIABLE = contextvars.ContextVar("v", default="fresh")
"""
KIND = """
def state_{number}():
    {late}
    global OUT, KNOWN
    OUT, KNOWN = globals().setdefault("OUT", sys.stdout), globals().setdefault("KNOWN", set(sys.modules))
    return repr([{read}])
def change_{number}():
    {late}
    {change}
async def astate_{number}():
    return state_{number}()
async def achange_{number}():
    change_{number}()
"""


def source(early, late):
    kinds = enumerate(PUT_BACK.values())
    return SOURCE.format(early=early) + "".join(
        KIND.format(number=number, late=late, read=read, change=change) for number, (read, change) in kinds
    )


@pytest.mark.parametrize("letter", ["", "a"], ids=["sync", "async"])
def test_what_a_call_changes_is_put_back_and_the_worker_goes_on(worker, skill, letter):
    demo = skill(files={"a.py": source(f"import {MODULES}", "pass")})
    one = worker("async" if letter else "sync")
    found = {}
    for number, name in enumerate(PUT_BACK):
        before = one.text(demo.target(f"{letter}state_{number}"))
        for _ in range(2):
            said = one.result(demo.target(f"{letter}change_{number}"))
            assert "tainted" not in said, (name, said)
            after = one.result(demo.target(f"{letter}state_{number}"))
            assert "tainted" not in after, (name, after)
            after = after["content"][0]["text"]
            if after != before:
                found[name] = (before, after)
    assert found == {}


@pytest.mark.parametrize("name", OF_MODULES)
def test_so_it_is_when_the_call_is_the_first_to_load_the_module(worker, skill, name):
    demo = skill(files={"a.py": source("import sys", f"import {MODULES}")})
    number = list(PUT_BACK).index(name)
    before = worker().text(demo.target(f"state_{number}"))
    one = worker()
    assert "tainted" not in one.result(demo.target(f"change_{number}"))
    assert one.text(demo.target(f"state_{number}")) == before


def test_what_an_import_sets_is_how_things_are_from_then_on(worker, skill):
    source = """
        import asyncio, gc, logging, os, socket, sys, warnings
        sys.path.append("/mine")
        gc.disable()
        os.environ["MINE"] = "x"
        logging.basicConfig(level=10)
        socket.setdefaulttimeout(7)
        warnings.simplefilter("ignore", UserWarning)
        sys.setswitchinterval(0.5)
        def f():
            sys.path.remove("/mine")
            gc.enable()
            del os.environ["MINE"]
            logging.root.setLevel(30)
            socket.setdefaulttimeout(8)
            warnings.resetwarnings()
            sys.setswitchinterval(0.25)
        def state():
            return repr([
                "/mine" in sys.path, gc.isenabled(), os.environ.get("MINE"), logging.root.level,
                socket.getdefaulttimeout(), len(warnings.filters), sys.getswitchinterval(),
            ])
    """
    one, demo = worker(), skill(files={"a.py": source})
    before = one.text(demo.target("state"))
    assert before.startswith("[True, False, 'x', 10, 7.0, "), before
    one.result(demo.target("f"))
    assert one.text(demo.target("state")) == before


def test_what_a_call_has_changed_meanwhile_is_not_taken_for_an_import_s(worker, skill):
    demo = skill(
        files={
            "a.py": """
                import asyncio, gc, os, sys
                async def f():
                    sys.path.append("/left"); os.environ["LEFT"] = "x"; gc.disable()
                    sys.setrecursionlimit(700)
                    while "demo.b" not in " ".join(sys.modules):
                        await asyncio.sleep(0.01)
            """,
            "b.py": """
                import gc, os, sys
                sys.path.append("/mine")
                async def g():
                    return "imported"
                async def state():
                    at = "/left" in sys.path, "/mine" in sys.path
                    return repr([*at, os.environ.get("LEFT"), sys.getrecursionlimit(), gc.isenabled()])
            """,
        }
    )
    one = worker("async")
    one.start(demo.target("f"))
    one.start(demo.target("g", file="b.py"))
    while len([frame for frame in (one.receive(), one.receive()) if "result" in frame]) < 2:
        pass
    assert one.text(demo.target("state", file="b.py")) == "[False, True, None, 1000, True]"


def test_a_library_that_a_call_imports_keeps_its_finder(worker, skill, tmp_path):
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "lazily.py").write_text(
        "import sys\nclass Finder:\n    def find_spec(self, *_):\n        return None\n"
        "sys.meta_path.append(Finder())\n"
    )
    source = """
        import sys
        def f():
            import lazily
        def g():
            return repr([type(one).__name__ for one in sys.meta_path][-1])
    """
    one = worker(env={"PYTHONPATH": f"{SOURCES}:{tmp_path}/library"})
    demo = skill(files={"a.py": source})
    one.result(demo.target("f"))
    assert one.text(demo.target("g")) == "'Finder'"


def test_a_skill_with_state_keeps_its_variables(worker, skill):
    one = worker(stateful=True)
    demo = skill(files={"a.py": "import os\ndef f(): os.environ['X'] = 'x'\ndef g(): return os.environ['X']"})
    one.result(demo.target("f"))
    assert one.text(demo.target("g")) == "x"


def test_niceness_that_cannot_be_lowered_again_costs_the_worker(worker, skill):
    one, demo = (
        worker(),
        skill(files={"a.py": "import os\ndef f(): os.nice(3)\ndef g(): return str(os.nice(0))"}),
    )
    before = one.text(demo.target("g"))
    said = one.result(demo.target("f"))
    if os.geteuid() == 0:
        assert "tainted" not in said
        assert one.text(demo.target("g")) == before
    else:
        assert said["tainted"] == [f"its niceness was raised from {before} to {int(before) + 3}"]
        assert "skipped" in one.call(demo.target("g"))[-1]


DEAD = {
    "an object that was let go": "subprocess.Popen(['true'])",
    "an object that is kept": "KEPT.append(subprocess.Popen(['sh', '-c', 'exit 3']))",
    "a fork": "os.fork() or os._exit(0)",
    "a spawned one": "os.posix_spawn('/bin/true', ['true'], {})",
    "a grandchild": "subprocess.run(['sh', '-c', 'true & exec true'])",
    "a process of multiprocessing": "m.get_context('fork').Process(target=int).start()",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("body", DEAD.values(), ids=DEAD)
def test_children_that_have_died_are_waited_for(worker, skill, body):
    source = f"""
        import multiprocessing as m, os, subprocess
        KEPT = []
        def f():
            {body}
            [os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT) for _ in KEPT]
        def children():
            with open("/proc/self/task/%d/children" % os.getpid()) as file:
                return [open("/proc/%s/stat" % pid).read().split()[2] for pid in file.read().split()]
        def died():
            while "Z" not in children() and children(): pass
        def state():
            return repr([children(), [one.poll() for one in KEPT]])
    """
    one, demo = worker(), skill(files={"a.py": source})
    one.result(demo.target("f"))
    one.result(demo.target("died"))
    assert one.text(demo.target("state")) in ("[[], []]", "[[], [3]]")


def test_a_tool_that_clears_its_modules_does_not_break_the_next_call(worker, skill):
    demo = skill(
        files={
            "a.py": """
                import sys
                def clear():
                    for name in [name for name in sys.modules if name.startswith("omni_skills")]:
                        del sys.modules[name]
                def clear_all():
                    sys.modules.clear()
                def reload():
                    import importlib
                    from . import helper
                    importlib.reload(helper)
                    importlib.reload(sys.modules[__name__])
                def uses():
                    from . import helper
                    import json
                    return helper.word() + json.dumps([1])
            """,
            "helper.py": "def word():\n    from .late import WORD\n    return WORD\n",
            "late.py": "WORD = 'late'\n",
            "b.py": "from .helper import word\ndef other():\n    return word()\n",
        }
    )
    for first in ("clear", "clear_all", "reload"):
        one = worker()
        one.result(demo.target(first))
        assert one.text(demo.target("uses")) == "late[1]", first
        one.result(demo.target(first))
        assert one.text(demo.target("other", file="b.py")) == "late", first
        assert one.text(demo.target("uses")) == "late[1]", first
