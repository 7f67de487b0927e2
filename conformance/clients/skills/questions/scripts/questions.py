"""Tools that ask their client something, and one that does not."""

import asyncio
import json

from omni import Context, tool


def form(name: str) -> dict:
    """Return a form with one field."""
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    return {"mode": "form", "message": f"{name}?", "requestedSchema": schema}


@tool
def once(ctx: Context) -> str:
    """Ask for a form."""
    return json.dumps(ctx._ask("elicitation/create", form("size")))


@tool
def in_turn(ctx: Context) -> str:
    """Ask for a form, then for the folders, then for another form."""
    asked = [("elicitation/create", form("size")), ("roots/list", {}), ("elicitation/create", form("colour"))]
    return json.dumps([ctx._ask(method, params) for method, params in asked])


@tool
async def at_once(ctx: Context) -> str:
    """Ask for two forms and the folders at the same time."""
    asked = [("elicitation/create", form("size")), ("roots/list", {}), ("elicitation/create", form("colour"))]
    answers = await asyncio.gather(*(ctx._ask_async(method, params) for method, params in asked))
    return json.dumps(answers)


@tool
def echo(text: str) -> str:
    """Return what it is given."""
    return text
