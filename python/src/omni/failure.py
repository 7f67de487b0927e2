"""What is said about a call that failed: kind, message, place and traceback of an exception."""

from __future__ import annotations

from os.path import dirname

from omni.constants import MESSAGE_BYTES_MAX, OUTCOME_CUT
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

_PACKAGE = dirname(__file__) + "/"
_IMPORT_SYSTEM = "<frozen importlib"
_MESSAGE_CHARACTERS_MAX = 16 * 1024
#: Causes of causes, and groups in groups, that a message goes through.
_DEPTH_MAX = 5
_MEMBERS_MAX = 10
_FAULTS_SHOWN_MAX = 20
_TRACEBACK_CHARACTERS_MAX = 64 * 1024


def class_name(error: BaseException) -> str:
    """Return the name of an exception's class, whatever its metaclass does."""
    return _name_of(type(error))


def _name_of(kind: type) -> str:
    return type.__dict__["__name__"].__get__(kind)


def message_of(error: BaseException) -> str:
    """Return the exception's text, whatever its `__str__` does; of a very long one the start."""
    text = _whole_message(error)
    if len(text) > _MESSAGE_CHARACTERS_MAX:
        return f"{text[:_MESSAGE_CHARACTERS_MAX]}… ({len(text)} characters)"
    return text


def _whole_message(error: BaseException) -> str:
    try:
        return _text_of(error)
    except BaseException as broken:
        return f"<the exception's text cannot be read: {class_name(broken)}>"


def _text_of(error: BaseException) -> str:
    # A `KeyError` says its key as Python writes it. A text of several lines is no key, and is read as it is.
    if isinstance(error, KeyError) and len(error.args) == 1 and type(error).__str__ is KeyError.__str__:
        key = error.args[0]
        if type(key) is str and "\n" in key:
            return key
    # Not a subclass of text, whose methods could do anything.
    return str.__str__(str(error))


def full_message(error: BaseException) -> str:
    """Return all that an exception has to say.

    That is its text, its notes, a group's members and what it was raised `from`, cut at `MESSAGE_BYTES_MAX`.
    The traceback has all of it.
    """
    try:
        text = "\n".join(_full_message(error, _DEPTH_MAX))
    except BaseException:  # a property of the exception's own
        text = message_of(error)
    return cut(text)


def _full_message(error: BaseException, depth: int) -> list[str]:
    parts = [_whole_message(error), *_notes(error)]
    members = group_members(error)
    if depth:
        for member in members[:_MEMBERS_MAX]:
            text = (missing_variable_advice(member) or "\n".join(_full_message(member, depth - 1))).replace(
                "\n", "\n  "
            )
            parts.append(f"- `{class_name(member)}`" + (f": {text}" if text else ""))
        if len(members) > _MEMBERS_MAX:
            parts.append(f"- … and {len(members) - _MEMBERS_MAX} more")
        # Only what the author has named: in what else was going on, there is nothing to act on.
        cause = error.__cause__
        if cause is not None:
            text = missing_variable_advice(cause) or "\n".join(_full_message(cause, depth - 1))
            parts.append(f"caused by `{class_name(cause)}`" + (f": {text}" if text else ""))
    return [part for part in parts if part.strip()]


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    return [note for note in notes if type(note) is str] if isinstance(notes, (list, tuple)) else []


def group_members(error: BaseException) -> list[BaseException]:
    """Return the exceptions in an exception group, also one of the package for older Pythons; else none."""
    if not any(_name_of(base) == "BaseExceptionGroup" for base in type(error).__mro__):
        return []
    members = getattr(error, "exceptions", ())
    return [member for member in members if isinstance(member, BaseException)]


def client_message(error: BaseException, intended: type[BaseException]) -> str | None:
    """Return what an exception says to the client if it is meant for it; None where it is not.

    Meant are those of the class `intended`, and groups of nothing else.
    """
    if isinstance(error, intended):
        return "\n".join(part for part in (message_of(error), *_notes(error)) if part.strip())
    words: list[str] = []
    for member in group_members(error):
        said = client_message(member, intended)
        if said is None:
            return None
        words.append(said)
    return "\n".join(words) if words else None


