"""The tools of the scenario `overrun` served by FastMCP over stdio, with its own limit of a second for each."""

import sys
from pathlib import Path

from fastmcp import FastMCP

sys.path.insert(0, str(Path(__file__).parent.parent / "overrun/skills/overrun/scripts"))
from _bodies import BODIES

server = FastMCP("overrun")
for body in BODIES:
    server.tool(body, timeout=1.0)


@server.tool
def echo(text: str) -> str:
    """Return the text unchanged"""
    return text


server.run(show_banner=False)
