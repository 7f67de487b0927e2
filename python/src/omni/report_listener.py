"""Hears what the processes report that a tool has started: see `omni.report`.

Nothing listens until a tool asks for its child's environment, and nothing does after the call.
"""

from __future__ import annotations

import _socket
from _thread import allocate_lock, start_new_thread
from os import getuid, urandom

from omni import wire
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.report import BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from omni.skill import Context

# Process, user and group of the sender, vouched for by the kernel. Python has no name for it.
_CREDENTIALS = 2
_CREDENTIALS_BYTES = 12
_END_SECONDS = 1.0


class ReportListener:
    """A socket for one call's children, and the thread that reads from it.

    The name is nobody's secret, so the kernel is asked who sends: only processes of our own user are heard.
    """

    def __init__(self, context: Context) -> None:
        """Listen for what children of this call have to say.

        Raises:
            OSError: There are no Unix sockets, or no descriptor is left.
        """
        self._context = context
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
        self._ended = allocate_lock()
        name = "omni-" + urandom(16).hex()
        try:
            self._socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_PASSCRED, 1)
            # Abstract, so that nothing is left in a folder when this process is killed.
            self._socket.bind("\0" + name)
            self._ended.acquire()
            start_new_thread(self._listen, ())
        except BaseException:
            self._socket.close()
            raise
        #: What children find in their environment.
        self.address = "@" + name

    def end(self) -> None:
        """Hear what has been sent so far, and nothing from then on."""
        try:
            self._socket.shutdown(_socket.SHUT_RD)
        except OSError:
            pass
        self._ended.acquire(timeout=_END_SECONDS)
        self._socket.close()

    def _listen(self) -> None:
        space = _socket.CMSG_SPACE(_CREDENTIALS_BYTES)
        try:
            while True:
                data, ancillary, _, _ = self._socket.recvmsg(BYTES_MAX, space)
                if not data and not ancillary:
                    return  # everything has been read, and the socket is shut down
                if _sender(ancillary) == getuid():
                    self._hear(data)
        except BaseException:  # a closed socket, or an interpreter that ends
            pass
        finally:
            self._ended.release()

    def _hear(self, data: bytes) -> None:
        try:
            report = wire.scan_json(data.decode())
            if "progress" in report:
                self._context.progress(report["progress"], report.get("total"), report.get("message"))
            elif "heartbeat" in report:
                self._context.heartbeat(report["heartbeat"])
            elif "resource_updated" in report:
                self._context.resource_updated(report["resource_updated"])
            elif "show" in report:
                self._context.show(report["show"])
            elif "hide" in report:
                self._context.hide(report["hide"])
        except BaseException:  # no report, or one for a call that was cancelled
            pass


def _sender(ancillary: list) -> int | None:
    """Return the user who sent a datagram."""
    for level, kind, content in ancillary:
        if level == _socket.SOL_SOCKET and kind == _CREDENTIALS and len(content) == _CREDENTIALS_BYTES:
            return memoryview(content).cast("i")[1]
    return None
