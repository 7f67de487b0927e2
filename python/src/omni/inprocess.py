"""Runs calls in this very process, each in the thread that asks for it: no limits, no kills, no repairs.

For the reference runner and for the way back (`omni.mcp`). A tool that hangs keeps its thread, one that
crashes or exits takes everything with it, and what one changes (the working folder, a variable) is changed
for all. Skills are described once, at the start, by importing them elsewhere (`omni.describe`).
"""

from __future__ import annotations

import os
import subprocess
from _thread import allocate_lock

from omni import skill, wire
from omni.call_frame import Call, Target
from omni.invoke import ToolRunner
from omni.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from omni.skill import Context


class _FrameListener:
    """Stands where the control channel is in a worker: gives what a call says to whoever wants to hear it."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        #: How answers to questions come: somebody tells the `ToolRunner`, or nobody can be asked.
        self.answers: str | None = None
        #: False in a process that a tool forked.
        self.mine = True
        self.say: Callable[[str, dict], None] = lambda _kind, _body: None

    def send_locked(self, frames: bytes) -> None:
        """Hand over whole frames."""
        at = 0
        while self.mine and at < len(frames):
            end = at + 4 + int.from_bytes(frames[at : at + 4], "little")
            self.say(*wire.decode(frames[at + 4 : end]))
            at = end

    def joined(self, frames: list[bytes]) -> bytes:
        """Return frames to be sent in one go."""
        return b"".join(frames)


class InProcessCall:
    """One call that may be taken back: its tool is told so when it next speaks, and not before."""

    def __init__(self) -> None:
        self._tool_runner: ToolRunner | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """Take the call back."""
        self.cancelled = True
        context = self._tool_runner and self._tool_runner._context
        if context is not None:
            context._stopped = True

    def answer(self, body: dict[str, Any]) -> None:
        """Hand over the answer to a question of the call: an `answer` frame's body."""
        tool_runner = self._tool_runner
        if tool_runner is not None:
            tool_runner.answered(body)


class InProcessTools:
    """The tools of a folder of skills, and what runs them."""

    def __init__(self, skills: str, root: str, settings: dict[str, Any]) -> None:
        """Describe the tools, and say on standard error what keeps one from being listed.

        Args:
            skills: The folder that holds the skills' folders.
            root: The folder that tools work in. This process changes to it.
            settings: What each skill finds in `Context.settings`, by skill.

        Raises:
            OSError: One of the folders cannot be read.
        """
        from omni.describe import describe_items, describe_skills

        self._folder = os.path.realpath(skills)
        #: As MCP lists them, each with a member `omni` more, by name.
        self.listed = {tool["name"]: tool for tool in describe_skills(self._folder)}
        #: Resources, prompts and completions: see `omni.inprocess_items`.
        self.items = describe_items(self._folder)
        os.chdir(root)
        self._hello = {"root": os.getcwd(), "settings": settings}
        self._streams = Streams()
        self._streams.speak = _speak
        self._idle: list[tuple[ToolRunner, _FrameListener]] = []
        self._busy: list[ToolRunner] = []
        self._targets: dict[str, Target] = {}

    def run(
        self,
        tool: dict[str, Any],
        arguments: dict[str, Any],
        *,
        say: Callable[[str, dict], None],
        running: InProcessCall,
        call_id: int = 0,
        more: dict[str, Any] | None = None,
        asks: bool = False,
    ) -> tuple[str, dict[str, Any]]:
        """Run a call in this thread, to its end, and return its last frame: its name and its body.

        Args:
            tool: One of `listed`.
            arguments: Belong to the call from now on; they are checked against the function's annotations.
            say: Takes the frames before the last one, from whichever thread speaks.
            running: By which somebody else may take the call back.
            call_id: Stands in every frame.
            more: `deadline_ms`, which the tool is told and nobody keeps, and `context`: what is wanted.
            asks: The tool may ask: `say` takes `ask` and `retract` frames too, `running.answer` the answers.
        """
        if "program" in tool["omni"]:
            say("started", {"id": call_id})
            try:
                result = _run_program(tool, f"{self._folder}/{tool['omni']['skill']}", arguments)
            except _FailedError as failed:
                return "error", {"id": call_id, **failed.members}
            return "result", {"id": call_id, **result}
        call = Call(call_id, self._target(tool), arguments, more or {})
        return self._run(call, say, running, asks=asks)

    def run_item(
        self,
        item: dict[str, Any],
        arguments: dict[str, Any],
        *,
        say: Callable[[str, dict], None],
        running: InProcessCall,
        more: dict[str, Any],
    ) -> tuple[str, dict[str, Any]]:
        """Run a function that is no tool as `run` does.

        Args:
            item: One of `items`.
            arguments: Texts that become the types of the annotations.
            say: As of `run`.
            running: As of `run`.
            more: As of `run`; `uri` is a resource's.
        """
        from omni.describe import item_target

        key = f"{item['kind']} {item['skill']} {item['file']} {item['function']}"
        target = self._targets.get(key)
        if target is None:
            target = self._targets[key] = Target(item_target(self._folder, item))
        return self._run(Call(0, target, arguments, more), say, running, asks=False)

    def _run(
        self, call: Call, say: Callable[[str, dict], None], running: InProcessCall, *, asks: bool
    ) -> tuple[str, dict[str, Any]]:
        tool_runner, listener = self._idle.pop() if self._idle else self._new_tool_runner()
        listener.say = say
        listener.answers = "told" if asks else None
        running._tool_runner = tool_runner
        self._busy.append(tool_runner)
        try:
            answer = tool_runner.run(call)
        finally:
            self._busy.remove(tool_runner)
            running._tool_runner = None
            if not listener.mine:
                os._exit(0)  # a fork that came back out of the tool
            self._idle.append((tool_runner, listener))
        return wire.decode(answer[4:])

    def _new_tool_runner(self) -> tuple[ToolRunner, _FrameListener]:
        listener = _FrameListener()
        tool_runner = ToolRunner(listener, self._hello, None, self._streams, checked=True)  # type: ignore[arg-type]
        os.register_at_fork(after_in_child=lambda: setattr(listener, "mine", False))
        skill.only_call = self._only_call
        return tool_runner, listener

    def _only_call(self) -> Context | None:
        """Return the call that runs, if there is just one: for threads that a tool has started."""
        running = [
            tool_runner._context for tool_runner in list(self._busy) if tool_runner._context is not None
        ]
        return running[0] if len(running) == 1 else None

    def _target(self, tool: dict[str, Any]) -> Target:
        from omni.describe import call_target

        target = self._targets.get(tool["name"])
        if target is None:
            target = self._targets[tool["name"]] = Target(call_target(self._folder, tool))
        return target


