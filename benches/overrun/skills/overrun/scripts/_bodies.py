"""Work that outlasts a limit of one second. Each body says in a file that it still runs, as far as it can."""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time
from pathlib import Path

SECONDS = 6.0
BEAT_SECONDS = 0.02


def beat(path: str) -> None:
    """Say that the work goes on."""
    with Path(path).open("a") as file:
        file.write(".")


def sleeps(path: str) -> str:
    """Wait in small steps"""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        beat(path)
        time.sleep(BEAT_SECONDS)
    return "done"


async def waits(path: str) -> str:
    """Wait in small steps, without blocking anybody"""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        beat(path)
        await asyncio.sleep(BEAT_SECONDS)
    return "done"


def spins(path: str) -> str:
    """Compute"""
    end = time.monotonic() + SECONDS
    last = 0.0
    while (now := time.monotonic()) < end:
        if now - last > BEAT_SECONDS:
            beat(path)
            last = now
    return "done"


def holds_the_gil(path: str) -> str:
    """Be in a C function that lets no other thread run"""
    beat(path)
    ctypes.PyDLL(None).sleep(int(SECONDS))
    beat(path)
    return "done"


def backtracks(path: str) -> str:
    """Match a regular expression that takes exponential time"""
    beat(path)
    end = time.monotonic() + SECONDS
    length = 18
    while time.monotonic() < end:
        re.match(r"(a+)+$", "a" * length + "b")
        length = min(length + 1, 24)
        beat(path)
    return "done"


def refuses(path: str) -> str:
    """Ignore every polite signal and every exception"""
    with contextlib.suppress(ValueError):  # elsewhere than in the main thread there is none to ignore
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(BaseException):
            beat(path)
            time.sleep(BEAT_SECONDS)
    return "done"


def stops(path: str) -> str:
    """Stop the process, and have it go on later"""
    beat(path)
    subprocess.Popen(["sh", "-c", f"sleep {SECONDS}; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)
    beat(path)
    return "done"


BODIES = [waits, sleeps, spins, holds_the_gil, backtracks, refuses, stops]
