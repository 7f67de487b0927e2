"""A tool that notes that it ran, and with what."""

from __future__ import annotations

import json
from typing import Any

from omni import Context, tool


@tool
def hit(ctx: Context, token: str, value: Any = None) -> str:
    """Append the arguments, which say what frame it was, to a file."""
    with (ctx.root / "ran.jsonl").open("a") as ran:
        ran.write(json.dumps([token, value]) + "\n")
    return token
