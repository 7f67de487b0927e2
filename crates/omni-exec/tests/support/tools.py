"""Tools that behave, and tools that do not, for the whole-process tests."""

import asyncio
import atexit
import ctypes
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import time

from omni import Context, ToolError, heartbeat, tool


# As many skills do; it keeps the stream that it finds here.
_LOG = logging.getLogger("tools")
_LOG.addHandler(logging.StreamHandler())
_LOG.setLevel(logging.INFO)
_LOG.propagate = False


@tool
def echo(text: str) -> str:
    return text


def _utter(how: str, n: int, ctx: Context) -> None:
    if how == "print":
        print(f"{how} {n}")
    elif how == "no end of line":
        print(".", end="", flush=True)
    elif how == "progress bar":
        sys.stderr.write(f"\r{n:3}%")
        sys.stderr.flush()
    elif how == "bytes":
        sys.stdout.buffer.write(b"\xff\xfe")
        sys.stdout.buffer.flush()
    elif how == "descriptor":
        os.write(1, b"x\n")
    elif how == "child":
        subprocess.run(["echo", "x"], check=True)
    elif how == "logging":
        _LOG.info("%s %d", how, n)
    elif how == "ctx":
        ctx.debug(f"{how} {n}")
    elif how == "thread":
        thread = threading.Thread(target=print, args=(how, n))
        thread.start()
        thread.join()


@tool
def utters(how: str, times: int, ctx: Context) -> str:
    """Say something in this way, a quarter of a second apart, and nothing else."""
    for n in range(times):
        time.sleep(0.25)
        _utter(how, n, ctx)
    return "done"


@tool
async def async_utters(how: str, times: int, ctx: Context) -> str:
    for n in range(times):
        await asyncio.sleep(0.25)
        if how == "to_thread":
            await asyncio.to_thread(print, how, n)
        elif how == "run_in_executor":
            await asyncio.get_running_loop().run_in_executor(None, print, how, n)
        elif how == "task":
            await asyncio.create_task(asyncio.to_thread(_utter, "logging", n, ctx))
        else:
            _utter(how, n, ctx)
    return "done"


@tool
async def async_pieces(name: str) -> str:
    """Print lines in pieces, with others running between the pieces."""
    for n in range(5):
        print(name, end="")
        await asyncio.sleep(0.01)
        print("", n, end="")
        await asyncio.sleep(0.01)
        print()
    print(name, "no end", end="")
    return "done"


@tool
def prints_its_name(name: str) -> str:
    """Print at once and be gone: calls like it are sent ahead of each other."""
    print(name)
    sys.stderr.write(f"{name} too")
    return name


@tool
def table() -> dict:
    return {"rows": [1, 2], "city": "Zürich"}


@tool
def pid() -> int:
    return os.getpid()


@tool
def nothing() -> None:
    return None


@tool
def raises() -> str:
    raise KeyError("missing")


@tool
def refuses() -> str:
    raise ToolError("no such note")


@tool
def not_a_number() -> float:
    return float("nan")


@tool
def large(size: int) -> str:
    return "x" * size


@tool
def sys_exit(code: int) -> str:
    sys.exit(code)


@tool
def os_exit(code: int) -> str:
    os._exit(code)


@tool
def segfault() -> str:
    ctypes.string_at(0)
    return "unreachable"


@tool
def abort() -> str:
    os.abort()


@tool
def sleeps(seconds: float, ctx: Context) -> str:
    ctx.info({"pid": os.getpid()})
    time.sleep(seconds)
    return "slept"


@tool
def spins(ctx: Context) -> str:
    ctx.info({"pid": os.getpid()})
    while True:
        pass


@tool
def holds_the_gil(ctx: Context) -> str:
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    ctx.info({"pid": os.getpid()})
    # A loop in C that never looks for signals.
    all(itertools.repeat(True))
    return "unreachable"


