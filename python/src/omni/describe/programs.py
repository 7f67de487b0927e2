"""Tools that are programs of any kind: declared in a SKILL.md or a pyproject.toml."""

from __future__ import annotations

import sys

from omni.describe.front_matter import as_value
from omni.describe.options import wanted
from omni.describe.settings import parsed
from omni.options import OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class Program:
    """One declared tool: how it is described, and its command line."""

    def __init__(self, name: str, argv: list[str], item: dict, report: Callable[[str], None]) -> None:
        self.command = name
        self._item = item
        self._report = report
        #: How it is run: `argv`, `input`, `output`, `cwd` and `env`.
        self.run = {
            "argv": argv,
            "input": self._choice("input", {"stdin": "stdin", "file": "file", "flags": "flags"}) or "stdin",
            "output": self._choice("output", {"text": "text", "json": "json"}) or "text",
            "cwd": self._beneath("cwd"),
            "env": self._env(),
        }
        self.title = self._text("title") or _titled(name)
        self.description = self._text("description")
        if self.description is None:
            report(f"the tool `{name}` has no `description`")
        self.input_schema = self._schema("input_schema") or {"type": "object"}
        self.output_schema = self._schema("output_schema")
        self.annotations: dict[str, bool] = {}
        #: What is acted on when a call is made, by what carries it and member.
        self.call: dict[str, dict[str, Any]] = {"limits": {}, "policy": {}, "fork": {}}
        for key, option in OPTIONS.items():
            if "program" in option["at"] and ("carried" in option or "hint" in option):
                self._read(key, option)

    def _read(self, key: str, option: dict[str, Any]) -> None:
        given = self._item.get(key)
        if given is None:
            return
        value = parsed(option, given, "program")
        if value is None:
            self._report(f"`{key}` must be {wanted(option, 'program')}")
        elif "hint" in option:
            self.annotations[option["hint"]] = value
        else:
            self.call[option["carried"]][option["member"]] = value

    def _text(self, key: str) -> str | None:
        value = self._item.get(key)
        return (str(value).strip() or None) if isinstance(value, str) else None

    def _choice(self, key: str, choices: dict[str, Any]) -> Any:
        value = self._item.get(key)
        if value is None:
            return None
        spelt = str(value).lower() if isinstance(value, bool) else value
        if not isinstance(spelt, str) or spelt not in choices:
            self._report(f"`{key}` must be {' or '.join(f'`{name}`' for name in choices)}")
            return None
        return choices[spelt]

    def _schema(self, key: str) -> dict | None:
        value = self._item.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self._report(f"`{key}` must be a mapping")
            return None
        schema = as_value(value)
        return schema if "type" in schema else {**schema, "type": "object"}

    def _beneath(self, key: str) -> str | None:
        value = self._item.get(key)
        if value is not None and (not isinstance(value, str) or escapes(value)):
            self._report(f"`{key}` must be a folder beneath the skill's")
            return None
        return None if value is None else str(value)

    def _env(self) -> dict[str, str]:
        value = self._item.get("env")
        if not isinstance(value, dict):
            return {}
        return {name: str(item) for name, item in value.items() if isinstance(item, str)}


def read(tools: Any, declared: dict[str, Program], report: Callable[[str], None]) -> None:
    """Read a list of tools and add them to those `declared` so far. What is wrong with one costs that one."""
    if tools is None:
        return
    if not isinstance(tools, list):
        report("`tools` must be a list")
        return
    for item in tools:
        item = item if isinstance(item, dict) else {}  # noqa: PLW2901
        name, argv = item.get("name"), item.get("command")
        why = None
        if not isinstance(name, str) or not name.strip():
            why = "it has no `name`"
        elif not isinstance(argv, list):
            why = f"`{name}` has no list `command`"
        elif not argv or not argv[0] or not all(isinstance(word, str) for word in argv):
            why = f"the `command` of `{name}` is empty, or not all of it is text"
        elif "/" in argv[0] and escapes(argv[0]):
            why = f"the program of `{name}` is outside of the skill's folder"
        elif name.strip() in declared:
            why = f"there is another one named `{name}`"
        if why is not None:
            report(f"a tool under `tools:` is not served: {why}")
            continue
        declared[name.strip()] = Program(name.strip(), [str(word) for word in argv], item, report)


def read_pyproject(text: str, declared: dict[str, Program], report: Callable[[str], None]) -> None:
    """Read `[tool.omni]` of a pyproject.toml."""
    if sys.version_info < (3, 11):
        if "[tool.omni" in text:
            report("Python before 3.11 has no reader for this file, so what it declares is not listed")
        return
    import tomllib

    try:
        table = tomllib.loads(text).get("tool", {}).get("omni", {})
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        report(f"the file is not valid TOML: {error}")
        return
    if isinstance(table, dict):
        read(table.get("tools"), declared, report)


def escapes(path: str) -> bool:
    """Tell whether a path leaves the folder that it is relative to."""
    return path.startswith("/") or ".." in path.split("/")


def _titled(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ").replace(".", " ")
    return words[:1].upper() + words[1:]
