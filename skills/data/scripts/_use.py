"""Does a statement take a column of text for numbers?

SQLite computes with as much of a text as looks like a number: `1,234.56` counts as 1, `true` as 0, and compares
text with a number as text. Nothing fails, the answer is just wrong. So the words of the statement are looked at
before it runs. What they hide (another name for the column, a view) is caught by `_sums` or told in the notes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, Optional

from ._columns import Oddity

_TOKEN = re.compile(
    r"""
    (?P<skip>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<text>[xX]?'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<sign>->>|->|\|\||<<|>>|<=|>=|<>|==|!=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ARITHMETIC = frozenset("+-*/%")
_COMPARISONS = frozenset({"<", ">", "<=", ">=", "=", "==", "<>", "!="})
_SUMS = frozenset({"sum", "avg", "total"})
_ORDERING = frozenset({"min", "max"})
_COMPUTING = frozenset({"abs", "round", "ceil", "ceiling", "floor", "sqrt", "pow", "power", "mod", "exp", "ln", "log",
                        "log10", "log2", "trunc", "sign"})  # fmt: skip
_NUMERIC = frozenset({"integer", "int", "bigint", "real", "float", "double", "numeric", "decimal", "number"})
_NO_ALIAS = frozenset(
    {"as", "from", "where", "group", "order", "limit", "and", "or", "is", "in", "not", "like", "between", "then",
     "else", "end", "when", "desc", "asc", "collate", "having", "union", "on", "join", "left", "inner", "cross",
     "natural", "glob", "regexp", "match", "isnull", "notnull", "escape", "except", "intersect", "over", "filter",
     "nulls", "using", "window", "offset", "full", "right", "outer", "returning"}
)  # fmt: skip


class _Token(NamedTuple):
    kind: str
    # In lower case; a name without its quotes.
    text: str
    start: int
    end: int


class NumericUse(NamedTuple):
    """A place where a statement takes text for a number."""

    # The column's name as the statement's author knows it.
    column: str
    oddity: Oddity
    # What stands there: `sum(amount)`.
    shown: str


def numeric_use(sql: str, columns: Mapping[str, tuple[str, Oddity]]) -> Optional[NumericUse]:
    """Return the first place of a statement that takes one of these columns for a number, or `None`.

    Args:
        sql: The statement.
        columns: Columns of text by their name in lower case: the name, and what they hold.
    """
    tokens = _tokens(sql)
    known = dict(columns)
    # Another name given to a column is as good as its own, wherever it is given.
    for at in range(len(tokens)):
        found = _column(tokens, at, known)
        alias = _alias(tokens, at) if found is not None else None
        if found is not None and alias is not None:
            known.setdefault(alias, found)
    for at in range(len(tokens)):
        found = _column(tokens, at, known)
        if found is None:
            continue
        first, last = _bounds(tokens, at)
        place = _use(tokens, first, last, found[1].kind)
        if place is not None:
            start, end = place
            return NumericUse(found[0], found[1], " ".join(sql[tokens[start].start : tokens[end].end].split()))
    return None


def has_window(sql: str) -> bool:
    """Return whether a statement calls a function over a window."""
    return any(token.kind == "word" and token.text == "over" for token in _tokens(sql))


def _tokens(sql: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or "sign"
        if kind == "skip":
            continue
        text = match.group()
        if kind == "name":
            text = text[1:-1].replace('""', '"').replace("``", "`")
        found.append(_Token(kind, text.casefold() if kind != "text" else text, match.start(), match.end()))
    return found


def _column(tokens: list[_Token], at: int, known: Mapping[str, tuple[str, Oddity]]) -> Optional[tuple[str, Oddity]]:
    token = tokens[at]
    if token.kind not in ("word", "name") or token.text not in known:
        return None
    follows = tokens[at + 1].text if at + 1 < len(tokens) else ""
    # A function of that name, or the table before its column.
    return None if follows in ("(", ".") else known[token.text]


def _alias(tokens: list[_Token], at: int) -> Optional[str]:
    rest = tokens[at + 1 : at + 3]
    if len(rest) == 2 and rest[0].text == "as" and rest[1].kind in ("word", "name"):
        before = tokens[_bounds(tokens, at)[0] - 1].text if at else ""
        # `CAST(x AS REAL)` names a type.
        return None if before == "(" and rest[1].text in _NUMERIC | {"text", "blob"} else rest[1].text
    if rest and (rest[0].kind == "name" or (rest[0].kind == "word" and rest[0].text not in _NO_ALIAS)):
        return rest[0].text
    return None


def _bounds(tokens: list[_Token], at: int) -> tuple[int, int]:
    """Return the first and the last token of a column with its table and the brackets around it."""
    first = last = at
    while first >= 2 and tokens[first - 1].text == "." and tokens[first - 2].kind in ("word", "name"):
        first -= 2
    while (
        first >= 1
        and last + 1 < len(tokens)
        and tokens[first - 1].text == "("
        and tokens[last + 1].text == ")"
        and (first < 2 or tokens[first - 2].kind not in ("word", "name") or tokens[first - 2].text in _NO_ALIAS)
    ):
        first, last = first - 1, last + 1
    return first, last


def _use(tokens: list[_Token], first: int, last: int, kind: str) -> Optional[tuple[int, int]]:
    def text(at: int) -> str:
        return tokens[at].text if 0 <= at < len(tokens) and tokens[at].kind != "text" else ""

    def is_number(at: int) -> bool:
        sign = text(at) in ("-", "+")
        at += sign
        if not 0 <= at < len(tokens):
            return False
        words = ("true", "false") if kind == "boolean" else ()
        return tokens[at].kind == "number" or (tokens[at].kind == "word" and tokens[at].text in words)

    if kind == "date":
        return None
    before, after = text(first - 1), text(last + 1)
    if before in _ARITHMETIC:
        return max(first - 2, 0), last
    if after in _ARITHMETIC:
        return first, min(last + 2, len(tokens) - 1)
    if after in _COMPARISONS and is_number(last + 2):
        return first, last + 2 + (text(last + 2) in ("-", "+"))
    if before in _COMPARISONS and is_number(first - 2):
        return first - 2, last
    if after == "between" and is_number(last + 2):
        return first, last + 2
    if after == "in" and text(last + 2) == "(" and is_number(last + 3):
        return first, last + 3
    if kind == "separated" and before == "by" and text(first - 2) == "order":
        return first - 2, last
    opening = first - 2 if before == "distinct" else first - 1
    if text(opening) != "(" or opening < 1 or tokens[opening - 1].kind != "word":
        return None
    called = text(opening - 1)
    if called == "cast":
        return (opening - 1, last + 3) if _wrong_cast(kind, after, text(last + 2)) and last + 3 < len(tokens) else None
    wrong = _COMPUTING | (_SUMS if kind in ("separated", "boolean", "zeros") else frozenset())
    if after in (")", ",") and (called in wrong or (kind == "separated" and called in _ORDERING)):
        return opening - 1, last + (after == ")")
    return None


def _wrong_cast(kind: str, after: str, type_name: str) -> bool:
    if after != "as" or type_name not in _NUMERIC:
        return False
    if kind in ("zeros", "digits"):
        return False
    return kind != "large" or type_name not in ("real", "float", "double")
