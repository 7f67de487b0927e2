"""What clients see tools called: the answers of the server's rule, and what holds for any set of names."""

import json
import random
import re

import pytest
from harness import SOURCES

from omni.constants import NAME_STYLES, WIRE_CHARS_MAX
from omni.names import is_tool_name, meanings, wire_names

with open(f"{SOURCES}/../../conformance/names.json", encoding="utf-8") as _file:
    CASES = json.load(_file)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["about"])
def test_names_and_what_they_mean_are_those_of_the_shared_cases(case):
    wire = wire_names(case["wire"], case["style"])
    assert wire == case["wire"]
    found = meanings(wire)
    assert {name: found.get(name, []) for name in case["calls"]} == case["calls"]


def _nasty(count):
    draw = random.Random(7)
    parts = ["a", "A", "b", "a_b", "a-b", "a.b", "gr\xf6\xdfe", "\u5b9f\u884c", "x" * 30, "_", "-", "9"]
    names = set()
    while len(names) < count:
        names.add("".join(draw.choice(parts) + draw.choice("._-") for _ in range(draw.randint(2, 4))))
    # The very names that others are given.
    return sorted(names | set(list(wire_names(names).values())[::3]))


def test_ten_thousand_names_are_apart_for_every_client_and_free_of_any_order():
    names = _nasty(10_000)
    wire = wire_names(names)
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,%d}" % WIRE_CHARS_MAX, name) for name in wire.values())
    assert len({re.sub("[-_]+", "_", name).lower() for name in wire.values()}) == len(names)
    found = meanings(wire)
    assert all(found[name] == [canonical] for canonical, name in wire.items())
    for style in NAME_STYLES:
        assert wire_names(names[::-1], style) == wire_names(names, style)


def test_names_of_tools_are_those_of_the_shared_file():
    with open(f"{SOURCES}/../../conformance/tool-names.json", encoding="utf-8") as file:
        shared = json.load(file)
    assert [name for name in shared["names"] if not is_tool_name(name)] == []
    assert [name for name in shared["none"] if is_tool_name(name)] == []
    assert is_tool_name("\xfc" * 128)
    assert not is_tool_name("\xfc" * 129)