@tool
def keeps_the_lock(seconds: int, ctx: Context) -> str:
    ctx.info({"pid": os.getpid()})
    # A call into C that does not give the interpreter to others.
    ctypes.PyDLL(None).sleep(seconds)
    return "kept"


@tool
def prints_text() -> str:
    print("one")
    print("two", end="")
    print("three", file=sys.stderr)
    return "done"


@tool
def leaves_the_folder() -> str:
    os.chdir("/")
    sys.stdout = None
    return "left"


@tool
def ignores_everything(ctx: Context) -> str:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    said = False
    while True:
        try:
            if not said:
                said = True
                ctx.info({"pid": os.getpid()})
            time.sleep(60)
        except BaseException:
            pass


@tool
def stops_itself(ctx: Context) -> str:
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    ctx.info({"pid": os.getpid()})
    os.kill(os.getpid(), signal.SIGSTOP)
    return "went on"


@tool
def obeys(ctx: Context) -> str:
    ctx.info({"pid": os.getpid()})
    while True:
        time.sleep(0.01)


@tool
def starts_children(ctx: Context) -> str:
    child = subprocess.Popen(["sleep", "1000"])
    daemon = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    ctx.info({"pid": os.getpid(), "children": [child.pid, daemon.pid]})
    time.sleep(1000)
    return "unreachable"


@tool
def beats(times: int, pause: float) -> str:
    for _ in range(times):
        time.sleep(pause)
        heartbeat()
    return "alive"


@tool
def prints() -> str:
    print("one")
    os.write(1, b"two\n")
    print("three", file=sys.stderr)
    sys.stdout.write("four")
    return "done"


@tool
def floods(megabytes: int) -> str:
    line = b"y" * 1023 + b"\n"
    for _ in range(megabytes * 1024):
        os.write(1, line)
        os.write(2, line)
    return "done"


@tool
async def async_floods(megabytes: int) -> str:
    for _ in range(megabytes * 1024):
        print("y" * 1023)
        await asyncio.sleep(0)
    return "done"


@tool
def narrates(ctx: Context) -> str:
    ctx.info("first")
    ctx.progress(1, 2, "half")
    ctx.resource_updated("x:1")
    ctx.show("x.y")
    ctx.hide("x.*")
    ctx.warning({"n": 2})
    return "done"


@tool
def closes_its_channel() -> str:
    os.closerange(3, 4096)
    return "done"


@tool
def sends_garbage() -> str:
    import socket

    for name in os.listdir("/proc/self/fd"):
        try:
            channel = socket.socket(fileno=os.dup(int(name)))
            if channel.family == socket.AF_UNIX:
                channel.sendall(b"\x05\x00\x00\x00hello")
        except OSError:
            pass
    time.sleep(60)
    return "done"


@tool
def promises_a_large_frame() -> str:
    import socket

    for name in os.listdir("/proc/self/fd"):
        try:
            channel = socket.socket(fileno=os.dup(int(name)))
            if channel.family == socket.AF_UNIX:
                channel.sendall(b"\xff\xff\xff\xff")
        except OSError:
            pass
    time.sleep(60)
    return "done"


@tool
def leaves_a_thread() -> str:
    def speak():
        time.sleep(0.05)
        os.write(1, b"late\n")

    threading.Thread(target=speak, daemon=True).start()
    return "done"


@tool
def waits_for_its_thread(ctx: Context) -> str:
    worker = threading.Thread(target=time.sleep, args=(1000,), daemon=True)
    worker.start()
    ctx.info({"pid": os.getpid()})
    worker.join()
    return "unreachable"


@tool
def dies_later() -> str:
    timer = threading.Timer(0.05, os._exit, [3])
    # A worker with any other thread would be replaced at once.
    timer.daemon = True
    timer.start()
    return "done"


@tool
def lingers() -> str:
    atexit.register(time.sleep, 1000)
    return "done"


@tool
def environment() -> dict:
    return dict(os.environ)


@tool
def where(ctx: Context) -> dict:
    return {"cwd": os.getcwd(), "root": str(ctx.root), "settings": ctx.settings, "session": ctx.session_id}


