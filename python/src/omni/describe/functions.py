"""What a skill's files define, found by importing them. Runs where an import may do no harm."""

from __future__ import annotations

import ast
import inspect
import sys

from omni import tool_marks
from omni.convert import unwrapped
from omni.describe import docstring, options
from omni.describe.signature import describe
from omni.load import LoadError, load_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    Problem = tuple[str, int, str, str]


def functions_of(skill: str, folder: str, files: list[str]) -> tuple[list[dict], list[Problem]]:
    """Return what the files' tools are, and problems: file, line, severity, message.

    What is no tool has a member `kind` that says what it is.
    """
    tools: list[dict] = []
    problems: list[Problem] = []
    for file in files:
        finder = _Finder(skill, folder, file, problems)
        try:
            tools += finder.tools()
        except (Exception, SystemExit) as error:
            finder.error(0, f"its tools can't be described: {type(error).__name__}: {error}")
    return tools, problems


class _Finder:
    """Finds the tools of one file."""

    def __init__(self, skill: str, folder: str, file: str, problems: list[Problem]) -> None:
        self.skill = skill
        self.folder = folder
        self.file = file
        self.problems = problems

    def error(self, line: int, message: str, severity: str = "error") -> None:
        self.problems.append((self.file, line, severity, message))

    def tools(self) -> list[dict]:
        with open(f"{self.folder}/{self.file}", "rb") as source:
            text = source.read()
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 0
            self.error(line, f"{getattr(error, 'msg', error)}; the file's tools are not listed")
            return []
        # What decorates nothing defines no tool, and may be a program that must not run.
        if not any(isinstance(node, _FUNCTIONS) and node.decorator_list for node in ast.walk(tree)):
            return []
        tool_marks.marked = marks = []
        try:
            module = load_module(self.skill, self.folder, self.file)
        except LoadError as error:
            place, _, line = (error.location or self.file).rpartition(":")
            at = int(line) if line.isdecimal() and place == self.file else 0
            self.error(at, f"the file can't be imported, so its tools are not listed: {error}")
            return []
        except BaseException as error:
            name = type(error).__name__
            self.error(0, f"the file raises {name} when it is imported, so its tools are not listed")
            if not isinstance(error, SystemExit):
                raise
            return []
        finally:
            tool_marks.marked = None
        marked = [function for kind, function in marks if kind == "tool"]
        found = []
        for name, value in list(vars(module).items()):
            tool = self._tool(module, name, value, marked)
            if tool is not None:
                found.append(tool)
        for function in marked:
            self._unlisted(module, function)
        # Few files have what is no tool.
        if all(kind == "tool" for kind, _function in marks):
            return found
        from omni.describe.items import items_of

        return found + items_of(module, self.file, self.error)

    def _tool(self, module: ModuleType, name: str, value: Any, marked: list) -> dict | None:
        """Return the tool that a name of the module stands for, and take it off `marked`."""
        if not callable(value) or isinstance(value, type):
            return None
        function = next((item for item in marked if item is value or item in _layers(value)), None)
        if function is None:
            # A decorator above `@tool` that wraps without saying so.
            function = next((item for item in marked if _is_hidden(item, name, module, value)), None)
        elif _origin(function, name, module).__name__ != name:
            return None
        # Imported from another file, which lists it.
        if function is None or _origin(function, name, module).__module__ != module.__name__:
            return None
        marked[:] = [item for item in marked if item is not function]
        return self._described(function, _origin(function, name, module))

    def _unlisted(self, module: ModuleType, function: Any) -> None:
        name = getattr(function, "__name__", "?")
        line = _line(function)
        if getattr(function, "__module__", None) != module.__name__:
            self.error(0, f"`{name}` is in a helper file, so it is not listed", "warning")
        elif "." in getattr(function, "__qualname__", ""):
            self.error(
                line, f"`{name}` is not at the top level of its file, so it is not listed: move it there"
            )
        else:
            self.error(line, f"`{name}` is defined again further down, which replaces this one")

    def _described(self, function: Any, origin: Any) -> dict | None:
        name = origin.__name__
        line = _line(origin)
        seen = origin if _hides_signature(function) and origin is not function else function
        if seen is not function:
            self.error(line, f"a decorator of `{name}` does not use `functools.wraps`", "warning")
        if not self._is_callable(name, seen, line):
            return None
        given = options.read(
            getattr(function, "__omni_tool__", {}),
            lambda message: self.error(line, f"{message}; the option of `{name}` is not applied"),
        )
        description, texts = docstring.parse(seen.__doc__ if isinstance(seen.__doc__, str) else None)
        found = describe(seen, texts)
        for parameter, problem in found.problems:
            if parameter is None and not given.output_schema_given:
                self.error(line, f"{problem}, so `{name}` has no output schema", "note")
            elif parameter is not None and given.input_schema is None:
                self.error(line, f"{problem}, so `{parameter}` of `{name}` is not fully checked", "warning")
        output = given.output_schema if given.output_schema_given else found.output
        wrap = (
            (output or {}).get("x-fastmcp-wrap-result") is True if given.output_schema_given else found.wrap
        )
        command = given.name or name
        return {
            "command": command,
            "function": name,
            "file": self.file,
            "line": line,
            "async": inspect.iscoroutinefunction(origin),
            "title": given.title_of(command),
            "description": description if given.description is None else given.description,
            "icons": given.icons,
            "input": found.input if given.input_schema is None else given.input_schema,
            "output": output,
            "wrap": wrap,
            "inject": [{"parameter": parameter, "kind": "context"} for parameter in found.inject],
            "annotations": given.annotations,
            "limits": given.call["limits"],
            "policy": given.call["policy"],
            "meta": options.listed_meta(given.meta, given.tags, given.version, given.category),
        }

    def _is_callable(self, name: str, function: Any, line: int) -> bool:
        """Tell whether a client's arguments can reach the function by name."""
        kinds = inspect.Parameter
        for at, parameter in enumerate(inspect.signature(function).parameters.values()):
            what = parameter.name
            if parameter.kind is kinds.VAR_POSITIONAL:
                why = f"`*{what}` of `{name}` can't be described"
            elif parameter.kind is kinds.VAR_KEYWORD:
                why = f"`**{what}` of `{name}` can't be described"
            elif parameter.kind is kinds.POSITIONAL_ONLY:
                why = f"`{what}` of `{name}` can't be given by name, as arguments are"
            elif at == 0 and what == "self" and parameter.annotation is kinds.empty:
                why = f"`{name}` takes `self` but is not a method"
            else:
                continue
            self.error(line, f"{why}, so the tool is not listed")
            return False
        return True


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _layers(function: Any) -> list:
    """Return the functions that `functools.wraps` has put this one around."""
    layers = []
    while hasattr(function, "__wrapped__") and len(layers) < 32:
        function = function.__wrapped__
        layers.append(function)
    return layers


