"""Whose a connection over loopback is: the kernel is asked for the socket at its other end (sock_diag(7))."""

from __future__ import annotations

import os
import socket
import struct

_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_ESTABLISHED = 1
_HEADER = struct.Struct("=IHHII")
_ASK = struct.Struct("=BBBBI")
_PAIR = struct.Struct("!HH16s16s")
_MAPPED = bytes(10) + b"\xff\xff"


def user(connection: socket.socket, remote: tuple[str, int]) -> int | None:
    """Return the user who made the socket at the other end of an accepted connection over IPv4.

    None when that is not known: its end is closed already (it would show as root's), the kernel does not
    tell, or the user is from outside of this user namespace.
    """
    try:
        local = connection.getsockname()
        theirs = _find(remote, local)
        # After theirs: while our end is connected, nobody else can have had that port.
        ours = _find(local, remote)
        if theirs is None or ours is None or not theirs[1] or ours[1] != os.fstat(connection.fileno()).st_ino:
            return None
        with open("/proc/self/uid_map") as users:
            everybody = users.read().split() == ["0", "0", "4294967295"]
        with open("/proc/sys/kernel/overflowuid") as overflow:
            outsider = int(overflow.read())
    except (OSError, ValueError, struct.error):
        return None
    return theirs[0] if everybody or theirs[0] != outsider else None


def _find(own: tuple[str, int], other: tuple[str, int]) -> tuple[int, int] | None:
    """Return user and inode of the connected socket with exactly these two addresses."""
    pair = own[1], other[1], socket.inet_aton(own[0]), socket.inet_aton(other[0])
    body = _ASK.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + _PAIR.pack(*pair)
    body += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
        kernel.sendto(_HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, 1, 1, 0) + body, (0, 0))
        reply, (sender, _) = kernel.recvfrom(4096, socket.MSG_DONTWAIT)
    if sender or _HEADER.unpack_from(reply)[1] != _SOCK_DIAG_BY_FAMILY:
        return None
    family, state = reply[_HEADER.size], reply[_HEADER.size + 1]
    at = _HEADER.size + 4
    # A socket of IPv6 that is connected by IPv4 shows mapped addresses.
    start = _MAPPED if family == socket.AF_INET6 else b""
    end = bytes(16 - len(start) - 4)
    expected = _PAIR.pack(pair[0], pair[1], start + pair[2] + end, start + pair[3] + end)
    if state != _ESTABLISHED or reply[at : at + _PAIR.size] != expected:
        return None
    # Behind the interface, the cookie, the timer and the two queues.
    return struct.unpack_from("=II", reply, at + _PAIR.size + 4 + 8 + 4 + 4 + 4)
