"""What do FastMCP and Pydantic say about the corpus?

Writes `<name>.expected.json` beside each corpus file: for every function its input schema, output schema,
title and description, or why FastMCP refuses it. Needs Python 3.13 with `fastmcp==4.1.2`, `jsonschema` and
`email-validator`:

    python3.13 -m venv VENV && VENV/bin/pip install fastmcp==4.1.2 jsonschema email-validator
    VENV/bin/python make_expected.py [NAME…]
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import types
import warnings
from pathlib import Path

import fastmcp
import mcp_types
from fastmcp.tools import Tool
from fastmcp.tools.base import ToolResult
from fastmcp.utilities.types import Audio, Image
from jsonschema import Draft202012Validator

HERE = Path(__file__).parent
PROGRAMS = {"make_expected", "generate"}
PASSED_ON = {"name", "title", "description", "output_schema", "version"}

registered: list[tuple[object, dict]] = []


def tool(function=None, **options):
    """Stand in for `omni.tool`: remember the function, leave it as it is."""

    def register(function):
        registered.append((function, options))
        return function

    return register if function is None else register(function)


def stand_in() -> None:
    """Make `omni` importable."""
    omni = types.ModuleType("omni")
    omni.tool = omni.skill_command = tool
    omni.Context = fastmcp.Context
    omni.Text = mcp_types.TextContent
    omni.Image = Image
    omni.Audio = Audio
    omni.ResourceLink = mcp_types.ResourceLink
    omni.EmbeddedResource = mcp_types.EmbeddedResource
    omni.ToolResult = ToolResult
    sys.modules["omni"] = omni
    package = types.ModuleType("corpus")
    package.__path__ = [str(HERE)]
    sys.modules["corpus"] = package


def described(function, options) -> dict:
    """What FastMCP lists for one function."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options = {name: value for name, value in options.items() if name in PASSED_ON}
            listed = Tool.from_function(function, **options).to_mcp_tool()
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    listed = listed.model_dump(mode="json", by_alias=True, exclude_none=False)
    answer = {"title": listed["title"], "input": listed["inputSchema"]}
    if listed.get("description") is not None:
        answer["description"] = listed["description"]
    if listed.get("outputSchema") is not None:
        answer["output"] = listed["outputSchema"]
    for schema in ("input", "output"):
        if schema in answer:
            Draft202012Validator.check_schema(answer[schema])
    return answer


def described_alone(function, options) -> dict:
    """Ask in a process of its own: Pydantic's cached schemas carry one function's metadata into the next."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writer, "w", encoding="utf-8") as pipe:
            json.dump(described(function, options), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer)


def main(names: list[str]) -> None:
    """Write the answers for the files named, or for all."""
    stand_in()
    total = 0
    for path in sorted(HERE.glob("*.py")):
        if path.stem in PROGRAMS or path.stem.startswith("_"):
            continue
        if names and path.stem not in names:
            continue
        registered.clear()
        importlib.import_module(f"corpus.{path.stem}")
        answers = {
            options.get("name") or function.__name__: described_alone(function, options) for function, options in registered
        }
        assert len(answers) == len(registered), f"{path.name}: two functions share a name"
        total += len(answers)
        text = json.dumps(answers, indent=1, ensure_ascii=False, sort_keys=False)
        path.with_suffix(".expected.json").write_text(text + "\n", encoding="utf-8")
    print(f"{total} signatures, fastmcp {fastmcp.__version__}")


if __name__ == "__main__":
    main(sys.argv[1:])
