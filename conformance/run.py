"""Does the built binary pass the public conformance suite of MCP?

Serves `conformance/skills` with the binary, runs the suite's server scenarios against it and prints a line
for each. All of them have to pass.

    python3 conformance/run.py --binary target/debug/omni [--requirements 2026-07-28]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from harness import CONFORMANCE, TARGET, SetupError, http_server, node_with, runner

# What the suite is asked for, by the name of the run. The first two revisions have frozen sets of
# scenarios; extensions belong to no revision and are asked for one by one.
RUNS = {
    "2025-06-18": [["--suite", "all", "--spec-version", "2025-06-18"]],
    "2025-11-25": [["--requirements", "2025-11-25"]],
    "2026-07-28": [["--requirements", "2026-07-28"]],
    "skills": [
        ["--scenario", scenario]
        for scenario in (
            "sep-2640-skills-directory",
            "sep-2640-skills-enumeration",
            "sep-2640-skills-manifest",
        )
    ],
}
# Asked of a server whose tools, resources and prompts are all a runner's (`runner.py`).
FORWARDED = "runner"
RUNS[FORWARDED] = [
    ["--scenario", scenario]
    for scenario in (
        "prompts-get-embedded-resource",
        "prompts-get-simple",
        "prompts-get-with-args",
        "prompts-get-with-image",
        "prompts-list",
        "resources-list",
        "resources-read-binary",
        "resources-read-text",
        "resources-templates-read",
        "sep-2164-resource-not-found",
        "server-stateless",
        "caching",
    )
]
RUN_SECONDS_MAX = 600
# What the suite has a scenario of and, whoever is asked, no check: our own tests have to do.
WITHOUT_CHECKS = {"tasks-status-notifications"}
# What the suite only recommends, and skips without a complaint where it does not find it.
RECOMMENDED = {
    "server-sse-polling": {
        "server-sse-priming-event",
        "server-sse-retry-field",
        "server-sse-disconnect-resume",
    },
}
# The suite looks for a stream that its server closes before the answer.
STREAMS = "[streams]\nclosed_after = 3\n"
WARM_UP_SECONDS_MAX = 60


@dataclass
class Verdict:
    """How one scenario went: `passed`, `failed` or `unchecked`, and why."""

    word: str
    notes: list[str] = field(default_factory=list)


def judge(scenario: str, checks: list[dict]) -> Verdict:
    """Say how a scenario went by its checks."""
    failed = [check for check in checks if check["status"] == "FAILURE"]
    # The suite validates every message in passing. That alone does not show that anything was exercised.
    good = [check for check in checks if check["status"] == "SUCCESS" and check["id"] != "wire-schema-valid"]
    complaints = [f"{check['id']}: {check.get('errorMessage') or check['description']}" for check in failed]

    empty = all(check["status"] == "SKIPPED" for check in checks)
    if scenario in WITHOUT_CHECKS:
        if empty:
            return Verdict("unchecked", ["the suite skips it itself"])
        complaints.append("the suite checks it now: take it out of `WITHOUT_CHECKS`")
        return Verdict("failed", complaints)
    if failed:
        return Verdict("failed", complaints)
    if not good:
        return Verdict("failed", ["nothing was exercised", *warnings(checks)])
    missing = sorted(RECOMMENDED.get(scenario, set()) - {check["id"] for check in good})
    if missing:
        return Verdict("failed", [f"`{check}` did not succeed" for check in missing])
    return Verdict("passed", warnings(checks))


def warnings(checks: list[dict]) -> list[str]:
    """Return what the suite recommends and did not find."""
    return [
        f"recommended: {check['id']}: {check.get('errorMessage', '')}"
        for check in checks
        if check["status"] == "WARNING"
    ]


def results(folder: Path) -> dict[str, list[dict]]:
    """Read the checks of every scenario that a run of the suite left in `folder`."""
    found = {}
    for file in sorted(folder.glob("server-*/checks.json")):
        # `server-<scenario>-2026-07-28T00-00-00-000Z`
        scenario = file.parent.name[len("server-") : -len("-2026-07-28T00-00-00-000Z")]
        found[scenario] = json.loads(file.read_text())
    return found


def run(name: str, binary: Path, suite: list[str]) -> dict[str, list[dict]]:
    """Run one set of scenarios against a fresh server."""
    folder = TARGET / "results" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "root"
    root.mkdir()
    with contextlib.ExitStack() as world:
        settings = folder / "omni.toml"
        settings.write_text(STREAMS)
        options: tuple[str, ...] = ("--config", str(settings))
        if name == FORWARDED:
            address = world.enter_context(runner(CONFORMANCE / "runner.py", folder / "runner.log"))
            options += ("--runner", address, "--tools", "runner", "--runner-refresh", "0.1")
        log = folder / "server.log"
        url = world.enter_context(http_server(binary, CONFORMANCE / "skills", log, root, options))
        output = world.enter_context((folder / "suite.log").open("wb"))
        if name != FORWARDED:
            warm_up(url)
        for selection in RUNS[name]:
            command = [*suite, "server", "--url", url, "--output-dir", str(folder), *selection]
            subprocess.run(command, stdout=output, stderr=output, timeout=RUN_SECONDS_MAX, check=False)
    found = results(folder)
    if not found:
        message = f"the suite ran no scenario of `{name}`:\n{(folder / 'suite.log').read_text()}"
        raise SetupError(message)
    return found


def warm_up(url: str) -> None:
    """
    Make one call before the suite does.

    The suite allows some first calls half a second, and starting a Python takes longer than that on a machine
    that is busy with other things.
    """
    address = urlsplit(url)
    params = {
        "name": "test_simple_text",
        "arguments": {},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "test_simple_text",
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=WARM_UP_SECONDS_MAX)
    try:
        connection.request("POST", address.path, body, headers)
        connection.getresponse().read()
    except OSError as error:
        # The suite will say better what is wrong.
        print(f"conformance: the first call failed: {error}", file=sys.stderr)
    finally:
        connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True, help="the `omni` to test")
    parser.add_argument(
        "--requirements",
        action="append",
        choices=RUNS,
        metavar="RUN",
        help=f"of {', '.join(RUNS)}; all by default",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show what the suite recommends beyond its demands"
    )
    asked = parser.parse_args()

    counts = {"passed": 0, "failed": 0, "unchecked": 0}
    try:
        node, package = node_with("@modelcontextprotocol/conformance")
        suite = [node, str(package / "dist" / "index.js")]
        for name in asked.requirements or RUNS:
            for scenario, checks in run(name, asked.binary.resolve(), suite).items():
                verdict = judge(scenario, checks)
                counts[verdict.word] += 1
                show(name, scenario, verdict, verbose=asked.verbose)
    except SetupError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    if counts["unchecked"]:
        print(f"{counts['unchecked']} without a check in the suite")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] else 0


def show(name: str, scenario: str, verdict: Verdict, *, verbose: bool) -> None:
    """Print the scenario's line, and below it what a person has to know."""
    short = [note for note in verdict.notes if verbose or not note.startswith("recommended")]
    if verdict.word == "failed":
        print(f"failed  {name}  {scenario}")
        for note in short:
            print(f"          {note}")
    else:
        print(f"{verdict.word:9}  {name}  {scenario}{' (' + '; '.join(short) + ')' if short else ''}")


if __name__ == "__main__":
    sys.exit(main())
