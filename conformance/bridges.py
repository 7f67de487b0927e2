"""Do bridges between transports get along with the built binary?

`mcp-remote` is how a client that only starts servers reaches one over HTTP, or HTTP+SSE; `supergateway` does that too, and the
other way: it puts a server that is started behind HTTP. Behind or before each stands the TypeScript client of the 1.x line,
and does all that there is to do (`offered.py`). One line for each.

This is no part of the tests: `clients.sh` runs it, in a folder that is gone afterwards.

    python3 conformance/bridges.py --binary target/release/omni [--page FILE]
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from agents import installed
from clients_page import page
from harness import TARGET, SetupError, free_port, running
from offered import KNOWN, all_cells, tried_in
from real_clients import LEGACY, Client, Offered, typescript_offers_client

ONE_WAY = "it passes on what its client sends, and of what the server sends answers alone"


def mcp_remote() -> Client:
    """A client that starts `mcp-remote`, which connects to the server."""
    node, packages = installed()
    look = typescript_offers_client("sdk")
    script = str(packages / "mcp-remote" / "dist" / "proxy.js")

    def bridged(job: dict) -> dict:
        kind = "sse" if "sse" in job else "http"
        url = job.get("sse") or job["url"]
        rest = {name: value for name, value in job.items() if name not in ("sse", "url")}
        options = ("--allow-http", "--transport", f"{kind}-only")
        return look({**rest, "command": [node, script, url, *options]})

    return bridged


def supergateway_before() -> Client:
    """A client that starts `supergateway`, which connects to the server."""
    node, packages = installed()
    look = typescript_offers_client("sdk")
    script = str(packages / "supergateway" / "dist" / "index.js")

    def bridged(job: dict) -> dict:
        option = ("--sse", job["sse"]) if "sse" in job else ("--streamableHttp", job["url"])
        rest = {name: value for name, value in job.items() if name not in ("sse", "url")}
        return look({**rest, "command": [node, script, *option, "--logLevel", "none"]})

    return bridged


def supergateway_behind(transport: str) -> Client:
    """A client that connects to `supergateway`, which starts the server."""
    node, packages = installed()
    look = typescript_offers_client("sdk")
    script = str(packages / "supergateway" / "dist" / "index.js")

    def bridged(job: dict) -> dict:
        port = free_port()
        rest = {name: value for name, value in job.items() if name != "command"}
        command = [node, script, "--stdio", shlex.join(job["command"]), "--port", str(port)]
        command += ["--outputTransport", transport, "--stateful"]
        with running(command, port, TARGET / "supergateway.log"):
            place = "sse" if transport == "sse" else "url"
            path = "sse" if transport == "sse" else "mcp"
            return look({**rest, place: f"http://127.0.0.1:{port}/{path}"})

    return bridged


BRIDGED: dict[str, Offered] = {
    "mcp-remote": Offered("mcp-remote 0.15.1", mcp_remote, {"http": LEGACY, "sse": LEGACY}),
    "sg before": Offered(
        "supergateway 4.0.0, started by its client",
        supergateway_before,
        {"http": LEGACY, "sse": LEGACY},
        dict.fromkeys(("changes", "progress", "asked"), ONE_WAY),
        told=(),
    ),
    "sg http": Offered(
        "supergateway 4.0.0, which starts the server, over HTTP",
        lambda: supergateway_behind("streamableHttp"),
        {"stdio": LEGACY},
    ),
    "sg sse": Offered(
        "supergateway 4.0.0, which starts the server, over HTTP+SSE",
        lambda: supergateway_behind("sse"),
        {"stdio": LEGACY},
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True, help="the `omni` to test")
    parser.add_argument("--bridge", action="append", choices=BRIDGED, help="only this one; all by default")
    parser.add_argument("--page", type=Path, help="write the table of what each did to this file")
    asked = parser.parse_args()
    KNOWN.update(BRIDGED)
    failed = 0
    trials = []
    try:
        for cell in all_cells(asked.bridge or [*BRIDGED]):
            trial = tried_in(cell, BRIDGED[cell.client].make(), asked.binary.resolve())
            trials.append(trial)
            failed += bool(trial.wrong)
            word = "failed" if trial.wrong else "passed"
            print(f"{word}  {trial.line}  {trial.wrong}".rstrip(), flush=True)
        if asked.page:
            asked.page.write_text(page(trials))
    except SetupError as error:
        print(f"bridges: {error}", file=sys.stderr)
        return 2
    print(f"{len(trials) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
