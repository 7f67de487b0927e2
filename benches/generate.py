"""What does a folder of many skills look like? Made up here, always the same."""

from __future__ import annotations

import shutil
from pathlib import Path

SKILL = """---
name: {name}
description: Synthetic skill number {number}.
license: MIT
---

# {name}

Searches the collection number {number}.
"""

SCRIPT = '''"""The tool of a synthetic skill."""

from __future__ import annotations

from omni import tool


@tool(read_only=True)
def search(query: str, limit: int = 10, tags: list[str] | None = None) -> str:
    """
    Synthetic skill number {number}: search the {number}th collection and return the matching entries, best first.

    Args:
        query: What to look for.
        limit: Maximum number of results.
        tags: Only results that carry all of these tags.
    """
    return f"{{query}} {{limit}} {{tags}}"
'''

BENCH = Path(__file__).resolve().parent / "skills" / "bench"


def skills(folder: Path, count: int) -> Path:
    """Fill `folder` with the tools that benchmarks call and `count` skills of one tool each; return it."""
    stamp = folder / f".{count}"
    if stamp.is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(BENCH, folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    for number in range(count):
        name = f"skill-{number:05}"
        scripts = folder / name / "scripts"
        scripts.mkdir(parents=True)
        (scripts.parent / "SKILL.md").write_text(SKILL.format(name=name, number=number))
        (scripts / "search.py").write_text(SCRIPT.format(number=number))
    stamp.touch()
    return folder


RESOURCES_OF_A_SKILL = 100
RESOURCE = '''

@resource("bench://note/{number:05}", mime_type="text/plain")
def note_{number:05}() -> str:
    """Note {number} of a collection, as somebody wrote it down."""
    return "The note number {number}.\\n" * 40
'''


def resources(folder: Path, count: int) -> Path:
    """Fill `folder` with the bench's tools and `count` resources, all of them functions; return it."""
    stamp = folder / f".resources-{count}"
    if stamp.is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(BENCH, folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    for first in range(0, count, RESOURCES_OF_A_SKILL):
        name = f"notes-{first:05}"
        scripts = folder / name / "scripts"
        scripts.mkdir(parents=True)
        (folder / name / "SKILL.md").write_text(SKILL.format(name=name, number=first))
        last = min(first + RESOURCES_OF_A_SKILL, count)
        functions = [RESOURCE.format(number=number) for number in range(first, last)]
        (scripts / "notes.py").write_text("".join(["from omni import resource\n", *functions]))
    stamp.touch()
    return folder
