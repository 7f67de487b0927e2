"""How long from the start of the process to the complete list of tools? Without Python? (P9, P10)"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import generate
import wire
from calls import rotated
from report import Table
from servers import Running, Server, alive, descendants

RECORDER = """#!/bin/sh
echo started >> '{log}'
exec '{python}' "$@"
"""


def first_list(binary: Path, python: str, others: list[Server], counts: list[int], rounds: int) -> None:
    """Process start → last page of `tools/list`, over stdio, beside a bare Python in the same rounds."""
    table = Table("process start to the complete list of tools, stdio", "ms")
    with tempfile.TemporaryDirectory(prefix="omni-bench-") as folder:
        for count in counts:
            row = f"{count:,} skills"
            skills = generate.skills(Path(folder, f"skills-{count}"), count)
            cached, fresh = Path(folder, f"cached-{count}"), Path(folder, f"fresh-{count}")
            list_once(omni_over_stdio("omni, cached", binary, skills, cached), wait_seconds=2.0)
            runs = {
                "python3 -c pass": lambda: bare(python),
                "omni, cached": lambda s=skills, c=cached: list_once(
                    omni_over_stdio("omni, cached", binary, s, c)
                ),
                "omni, nothing cached": lambda s=skills, c=fresh: _fresh(binary, s, c),
                **{
                    peer.name: lambda p=peer, n=count: list_once(p.with_tools(n))
                    for peer in others
                    if peer.stdio
                },
            }
            for turn in range(rounds):
                for name in rotated(list(runs), turn):
                    table.add(row, name, runs[name]() * 1e3)
    table.show("omni, cached", more_is_better=False)


def omni_over_stdio(name: str, binary: Path, skills: Path, cache: Path) -> Server:
    """Return omni with a folder of skills and a cache of its own."""
    command = [
        str(binary),
        "mcp",
        "--skills",
        str(skills),
        "--root",
        str(cache.parent),
        "--cache-dir",
        str(cache),
    ]
    return Server(name, stdio=command)


def list_once(
    server: Server,
    wait_seconds: float = 0.0,
    method: str = "tools/list",
    of_each: bytes = b'"inputSchema":',
    empty: Path | None = None,
) -> float:
    """Return the seconds from the start of a process to the end of a list; the folder `empty` is removed first."""
    if empty is not None:
        shutil.rmtree(empty, ignore_errors=True)
    with Running(server, http=False) as running:
        wire.list_all(wire.Stdio(running).ask, method, of_each)
        taken = time.perf_counter() - running.started
        # The first time, leave the server time to write its caches after it has answered.
        time.sleep(wait_seconds)
    return taken


def _fresh(binary: Path, skills: Path, cache: Path) -> float:
    return list_once(omni_over_stdio("omni, nothing cached", binary, skills, cache), empty=cache)


def bare(python: str) -> float:
    """Return the seconds that a Python takes to start and end."""
    started = time.perf_counter()
    subprocess.run([python, "-c", "pass"], check=True)
    return time.perf_counter() - started


def without_python(binary: Path, python: str) -> None:
    """Show that listing starts no Python, with a stand-in that records when it is started.

    The control: the same stand-in does record the start that the first call causes.
    """
    with tempfile.TemporaryDirectory(prefix="omni-bench-") as folder:
        log, recorder = Path(folder, "started.log"), Path(folder, "python3")
        recorder.write_text(RECORDER.format(log=log, python=python))
        recorder.chmod(recorder.stat().st_mode | stat.S_IXUSR)
        skills = generate.skills(Path(folder, "skills"), 100)
        server = omni_over_stdio("omni", binary, skills, Path(folder, "cache"))
        server.stdio += ["--python", str(recorder)]
        server.environment["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
        print("\nis Python started by listing?")
        for state in ("nothing cached", "cached"):
            with Running(server, http=False) as running:
                count, _ = wire.list_all(wire.Stdio(running).ask)
                time.sleep(1.0)
                children = [pid for pid in descendants(running.pid) if alive(pid)]
                verdict = "Python was STARTED" if log.exists() or children else "no Python, no child process"
                print(f"  {state:16} {count} tools listed, one second later: {verdict}")
        with Running(server, http=False) as running:
            pipe = wire.Stdio(running)
            wire.list_all(pipe.ask)
            wire.check(pipe.ask(wire.call(1, "echo", {"text": "hello"})))
            verdict = (
                "the stand-in was started, as it should" if log.exists() else "NOT seen: the check is blind"
            )
            print(f"  {'after one call':16} {verdict}")
