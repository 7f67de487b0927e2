"""What holds for every tool that is shipped, whichever skill it is in."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from pathlib import Path

import pytest

from omni import Context, Text
from omni.load import load_module

SKILLS = Path(__file__).parent


def tools():
    """Return every tool with its name."""
    found = []
    for page in sorted(SKILLS.glob("*/SKILL.md")):
        skill = page.parent.name
        module = load_module(skill, str(page.parent), f"scripts/{skill}.py")
        for name, function in vars(module).items():
            options = getattr(function, "__omni_tool__", None)
            if options is not None:
                found.append(pytest.param(function, id=f"{skill}.{options.get('name', name)}"))
    return found


def test_there_are_the_skills_that_the_guide_speaks_of():
    assert {page.parent.name for page in SKILLS.glob("*/SKILL.md")} >= {"data", "files", "git", "notes", "text", "web"}


@pytest.mark.parametrize("function", tools())
def test_every_tool_describes_itself_and_each_parameter(function):
    documentation = inspect.cleandoc(function.__doc__)
    parameters = list(inspect.signature(function).parameters)
    assert parameters[0] == "ctx"
    if len(parameters) > 1:
        described = documentation.split("\nArgs:\n")[1].split("\n\nReturns:")[0]
        for parameter in parameters[1:]:
            assert f"    {parameter}: " in described
    assert "\n\nReturns:\n" in documentation


@pytest.mark.parametrize("function", tools())
def test_every_tool_says_what_it_may_do(function):
    options = function.__omni_tool__
    assert {"title", "read_only", "open_world", "timeout"} <= set(options)
    # What changes something also says whether it may destroy something.
    assert options["read_only"] or "destructive" in options


@pytest.mark.parametrize("function", tools())
def test_the_annotations_of_every_tool_can_be_evaluated_on_this_python(function):
    hints = typing.get_type_hints(function)
    assert hints["ctx"] is Context
    # Text for a model to read, or a structure that a program can use; a bare string would be sent twice.
    assert hints["return"] is Text or dataclasses.is_dataclass(hints["return"])
    if dataclasses.is_dataclass(hints["return"]):
        typing.get_type_hints(hints["return"])
