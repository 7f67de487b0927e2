"""Everything that a skill can offer, for one profile alone."""

from typing import Literal

from omni import prompt, resource, tool


@tool
def tool_of_hers() -> str:
    return "what the tool of hers says"


@resource("hers://page", name="page_of_hers")
def page_of_hers() -> str:
    return "what the page of hers says"


@resource("hers://items/{item}", name="item_of_hers")
def item_of_hers(item: str) -> str:
    return f"what item {item} of hers says"


@prompt
def prompt_of_hers(kind: Literal["kind-of-hers", "other-kind"]) -> str:
    return f"what the prompt of hers says of {kind}"