def cut(text: str) -> str:
    """Return a text that is no longer than a client is shown, and says of one that was how long."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MESSAGE_BYTES_MAX:
        return text
    note = OUTCOME_CUT.format(count=len(text))
    return data[: MESSAGE_BYTES_MAX - len(note.encode())].decode("utf-8", "ignore") + note


def invalid_arguments_message(tool: str, faults: list[tuple[str, str]]) -> str:
    """Return what is said of a call with wrong arguments: JSON pointers, and what is wrong there."""
    plural = "" if len(faults) == 1 else "s"
    lines = [f"`{tool}` was not called: {len(faults)} problem{plural} with its arguments"]
    for place, reason in faults[:_FAULTS_SHOWN_MAX]:
        lines.append(f"- {place or '(the whole value)'}: {reason}")
    if len(faults) > _FAULTS_SHOWN_MAX:
        lines.append(f"- … and {len(faults) - _FAULTS_SHOWN_MAX} more")
    return "\n".join(lines)


def base_names(error: BaseException) -> list[str]:
    """Return the names of the classes above the exception's own, nearest first: what `except` would match."""
    return [_name_of(base) for base in type(error).__mro__[1:] if issubclass(base, BaseException)]


def innermost_location(error: BaseException, folder: str) -> str | None:
    """Return `file:line` of the innermost frame inside the skill's folder, relative to it."""
    prefix = folder.rstrip("/") + "/"
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(prefix):
        return f"{error.filename[len(prefix) :]}:{error.lineno or 1}"
    place = None
    step = error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file.startswith(prefix):
            place = f"{file[len(prefix) :]}:{step.tb_lineno}"
        step = step.tb_next
    return place


def traceback_of(error: BaseException, folder: str) -> str:
    """Return the traceback from the first frame of the tool's own code on, which lies in `folder`."""
    start = _own_part(error.__traceback__, folder)
    try:
        text = _formatted(error, start, folder)
    except BaseException:
        text = _bare(error, start)
    if len(text) > _TRACEBACK_CHARACTERS_MAX:
        half = _TRACEBACK_CHARACTERS_MAX // 2
        text = f"{text[:half]}\n…\n{text[-half:]}"
    return text


def _formatted(error: BaseException, start: TracebackType | None, folder: str) -> str:
    from traceback import TracebackException

    report = TracebackException(type(error), error, start)
    _leave_out_ours(report, folder.rstrip("/") + "/", _DEPTH_MAX)
    return "".join(report.format())


def _leave_out_ours(report: Any, prefix: str, depth: int) -> None:
    """Take the worker's frames off the start of what an exception came from, and of a group's members."""
    for other in (report.__cause__, report.__context__, *(getattr(report, "exceptions", None) or ())):
        if other is None or not depth:
            continue
        files = [frame.filename for frame in other.stack]
        skipped = next((at for at, file in enumerate(files) if not _is_ours(file)), len(files))
        if skipped:
            own = next((at for at, file in enumerate(files) if file.startswith(prefix)), skipped)
            del other.stack[:own]
        _leave_out_ours(other, prefix, depth - 1)


def _own_part(step: TracebackType | None, folder: str) -> TracebackType | None:
    """Return the traceback from the skill's first frame on; without one, from behind the worker's own.

    Between the two there may be an event loop's frames.
    """
    prefix = folder.rstrip("/") + "/"
    start = None
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file.startswith(prefix):
            return step
        if start is None and not _is_ours(file):
            start = step
        step = step.tb_next
    return start


def _is_ours(file: str) -> bool:
    return file.startswith((_PACKAGE, _IMPORT_SYSTEM))


def _bare(error: BaseException, step: TracebackType | None) -> str:
    lines = ["Traceback (most recent call last):"]
    while step is not None:
        code = step.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {step.tb_lineno}, in {code.co_name}')
        step = step.tb_next
    lines.append(f"{class_name(error)}: {message_of(error)}")
    return "\n".join(lines) + "\n"


_WITHHELD = (
    "the environment variable `{0}` is not set for tools, which get only a few of the server's; "
    "if it is set there, start the server with `--env {0}`"
)


def missing_variable_advice(error: BaseException) -> str | None:
    """Return what to do about an error that the lack of an environment variable raised, else `None`.

    That is `os.environ[…]` and its `pop` and `del`, and `os.environb`. The sentence names the variable alone.
    """
    step = error.__traceback__ if type(error) is KeyError else None
    while step is not None:
        frame = step.tb_frame
        if frame.f_globals.get("__name__") == "os" and frame.f_code.co_name in ("__getitem__", "__delitem__"):
            name = error.args[0] if error.args else None
            if isinstance(name, bytes):
                name = name.decode("utf-8", "backslashreplace")
            return _WITHHELD.format(name) if isinstance(name, str) else None
        step = step.tb_next
    return None


def exit_code(error: SystemExit) -> tuple[int, str]:
    """Return the code that `SystemExit` stands for, and the text it would have printed."""
    code = error.code
    if code is None:
        return 0, ""
    if isinstance(code, int):
        return code & 0xFF, ""
    return 1, message_of(error)