def _speak(_fd: int, _data: object) -> bool:
    """Take what a call prints for a sign of life, and leave it to go where it was going."""
    context = skill.CURRENT.get()
    if context is not None:
        context._live()
    return False


# -- programs ---------------------------------------------------------------------------------------------


class _FailedError(Exception):
    """A program has given no result: the members of the `error` frame that says so."""

    def __init__(self, **members: Any) -> None:
        super().__init__(members["kind"])
        self.members = members


def _run_program(tool: dict[str, Any], folder: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a tool that is a program of any kind to its end, and return what its result holds."""
    program = tool["omni"]["program"]
    argv = _argv(folder, program, arguments)
    try:
        done = subprocess.run(  # noqa: S603 - the program that the skill declares
            argv,
            input=b"" if program["input"] == "flags" else wire.write_json(arguments).encode(),
            capture_output=True,
            cwd=f"{folder}/{program['cwd']}" if program["cwd"] else None,
            env={**os.environ, **program["env"], "OMNI_SKILL_DIR": folder},
            start_new_session=True,
            check=False,
        )
    except ValueError as error:  # a NUL character
        message = f"`{tool['name']}` was not called: its arguments cannot be passed on: {error}"
        raise _FailedError(kind="invalid_arguments", message=message) from None
    except OSError as error:
        raise _FailedError(kind="worker_start", message=f"`{argv[0]}`: {error.strerror}") from None
    stderr, code = done.stderr[-8192:].decode("utf-8", "replace"), done.returncode
    if code < 0:
        raise _FailedError(kind="signalled", signal=-code, stderr=stderr)
    if code and not done.stdout:
        raise _FailedError(kind="exited", code=code, stderr=stderr)
    if code:
        # What it has to say to the client it says on its output, whatever its code.
        said = done.stdout.decode("utf-8", "replace").removesuffix("\n")
        texts = (said, f"`{tool['name']}` ended with exit code {code}")
        content = [{"type": "text", "text": text} for text in texts]
        return {"content": content, "is_error": True, "stderr": stderr}
    try:
        text = done.stdout.decode().removesuffix("\n")
        value = wire.scan_json(text) if program["output"] == "json" else None
    except ValueError as error:
        raise _FailedError(
            kind="bad_result", message=f"its output is not what it declares: {error}"
        ) from None
    structured = isinstance(value, dict) or tool["omni"]["structured"]
    return {"content": [{"type": "text", "text": text}], **({"structured": value} if structured else {})}


def _argv(folder: str, program: dict[str, Any], arguments: dict[str, Any]) -> list[str]:
    first, *rest = program["argv"]
    # A script of the skill is meant wherever a word names one: the working folder is another.
    argv = [f"{folder}/{first}" if "/" in first else first]
    for word in rest:
        inside = "/" in word and not word.startswith("/") and os.path.isfile(f"{folder}/{word}")
        argv.append(f"{folder}/{word}" if inside else word)
    if program["input"] == "file":
        argv.append("/dev/stdin")
    for name, value in arguments.items() if program["input"] == "flags" else ():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            argv.append(flag)
        elif value is not None and value is not False:
            items = value if isinstance(value, list) else [value]
            # With `=` a value is never taken for an option of its own.
            argv += [f"{flag}={item if isinstance(item, str) else wire.write_json(item)}" for item in items]
    return argv
