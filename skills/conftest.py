"""How do the tests of a skill get at its tools, and at the context that a call would carry?"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest

SKILLS = Path(__file__).parent


class CallStandIn:
    """What a tool sees of the call it runs for, without a server: it keeps what the tool reports."""

    def __init__(self, root: Path, skill: str, settings: Optional[Dict[str, Any]] = None) -> None:
        self.root = root
        self.settings = settings or {}
        self.skill_dir = SKILLS / skill
        self.call_id = "test"
        self.session_id = "test"
        self.remaining: Optional[float] = None
        self.cancelled = False
        self.reported: List[Tuple[float, Optional[float], Optional[str]]] = []

    def progress(self, value: float, total: Optional[float] = None, message: Optional[str] = None) -> None:
        self.reported.append((value, total, message))

    def heartbeat(self, note: Optional[str] = None) -> None:
        self.reported.append((0, None, note))

    def info(self, data: Any) -> None:
        self.reported.append((0, None, str(data)))

    debug = notice = warning = error = info


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
def ctx(request: pytest.FixtureRequest, tmp_path: Path) -> CallStandIn:
    """A call whose project root is an empty folder."""
    root = tmp_path / "project"
    root.mkdir()
    return CallStandIn(root, _skill_of(request))


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
