"""How the JSON form of a standard library class becomes a value of it: dates, paths, decimals and so on.

No module of the library is imported unless an annotation names a class of it.
"""

from __future__ import annotations

import sys

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Callable

    Converter = Callable[[Any], Any]


class ArgumentError(Exception):
    """Values that are none of their types, such as the 30th of February for a date.

    It has a sentence for each place.
    """

    def __init__(self, reason: str = "", faults: Iterable[tuple[str, str]] = ()) -> None:
        """Say what is wrong: of the value at hand, or of those inside it.

        Args:
            reason: What is wrong with the value as a whole.
            faults: JSON pointers, seen from the value at hand, and what is wrong there.
        """
        self.faults = list(faults) or [("", reason)]
        super().__init__(self.faults)

    def __str__(self) -> str:
        return "; ".join(f"{place or '(the whole value)'}: {reason}" for place, reason in self.faults)

    @property
    def path(self) -> str:
        """The place of the first fault; empty where it is the value itself."""
        return self.faults[0][0]

    def inside(self, step: str | int) -> ArgumentError:
        """Return the same error as seen from the value around it, where this one is the member `step`."""
        outer = pointer(step)
        return ArgumentError(faults=[(outer + place, reason) for place, reason in self.faults])


def pointer(*steps: str | int) -> str:
    """Return the JSON pointer to a member of a member."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


class Faults:
    """Collects what is wrong with the members of a value, so that all of it is told at once."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []

    def convert(self, convert: Converter, value: Any, step: str | int) -> Any:
        """Return what `convert` makes of the member `step`; None, and a fault more, when it makes nothing."""
        try:
            return convert(value)
        except ArgumentError as error:
            self.add(error.inside(step))
            return None

    def add(self, error: ArgumentError) -> None:
        """Take in what is wrong with one member."""
        # Nobody reads thousands of them, and a list may have as many members.
        if len(self._found) < _FAULTS_MAX:
            self._found += error.faults

    def finish(self) -> None:
        """Raise `ArgumentError` if anything is wrong."""
        if self._found:
            raise ArgumentError(faults=self._found)


#: More faults than this are not looked for.
_FAULTS_MAX = 100


class UnresolvedError(Exception):
    """An annotation names something that is not there when the file runs. The text says which, and why."""


def is_enum(kind: type) -> bool:
    """Tell whether a class is an enumeration. Does not import `enum`."""
    enum = sys.modules.get("enum")
    return enum is not None and isinstance(kind, type) and issubclass(kind, enum.Enum)


def library_class(kind: type, arguments: tuple = ()) -> Converter | None:
    """Return the converter to a class of the standard library that JSON writes as text or number.

    Args:
        kind: The class.
        arguments: Its type arguments, as in `re.Pattern[bytes]`.
    """
    if is_enum(kind):
        return _enum(kind)
    if kind in (bytes, bytearray):
        return parsed("text", lambda text: kind(text.encode()))
    if kind is complex:
        return _complex
    module, name = kind.__module__, kind.__name__
    if module == "datetime":
        from omni.times import CONVERTERS

        return CONVERTERS.get(name)
    for base in kind.__mro__:
        if base.__name__ == "PurePath" and base.__module__.startswith("pathlib"):
            return None if name == "WindowsPath" else parsed("path", kind)
    if (module, name) == ("os", "PathLike"):
        return parsed("path", _path)
    if module in ("decimal", "_decimal", "_pydecimal"):
        return _exact("decimal number", kind)
    if (module, name) == ("fractions", "Fraction"):
        return _exact("fraction", kind)
    if module == "uuid":
        return parsed("UUID", kind)
    if module == "ipaddress":
        return parsed(f"`{name}`", kind)
    if module.startswith("zoneinfo") and name == "ZoneInfo":
        # What the library raises depends on what the name would be as a path.
        return parsed("time zone", kind, KeyError, OSError)
    if name == "Pattern" and module == "re":
        import re

        wanted = bytes if arguments == (bytes,) else str
        return parsed(
            "regular expression",
            lambda text: re.compile(text.encode() if wanted is bytes else text),
            re.error,
            RecursionError,
        )
    return None


def _path(text: str) -> Any:
    from pathlib import Path

    return Path(text)


def _complex(value: Any) -> complex:
    if type(value) in (int, float):
        return complex(value)
    if type(value) is not str:
        raise ArgumentError(f"{shown(value)} is no complex number")
    try:
        number = complex(value)
    except ValueError:
        raise ArgumentError(f"{shown(value)} is no complex number; write it like 1+2j") from None
    if number - number != 0:
        raise ArgumentError(f"{shown(value)} is no finite number")
    return number


def parsed(name: str, parse: Callable[[str], Any], *faults: type[Exception]) -> Converter:
    """Return a converter from text. `faults` are what `parse` raises besides the usual."""
    refusals = (ValueError, ArithmeticError, *faults)

    def read(value: Any) -> Any:
        if type(value) is not str:
            raise ArgumentError(f"{shown(value)} is no {name}")
        try:
            return parse(value)
        except refusals as error:
            raise ArgumentError(f"{shown(value)} is no {name}: {error}") from None

    return read


def written(values: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Return those values that JSON has no literals for, each after what a schema shows for it.

    A schema writes a tuple as a list and a date as text: that is what clients then send.
    """
    pairs = []
    for value in values:
        inner = value.value if is_enum(type(value)) else value
        if type(inner) not in (str, int, float, bool, type(None)):
            from omni.describe.values import NoJsonError, as_json

            try:
                pairs.append((as_json(inner), value))
            except NoJsonError:
                continue
    return pairs


def _enum(kind: Any) -> Converter:
    shown_as = written(kind)

    def choose(value: Any) -> Any:
        for form, member in shown_as:
            if form == value and type(form) is type(value):
                return member
        try:
            return kind(value)
        except (ValueError, TypeError):
            pass
        raise ArgumentError(f"{shown(value)} is none of {', '.join(repr(member.value) for member in kind)}")

    return choose


def _exact(name: str, kind: type) -> Converter:
    """Return the converter to a class of exact numbers, written as text or as a number. Finite ones only."""

    def read(value: Any) -> Any:
        if type(value) not in (int, float, str):
            raise ArgumentError(f"{shown(value)} is no {name}")
        try:
            # By way of its text a float becomes what was written, not its nearest binary neighbour.
            number = kind(str(value))
            finite = number - number == 0
        except (ValueError, ArithmeticError):
            text = value.strip().lstrip("+-").lower() if type(value) is str else ""
            finite, number = not text.startswith(("inf", "nan", "snan")), None
        if not finite:
            raise ArgumentError(f"{shown(value)} is no finite number")
        if number is None:
            raise ArgumentError(f"{shown(value)} is no {name}")
        return number

    return read


def shown(value: Any) -> str:
    """Return a value as it stands in a message, cut at 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
