"""The worker's life between `hello` and the end of the channel, one call at a time."""

from __future__ import annotations

import atexit
import faulthandler
import os
from _signal import SIGUSR1, SIGUSR2

from omni import wire
from omni.call_frame import CallReader
from omni.channel import Channel, copy_high, map_page
from omni.contamination import Watch
from omni.invoke import Caller
from omni.load import Prepared
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.restore_state import Order
from omni.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_exit = os._exit
_run_exit_functions = atexit._run_exitfuncs
_register = faulthandler.register
_unregister = faulthandler.unregister


def serve(channel: Channel, err: int, *, rehearse: bool = False) -> None:
    """Receive `hello` and serve calls in the mode it names. Does not return.

    Stacks of async calls are written to `err` on SIGUSR1. With `rehearse`, a call of no consequence runs
    first: in a forked process that copies the memory that every call writes to.
    """
    hello, caller = greet(channel, err)
    if rehearse:
        _rehearse(caller)
    if hello.get("mode") == "async":
        from omni.async_loop import serve_tasks

        serve_tasks(channel, caller, err)
        leave(caller)
    _keep_in_order(caller, err)
    _serve_one_by_one(channel, caller)


def greet(channel: Channel, err: int) -> tuple[dict, Caller]:
    """Receive `hello` and the status page, and make what runs calls accordingly."""
    payload, descriptor = channel.receive_first()
    if payload is None:
        _exit(0)
    kind, hello = _read(channel, CallReader(), payload)
    if kind != "hello":
        channel.fail(f"the first frame was `{kind}`, not `hello`")
    channel.prove_with(hello.get("key") or "")
    channel.frame_bytes_max = hello.get("frame_bytes_max") or (16 << 20) + (64 << 10)
    page = None if descriptor is None else map_page(descriptor)
    checked = bool(hello.get("checked"))
    caller = Caller(channel, hello, page, Streams(copy_high(1, 1), err), checked=checked)
    caller.install_handler(SIGUSR2)
    return hello, caller


def next_frame(channel: Channel, reader: CallReader) -> tuple[str, Any]:
    """Wait for the next frame; the process ends when the server closes the channel."""
    payload = channel.receive()
    if payload is None:
        _exit(0)
    return _read(channel, reader, payload)


def _rehearse(caller: Caller) -> None:
    payload = (
        b'{"call":{"id":0,"target":{"tool":"","skill":"","dir":"/","file":"","function":""},'
        b'"args":{"text":"rehearsal"},"deadline_ms":1000}}'
    )
    reader = CallReader()
    for _ in range(2):  # the second time its target is known
        _, call = reader.read(payload)
        call.target.prepared = Prepared(_echo, None)
        caller.run(call)
        caller.tidy()


def _echo(text: str) -> str:
    return text


def _serve_one_by_one(channel: Channel, caller: Caller) -> None:
    reader = CallReader()
    while True:
        kind, body = next_frame(channel, reader)
        if kind == "call":
            channel.send(caller.run(body))
            # While the server reads the answer.
            caller.tidy()
            if caller.tainted:
                _refuse_all(channel, reader)
            if caller.printed:
                caller.wait_until_heard(body.id)
        elif kind == "drain":
            leave(caller)
        elif kind == "preload":
            channel.send(caller.preload(body["files"]))


def _refuse_all(channel: Channel, reader: CallReader) -> None:
    """Wait for the end that the server has in store for this process. What was sent ahead goes back."""
    while True:
        kind, body = next_frame(channel, reader)
        if kind == "call":
            channel.send(wire.skipped(body.id))


def _keep_in_order(caller: Caller, err: int) -> None:
    def watch_stack_signal() -> None:
        _unregister(SIGUSR1)
        _register(SIGUSR1, err)

    order = Order(watch_stack_signal, keeps_variables=caller.stateful)
    caller.keep_in_order(Watch(err), order)


def leave(caller: Caller) -> None:
    """Run what skills registered with `atexit`, then end the process.

    Not the ordinary way out, which would wait for every thread that a tool left behind.
    """
    try:
        _run_exit_functions()
        caller.end_output()
    finally:
        _exit(0)


def _read(channel: Channel, reader: CallReader, payload: bytes) -> tuple[str, Any]:
    try:
        return reader.read(payload)
    except wire.MalformedFrameError as error:
        channel.fail(f"a malformed frame came down: {error}")
        raise
