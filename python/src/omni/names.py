"""What clients see a tool called, by nothing but the set of all canonical names.

The rule is that of the server (`omni-catalog/src/names.rs`), and `conformance/names.json` holds what both
must answer.
"""

from __future__ import annotations

import hashlib
import re

from omni.constants import HASH_DIGITS, WIRE_CHARS_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_NOT_PLAIN = {"underscore": re.compile("[^A-Za-z0-9_-]+"), "dotted": re.compile("[^A-Za-z0-9_.-]+")}
_FOREIGN = re.compile("[^A-Za-z0-9_.-]")
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u3164\ufe00-\ufe0f\uffa0\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_NAME_CHARS_MAX = 128


def is_tool_name(name: str) -> bool:
    """Tell whether a tool can be called so: letters and digits as in identifiers, `_`, `-` and `.`."""
    letters = name.replace("-", "").replace(".", "")
    return (
        0 < len(name) <= _NAME_CHARS_MAX and f"_{letters}".isidentifier() and not _INVISIBLE.search(letters)
    )


def wire_names(canonical: Iterable[str], style: str = "underscore") -> dict[str, str]:
    """Return the name on the wire of each canonical name. No two are the same.

    Args:
        canonical: The names of all tools, each once; their order changes nothing.
        style: `underscore` or `dotted`.
    """
    plain = {name: _NOT_PLAIN[style].sub("_", name) for name in canonical}
    digits = {name: _first(name, plain[name], style) for name in plain}
    wire = {name: _written(plain[name], name, digits[name]) for name in plain}
    while contested := _contested(plain, wire, digits, style):
        # Whoever wants the same name takes a longer one, all at once, so that none is first.
        for name in contested:
            digits[name] = next(more for more in HASH_DIGITS if more > digits[name])
            wire[name] = _written(plain[name], name, digits[name])
    return wire


def meanings(wire: dict[str, str]) -> dict[str, list[str]]:
    """Return the canonical names that each name may mean: its own, its name on the wire, and its plain form.

    A name that means two tools means neither. `wire` is what `wire_names` has returned.
    """
    listed = {name: canonical for canonical, name in wire.items()}
    found: dict[str, set[str]] = {}
    for canonical, name in wire.items():
        found.setdefault(canonical, set()).add(canonical)
        found.setdefault(name, set()).add(canonical)
        # What it would be called if it were alone; a name in the list is that tool's.
        plain = _NOT_PLAIN["underscore"].sub("_", canonical)
        if listed.get(plain, canonical) == canonical:
            found.setdefault(plain, set()).add(canonical)
    return {name: sorted(tools) for name, tools in found.items()}


def _contested(plain: dict[str, str], wire: dict[str, str], digits: dict[str, int], style: str) -> list[str]:
    """Return the canonical names whose name on the wire could be meant for another tool, too."""
    claims: dict[str, set[str]] = {}
    for name, on_the_wire in wire.items():
        claims.setdefault(_as_clients_compare(on_the_wire, style), set()).add(name)
        if style == "underscore":
            claims.setdefault(_as_clients_compare(plain[name], style), set()).add(name)
    return [
        name
        for name, on_the_wire in wire.items()
        if len(claims[_as_clients_compare(on_the_wire, style)]) > 1
        and digits[name] < HASH_DIGITS[-1]
        # A name with its dots stays as it is.
        and (digits[name] or style == "underscore")
    ]


def _first(canonical: str, plain: str, style: str) -> int:
    is_long = style == "underscore" and len(plain) > WIRE_CHARS_MAX
    return HASH_DIGITS[0] if is_long or _FOREIGN.search(canonical) else 0


def _written(plain: str, canonical: str, digits: int) -> str:
    if not digits:
        return plain
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:digits]
    room = WIRE_CHARS_MAX - 1 - digits
    if len(plain) > room:
        # A third from the beginning, the rest from the end, where the command is.
        head = room // 3
        plain = f"{plain[:head]}_{plain[len(plain) - (room - head - 1) :]}"
    return f"{plain}_{digest}"


def _as_clients_compare(name: str, style: str) -> str:
    """Return a name as clients compare it: some fold case, some write one `_` for `-` and for several."""
    return re.sub("[_-]+", "_", name).lower() if style == "underscore" else name