def _hides_signature(function: Any) -> bool:
    """Tell whether a function passes everything on, and does not say whose parameters it takes."""
    if hasattr(function, "__wrapped__"):
        return False
    kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
    return kinds == {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def _origin(function: Any, name: str, module: ModuleType) -> Any:
    """Return the function as it is written: what stands inside of a wrapper, where that can be seen."""
    bottom = unwrapped(function)
    for cell in getattr(bottom, "__closure__", None) or ():
        try:
            inner = cell.cell_contents
        except ValueError:
            continue
        if inspect.isfunction(inner) and inner.__name__ == name and inner.__module__ == module.__name__:
            return inner
    return bottom


def _is_hidden(function: Any, name: str, module: ModuleType, value: Any) -> bool:
    """Tell whether `function` is what stood below the decorator that made `value`."""
    return (
        getattr(function, "__qualname__", None) == name
        and function.__module__ == module.__name__
        and not hasattr(value, "__omni_tool__")
    )


def _line(function: Any) -> int:
    code = getattr(unwrapped(function), "__code__", None)
    return 0 if code is None else code.co_firstlineno


def prepare() -> None:
    """Import what nearly every skill's description needs, so that forked processes share it."""
    import dataclasses
    import enum
    import typing

    del dataclasses, enum, typing
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 3000))
