"""Where a tool, a resource or a prompt is in a folder of skills, found without importing anything.

Only for running one by hand. The server knows from its catalogue.
"""

from __future__ import annotations

import ast
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What marks a function as what, and which option the decorator's one positional argument is.
_DECORATORS = {
    "tool": ("tool", "name"),
    "skill_command": ("tool", "name"),
    "resource": ("resource", "uri"),
    "skill_resource": ("resource", "uri"),
    "prompt": ("prompt", "name"),
}
#: What there is none of, in words.
_WORDS = {"tool": "command", "resource": "resource", "prompt": "prompt"}


class NotFoundError(Exception):
    """There is no such skill or command. The text names those there are."""


def find_skill(skills: str, name: str) -> str:
    """Return the absolute path of a skill's folder, by the folder's name or the name in its `SKILL.md`."""
    skills = os.path.abspath(skills)
    try:
        names = skill_folders(skills)
    except OSError as error:
        message = (
            f"`{skills}` is no folder of skills: {error.strerror}; name one with `--skills` or `OMNI_SKILLS`"
        )
        raise NotFoundError(message) from None
    folder = names.get(name) or f"{skills}/{name}"
    if name not in names and (not name or "/" in name or not os.path.isdir(folder)):
        message = f"there is no skill `{name}` in `{skills}`{_instead(name, names)}"
        raise NotFoundError(message)
    return folder


def skill_folders(skills: str) -> dict[str, str]:
    """Return the folder of each skill, by the name in its `SKILL.md` or else its own.

    Raises:
        OSError: `skills` cannot be listed.
    """
    folders = sorted(entry.name for entry in os.scandir(skills) if entry.is_dir())
    return {
        _declared_name(f"{skills}/{folder}") or folder: f"{skills}/{folder}"
        for folder in folders
        if folder[0] not in "._"
    }


class Command:
    """Where a function is: its file, relative to the skill's folder, its name, and what it is offered as."""

    __slots__ = ("file", "function", "kind", "mime_type", "name", "timeout", "uri")

    def __init__(self, kind: str, file: str, function: str, options: dict[str, Any]) -> None:
        #: `tool`, `resource` or `prompt`.
        self.kind = kind
        self.name: str = options.get("name") or function
        self.file = file
        self.function = function
        #: Seconds that the decorator allows; None when it says nothing.
        self.timeout: float | None = options.get("timeout")
        #: Of a resource: its URI or template, if it is given one, and its type.
        self.uri: str | None = options.get("uri") or options.get("resource_uri")
        self.mime_type: str | None = options.get("mime_type")


def find_resource(folder: str, skill: str, called: str) -> tuple[Command, str, dict[str, str]]:
    """Return the resource of this name or URI, the URI, and the variables of its template.

    Raises:
        NotFoundError: No file of the skill has such a resource.
        SyntaxError: A file that may have it cannot be parsed.
    """
    from omni import uri_templates

    def uri_of(command: Command) -> str:
        return command.uri or uri_templates.default_uri(skill, command.name)

    if "://" not in called:
        command = find_command(folder, called, "resource")
        return command, uri_of(command), {}
    commands, broken = _all(folder, "resource")
    resources: dict[str, Command] = {}
    for command in commands.values():
        resources.setdefault(uri_of(command), command)
    found = uri_templates.find(resources, called)
    if found is not None:
        command, variables = found
        return command, called, variables
    if broken is not None:
        raise broken
    message = f"skill `{os.path.basename(folder)}` has no resource `{called}`{_instead(called, resources)}"
    raise NotFoundError(message)


def find_command(folder: str, name: str, kind: str = "tool") -> Command:
    """Return the function of this name that is offered as a `tool`, `resource` or `prompt`.

    Raises:
        NotFoundError: No file of the skill has such a function.
        SyntaxError: A file that may have it cannot be parsed.
    """
    found, broken = _all(folder, kind)
    if name in found:
        return found[name]
    if broken is not None:
        raise broken
    page = f"prompts/{name}.md"
    if kind == "prompt" and os.path.isfile(f"{folder}/{page}"):
        message = f"`{page}` is a prompt file: it needs no Python, and a server (`omni mcp`) fills it in"
    else:
        message = f"skill `{os.path.basename(folder)}` has no {_WORDS[kind]} `{name}`{_instead(name, found)}"
    raise NotFoundError(message)


def _all(folder: str, kind: str) -> tuple[dict[str, Command], SyntaxError | None]:
    """Return the functions of a kind by their names, and what keeps a file from being read."""
    found: dict[str, Command] = {}
    broken = None
    for file in sources(folder):
        with open(f"{folder}/{file}", "rb") as source:
            text = source.read()
        try:
            tree = ast.parse(text, f"{folder}/{file}")
        except SyntaxError as error:
            broken = broken or error
            continue
        for command in _commands(tree, file):
            if command.kind == kind:
                found.setdefault(command.name, command)
    return found, broken


def _declared_name(folder: str) -> str | None:
    try:
        with open(f"{folder}/SKILL.md", encoding="utf-8") as file:
            if file.readline().strip() != "---":
                return None
            for line in file:
                if line.startswith("name:"):
                    return line[5:].strip().strip("\"'") or None
                if line.strip() == "---":
                    return None
    except (OSError, ValueError):
        pass
    return None


def sources(folder: str, *, helpers: bool = False) -> list[str]:
    """Return the Python files below a skill's `scripts`, relative to its folder; helpers begin with `_`."""
    files = []
    for place, folders, names in os.walk(f"{folder}/scripts"):
        folders[:] = [name for name in folders if name[0] != "." and name != "__pycache__"]
        inside = os.path.relpath(place, folder)
        files += [f"{inside}/{name}" for name in names if name.endswith(".py") and name[0] != "."]
    return sorted(file for file in files if helpers or file.rpartition("/")[2][0] != "_")


def _commands(tree: ast.Module, file: str) -> list[Command]:
    """Return every decorated function at the top of a module."""
    markers = {name: name for name in _DECORATORS}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "omni":
            markers.update(
                {item.asname: item.name for item in node.names if item.asname and item.name in _DECORATORS}
            )
    commands = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                call = decorator if isinstance(decorator, ast.Call) else None
                marker = call.func if call else decorator
                name = markers.get(getattr(marker, "id", getattr(marker, "attr", "")))
                if name is not None:
                    kind, first = _DECORATORS[name]
                    commands.append(Command(kind, file, node.name, _literals(call, tree, first)))
    return commands


def _literals(call: ast.Call | None, tree: ast.Module, first: str) -> dict:
    """Return the decorator's options whose values are literals or constants of the module."""
    values = {}
    keywords = list(call.keywords) if call else []
    if call and call.args:
        keywords.append(ast.keyword(arg=first, value=call.args[0]))
    for keyword in keywords:
        value = keyword.value
        if isinstance(value, ast.Name):
            for node in tree.body:
                if isinstance(node, ast.Assign) and any(
                    isinstance(target, ast.Name) and target.id == keyword.value.id for target in node.targets
                ):
                    value = node.value
        try:
            values[keyword.arg] = ast.literal_eval(value)
        except ValueError:
            continue
    return values


def _instead(name: str, names: object) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(names), n=1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; there are `{'`, `'.join(sorted(names))}`" if names else "; there is none at all"
