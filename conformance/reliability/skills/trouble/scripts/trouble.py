"""Tools that outlast every limit. Each keeps writing to a file, so that one can see when its work has stopped."""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from omni import Context, tool

BEAT_SECONDS = 0.02

#: A child that writes on after whoever started it is gone; with a second argument it first leaves the session.
CHILD = """
import os, sys, time
if len(sys.argv) > 2 and (os.fork() or os.setsid() or os.fork()):
    os._exit(0)
while True:
    with open(sys.argv[1], "a") as file:
        file.write(".")
    time.sleep(0.02)
"""


def beat(path: str) -> None:
    with Path(path).open("a") as file:
        file.write(".")


@tool
def echo(text: str) -> str:
    return text


@tool
def sleeps(path: str) -> str:
    while True:
        beat(path)
        time.sleep(BEAT_SECONDS)


@tool
async def sleeps_async(path: str) -> str:
    while True:
        beat(path)
        await asyncio.sleep(BEAT_SECONDS)


@tool
def spins(path: str) -> str:
    while True:
        beat(path)
        end = time.monotonic() + BEAT_SECONDS
        while time.monotonic() < end:
            pass


@tool
def holds_the_gil(path: str) -> str:
    beat(path)
    # A C function that never lets another thread in: a `PyDLL` keeps the lock.
    ctypes.PyDLL(None).sleep(3600)
    return "rested"


@tool
def blows_up_a_regex(path: str) -> str:
    beat(path)
    return str(re.match(r"(a+)+$", "a" * 64 + "b"))


def ignore(path: str, signals: set[signal.Signals]) -> str:
    for number in signals:
        signal.signal(number, signal.SIG_IGN)
    while True:
        with contextlib.suppress(BaseException):
            beat(path)
            time.sleep(BEAT_SECONDS)


@tool
def ignores_termination(path: str) -> str:
    return ignore(path, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2})


@tool
def ignores_every_signal(path: str) -> str:
    return ignore(path, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})


@tool
def stops_itself(path: str) -> str:
    beat(path)
    os.kill(os.getpid(), signal.SIGSTOP)
    return sleeps(path)


@tool
def works_in_a_thread(path: str) -> str:
    worker = threading.Thread(target=sleeps, args=(path,))
    worker.start()
    worker.join()
    return "joined"


@tool
def has_children(path: str, ctx: Context) -> str:
    """Start a child and a daemon that has left the session and forgotten its environment."""
    subprocess.Popen([sys.executable, "-c", CHILD, path])
    subprocess.Popen([sys.executable, "-c", CHILD, path, "daemon"], env={})
    ctx.info("started")
    return sleeps(path)


@tool
def heavy(size: int) -> str:
    """Return a text of that many bytes."""
    return "x" * size


@tool
def nap(seconds: float) -> str:
    """Wait."""
    time.sleep(seconds)
    return "rested"
