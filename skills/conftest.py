"""How do the tests of a skill get at its tools, and at the context that a call would carry?"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

import pytest

from omni import Context

SKILLS = Path(__file__).parent


class RecordingContext(Context):
    """The context of a call without a server. What the tool reports is kept for the test to look at."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.reported: List[Tuple[float, Optional[str]]] = []

    def progress(self, value: float, total: Optional[float] = None, message: Optional[str] = None) -> Any:
        self.reported.append((value, message))
        return super().progress(value, total, message)


def load(skill: str, module: str) -> types.ModuleType:
    """
    Import a module of a skill as the worker does: the scripts folder is a package of its own, so
    that helpers can be imported relatively and equal names in two skills do not meet.
    """
    package = f"skills_under_test.{skill}"
    for name, where in (("skills_under_test", SKILLS), (package, SKILLS / skill / "scripts")):
        if name not in sys.modules:
            created = types.ModuleType(name)
            created.__path__ = [str(where)]  # type: ignore[attr-defined]
            sys.modules[name] = created
    return importlib.import_module(f"{package}.{module}")


@pytest.fixture
def ctx(request: pytest.FixtureRequest, tmp_path: Path) -> RecordingContext:
    """A call whose project root is an empty folder."""
    root = tmp_path / "project"
    root.mkdir()
    return RecordingContext(root=root, skill_dir=SKILLS / _skill_of(request))


@pytest.fixture
def call_with(ctx: RecordingContext) -> Callable[..., RecordingContext]:
    """Make another call for the same project, with settings, another root or a deadline."""
    return lambda **given: RecordingContext(**{"root": ctx.root, "skill_dir": ctx.skill_dir, **given})


@pytest.fixture(scope="module")
def skill(request: pytest.FixtureRequest) -> types.ModuleType:
    """The skill's script, `scripts/<name>.py`, of the test's own skill."""
    name = _skill_of(request)
    return load(name, name)


@pytest.fixture(scope="module")
def helper(request: pytest.FixtureRequest) -> Callable[[str], types.ModuleType]:
    """Import a helper module of the test's own skill by its name."""
    name = _skill_of(request)
    return lambda module: load(name, module)


def _skill_of(request: pytest.FixtureRequest) -> str:
    return Path(request.path).relative_to(SKILLS).parts[0]