@tool
async def async_echo(text: str) -> str:
    await asyncio.sleep(0)
    return text


@tool
async def async_sleeps(seconds: float, ctx: Context) -> str:
    ctx.info({"pid": os.getpid()})
    await asyncio.sleep(seconds)
    return "slept"


@tool
async def async_blocks(ctx: Context, seconds: float = 1000) -> str:
    ctx.info({"pid": os.getpid()})
    time.sleep(seconds)
    return "went on"


@tool
async def async_ignores(ctx: Context) -> str:
    ctx.info({"pid": os.getpid()})
    while True:
        try:
            await asyncio.sleep(1000)
        except BaseException:
            pass


@tool
async def async_exits(code: int) -> str:
    os._exit(code)


@tool
def notes(path: str, line: str, then: str = "return", seconds: float = 0.0) -> str:
    """Leave a line in a file, once for each time that it runs, then do as told."""
    with open(path, "a") as file:
        file.write(line + "\n")
    if then == "exit":
        os._exit(9)
    time.sleep(seconds)
    return line


@tool
def fails_at_first(path: str, times: int, how: str = "raise") -> int:
    """Fail so many times, then return how often it ran."""
    with open(path, "a+") as file:
        file.write("x")
        file.flush()
        file.seek(0)
        runs = len(file.read())
    if runs <= times:
        if how == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ConnectionResetError("not yet")
    return runs


_COUNT = itertools.count(1)


@tool
def counts() -> dict:
    return {"n": next(_COUNT), "pid": os.getpid()}


@tool
async def async_counts() -> dict:
    return counts()


@tool
def kills_its_parent() -> str:
    os.kill(os.getppid(), signal.SIGKILL)
    return "done"


@tool
def takes_memory(mebibytes: int) -> int:
    return len(bytearray(mebibytes << 20))


@tool
def opens_files(count: int) -> int:
    return len([open(os.devnull) for _ in range(count)])


@tool
def writes(path: str, mebibytes: int) -> str:
    with open(path, "wb") as file:
        file.write(bytes(mebibytes << 20))
    return "written"


_KEPT: list[bytes] = []


@tool
def keeps_memory(mebibytes: int) -> int:
    _KEPT.append(b"x" * (mebibytes << 20))
    return os.getpid()


@tool
def says_farewell(path: str) -> str:
    atexit.register(lambda: open(path, "w").close())
    return "done"


@tool
def helper_speaks(how: str, times: int, ctx: Context) -> str:
    """Have somebody else report, three quarters of a second apart, and stay silent oneself."""

    def work() -> None:
        for n in range(times):
            time.sleep(0.75)
            ctx.progress(n + 1, times, how) if n % 2 else heartbeat()

    code = (
        "import sys, time, omni\n"
        "for n in range(int(sys.argv[1])):\n"
        "    time.sleep(0.75)\n"
        "    omni.progress(n + 1, int(sys.argv[1]), 'child') if n % 2 else omni.heartbeat()"
    )
    if how == "thread":
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    elif how == "child":
        subprocess.run([sys.executable, "-c", code, str(times)], env=ctx.child_env(), check=True)
    elif how == "fork":
        ctx.child_env()
        child = os.fork()
        if child == 0:
            work()
            os._exit(0)
        os.waitpid(child, 0)
    else:
        subprocess.run(["sleep", "1000"], env=ctx.child_env(), check=True)
    return "done"


@tool
async def async_helper_speaks(how: str, times: int, ctx: Context) -> str:
    return await asyncio.to_thread(helper_speaks, how, times, ctx)


@tool
def exits_later(seconds: float, code: int, ctx: Context) -> str:
    ctx.info({"pid": os.getpid()})
    time.sleep(seconds)
    os._exit(code)


@tool
async def async_is_busy(milliseconds: int, n: int) -> int:
    end = time.process_time() + milliseconds / 1000
    while time.process_time() < end:
        pass
    return os.getpid()
