"""What do real clients see of a skill's resources, prompts and completions, and of the skill, and are they told of changes?

Each client makes the steps of `clients/offers.json` at the skill of `conformance/skills`, and what it gets is held
against what stands there: contents, messages and values, not the absence of an error. Then it subscribes to everything
that it can, a file with a tool, a resource and a prompt is put into a copy of that skill, and the client has to be told
of each kind and to see the new ones.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness import CONFORMANCE, TARGET, http_server, stdio_command
from real_clients import OFFERED, ClientFailedError

SKILLS = CONFORMANCE / "skills"
STEPS: list[dict] = json.loads((CONFORMANCE / "clients" / "offers.json").read_text())
SUBSCRIBES = "test://watched-resource"
TOLD = ["prompts", "resources", "tools", "updated"]
ADDED = '''"""What {name} is."""

from omni import prompt, resource, tool


@tool
@resource("test://{name}")
@prompt
def {name}() -> str:
    """Say who it is."""
    return "{name}"
'''


def differs(wanted: object, got: object, path: str = "") -> str:
    """Return where `got` lacks something of `wanted`; members that are not wanted are passed over."""
    if isinstance(wanted, dict):
        if not isinstance(got, dict):
            return f"{path} is {got!r:.200}"
        parts = [differs(value, got.get(key), f"{path}/{key}") for key, value in wanted.items()]
    elif isinstance(wanted, list):
        if not isinstance(got, list) or len(got) != len(wanted):
            return f"{path} is {got!r:.300} instead of {wanted!r:.300}"
        parts = [differs(*pair, f"{path}/{index}") for index, pair in enumerate(zip(wanted, got))]
    else:
        parts = ["" if wanted == got else f"{path} is {got!r:.200} instead of {wanted!r:.200}"]
    return next((part for part in parts if part), "")


def fault(wanted: dict, got: dict, era: str) -> str:
    """Return what is wrong with what a step gave."""
    if "refuses" in wanted:
        # The TypeScript client of the 2.x line says -32602 to its program where a server of the old era said -32002.
        codes = wanted["refuses"][era]
        return "" if got.get("refused") in codes else f"gave {got!r:.300} instead of an error of {codes}"
    if "gives" in wanted:
        return differs(wanted["gives"], got)
    items = got.get(wanted["lists"])
    if not isinstance(items, list):
        return f"gave {got!r:.300}"
    missing = [item for item in wanted["among"] if all(differs(item, listed) for listed in items)]
    return f"lists {items!r:.600} without {missing!r:.300}" if missing else ""


def faults(seen: dict, name: str, mode: str) -> list[str]:
    """Return what is wrong with what a client saw; `name` is what was added while it listened."""
    era = "legacy" if mode == "legacy" else "modern"
    found = []
    if seen["protocol"] and (seen["protocol"] >= "2026-07-28") != (era == "modern"):
        found.append(f"spoke revision {seen['protocol']}")
    for wanted, got in zip(STEPS, seen["steps"]):
        wrong = fault(wanted, got, era) if got is not None else ""
        if wrong:
            found.append(f"{wanted['method']} {json.dumps(wanted.get('params', {}))}: {wrong}")
    if seen["changes"] is not None:
        if seen["changes"]["told"] != TOLD:
            found.append(f"was told of {seen['changes']['told']}")
        for kind, listed in seen["changes"]["lists"].items():
            if name not in [item["name"] for item in listed.get(kind, [])]:
                found.append(f"`{name}` is not among the {kind}: {listed!r:.300}")
    return found


def cells(seen: dict) -> str:
    """Return which cells of the table a client has filled: its steps by method, and what it was told of."""
    counts: dict[str, int] = {}
    for wanted, got in zip(STEPS, seen["steps"]):
        if got is not None:
            counts[wanted["method"]] = counts.get(wanted["method"], 0) + 1
    told = [f"told of {', '.join(seen['changes']['told'])}"] if seen["changes"] else []
    return "; ".join([*(f"{method} {count}" for method, count in counts.items()), *told])


def looked_at(clients: list[str], binary: Path, root: Path, home: str) -> Iterator[tuple[str, str]]:
    """Let clients look; yields a line with what was seen, and what was wrong."""
    number = 0
    with tempfile.TemporaryDirectory(prefix="omni-offers-") as folder:
        skills = Path(folder, "skills")
        shutil.copytree(SKILLS, skills)
        with http_server(binary, skills, TARGET / "clients-offers.log", root) as url:
            servers = {"stdio": {"command": stdio_command(binary, skills, root)}, "http": {"url": url}}
            for client in clients:
                make, modes = OFFERED[client]
                look = make()
                for transport, server in servers.items():
                    for mode in modes:
                        number += 1
                        name = f"added_{number}"
                        file = skills / "fixture" / "scripts" / f"{name}.py"
                        edit = {"file": str(file), "text": ADDED.format(name=name)}
                        job = {**server, "mode": mode, "home": home, "steps": STEPS}
                        seen_cells = "what a skill offers"
                        try:
                            seen = look({**job, "edit": edit, "subscribes": SUBSCRIBES})
                            wrong = faults(seen, name, mode)
                            seen_cells = cells(seen)
                        except (ClientFailedError, subprocess.TimeoutExpired) as error:
                            wrong = [str(error)]
                        yield f"{client:10}  {transport:5}  {mode:10}  {seen_cells}", "; ".join(wrong)
