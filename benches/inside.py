"""What does a call in the interpreter inside the server cost beyond a bare call of a Python function? (P8)"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from statistics import median

import generate
from report import spread

WORKSPACE = Path(__file__).resolve().parent.parent
CRATE = Path(__file__).resolve().parent / "embedded"

FACTS = "import sysconfig as s; print(s.get_config_var('LIBDIR')); print(s.get_config_var('INSTSONAME'))"


def inside(python: str, rounds: int, calls: int = 20_000) -> None:
    """
    Processor time of one call: JSON in, the tool, JSON out, beside a bare PyO3 call of an equal function.

    Both are made in one thread that keeps its thread state, in turns. The program that does it is linked with
    `python`, unlike the product, and is built first.
    """
    told = subprocess.run([python, "-c", FACTS], capture_output=True, check=True, text=True)
    folder, name = told.stdout.split()
    library = Path(folder, name)
    if not library.is_file():
        raise SystemExit(f"`{python}` has no shared library: there is no `{library}`")
    target = WORKSPACE / "target" / "bench-embedded"
    environment = {
        **os.environ,
        "PYO3_PYTHON": python,
        "CARGO_TARGET_DIR": str(target),
        "LD_LIBRARY_PATH": folder,
    }
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=CRATE, env=environment, check=True)
    program = target / "release" / "omni-bench-embedded"
    package, skill = WORKSPACE / "python" / "src", generate.BENCH
    command = [str(part) for part in (program, python, library, package, skill, rounds, calls)]
    said = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    pairs = [tuple(map(float, line.split())) for line in said.stdout.splitlines()]
    print("\nprocessor time of one small call in the interpreter inside [µs]")
    for title, values in (
        ("bare PyO3 call", [bare for bare, _ in pairs]),
        ("embedded call, JSON both ways", [ours for _, ours in pairs]),
    ):
        print(f"    {title:32} {median(values) / 1000:.2f}   {spread([value / 1000 for value in values])}")
    print(
        f"  `embedded` took {spread([(ours - bare) / 1000 for bare, ours in pairs])} µs more than the bare call"
    )
