"""The worker's life between `hello` and the end of the channel, one call at a time."""

from __future__ import annotations

import atexit
import faulthandler
import os
from _signal import SIGUSR1, SIGUSR2

from omni import wire
from omni.call_frame import CallReader
from omni.channel import Channel, copy_high, map_page
from omni.contamination import ContaminationCheck
from omni.invoke import ToolRunner
from omni.load import Prepared
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.restore_state import StateRestorer
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
    hello, tool_runner = greet(channel, err)
    if rehearse:
        _rehearse(tool_runner)
    if hello.get("mode") == "async":
        from omni.async_loop import serve_async

        serve_async(channel, tool_runner, err)
        leave(tool_runner)
    _restore_after_calls(tool_runner, err)
    _serve_one_by_one(channel, tool_runner)


def greet(channel: Channel, err: int) -> tuple[dict, ToolRunner]:
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
    tool_runner = ToolRunner(channel, hello, page, Streams(copy_high(1, 1), err), checked=checked)
    tool_runner.install_handler(SIGUSR2)
    return hello, tool_runner


def next_frame(channel: Channel, reader: CallReader) -> tuple[str, Any]:
    """Wait for the next frame; the process ends when the server closes the channel."""
    payload = channel.receive()
    if payload is None:
        _exit(0)
    return _read(channel, reader, payload)


def _rehearse(tool_runner: ToolRunner) -> None:
    payload = (
        b'{"call":{"id":0,"target":{"tool":"","skill":"","dir":"/","file":"","function":""},'
        b'"args":{"text":"rehearsal"},"deadline_ms":1000}}'
    )
    reader = CallReader()
    for _ in range(2):  # the second time its target is known
        _, call = reader.read(payload)
        call.target.prepared = Prepared(_echo, None)
        tool_runner.run(call)
        tool_runner.tidy()


def _echo(text: str) -> str:
    return text


def _serve_one_by_one(channel: Channel, tool_runner: ToolRunner) -> None:
    reader = CallReader()
    while True:
        kind, body = next_frame(channel, reader)
        if kind == "call":
            channel.send(tool_runner.run(body))
            # While the server reads the answer.
            tool_runner.tidy()
            if tool_runner.tainted:
                _refuse_all(channel, reader)
            if tool_runner.printed:
                tool_runner.wait_until_heard(body.id)
        elif kind == "drain":
            leave(tool_runner)
        elif kind == "preload":
            channel.send(tool_runner.preload(body["files"]))


def _refuse_all(channel: Channel, reader: CallReader) -> None:
    """Wait for the end that the server has in store for this process. What was sent ahead goes back."""
    while True:
        kind, body = next_frame(channel, reader)
        if kind == "call":
            channel.send(wire.skipped(body.id))


def _restore_after_calls(tool_runner: ToolRunner, err: int) -> None:
    def watch_stack_signal() -> None:
        _unregister(SIGUSR1)
        _register(SIGUSR1, err)

    restorer = StateRestorer(watch_stack_signal, keeps_variables=tool_runner.stateful)
    tool_runner.restore_after_calls(ContaminationCheck(err), restorer)


def leave(tool_runner: ToolRunner) -> None:
    """Run what skills registered with `atexit`, then end the process.

    Not the ordinary way out, which would wait for every thread that a tool left behind.
    """
    try:
        _run_exit_functions()
        tool_runner.end_output()
    finally:
        _exit(0)


def _read(channel: Channel, reader: CallReader, payload: bytes) -> tuple[str, Any]:
    try:
        return reader.read(payload)
    except wire.MalformedFrameError as error:
        channel.fail(f"a malformed frame came down: {error}")
        raise
