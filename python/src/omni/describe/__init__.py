"""The tools of a folder of skills, described by Python alone: `python -m omni.describe SKILLS_DIR`.

The server reads skills without running them. This imports them instead, asks the functions themselves, and
finds the same names, titles, descriptions and schemas. It is what the server can be held against, what the
reference runner lists, and what the way back serves (`omni.mcp`). Standard library only; Pydantic is asked
about its own types, where a skill uses it.
"""

from __future__ import annotations

import os
import sys
from threading import Lock

from omni.describe.catalogue import Catalogue, Problem, call_target, item_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Catalogue", "Problem", "call_target", "describe_items", "describe_skills", "item_target"]

_known: dict[str, Catalogue] = {}
_lock = Lock()


def describe_skills(skills_dir: str, problems: list[Problem] | None = None) -> list[dict[str, Any]]:
    """Return every tool of a folder of skills as MCP's `tools/list` shows it, sorted by name.

    Each has a member `omni` more, as the runner's contract describes it. Skills are imported in processes of
    their own, and again only when one of their files has changed.

    Args:
        skills_dir: The folder that holds the skills' folders.
        problems: Takes what keeps something from being listed; without it, that goes to standard error.

    Raises:
        OSError: The folder cannot be listed.
    """
    path = os.path.realpath(skills_dir)
    with _lock:
        catalogue = _known.setdefault(path, Catalogue(path))
    tools, found = catalogue.read()
    if problems is not None:
        problems += found
    else:
        for problem in found:
            sys.stderr.write(f"omni: {problem}\n")
    return tools


def describe_items(skills_dir: str) -> list[dict[str, Any]]:
    """Return the resources, prompts and completions of a folder that has been described.

    Each has a `kind`, its `skill`, where its function is, and what its decorator and docstring say.
    """
    with _lock:
        catalogue = _known.get(os.path.realpath(skills_dir))
    return [] if catalogue is None else catalogue.items()
