"""The control channel: the socket to the server, and the status page that comes with it.

This file is loaded before the worker is ready, so it imports C modules only. It takes its references
to them before any skill is imported: a tool that patches `os` or `socket` cannot reach the channel.
"""

import _socket
import os
import sys
from _thread import allocate_lock, start_new_thread

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

_RECEIVE_BYTES = 65536
_LENGTH_BYTES = 4
# A longer frame costs less when it is sent behind its key than when it is put together with it.
_COPIED_BYTES_MAX = 65536
# Below the usual limits of open files, 1024 and 256.
_HIGH_DESCRIPTORS = (1000, 240)

#: Descriptors of our own that a tool's forks are not to have. What is executed does not inherit them anyway.
_ours: "set[int]" = set()

#: Never let go: what frees a mapping closes its descriptor, whose number may be a tool's by then.
_mappings: list = []

#: For `asks`, from before a skill could replace it.
begin_thread = start_new_thread
_exit = os._exit
_close = os.close
_write = os.write


class ChannelError(Exception):
    """The environment names no usable control channel."""


class Channel:
    """Whole frames in, whole frames out.

    `send` may be called from any thread; `receive` belongs to one. When the server is gone, both end
    the process: nobody is left to answer to, and a worker must not outlive its server.
    """

    __slots__ = (
        "_buffer",
        "_fd",
        "_key",
        "_receive",
        "_send",
        "_socket",
        "answers",
        "frame_bytes_max",
        "lock",
        "mine",
    )

    def __init__(self, fd: int) -> None:
        self._socket = _socket.socket(fileno=fd)
        self._fd = fd
        self._receive = self._socket.recv
        self._send = self._socket.sendall
        self._buffer = b""
        #: Stands before each frame, so that nobody else can speak here for us.
        self._key = b""
        #: Payloads down that are longer than this end the process. `hello` sets it.
        self.frame_bytes_max = 1 << 20
        #: Held while a frame is written.
        self.lock = allocate_lock()
        #: False in a process that a tool forked: the channel stays with the parent.
        self.mine = True
        #: How answers to a call's questions come in: `read` off this channel by whoever waits for one, or
        #: `told` by somebody who reads it anyway.
        self.answers = "read"
        os.register_at_fork(after_in_child=self._disown)

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._fd

    def receive(self) -> "bytes | None":
        """Wait for the next frame and return its payload; None when the server closed the channel."""
        data = self._buffer or self._receive(_RECEIVE_BYTES)
        while len(data) < _LENGTH_BYTES:
            more = self._receive(_RECEIVE_BYTES)
            if not more:
                return None
            data += more
        length = int.from_bytes(data[:_LENGTH_BYTES], "little")
        end = length + _LENGTH_BYTES
        if end == len(data):
            self._buffer = b""
            return data[_LENGTH_BYTES:]
        if end < len(data):
            self._buffer = data[end:]
            return data[_LENGTH_BYTES:end]
        return self._receive_rest(data[_LENGTH_BYTES:], length)

    def _receive_rest(self, begun: bytes, length: int) -> "bytes | None":
        self._buffer = b""
        if length > self.frame_bytes_max:
            self.fail(f"a frame of {length} bytes came down, at most {self.frame_bytes_max} are allowed")
        payload = bytearray(length)
        payload[: len(begun)] = begun
        view = memoryview(payload)[len(begun) :]
        while view:
            count = self._socket.recv_into(view)
            if not count:
                return None
            view = view[count:]
        return bytes(payload)

    def receive_first(self) -> "tuple[bytes | None, int | None]":
        """Receive the first frame and the descriptor that came with it, if one did."""
        descriptor = None
        data, ancillary = self.receive_with_descriptors(_RECEIVE_BYTES, 16)
        for level, kind, content in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                descriptor = int.from_bytes(content[:4], sys.byteorder)
        if not data:
            return None, descriptor
        self._buffer = data
        return self.receive(), descriptor

    def receive_with_descriptors(self, size: int, descriptor_bytes: int) -> "tuple[bytes, list]":
        """Return what has arrived and the ancillary data beside it."""
        space = _socket.CMSG_SPACE(descriptor_bytes)
        data, ancillary, _, _ = self._socket.recvmsg(size, space, getattr(_socket, "MSG_CMSG_CLOEXEC", 0))
        return data, ancillary

    def receive_now(self) -> bytes:
        """Return what has arrived, for a caller that was told the socket is readable. Empty at the end."""
        data, self._buffer = self._buffer, b""
        return data or self._receive(_RECEIVE_BYTES)

    def has_buffered(self) -> bool:
        """Tell whether something was received behind the last frame."""
        return bool(self._buffer)

    def take_buffered(self) -> bytes:
        """Return what was received behind the last frame."""
        data, self._buffer = self._buffer, b""
        return data

    def put_back(self, payloads: "list[bytes]") -> None:
        """Have `receive` return these first, in their order: somebody else has received them meanwhile."""
        frames = [len(payload).to_bytes(_LENGTH_BYTES, "little") + payload for payload in payloads]
        self._buffer = b"".join(frames) + self._buffer

    def prove_with(self, key: str) -> None:
        """From now on, put before each frame what the server has told this process alone."""
        self._key = bytes.fromhex(key)

    def joined(self, frames: "list[bytes]") -> bytes:
        """Return frames as one that is sent."""
        return self._key.join(frames)

    def send(self, frame: bytes) -> None:
        """Send one whole frame."""
        with self.lock:
            self.send_locked(frame)

    def send_locked(self, frame: bytes) -> None:
        """Send one whole frame; the caller holds `lock`."""
        if not self.mine:
            return
        try:
            if len(frame) <= _COPIED_BYTES_MAX:
                self._send(self._key + frame)
            else:
                self._send(self._key)
                self._send(frame)
        except (BrokenPipeError, ConnectionError):
            _exit(0)
        except OSError as error:
            self.fail(
                f"the control channel broke, which happens when a tool closes descriptor {self._fd}: {error}"
            )

    def fail(self, message: str) -> None:
        """End the process at once: the channel cannot be trusted any more."""
        try:
            _write(2, f"omni worker: {message}\n".encode("utf-8", "replace"))
        finally:
            _exit(70)

    def _disown(self) -> None:
        # In the child of a fork: another thread may have held the lock, and a frame from here would
        # land in the middle of the parent's. Once is enough: what that child forks has the number for
        # something else.
        if not self.mine:
            return
        self.lock = allocate_lock()
        self.mine = False
        try:
            _close(self._fd)
        except OSError:
            pass


