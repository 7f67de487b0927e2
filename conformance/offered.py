"""Can real clients do all that there is, over each transport: lists, calls, errors, changes, questions, cancels, a restart?

Each client makes the steps of `clients/offers.json` at the skill of `conformance/skills`, and what it gets is held
against what stands there: contents, messages and values, not the absence of an error. Then it subscribes to everything
that it can, a file with a tool, a resource and a prompt is put into a copy of that skill, and the client has to be told
of each kind and to see the new ones. It hears how far a call is, is asked by a tool, cancels a call, which has to reach the
tool, and calls once more after its server was ended and started again. Every cell, which is a client in a mode over a
transport, has a server of its own, so that cells can be tried side by side.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness import CONFORMANCE, Server, SetupError, stdio_command
from real_clients import OFFERED, Client, ClientFailedError

SKILLS = (CONFORMANCE / "skills", CONFORMANCE / "clients" / "skills")
STEPS: list[dict] = json.loads((CONFORMANCE / "clients" / "offers.json").read_text())
SUBSCRIBES = "test://watched-resource"
# What a call is asked besides, and how it has to end.
BESIDES = {
    "progress": "waiting_counted",
    "ask": ["questions_once", {}],
    "cancel": {"tool": "waiting_until_cancelled"},
}
PROGRESS = [0, 50, 100]
ANSWER = '["accept", {"size": "a size"}]'
GOES_ON = "goes on"
# Every client there is a cell of; who tries more adds them.
KNOWN = dict(OFFERED)
TRANSPORTS = ("stdio", "http", "sse", "socket")
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


@dataclass(frozen=True)
class Cell:
    """A client in a mode over a transport."""

    client: str
    transport: str
    mode: str

    @property
    def era(self) -> str:
        """Sessions are all that HTTP+SSE has, and all that an old client knows."""
        is_old = self.transport == "sse" or self.mode == "legacy"
        return "legacy" if is_old else "modern"


@dataclass
class Trial:
    """What came of a cell: what was wrong, and what its client saw."""

    cell: Cell
    wrong: str = ""
    seen: dict = field(default_factory=dict)

    @property
    def line(self) -> str:
        cell = self.cell
        return f"{cell.client:10}  {cell.transport:6}  {cell.mode:10}  {cells(self.seen)}"


def without(value: object, lacks: dict[str, str]) -> object:
    """Leave out of what is wanted the members that a client does not know."""
    if isinstance(value, dict):
        return {key: without(held, lacks) for key, held in value.items() if key not in lacks}
    return [without(held, lacks) for held in value] if isinstance(value, list) else value


def faults(seen: dict, cell: Cell, name: str) -> list[str]:
    """Return what is wrong with what a client saw; `name` is what was added while it listened."""
    found = []
    protocol = seen.get("protocol")
    # Over HTTP+SSE a client that asks `server/discover` may go on without a session, as over stdio.
    if protocol and cell.transport != "sse" and (protocol >= "2026-07-28") != (cell.era == "modern"):
        found.append(f"spoke revision {protocol}")
    lacks = KNOWN[cell.client].others
    for step, got in zip(STEPS, seen["steps"]):
        wanted = without(step, lacks)
        wrong = fault(wanted, got, cell.era) if got is not None else ""
        if wrong:
            found.append(f"{wanted['method']} {json.dumps(wanted.get('params', {}))}: {wrong}")
    changes = seen.get("changes")
    if changes is None and "changes" not in lacks:
        found.append("was not tried in changes")
    if changes is not None:
        if changes["told"] != [*KNOWN[cell.client].told]:
            found.append(f"was told of {changes['told']}")
        for kind, listed in changes["lists"].items():
            if name not in [item["name"] for item in listed.get(kind, [])]:
                found.append(f"`{name}` is not among the {kind}: {listed!r:.300}")
    if cell.client != "inspector":
        found += besides(seen, cell, lacks)
    return found


def did_besides(seen: dict) -> dict[str, bool]:
    """Return which of what there is besides steps a client did."""
    return {
        "progress": seen.get("progress") == PROGRESS,
        "asked": seen.get("asked") == ANSWER,
        "cancelled": seen.get("cancelled") is True,
    }


def besides(seen: dict, cell: Cell, lacks: dict[str, str]) -> Iterator[str]:
    """Tell what is wrong with what a client did besides its steps."""
    for what, did in did_besides(seen).items():
        if not did and what not in lacks:
            yield f"{what}: {seen[what]!r:.300}"
    # An HTTP+SSE session is its stream: it ends with the server.
    if cell.transport in ("http", "socket") and seen["restart"] != GOES_ON and "restart" not in lacks:
        yield f"after a restart of the server: {seen['restart']}"


def cells(seen: dict) -> str:
    """Tell which cells of the table a client has filled: its steps by method, and what else it did."""
    counts: dict[str, int] = {}
    for wanted, got in zip(STEPS, seen.get("steps", [])):
        if got is not None:
            counts[wanted["method"]] = counts.get(wanted["method"], 0) + 1
    told = [f"told of {', '.join(seen['changes']['told'])}"] if seen.get("changes") else []
    did = [what for what, did in did_besides(seen).items() if did]
    restart = [f"a restart: {seen['restart'][:60]}"] if "restart" in seen else []
    return "; ".join([*(f"{method} {count}" for method, count in counts.items()), *told, *did, *restart])


def all_cells(clients: list[str]) -> list[Cell]:
    """Return the cells of these clients."""
    return [
        Cell(client, transport, mode)
        for client in clients
        for transport, modes in KNOWN[client].transports.items()
        for mode in modes
    ]


def tried_in(cell: Cell, look: Client, binary: Path) -> Trial:
    """Try a cell; its client is made already."""
    trial = Trial(cell)
    # Short, as a socket's path has to be.
    with tempfile.TemporaryDirectory(prefix="omni-") as folder, contextlib.ExitStack() as world:
        place = Path(folder)
        for name in ("home", "root"):
            (place / name).mkdir()
        for skills in SKILLS:
            shutil.copytree(skills, place / "skills", dirs_exist_ok=True)
        name = "added_while_it_listened"
        edit = {
            "file": str(place / "skills" / "fixture" / "scripts" / f"{name}.py"),
            "text": ADDED.format(name=name),
        }
        job = {
            "mode": cell.mode,
            "home": str(place / "home"),
            "steps": STEPS,
            "edit": edit,
            "subscribes": SUBSCRIBES,
            **BESIDES,
            "cancel": {**BESIDES["cancel"], "file": str(place / "call")},
        }
        try:
            job.update(connected(cell, binary, place, world))
            trial.seen = look(job)
            trial.wrong = "; ".join(faults(trial.seen, cell, name))
        except (ClientFailedError, SetupError, subprocess.TimeoutExpired) as error:
            trial.wrong = str(error)
    return trial


def connected(cell: Cell, binary: Path, place: Path, world: contextlib.ExitStack) -> dict:
    """Serve, where the client does not start its server itself; return the members of the job that say where."""
    if cell.transport == "stdio":
        return {"command": stdio_command(binary, place / "skills", place / "root")}
    socket = place / "omni.sock" if cell.transport == "socket" else None
    server = Server(binary, place / "skills", place / "server.log", place / "root", socket=socket)
    world.enter_context(server.running())
    restart = {"ready": str(place / "ready"), "done": str(place / "done")}
    ends = threading.Event()
    thread = threading.Thread(target=restarted, args=(server, restart, ends))
    thread.start()
    world.callback(thread.join)
    world.callback(ends.set)
    if cell.transport == "sse":
        return {"sse": f"{server.origin}/sse", "restart": restart}
    url = {"url": f"{server.origin}/mcp", "restart": restart}
    return {**url, "socket": str(socket)} if socket else url


def restarted(server: Server, files: dict[str, str], ends: threading.Event) -> None:
    """End the server and start it again once a file says that its client is ready for it."""
    while not ends.wait(0.05):
        if Path(files["ready"]).exists():
            server.stop()
            with contextlib.suppress(SetupError):
                server.start()
            Path(files["done"]).touch()
            return
