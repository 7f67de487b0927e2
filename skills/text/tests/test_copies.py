"""That the way to open a path is the same in every skill that opens paths."""

from __future__ import annotations

from pathlib import Path

SKILLS = Path(__file__).parents[2]


def test_every_copy_of_the_way_to_open_a_path_is_the_same():
    copies = sorted(SKILLS.glob("*/scripts/_beneath.py"))
    assert len(copies) > 1
    assert len({copy.read_text() for copy in copies}) == 1
