"""What a `call` frame says, read no further than a call needs."""

from __future__ import annotations

from omni import wire
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from omni.load import Prepared
    from omni.skill_version import SkillVersion

_scan = wire.scan
_HEAD = '{"call":{"id":'
_TARGET = ',"target":'
_ARGUMENTS = ',"args":'
_TAIL = "}}"


class Target:
    """Which function a call is for. Made once per tool, however often it is called."""

    __slots__ = (
        "digest",
        "file",
        "folder",
        "function",
        "inject",
        "keep_temp",
        "kind",
        "last_good",
        "meta",
        "mime_type",
        "prepared",
        "skill",
        "structured",
        "tool",
        "version",
        "wrap",
    )

    def __init__(self, target: dict) -> None:
        self.tool: str = target["tool"]
        self.skill: str = target["skill"]
        #: The skill's folder.
        self.folder: str = target["dir"]
        #: Relative to the folder.
        self.file: str = target["file"]
        self.function: str = target["function"]
        #: What the function is offered as: `tool`, `resource`, `prompt` or `completion`.
        self.kind: str = target.get("kind") or "tool"
        #: Of a resource: the type that it is said to have.
        self.mime_type: str | None = target.get("mime_type")
        #: Of a resource: the `_meta` of each of its contents, beneath what those say themselves.
        self.meta: dict[str, Any] | None = target.get("meta")
        #: The version of the skill's files that is meant; None runs what is there.
        self.digest: str | None = target.get("digest")
        #: That version is not in the folder, where somebody has broken a file; its code may be kept.
        self.last_good = bool(target.get("last_good"))
        self.structured = bool(target.get("structured"))
        self.wrap = bool(target.get("wrap"))
        #: What a call leaves in its temporary folder stays.
        self.keep_temp = bool(target.get("keep_temp"))
        #: Parameters that the worker fills in, with what.
        self.inject: list[tuple[str, str]] = [
            (item["parameter"], item["kind"]) for item in target.get("inject") or ()
        ]
        #: The function itself, from the first call on.
        self.prepared: Prepared | None = None
        #: The version that the function is of, where one was meant.
        self.version: SkillVersion | None = None

    def is_same_tool(self, other: Target) -> bool:
        """Tell whether both name one function, of whatever version."""
        own = (self.tool, self.folder, self.file, self.function)
        return own == (other.tool, other.folder, other.file, other.function)


class Call:
    """One call. `args` belongs to the call: conversion and injection write into it."""

    __slots__ = ("_more", "_tail", "_text", "args", "id", "refused", "target")

    def __init__(self, call_id: int, target: Target, args: dict, more: dict | None = None) -> None:
        self.id = call_id
        self.target = target
        self.args = args
        #: What was not imported for this call, as it belongs to another version of the skill; the call fails.
        self.refused: str | None = None
        self._more = more
        self._text = ""
        self._tail = 0

    @property
    def more(self) -> dict[str, Any]:
        """What else the frame says: limits, attempt, context. Few calls look at it."""
        more: Any = self._more
        if more is None:
            rest = self._text[self._tail + 1 : -1]
            self._more = more = wire.scan_json("{" + rest) if self._text[self._tail] == "," else {}
        return more

    @property
    def deadline_ms(self) -> float | None:
        """Milliseconds that the call may take from its arrival on."""
        return self.more.get("deadline_ms")

    @property
    def uri(self) -> str:
        """Of a resource: the URI that was asked for."""
        return self.more.get("uri") or ""

    @property
    def context(self) -> dict[str, Any]:
        """What the client wants to hear, and its session."""
        return self.more.get("context") or {}


class CallReader:
    """Reads frames; knows the targets that it has seen.

    The server writes a call's members in one order and a tool's target always with the same bytes. So
    the target is recognised by its text, and what follows the arguments is left for later: that is two
    thirds of the text. A frame in any other form is read like any other frame.
    """

    __slots__ = ("_targets",)

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}

    def read(self, payload: bytes) -> tuple[str, Any]:
        """Return the type of a frame and its body: a `Call` for a call, a dictionary for the others.

        Raises:
            MalformedFrameError: The payload is no frame.
        """
        try:
            text = payload.decode()
            if text.startswith(_HEAD):
                middle = text.find(_TARGET, 14)
                # Quotes inside a string are escaped, so this is where a member begins.
                start = text.find(_ARGUMENTS, middle)
                target = self._targets.get(text[middle + 10 : start])
                if target is not None and middle > 0:
                    args, end = _scan(text, start + 8)
                    # What follows is parsed when somebody asks for it; here it must look sound.
                    sound = text.endswith(_TAIL) if text[end] == "," else text[end:] == _TAIL
                    if sound and type(args) is dict:
                        call = Call(int(text[14:middle]), target, args)
                        call._text = text
                        call._tail = end
                        return "call", call
        except (ValueError, StopIteration, IndexError, SystemError, RecursionError):
            pass  # said properly below
        kind, body = wire.decode(payload)
        if kind == "call":
            return kind, self.adopt(body)
        return kind, body

    def adopt(self, body: dict) -> Call:
        """Make a call of the body of a `call` frame, and know its target from now on."""
        description = wire.write_json(body["target"])
        target = self._targets.get(description)
        if target is None:
            target = Target(body["target"])
            self._let_go_of_others(target)
            self._targets[description] = target
        return Call(body["id"], target, body["args"], body)

    def _let_go_of_others(self, target: Target) -> None:
        """Forget the same tool of other versions: nobody means them any more, and they hold their code."""
        for description, known in list(self._targets.items()):
            if known.is_same_tool(target) and known.digest != target.digest:
                del self._targets[description]
