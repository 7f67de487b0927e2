"""How one client brings what is another's, and what is looked at in the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from crossing import Client, Served
from http_client import Reply

if TYPE_CHECKING:
    from reliability import Report

#: Of what was seen where a check fails.
SHOWN_CHARS = 1_000
NEWEST_WITH_SESSIONS = "2025-11-25"
NEWEST_WITHOUT_RESUMING = "2025-06-18"

Step = Callable[["Theft"], Awaitable[None]]


class Theft:
    """What the steps work on."""

    def __init__(self, root: Path, report: Report, server: Served, ann: Client, bob: Client) -> None:
        self.root, self.report, self.server, self.ann, self.bob = root, report, server, ann, bob

    def check(self, what: str, ok: bool, seen: object = "") -> None:
        """Count one check."""
        self.report.check(what, ok, str(seen)[:SHOWN_CHARS])

    async def alike(
        self, what: str, real: str, unknown: str, bring: Callable[[str], Awaitable[Reply]]
    ) -> None:
        """Check that Bob is refused, with the answer that a name gets which nobody has."""
        got, wanted = [await _told(await bring(name), name) for name in (real, unknown)]
        self.check(f"{what}: as if it were not there", got == wanted, (got, wanted))
        self.check(
            f"{what}: refused", got[0] >= 400 or '"error"' in got[1] or '"isError":true' in got[1], got
        )


async def _told(reply: Reply, name: str) -> tuple[int, str]:
    """Return the status of a reply and its messages, with the name taken out of them."""
    text = json.dumps(await reply.messages(), separators=(",", ":"))
    text = re.sub(r'"elapsed_ms":\d+', "", text)
    return reply.status, text.replace(name, "NAME").replace(name[:100], "NAME")


def forged(name: str) -> str:
    """Return a name of the same shape that nobody has."""
    kept, last = name[:-8], name[-8:]
    return kept + last.translate(str.maketrans("0123456789abcdefABCDEF", "123456789abcdef0BCDEFA"))
