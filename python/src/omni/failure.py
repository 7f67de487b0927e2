"""What is said about a call that failed: kind, message, place and traceback of an exception."""

from __future__ import annotations

from os.path import dirname

from omni.private import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_PACKAGE = dirname(__file__) + "/"
_IMPORT_SYSTEM = "<frozen importlib"
_MESSAGE_CHARACTERS_MAX = 16 * 1024
_TRACEBACK_CHARACTERS_MAX = 64 * 1024


def message_of(error: BaseException) -> str:
    """Return the exception's text, whatever its `__str__` does."""
    try:
        text = str(error)
    except BaseException as broken:
        return f"<the exception's text cannot be read: {type(broken).__name__}>"
    if len(text) > _MESSAGE_CHARACTERS_MAX:
        return f"{text[:_MESSAGE_CHARACTERS_MAX]}… ({len(text)} characters)"
    return text


def base_names(error: BaseException) -> list[str]:
    """Return the names of the classes above the exception's own, nearest first: what `except` would match."""
    return [base.__name__ for base in type(error).__mro__[1:] if issubclass(base, BaseException)]


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


def traceback_of(error: BaseException) -> str:
    """Return the traceback from the first frame of the tool's own code on."""
    try:
        text = _formatted(error)
    except BaseException:
        text = _bare(error)
    if len(text) > _TRACEBACK_CHARACTERS_MAX:
        half = _TRACEBACK_CHARACTERS_MAX // 2
        text = f"{text[:half]}\n…\n{text[-half:]}"
    return text


def _formatted(error: BaseException) -> str:
    from traceback import TracebackException

    report = TracebackException(type(error), error, _own_part(error.__traceback__))
    return "".join(report.format())


def _own_part(step: TracebackType | None) -> TracebackType | None:
    """Skip the frames of the worker and of the import system above the tool's own."""
    start = step
    while start is not None:
        file = start.tb_frame.f_code.co_filename
        if not file.startswith((_PACKAGE, _IMPORT_SYSTEM)):
            return start
        start = start.tb_next
    return None


def _bare(error: BaseException) -> str:
    lines = ["Traceback (most recent call last):"]
    step = _own_part(error.__traceback__)
    while step is not None:
        code = step.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {step.tb_lineno}, in {code.co_name}')
        step = step.tb_next
    lines.append(f"{type(error).__name__}: {message_of(error)}")
    return "\n".join(lines) + "\n"


def missing_variable(error: BaseException) -> str | None:
    """Return the name of the environment variable for whose lack `os.environ[…]` raised this error."""
    step = error.__traceback__ if type(error) is KeyError else None
    while step is not None:
        frame = step.tb_frame
        if frame.f_globals.get("__name__") == "os" and frame.f_code.co_name == "__getitem__":
            name = error.args[0] if error.args else None
            return name if isinstance(name, str) else None
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
