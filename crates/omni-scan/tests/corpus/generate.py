"""Writes `generated.py`: signatures put together at random, the same ones every time."""

import random
import sys
from pathlib import Path

HEAD = '''"""Made by generate.py: do not edit."""

import datetime
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Dict, List, Literal, NamedTuple, NotRequired, Optional, Set, Tuple, TypedDict, Union
from uuid import UUID

from pydantic import BaseModel, Field

from omni import Context, tool


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    """How much."""

    LOW = 1
    HIGH = 2


@dataclass
class Item:
    """An item."""

    name: str
    size: int = 1


class Row(TypedDict):
    key: str
    value: NotRequired[float]


class Pair(NamedTuple):
    left: int
    right: str = "r"


class User(BaseModel):
    """A user."""

    name: str = Field(description="The name.", min_length=1)
    level: Level = Level.LOW
    items: list[Item] = []
    friend: "Optional[User]" = None
'''

SCALARS = ["str", "int", "float", "bool", "Any", "None", "bytes", "object"]
NAMED = ["Color", "Level", "Item", "Row", "Pair", "User", "Path", "UUID", "Decimal", "datetime.datetime", "datetime.date"]
LITERALS = ['Literal["a"]', 'Literal["a", "b"]', "Literal[1, 2]", 'Literal["a", 1, None]', "Literal[True]"]
KEYS = ["str", "int", 'Literal["x", "y"]', "Color"]
NAMES = ["query", "limit", "max_results", "path", "options", "x", "user_id", "dryRun", "_under", "a1b2"]
WORDS = ["What to look for.", "How many at most.", "Where it is.", "Switches: on or off."]


def a_type(pick: random.Random, depth: int) -> str:
    """Return an annotation."""
    if depth == 0:
        return pick.choice(SCALARS[:5] if pick.random() < 0.7 else SCALARS + NAMED + LITERALS)
    inner = lambda: a_type(pick, depth - 1)  # noqa: E731
    # `None | None` is not Python.
    some = lambda: inner().replace("None", "int", 1) if depth == 1 else inner()  # noqa: E731
    form = pick.randrange(16)
    if form < 3:
        return inner()
    if form < 5:
        return f"{some()} | None"
    if form == 5:
        return f"Optional[{inner()}]"
    if form == 6:
        return f"Union[{inner()}, {inner()}]"
    if form == 7:
        return f"{some()} | {inner()} | {some()}"
    if form == 8:
        return f"{pick.choice(['list', 'List', 'set', 'Set', 'frozenset'])}[{inner()}]"
    if form == 9:
        return f"list[{inner()}]"
    if form == 10:
        return f"{pick.choice(['dict', 'Dict'])}[{pick.choice(KEYS)}, {inner()}]"
    if form == 11:
        return f"tuple[{', '.join(inner() for _ in range(pick.randrange(1, 4)))}]"
    if form == 12:
        return f"{pick.choice(['tuple', 'Tuple'])}[{inner()}, ...]"
    if form == 13:
        return pick.choice(NAMED)
    return a_field(pick, inner())


def a_field(pick: random.Random, annotation: str) -> str:
    """Return an annotation with metadata."""
    form = pick.randrange(6)
    words = pick.choice(WORDS)
    if form == 0:
        return f'Annotated[{annotation}, "{words}"]'
    if form == 1:
        return f"Annotated[{pick.choice(['int', 'float', 'int | None'])}, Field(ge={pick.randrange(5)}, lt={pick.randrange(5, 99)})]"
    if form == 2:
        return f'Annotated[{pick.choice(["str", "list[int]", "dict[str, int]", "str | None"])}, Field(min_length=1, max_length={pick.randrange(2, 9)})]'
    if form == 3:
        return f'Annotated[{annotation}, Field(description="{words}", title="{pick.choice(["Q", "Limit", "The X"])}")]'
    if form == 4:
        return f'Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])]'
    return f'Annotated[{annotation}, Field(description="{words}")]'


DEFAULTS = [
    "None", "None", "None", "1", '"x"', "True", "0.5", "[]", "{}", "()", "[1, 2]", '{"k": [1]}', "Color.RED", "Level.HIGH",
    'Path("a/b")', 'Decimal("2.50")', "-7", "{3, 1}",
]


def a_function(pick: random.Random, number: int) -> str:
    """Return the source of one tool."""
    names = pick.sample(NAMES, pick.randrange(1, 5))
    parameters = []
    for name in names:
        annotation = a_type(pick, pick.randrange(3))
        form = pick.randrange(8)
        if form == 0:
            default = f' = Field(default={pick.choice(DEFAULTS[:12])}, description="{pick.choice(WORDS)}")'
        elif form == 1:
            default = ' = Field(description="Needed.")'
        elif form < 5:
            default = f" = {pick.choice(DEFAULTS)}"
        else:
            default = ""
        parameters.append(f"{name}: {annotation}{default}")
    if pick.random() < 0.2:
        parameters.insert(pick.randrange(len(parameters) + 1), "ctx: Context")
    result = f" -> {a_type(pick, 2)}" if pick.random() < 0.7 else ""
    lines = [f"@tool\n{'async ' if pick.random() < 0.3 else ''}def case_{number}(*, {', '.join(parameters)}){result}:"]
    style = pick.randrange(5)
    texts = {name: pick.choice(WORDS) for name in names if pick.random() < 0.7}
    if style == 0 or not texts:
        lines.append('    """Do the thing."""')
    elif style == 1:
        lines.append('    """Do the thing.\n\n    Parameters\n    ----------')
        lines += [f"    {name} : type\n        {text}" for name, text in texts.items()]
        lines.append('    """')
    elif style == 2:
        lines.append('    """Do the thing.\n')
        lines += [f"    :param {name}: {text}" for name, text in texts.items()]
        lines.append('    """')
    else:
        lines.append('    """Do the thing.\n\n    In detail.\n\n    Args:')
        lines += [f"        {name}: {text}" for name, text in texts.items()]
        lines.append('\n    Returns:\n        A thing.\n    """')
    return "\n".join(lines)


def main(seed: int = 20260101, count: int = 200) -> None:
    """Write the file. Another seed and count give other functions, to look for new differences."""
    pick = random.Random(seed)
    functions = [a_function(pick, number) for number in range(count)]
    text = HEAD + "\n\n" + "\n\n\n".join(functions) + "\n"
    Path(__file__).with_name("generated.py").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
