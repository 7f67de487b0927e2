"""Role A: runs the calls that the server sends down its channel, for as long as the channel is open.

Started as `python -m omni.worker`. The modules that run calls are loaded after `ready` is sent, while
the server prepares the first call.
"""

import os
import sys

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here


def main() -> None:
    """Serve calls until the server closes the channel or says `drain`. Does not return."""
    forget_current_folder()
    from omni.channel import ChannelError, open_channel

    try:
        channel = open_channel()
    except ChannelError as error:
        os.write(2, f"omni worker: {error}\n".encode("utf-8", "replace"))
        os._exit(2)
    err = take_signals()
    channel.send(ready())

    from omni.worker_loop import serve

    serve(channel, err)


def forget_current_folder() -> None:
    """Take the current folder off the module path, where `-m` and `-c` put it.

    A file of the project called `json.py` would otherwise stand in for the library's.
    """
    if not getattr(sys.flags, "safe_path", False) and sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]


def ready() -> bytes:
    """Return the first frame up. Spelled out here so that nothing need be loaded for it."""
    payload = b'{"ready":{"proto":2,"python":"%d.%d.%d","pid":%d}}' % (*sys.version_info[:3], os.getpid())
    return len(payload).to_bytes(4, "little") + payload


def take_signals() -> int:
    """Be ready for the server's signals, whose ordinary effect is to end the process.

    SIGUSR1 prints every thread's stack, as a crash does; at C level, which works under a held GIL.
    SIGUSR2 does nothing until a call runs.

    Returns the descriptor that stacks are written to: a copy, because a tool may close or replace number 2.
    """
    import _signal
    import faulthandler

    from omni.channel import copy_high

    err = copy_high(2, 2)
    faulthandler.enable(err)
    # A process that a tool forks has no such copy.
    os.register_at_fork(after_in_child=lambda: faulthandler.enable(2))
    faulthandler.register(_signal.SIGUSR1, err)
    _signal.signal(_signal.SIGUSR2, lambda _number, _frame: None)
    return err


if __name__ == "__main__":
    main()
