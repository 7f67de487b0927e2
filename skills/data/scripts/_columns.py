"""What kind of values does a column hold, and what must be known before it is added up or compared?

A column is INTEGER or REAL when all its values are plain numbers. What only looks like numbers stays text, and is
described here, so that no statement takes it for numbers without a word.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any, NamedTuple, Optional

from ._numbers import POINTS, written

INT64_MAX = 2**63 - 1

_INTEGER = re.compile(r"[-+]?(?:0|[1-9]\d{0,18})")
_REAL = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?")
_LONG = re.compile(r"[-+]?[1-9]\d*")
_ZEROS = re.compile(r"0\d+")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}")
_BARE_EXPONENT = re.compile(r"[-+]?\d+[eE]\d+")
# A telephone number, which loses its plus as an integer.
_DIALLED = re.compile(r"\+\d{7,}")
_DATE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:[ T,]+\d{1,2}:\d{2}.*)?")
# What stands for "no value" in columns of numbers.
_MARKERS = frozenset(
    {"null", "n/a", "na", "#n/a", "none", "nan", "nil", "-", "--", "\u2013", "\u2014", "?", ".", "\\n", "(null)"}
    | {"inf", "-inf", "infinity", "-infinity", "#div/0!", "#value!", "#ref!", "unknown", "missing", "nat"}
)
_BOOLEANS = frozenset({"true", "false", "yes", "no", "t", "f", "y", "n"})
# Once so many values were seen and most are words, the rest is not looked at.
_LOOKS = 2000


class Oddity(NamedTuple):
    """What must be known about a column of text that looks like something else."""

    # "separated", "mixed", "digits", "zeros", "large", "boolean" or "date".
    kind: str
    # A value that shows it.
    example: str
    # The rest of what a model should know; says what to write for `{column}`.
    advice: str
    # The expression that gives the numbers, with `{column}` in it; empty when there is none.
    convert: str = ""


class Verdict(NamedTuple):
    """What a column is in SQL."""

    # INTEGER, REAL or TEXT.
    type: str
    # For a column of numbers: the texts that are read as NULL, as they are written, and how often.
    markers: Counter[str]
    oddity: Optional[Oddity]
    # For a column of numbers: what may have been meant otherwise.
    doubt: str = ""


class Judge:
    """Sees all values of a column, and says then what it is."""

    def __init__(self) -> None:
        self.seen = 0
        self.points = set(POINTS)
        self._counts: Counter[str] = Counter()
        self._first: dict[str, tuple[str, int]] = {}
        self._markers: Counter[str] = Counter()
        self._units: Counter[str] = Counter()
        self._ways: set[str] = set()
        self._undecided = ""
        self._day_first = self._month_first = False
        self._is_text = False
        # Numbers that were text in the file, as JSON has them: they stay text.
        self._quoted = False

    def see(self, value: Any, line: int, *, quoted: bool = False) -> None:
        """Look at one value.

        Args:
            value: Text as it stands in the file, or a number or anything else that JSON has. Empty text and
                `None` are no values.
            line: Where it is.
            quoted: Text is text in this file, as in JSON: digits in it are no number, and no text is a value.
        """
        if value is None or (value == "" and not quoted):
            return
        self.seen += 1
        if self._is_text:
            return
        kind = self._kind(value)
        self._quoted = self._quoted or (quoted and isinstance(value, str) and kind != "marker")
        self._counts[kind] += 1
        if kind not in self._first:
            self._first[kind] = (str(value)[:60], line)
        if kind == "other" and self.seen > _LOOKS and self._counts["other"] * 2 > self.seen:
            self._is_text = True

    @property
    def has_decimal_comma(self) -> bool:
        """Whether numbers of this column can only be read with a comma as decimal separator."""
        return self._counts["separated"] > 0 and self.points == {","}

    @property
    def may_group_by_dots(self) -> bool:
        """Whether every decimal number here could as well be one of thousands: `1.234`."""
        counts = self._counts
        return counts["thousands"] > 0 and self._only("integer", "thousands", "marker")

    def verdict(self, *, comma: bool = False) -> Verdict:
        """Say what the column is.

        Args:
            comma: Other columns of the file have decimal commas, so that `1.234` is a thousand here.
        """
        counts = self._counts
        numbers = counts["integer"] + counts["real"] + counts["thousands"] + counts["exponent"]
        is_numeric = self._only("integer", "real", "thousands", "exponent", "marker") and not self._quoted
        if numbers and is_numeric and not (comma and self.may_group_by_dots):
            only_integers = self._only("integer", "marker")
            return Verdict("INTEGER" if only_integers else "REAL", self._markers, None, self._doubt())
        return Verdict("TEXT", Counter(), None if self._is_text else self._oddity(comma))

    def _only(self, *kinds: str) -> bool:
        return all(count == 0 or kind in kinds for kind, count in self._counts.items())

    def _kind(self, value: Any) -> str:
        if not isinstance(value, str):
            return self._kind_of_json(value)
        text = value.strip()
        if _INTEGER.fullmatch(text):
            if _DIALLED.fullmatch(text):
                return "dialled"
            return "integer" if abs(int(text)) <= INT64_MAX else "large"
        if _REAL.fullmatch(text):
            if not math.isfinite(float(text)):
                return "large"
            if _THOUSANDS.fullmatch(text):
                self._note_points(frozenset(".,"))
                return "thousands"
            return "exponent" if _BARE_EXPONENT.fullmatch(text) else "real"
        if _ZEROS.fullmatch(text):
            return "zeros"
        if _LONG.fullmatch(text):
            return "dialled" if _DIALLED.fullmatch(text) else "large"
        word = text.casefold()
        if not word or word in _MARKERS:
            self._markers[text] += 1
            return "marker"
        if word in _BOOLEANS:
            return "boolean"
        found = _DATE.fullmatch(text)
        if found is not None and int(found[1]) <= 31 and int(found[3]) <= 31:
            self._day_first = self._day_first or int(found[1]) > 12
            self._month_first = self._month_first or int(found[3]) > 12
            return "date"
        how = written(text)
        if how is None:
            return "other"
        self._note_points(how.points)
        self._units[how.unit] += 1
        if how.points == POINTS and re.search("[.,]", how.core):
            self._undecided = self._undecided or text
        return "separated"

    def _kind_of_json(self, value: Any) -> str:
        if isinstance(value, bool):
            return "integer"
        if isinstance(value, int):
            return "integer" if abs(value) <= INT64_MAX else "large"
        if isinstance(value, float):
            if math.isfinite(value):
                return "real"
            self._markers[str(value)] += 1
            return "marker"
        return "other"

    def _note_points(self, points: frozenset[str]) -> None:
        self.points &= points
        if len(points) == 1:
            self._ways |= points

    def _doubt(self) -> str:
        if self.may_group_by_dots:
            example = self._first["thousands"][0]
            return f"`{example}` is read with a decimal point; if its dot groups thousands, that is wrong by 1000"
        if self._counts["exponent"] and self._only("integer", "exponent", "marker"):
            example = self._first["exponent"][0]
            return f"`{example}` is read as {float(example):g}; if these are codes, do not compute with them"
        return ""

    def _oddity(self, comma: bool) -> Optional[Oddity]:
        counts = self._counts
        plain = counts["integer"] + counts["real"] + counts["thousands"] + counts["exponent"]
        values = self.seen - counts["marker"]
        numbers = plain + counts["separated"] + counts["large"] + counts["zeros"]
        if values <= 0:
            return None
        if counts["zeros"] and counts["zeros"] + counts["integer"] + counts["large"] == values:
            return Oddity("zeros", self._first["zeros"][0], "digits with leading zeros: compare with text, '{example}'")
        if counts["large"] and counts["large"] + counts["integer"] == values:
            advice = "larger than SQL's numbers: sum({column}) is exact for integers, other arithmetic is not"
            return Oddity("large", self._first["large"][0], advice, "CAST({column} AS REAL)")
        if (counts["separated"] or (comma and counts["thousands"])) and counts["separated"] + plain == values:
            return self._separated(comma)
        if counts["boolean"] == values:
            return Oddity("boolean", self._first["boolean"][0], "words: compare with text, {column} = '{example}'")
        if counts["date"] == values:
            return self._date()
        if numbers == values:
            return Oddity("digits", next(iter(self._first.values()))[0], "numbers written as text", "number({column})")
        return self._mixed(numbers, values) if numbers * 2 >= values else None

    def _separated(self, comma: bool) -> Oddity:
        example = self._first["separated" if self._counts["separated"] else "thousands"][0]
        if self.points == {","} or (comma and "," in self.points):
            convert = "number({column}, ',')"
            advice = "numbers with a decimal comma"
        elif not self.points:
            convert = "number({column})"
            advice = (
                "numbers written in two ways, with decimal points and with decimal commas; number() reads each as it "
                "is written, and `1,234` as thousands"
            )
        else:
            convert = "number({column})"
            advice = "numbers with separators or signs"
            if self._undecided and "." not in self._ways:
                advice += f"; `{self._undecided}` counts as thousands, with number({{column}}, ',') as a decimal comma"
        units = [unit for unit in self._units if unit and unit != "%"]
        if len(units) > 1:
            advice += f"; of several currencies ({', '.join(units[:4])}): do not add them up together"
        if self._units["%"]:
            advice += "; `12%` becomes 12"
            if self._units["%"] < self._counts["separated"] or self._counts["real"]:
                advice += ", and not all of them have a percent sign"
        return Oddity("separated", example, advice, convert)

    def _date(self) -> Oddity:
        example = self._first["date"][0]
        if self._day_first and self._month_first:
            return Oddity("date", example, "dates, the day first in some and the month first in others; sorts as text")
        order = "mdy" if self._month_first else "dmy"
        advice = "dates that sort as text; sort and compare iso_date({column}, '" + order + "')"
        if not self._day_first and not self._month_first:
            advice += " (day first; 'mdy' if the month is first, the values do not tell)"
        return Oddity("date", example, advice)

    def _mixed(self, numbers: int, values: int) -> Oddity:
        odd = next(kind for kind in self._first if kind in ("other", "dialled", "date", "boolean"))
        convert = "number({column}, ',')" if self.points == {","} else "number({column})"
        example, line = self._first[odd]
        advice = f"{numbers:,} of {values:,} are numbers and others are not, `{example}` (line {line:,}) for one"
        return Oddity("mixed", self._first_number(), advice, convert)

    def _first_number(self) -> str:
        for kind in ("separated", "integer", "real", "thousands", "exponent", "zeros", "large"):
            if kind in self._first:
                return self._first[kind][0]
        return ""
