"""How fast and how small is omni, beside others on the same machine in the same run?

    cargo build --release
    python3 benches/bench.py calls
    python3 benches/bench.py start --skills 1000
    python3 benches/bench.py calls --mcpbench PATH --peer 'rmcp=http:rmcp-hello http {port} stateless'

See `README.md` here for what each scenario measures and how to read it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import calls
import crowd
import front
import generate
import inside
import ladder
import memory
import overrun
import report
import resources
import servers
import start

WORKSPACE = Path(__file__).resolve().parent.parent


def main() -> int:
    asked = arguments()
    binary = asked.binary.resolve()
    if not binary.is_file():
        raise SystemExit(
            f"`{binary}` is not there; `cargo build --release` makes it, `--binary` names another"
        )
    python = interpreter(asked.python)
    others = servers.peers(asked.peer)
    print(report.machine())
    stolen = report.steal_seconds()
    with tempfile.TemporaryDirectory(prefix="omni-bench-") as folder:
        http = [peer for peer in others if peer.http]
        omni = memory.server(binary, generate.BENCH.parent, Path(folder, "cache"))
        for scenario in asked.scenario:
            if scenario == "calls":
                calls.throughput(omni, others, asked.rounds, asked.seconds, asked.mcpbench)
                calls.modes(omni, asked.rounds, asked.seconds)
            elif scenario == "start":
                start.first_list(binary, python, others, asked.skills or [1000], asked.rounds)
                start.without_python(binary, python)
            elif scenario == "memory":
                memory.idle(binary, others, asked.skills or [0, 1000, 10_000], asked.rounds)
                memory.connections(omni, others, asked.rounds)
                memory.worker(omni, python, asked.rounds)
            elif scenario == "front":
                front.lists(binary, others, max(asked.skills or [10_000]), asked.rounds, asked.seconds)
                front.many_tools(
                    binary, others, (10, max(asked.skills or [10_000])), asked.rounds, asked.seconds
                )
                front.end(omni, others, asked.rounds * 3)
            elif scenario == "crowd":
                crowd.beside_sleepers(omni, http, asked.rounds, asked.seconds)
                crowd.at_once(omni, http, asked.rounds)
                crowd.scale(omni, asked.rounds, asked.seconds)
            elif scenario == "overrun":
                overrun.overrun(binary, [peer for peer in others if peer.stdio], asked.rounds)
            elif scenario == "resources":
                for count in asked.skills or [10_000]:
                    resources.start(binary, python, others, count, asked.rounds)
                    resources.steady(binary, others, count, asked.rounds, asked.seconds)
            elif scenario == "ladder":
                ladder.ladder(binary, python, Path(folder, "ladder"), asked.rounds, asked.calls)
            elif scenario == "embedded":
                inside.inside(python, asked.rounds)
    print(
        f"\nstolen by the hypervisor meanwhile: {report.steal_seconds() - stolen:.2f} s; {report.machine()}"
    )
    return 0


def interpreter(asked: str | None) -> str:
    """Return the interpreter itself: what `python3` means may be a script that looks for it, and is slow."""
    python = asked or shutil.which("python3") or sys.executable
    told = subprocess.run(
        [python, "-c", "import sys; print(sys.executable)"], capture_output=True, check=True, text=True
    )
    return told.stdout.strip()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "scenario",
        nargs="+",
        choices=["calls", "start", "memory", "front", "resources", "crowd", "ladder", "overrun", "embedded"],
    )
    parser.add_argument("--binary", type=Path, default=WORKSPACE / "target" / "release" / "omni")
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing is measured, in turns")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long one measurement of a rate takes")
    parser.add_argument(
        "--skills", type=int, action="append", help="how many generated skills, or resources; may be repeated"
    )
    parser.add_argument(
        "--calls", type=int, default=100, help="how many single calls a round of `ladder` makes"
    )
    parser.add_argument("--python", help="the Python to compare with [python3 on the PATH]")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=TRANSPORT:COMMAND",
        help="another server; TRANSPORT is stdio or http, {port} stands for its port, and BENCH_TOOLS in its "
        "environment says how many tools it should have beside echo, add and sleep",
    )
    parser.add_argument("--mcpbench", help="a compiled load generator to count calls with")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
