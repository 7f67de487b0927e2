"""How is what real clients did written as a page?"""

from __future__ import annotations

import datetime as dt

from offered import GOES_ON, KNOWN, STEPS, TRANSPORTS, Trial, did_besides

PAGE = """# Real clients

What each client did with omni, by client, transport and revision. Made on {date} by `python3 conformance/clients.py --binary
target/debug/omni --page docs/reference/clients.md`, whose cells `cargo xtask test --only clients` tries again each time; do not
edit. What coding agents show their model is in [what clients see](../guide/what-clients-see.md).

- **lists, reads, calls, errors**: what it was given was what it had to be: items, contents, messages, and the codes of
  refusals. The number is how many were compared.
- **changes**: it was told that tools, resources, prompts (3) and a resource that it subscribed to (4) had changed.
- **progress**: it heard how far a call was. **asked**: a tool showed it a form, and got the answer. **cancel**: a call that the
  program gave up was ended in the server.
- **restart**: the server was ended and started again, and the program called a tool: ✓ is that nobody noticed, "new" that the
  program has to connect anew.
- ✗ is a fault, - what a client has no function for. `socket` is HTTP over a Unix socket, `sse` the transport of 2024-11-05.

{table}

{notes}
"""
HEAD = (
    "client",
    "transport",
    "opens as",
    "speaks",
    "lists",
    "reads",
    "calls",
    "errors",
    "changes",
    "progress",
    "asked",
    "cancel",
    "restart",
)


def kind_of(step: dict) -> str:
    """Return the column that a step counts in."""
    if "refuses" in step:
        return "errors"
    if "lists" in step:
        return "lists"
    return "calls" if step["method"] == "tools/call" else "reads"


def row(trial: Trial) -> list[str]:
    """Return a line of the table."""
    cell, seen = trial.cell, trial.seen
    counts = dict.fromkeys(("lists", "reads", "calls", "errors"), 0)
    for step, got in zip(STEPS, seen.get("steps", [])):
        counts[kind_of(step)] += got is not None
    told = [str(len(seen["changes"]["told"]))] if seen.get("changes") else ["-"]
    did = ["✓" if did else "-" for did in did_besides(seen).values()]
    restart = seen.get("restart")
    again = "-" if restart is None else "✓" if restart == GOES_ON else "new"
    counted = [str(count or "-") for count in counts.values()]
    name = KNOWN[cell.client].named
    spoken = seen.get("protocol") or "-"
    marks = [*counted, *told, *did, again] if not trial.wrong else ["✗"] * (len(HEAD) - 4)
    return [name, cell.transport, cell.mode, spoken, *marks]


def page(trials: list[Trial]) -> str:
    """Return the page of these trials."""
    order = [*KNOWN]
    ordered = sorted(trials, key=lambda t: (order.index(t.cell.client), TRANSPORTS.index(t.cell.transport)))
    rows = [list(HEAD), ["---"] * len(HEAD), *(row(trial) for trial in ordered)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    notes = [
        f"- {client.named}: {note}."
        for client in KNOWN.values()
        for note in client.others.values()
        if any(KNOWN[trial.cell.client] is client for trial in trials)
    ]
    faults = [f"- {trial.line}: {trial.wrong}" for trial in ordered if trial.wrong]
    date = dt.datetime.now(dt.timezone.utc).date().isoformat()
    return PAGE.format(date=date, table=table, notes="\n".join([*notes, *faults]))
