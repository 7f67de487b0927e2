"""Role C: runs calls in an interpreter that is part of the server's own process."""

from __future__ import annotations

import sys


def main() -> None:
    """Say where this interpreter takes itself to be: the first half of what `omni worker --check` prints."""
    from omni.wire import quote

    sys.stdout.write('{"prefix":' + quote(sys.prefix))
    sys.stdout.flush()
