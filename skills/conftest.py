"""How do the tests of a skill get at its tools, and at the context that a call would carry?"""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from omni import Context
from omni.load import load_module

SKILLS = Path(__file__).parent


class RecordingContext(Context):
    """The context of a call without a server. What the tool reports is kept for the test to look at."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.reported: list[tuple[float, Optional[str]]] = []

    def progress(self, value: float, total: Optional[float] = None, message: Optional[str] = None) -> Any:
        """Keep the report, then do what every context does."""
        self.reported.append((value, message))
        return super().progress(value, total, message)


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
    return _load(_skill_of(request), _skill_of(request))


@pytest.fixture(scope="module")
def helper(request: pytest.FixtureRequest) -> Callable[[str], types.ModuleType]:
    """Import a helper module of the test's own skill by its name."""
    return lambda module: _load(_skill_of(request), module)


def _load(skill: str, module: str) -> types.ModuleType:
    # As the worker does it, so that relative imports work and equal names in two skills do not meet.
    return load_module(skill, str(SKILLS / skill), f"scripts/{module}.py")


def _skill_of(request: pytest.FixtureRequest) -> str:
    return Path(request.path).relative_to(SKILLS).parts[0]
