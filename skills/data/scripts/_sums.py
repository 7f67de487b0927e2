"""How do sums and averages fail on text, instead of counting it as 0 or as the digits that it begins with?

SQLite's own `sum` and `avg` are replaced for a statement that could give them text. They compute the same, and raise
when they are given a text that is no plain number. `total` stays SQLite's: of no rows it is 0.0, which Python's
aggregates cannot say.
"""

from __future__ import annotations

import math
import re
import sqlite3
from datetime import date
from typing import Any, Optional, Union

from ._columns import INT64_MAX
from ._numbers import number

NAMES = frozenset({"sum", "avg"})
_PLAIN = re.compile(r"\s*[-+]?(?:0|[1-9]\d*|(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?)\s*")
_DATE = re.compile(r"\s*(\d{1,4})[./-](\d{1,2})[./-](\d{4}|\d{1,2})(.*)", re.DOTALL)


class Functions:
    """What this skill adds to SQL, for one connection.

    Args:
        database: The connection.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        # The text that stopped a sum, and the sum.
        self.stopped_by: Optional[tuple[str, str]] = None
        # A text that was no number to `number`, or no date to `iso_date`, by the function's name.
        self.refused: dict[str, str] = {}
        database.create_function("number", 1, self._number, deterministic=True)
        database.create_function("number", 2, self._number, deterministic=True)
        database.create_function("iso_date", 2, self._iso_date, deterministic=True)

    def guard_sums(self, *, windows: bool) -> None:
        """Replace SQLite's sums by ones that refuse text, for as long as the connection is open.

        Args:
            windows: The statement uses windows, which Python before 3.11 has no functions for: sums stay then.
        """
        make = getattr(self._database, "create_window_function", None)
        if make is None:
            if windows:
                return
            make = self._database.create_aggregate
        for name in sorted(NAMES):
            # A class of its own for each: SQLite makes the object, and it must know which it is.
            make(name, 1, type(name, (_Sum,), {"name": name, "functions": self}))

    def _number(self, value: Any, point: Optional[str] = None) -> Union[int, float, str, None]:
        if value is None or isinstance(value, (int, float)):
            return value
        if point is not None and point not in (".", ","):
            self.refused["number"] = f"{point}` as the decimal separator, which is `.` or `,"
            return None
        found = number(value, point) if isinstance(value, str) else None
        if found is None and (not isinstance(value, str) or value.strip()):
            self.refused.setdefault("number", str(value)[:60])
        if isinstance(found, int) and abs(found) > INT64_MAX:
            return float(found)
        return found

    def _iso_date(self, value: Any, order: Any) -> Optional[str]:
        if value is None:
            return None
        found = _DATE.fullmatch(str(value))
        if found is not None and order in ("dmy", "mdy", "ymd"):
            parts = dict(zip(order, (int(part) for part in found.group(1, 2, 3))))
            year = parts["y"] if parts["y"] > 99 else parts["y"] + (2000 if parts["y"] < 70 else 1900)
            try:
                return date(year, parts["m"], parts["d"]).isoformat() + found[4].rstrip()
            except ValueError:
                # A month of 13: the order is the other one.
                pass
        self.refused.setdefault("iso_date", str(value)[:60])
        return None


class _Sum:
    """One sum: integers exactly, other numbers with the rounding errors put back (Neumaier's way)."""

    name = "sum"
    functions: Functions

    def __init__(self) -> None:
        self._count = 0
        self._integers = 0
        self._reals = 0
        self._real = self._lost = 0.0

    def step(self, value: Any) -> None:
        """Take a value in."""
        self._add(value, 1)

    def inverse(self, value: Any) -> None:
        """Take a value out again, which has left the window."""
        self._add(value, -1)

    def value(self) -> Union[int, float, str, None]:
        """Return the sum of what is in the window."""
        if self._count == 0:
            return None
        if self.name == "avg":
            return self._whole() / self._count
        if self._reals:
            return self._whole()
        # Too large for SQLite's integers; exact as text.
        return self._integers if abs(self._integers) <= INT64_MAX else str(self._integers)

    finalize = value

    def _whole(self) -> float:
        return math.fsum((self._integers, self._real, self._lost))

    def _add(self, value: Any, sign: int) -> None:
        if value is None:
            return
        if isinstance(value, (str, bytes)):
            value = self._plain(value)
        self._count += sign
        if isinstance(value, int):
            self._integers += sign * value
            return
        self._reals += sign
        value *= sign
        whole = self._real + value
        if abs(whole) != float("inf"):
            self._lost += (
                (self._real - whole) + value if abs(self._real) >= abs(value) else (value - whole) + self._real
            )
        self._real = whole

    def _plain(self, value: Union[str, bytes]) -> Union[int, float]:
        if isinstance(value, bytes) or not _PLAIN.fullmatch(value) or len(value) > 400:
            shown = value[:60] if isinstance(value, str) else f"<{len(value):,} bytes>"
            self.functions.stopped_by = (shown, self.name)
            # SQLite ends the statement; the words come from `stopped_by`.
            message = "text is no number"
            raise ValueError(message)
        return float(value) if re.search(r"[.eE]", value) else int(value)