def open_channel() -> Channel:
    """Take over the socket whose descriptor the environment names.

    Child processes of tools do not inherit it, and cannot find its number in the environment.
    """
    number = os.environ.pop("OMNI_CONTROL_FD", None)
    if number is None:
        message = "`OMNI_CONTROL_FD` is not set: a worker is started by the omni server, not by hand"
        raise ChannelError(message)
    try:
        fd = int(number)
        high = copy_high(fd, 0)
        os.close(fd)
        return Channel(high)
    except (OSError, ValueError) as error:
        message = f"`OMNI_CONTROL_FD={number}` is no open socket: {error}"
        raise ChannelError(message) from None


def copy_high(fd: int, place: int, *, forks: bool = False) -> int:
    """Return a copy of a descriptor that children do not inherit, out of the way of tools.

    Nor do forks, unless `forks` says that they close it themselves.

    A tool that closes descriptors it does not own starts at 3 and seldom comes that far, and a number
    that high is not handed out again when it does.
    """
    for base in _HIGH_DESCRIPTORS:
        if not _is_open(base + place):
            try:
                copy = os.dup2(fd, base + place, inheritable=False)
                break
            except OSError:  # above this process's limit of open files
                continue
    else:
        copy = os.dup(fd)
    if not forks:
        _ours.add(copy)
    return copy


def keep_from_forks(fd: int, *, keep: bool = True) -> None:
    """Have a descriptor closed in what a tool forks, or no longer."""
    (_ours.add if keep else _ours.discard)(fd)


def _close_ours() -> None:
    # In the child of a fork. What it copies itself afterwards is its own.
    for fd in list(_ours):
        try:
            _close(fd)
        except OSError:  # a tool has closed it
            continue
    _ours.clear()


os.register_at_fork(after_in_child=_close_ours)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def map_page(descriptor: int) -> memoryview:
    """Map the status page, memory that the server shares, as slots of eight bytes.

    A call is marked as started by storing its id in the first slot. That costs no system call, and the
    server can read it when the worker is dead.
    """
    import mmap

    if sys.version_info >= (3, 13):
        mapping = mmap.mmap(descriptor, mmap.PAGESIZE, trackfd=False)
    else:
        # It keeps a copy of the descriptor, for resizing only: the lowest number that is free.
        copy = os.dup(descriptor)
        os.close(copy)
        mapping = mmap.mmap(descriptor, mmap.PAGESIZE)
        _mappings.append(mapping)
        if os.path.sameopenfile(copy, descriptor):
            os.close(copy)
    os.close(descriptor)
    # A process that a tool forks could else write there which calls have begun.
    if hasattr(mmap, "MADV_DONTFORK"):
        mapping.madvise(mmap.MADV_DONTFORK)
    # A store into an aligned slot is one instruction; little-endian like every machine we run on.
    return memoryview(mapping).cast("Q")
