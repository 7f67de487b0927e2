"""How is a text of others shown at a terminal, so that its reader sees every character of it?

What moves the cursor, turns text round or is not seen at all is written by its number, as the binary does
it; nothing is taken away. Joiners, marks of direction and variants stay behind letters and emoji that are
not ASCII.
"""

from __future__ import annotations

import re
from unicodedata import bidirectional, category

_SUSPECT = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_MARKS = "\u061c\u200e\u200f"
_JOINERS = "\xad\u034f\u180b\u180c\u180d\u180e\u180f\u200c\u200d"


def shown(text: str) -> str:
    r"""Return `text` with `\x1b` or `\u{202e}` for what cannot be seen; line ends and tabs stay."""
    return _SUSPECT.sub(lambda found: _escaped(found.group(), text, found.start()), text)


def _escaped(sign: str, text: str, at: int) -> str:
    before = text[at - 1] if at else ""
    if sign == "\r" and text[at + 1 : at + 2] == "\n":
        return sign
    visible = before > "\x7f" and category(before)[0] in "LMSN" and not _SUSPECT.match(before)
    if (sign in _JOINERS or "\ufe00" <= sign <= "\ufe0f") and (visible or before == "\ufe0f"):
        return sign
    if sign in _MARKS and before not in _MARKS and _is_rtl(text, at):
        return sign
    code = ord(sign)
    return f"\\x{code:02x}" if code <= 0x7F else f"\\u{{{code:x}}}"


def _is_rtl(text: str, at: int) -> bool:
    # Far enough for a word and what stands around it.
    near = text[max(0, at - 100) : at + 100]
    return any(bidirectional(sign) in ("R", "AL") for sign in near if sign not in _MARKS)
