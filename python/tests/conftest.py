"""What every test may ask for: a skill made of source text, and workers that end with the test."""

import os
import sys

import pytest

SOURCES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
sys.path.insert(0, SOURCES)

from harness import Skill, Worker  # noqa: E402 - the path comes first


@pytest.fixture
def skill(tmp_path):
    """Return a function that writes a skill: `skill("demo", {"a.py": "…"})`."""

    def make(name="demo", files=None, **more):
        return Skill(tmp_path / "skills" / name, {**(files or {}), **more})

    return make


@pytest.fixture
def worker():
    """Return a function that starts a worker; every worker is ended after the test."""
    started = []

    def start(*mode, **options):
        started.append(Worker(*mode, **options))
        return started[-1]

    yield start
    for one in started:
        one.end()
