"""Is a text a number as people write it, and which one?

`1,234.56`, `1.234,56`, `1 234`, `$1,200`, `12%`, `(1,200)` are numbers to people and text to SQL, where `1,234.56`
counts as 1. Which separator is the decimal one is told by the text, or not at all: `1,234` may be either.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional, Union

#: What the decimal separator can be.
POINTS = frozenset(".,")

_MONEY = (
    r"(?:US\$|R\$|A\$|C\$|[$€£¥₹₽₩₺₴¢]|kr\.?|zł|Kč|Fr\.|USD|EUR|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|AUD|CAD|BRL|MXN"
    r"|ZAR|RUB|TRY|KRW)"
)
_WRITTEN = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[-+])?\s*(?P<before>{_MONEY})?\s*(?P<inner>[-+])?"
    r"(?P<core>\d[\d.,'_ ]*|[.,]\d+)(?P<exponent>[eE][-+]?\d+)?"
    rf"\s*(?P<after>{_MONEY}|%)?(?P<trailing>-)?\s*(?P<close>\))?",
    re.ASCII,
)
# Every blank that stands between digits, every minus and every apostrophe, as one of each.
_ALIKE = {0xA0: " ", 0x2007: " ", 0x2009: " ", 0x202F: " ", 0x2212: "-", 0x2019: "'"}
# More digits than this are no number that anybody adds up, and Python converts no more than some thousands.
_CHARS_MAX = 60


class Written(NamedTuple):
    """A number as it is written."""

    # Which of `.` and `,` can be the decimal separator; both when the text does not tell.
    points: frozenset[str]
    # The currency, `%`, or nothing.
    unit: str
    core: str
    exponent: str
    negative: bool

    def value(self, point: str) -> Union[int, float]:
        """Return the number, with `point` as its decimal separator."""
        digits = re.sub(f"[^0-9{re.escape(point)}]", "", self.core).replace(point, ".")
        sign = -1 if self.negative else 1
        return sign * (float(digits + self.exponent) if "." in digits or self.exponent else int(digits))


def written(text: str) -> Optional[Written]:
    """Return how a text is written as a number, or `None` when it is none."""
    if len(text) > _CHARS_MAX:
        return None
    found = _WRITTEN.fullmatch(text.strip().translate(_ALIKE))
    if found is None or bool(found["open"]) != bool(found["close"]) or (found["before"] and found["after"]):
        return None
    signs = [found[name] for name in ("sign", "inner", "trailing") if found[name]]
    if len(signs) + bool(found["open"]) > 1:
        return None
    core = found["core"].rstrip()
    points = _points(core)
    if not points:
        return None
    negative = bool(found["open"]) or "-" in signs
    return Written(points, found["before"] or found["after"] or "", core, found["exponent"] or "", negative)


def number(text: str, point: Optional[str] = None) -> Optional[Union[int, float]]:
    """Return the number that a text is, or `None`.

    Args:
        text: The text.
        point: The decimal separator. Left out, the text tells, and where it does not it is the point.
    """
    how = written(text)
    if how is None or (point is not None and point not in how.points):
        return None
    if point is None:
        point = "." if "." in how.points else ","
    value = how.value(point)
    return value if -(10.0**308) < value < 10.0**308 else None


def _points(core: str) -> frozenset[str]:
    """Return which separators of a number's digits can be the decimal one; none when the groups are wrong."""
    possible = set()
    for point in POINTS:
        whole, found, fraction = core.partition(point)
        # A second one, a group after it, or nothing.
        if found and not fraction.isdigit() and (fraction or not whole.isdigit()):
            continue
        if whole.isdigit() or not whole or _grouped(whole, point):
            possible.add(point)
    return frozenset(possible)


def _grouped(whole: str, point: str) -> bool:
    separators = set(re.findall(r"\D", whole))
    if len(separators) != 1 or point in separators:
        return False
    groups = re.split(r"\D", whole)
    if groups[0].startswith("0") or not 1 <= len(groups[0]) <= 3 or len(groups[-1]) != 3:
        return False
    # In threes, or as in India: 12,34,567.
    middle = {len(group) for group in groups[1:-1]}
    return middle <= {3} or (middle == {2} and len(groups[0]) <= 2 and separators == {","})
