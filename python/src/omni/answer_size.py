"""How much of a model's attention does a text take, and how much of it fits into one answer?

Models count tokens, which no program can count without the model's own table. What stands here is an
estimate that errs on the safe side, so that an answer that fits by it fits in truth.

For skills whose tools return what may be long: `text[:fitting(text, TEXT_TOKENS)]`.
"""

from __future__ import annotations

import re
import string

#: What one answer of text may take. Many clients cut, or keep from the model, what has more than 20,000.
TEXT_TOKENS = 16_000
#: The same for structured content, which is sent twice: as such, and as text for clients without it.
DATA_TOKENS = 8_000

_WORDS = (string.ascii_letters + string.whitespace).encode()
_ASCII = bytes(range(128))
# Base64, hexadecimal digits, identifiers of packages: no word, so one token has one or two characters.
_NO_WORD = re.compile(rb"[A-Za-z0-9+/=_-]{48,}")


def tokens(text: str) -> int:
    """Estimate how many tokens a text has, rather too many than too few.

    Four letters or blanks make a token, two of other ASCII characters do, and each other character counts
    half of its bytes in UTF-8: a Greek letter 1, a Chinese one 1.5, an emoji 2.
    """
    data = text.encode("utf-8", "surrogatepass")
    rest = data.translate(None, _WORDS)
    beyond = len(rest.translate(None, _ASCII))
    dense = sum(len(run) for run in _NO_WORD.findall(data))
    return -(-(len(data) - len(rest)) // 4) + -(-(len(rest) - beyond) // 2) + -(-beyond // 2) + dense // 4


def fitting(text: str, most: int) -> int:
    """Return how many characters of a text, from its beginning, have at most so many tokens."""
    # No token has more than four characters by this estimate, so the rest need not be looked at.
    low, high = 0, min(len(text), most * 4)
    if tokens(text[:high]) <= most:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if tokens(text[:middle]) <= most:
            low = middle
        else:
            high = middle
    return low
