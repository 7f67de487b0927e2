"""Which known name somebody probably meant: the server's own answers (`omni-catalog/src/similar.rs`)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Longer names are not compared: hostile input must not buy quadratic work.
_CHARACTERS_MAX = 128


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate closest to a name, if one is close enough to be worth offering."""
    if not name or len(name) > _CHARACTERS_MAX:
        return None
    best: tuple[int, str] | None = None
    for candidate in candidates:
        if _plain(name) == _plain(candidate):
            return candidate
        allowed = min(len(name) // 3, 4) if best is None else best[0] - 1
        distance = _distance(name, candidate, allowed)
        if distance is not None:
            best = (distance, candidate)
    return None if best is None else best[1]


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c not in ".-_")


def _distance(a: str, b: str, allowed: int) -> int | None:
    """Count the insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`."""
    if len(b) > _CHARACTERS_MAX or abs(len(a) - len(b)) > allowed:
        return None
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, old in enumerate(a):
        row = [i + 1]
        for j, new in enumerate(b):
            cost = min(last[j] + (old != new), last[j + 1] + 1, row[j] + 1)
            if i and j and old == b[j - 1] and a[i - 1] == new:
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        if min(row) > allowed:
            return None
        before, last = last, row
    return last[-1] if last[-1] <= allowed else None
