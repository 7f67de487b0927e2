"""What does FastMCP say about the prompts and resources here?

Writes `<name>.expected.json` beside each file: for every function what FastMCP lists for it, or why FastMCP refuses
it. Needs what `../corpus/make_expected.py` needs:

    VENV/bin/python make_expected.py
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import types
import warnings
from pathlib import Path

import fastmcp
from fastmcp.prompts import Prompt
from fastmcp.resources import Resource, ResourceTemplate
from fastmcp.server.dependencies import without_injected_parameters

HERE = Path(__file__).parent
PASSED_ON = {"name", "title", "description", "mime_type", "meta", "version", "annotations", "icons", "uri"}

registered: list[tuple[str, object, dict]] = []


def decorator(kind: str, called: str):
    """Stand in for a decorator of `omni`: remember the function, leave it as it is."""

    def mark(first=None, **options):
        def register(function):
            registered.append((kind, function, options))
            return function

        if isinstance(first, str):
            options[called] = first
        return register(first) if callable(first) else register

    return mark


def stand_in() -> None:
    """Make `omni` importable."""
    omni = types.ModuleType("omni")
    omni.prompt = decorator("prompt", "name")
    omni.resource = omni.skill_resource = decorator("resource", "uri")
    omni.Context = fastmcp.Context
    sys.modules["omni"] = omni
    sys.path.insert(0, str(HERE))


def described(kind: str, function, options: dict) -> dict:
    """What FastMCP lists for one function."""
    options = {name: value for name, value in options.items() if name in PASSED_ON}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "prompt":
                return shown(Prompt.from_function(function, **options).to_mcp_prompt())
            uri = options.pop("uri")
            # As FastMCP's own decorator tells one from the other.
            if "{" in uri or inspect.signature(without_injected_parameters(function)).parameters:
                template = ResourceTemplate.from_function(function, uri_template=uri, **options)
                return {**shown(template.to_mcp_template()), "parameters": template.parameters}
            return shown(Resource.from_function(function, uri=uri, **options).to_mcp_resource())
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {str(error).splitlines()[0]}"}


def shown(listed) -> dict:
    """What of a listing there is."""
    return listed.model_dump(mode="json", by_alias=True, exclude_none=True)


def main() -> None:
    """Write the answers for each file."""
    stand_in()
    for name in ("prompts", "resources"):
        registered.clear()
        importlib.import_module(name)
        answers = {function.__name__: described(kind, function, options) for kind, function, options in registered}
        text = json.dumps(answers, indent=1, ensure_ascii=False)
        (HERE / f"{name}.expected.json").write_text(text + "\n", encoding="utf-8")
        print(f"{name}: {len(answers)}, fastmcp {fastmcp.__version__}")


if __name__ == "__main__":
    main()
