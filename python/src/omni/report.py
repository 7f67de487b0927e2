"""How a process that a tool has started tells that the call gets on, and how far it is.

The tool hands its child `env=ctx.child_env()`. There, `omni.progress(3, 10)` and `omni.heartbeat()` work as
they do in the tool, and so does the same from a shell:

    python3 -m omni.report                        a sign of life
    python3 -m omni.report 3 10 "the third file"  progress: value, total (or -), message

Any other language sends a datagram to the Unix socket that `OMNI_REPORT` names (`@name` is an abstract one):

    {"progress": 3, "total": 10, "message": "the third file"}
    {"heartbeat": "still downloading"}
    {"resource_updated": "omni://skill/reports/today"}

Without `OMNI_REPORT` nothing happens, so that a program which reports can also be run by itself.
"""

from __future__ import annotations

import sys
from os import environ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Where reports go: a name after `@`.
ADDRESS = "OMNI_REPORT"
#: When the call's time is up, in seconds of the monotonic clock.
DEADLINE = "OMNI_DEADLINE"

#: A longer report is not heard.
BYTES_MAX = 4096
_MESSAGE_CHARACTERS_MAX = 500
# A worker that does not listen for so long loses a report rather than holding up the child.
_PATIENCE_SECONDS = 0.25
_USAGE = "usage: python3 -m omni.report [VALUE [TOTAL [MESSAGE]]]"


def progress(value: float, total: float | None = None, message: str | None = None) -> bool:
    """Report how far the call has come. Returns whether there was somebody to tell.

    Args:
        value: Must grow from report to report; one that does not is dropped.
        total: What `value` will be at the end, when that is known.
        message: One line for a person. Cut at 500 characters.
    """
    text = None if message is None else str(message)[:_MESSAGE_CHARACTERS_MAX]
    return send(environ.get(ADDRESS), {"progress": value, "total": total, "message": text})


def heartbeat(note: str | None = None) -> bool:
    """Report a sign of life. Returns whether there was somebody to tell.

    Args:
        note: One line for the client. Cut at 500 characters.
    """
    text = None if note is None else str(note)[:_MESSAGE_CHARACTERS_MAX]
    return send(environ.get(ADDRESS), {"heartbeat": text})


def resource_updated(uri: str) -> bool:
    """Report that a resource has other content now. Returns whether there was somebody to tell.

    Args:
        uri: The resource's URI. One of more than 4,000 bytes is not heard.
    """
    return send(environ.get(ADDRESS), {"resource_updated": str(uri)})


def remaining() -> float | None:
    """Seconds until the call is ended, never below 0; None when it may take for ever, or there is none."""
    from time import monotonic

    try:
        return max(0.0, float(environ[DEADLINE]) - monotonic())
    except (KeyError, ValueError):
        return None


def send(address: str | None, report: dict[str, Any]) -> bool:
    """Send a report to an address, if there is one. Returns whether it went out. Never raises `OSError`."""
    if not address:
        return False
    import _socket

    from omni.wire import write_json

    data = write_json(report).encode("utf-8", "replace")
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        socket.settimeout(_PATIENCE_SECONDS)
        socket.sendto(data, "\0" + address[1:] if address.startswith("@") else address)
    except OSError:  # the call is over, or the worker busy
        return False
    finally:
        socket.close()
    return True


def main() -> None:
    """Report what the command line says."""
    words = sys.argv[1:]
    if words and words[0] in ("-h", "--help"):
        sys.stdout.write(f"{__doc__}\n")
        return
    try:
        numbers = [None if word == "-" else float(word) for word in words[:2]]
        if not numbers:
            heartbeat()
        elif numbers[0] is None or len(words) > 3:
            sys.exit(_USAGE)
        else:
            progress(numbers[0], *numbers[1:], *words[2:])
    except ValueError as error:
        sys.exit(f"omni.report: {error}\n{_USAGE}")


if __name__ == "__main__":
    main()
