"""All tools of a folder of skills, described by importing them, and remembered until a file changes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from threading import Lock

from omni.describe import icon_files, programs, settings
from omni.describe.folder import files_of, skill_folders, stamps
from omni.describe.items import with_arguments
from omni.names import is_tool_name
from omni.options import POLICY_MEMBERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_SECONDS_PER_SKILL = 30.0


class Problem:
    """Something that keeps a tool, or a part of one, from being listed."""

    __slots__ = ("file", "line", "message", "severity")

    def __init__(self, file: str, line: int, severity: str, message: str) -> None:
        #: Relative to the folder of skills.
        self.file = file
        #: 0 where the whole file is meant.
        self.line = line
        #: `error`: something is not listed; `warning` or `note`: something is listed with less.
        self.severity = severity
        self.message = message

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.severity}: {place}: {self.message}"


class _Skill:
    """What is known of one skill, and the state of the files that it was learnt from."""

    def __init__(self, stamps: list[tuple]) -> None:
        self.stamps = stamps
        self.tools: list[dict] = []
        #: Resources, prompts and completions, as `omni.describe.items` has them, each with its `skill`.
        self.items: list[dict] = []
        self.problems: list[Problem] = []


class Catalogue:
    """The tools of a folder of skills. May be asked from any thread."""

    def __init__(self, skills_dir: str, *, seconds_per_skill: float = _SECONDS_PER_SKILL) -> None:
        self.skills_dir = os.path.realpath(skills_dir)
        self._seconds = seconds_per_skill
        self._known: dict[str, _Skill] = {}
        self._lock = Lock()

    def read(self) -> tuple[list[dict], list[Problem]]:
        """Return the tools, sorted by name, and what is wrong. Looks only at skills whose files changed.

        Raises:
            OSError: The folder cannot be listed.
        """
        with self._lock:
            problems: list[Problem] = []

            def report(path: str, message: str) -> None:
                problems.append(Problem(path, 0, "error", message))

            folders = skill_folders(self.skills_dir, report)
            files = {folder: files_of(self.skills_dir, folder, report) for folder in folders}
            seen = {folder: stamps(self.skills_dir, folder, files[folder]) for folder in folders}
            changed = [
                folder
                for folder in folders
                if folder not in self._known or self._known[folder].stamps != seen[folder]
            ]
            self._known = {folder: skill for folder, skill in self._known.items() if folder in files}
            for folder, functions, found in self._functions(changed):
                skill = _Skill(seen[folder])
                _compose(self.skills_dir, folder, files[folder], (functions, found), skill)
                # At once, for those who do not wait for the others: see `known`.
                self._known = {**self._known, folder: skill}
            return self._merged(problems)

    def known(self) -> list[dict]:
        """Return the tools that are known by now, while `read` may still be at work in another thread."""
        return self._merged([])[0]

    def items(self) -> list[dict]:
        """Return the resources, prompts and completions that are known by now."""
        return [item for _, skill in sorted(self._known.items()) for item in skill.items]

    def _merged(self, problems: list[Problem]) -> tuple[list[dict], list[Problem]]:
        tools: dict[str, dict] = {}
        for folder, skill in sorted(self._known.items()):
            problems += skill.problems
            for tool in skill.tools:
                taken = tools.setdefault(tool["name"], tool)
                if taken is not tool:
                    name, first = tool["name"], taken["omni"]["skill"]
                    message = (
                        f"there is a tool `{name}` in the skill `{first}` already, so this one is not listed"
                    )
                    problems.append(Problem(f"{folder}/{tool['omni']['file']}", 0, "error", message))
        return [tools[name] for name in sorted(tools)], problems

    def _functions(self, folders: list[str]) -> Iterator[tuple[str, list, list]]:
        """Have skills imported elsewhere. A process that dies over one is started again for the rest."""
        waiting = list(folders)
        while waiting:
            begun = waiting[0]
            for said in self._ask(waiting):
                if "begin" in said:
                    begun = said["begin"]
                else:
                    waiting.remove(said["folder"])
                    yield said["folder"], said["functions"], said["problems"]
            if waiting:
                lost = begun if begun in waiting else waiting[0]
                waiting.remove(lost)
                message = "the process that imports the skill was ended by it, so its tools are not listed"
                yield lost, [], [("scripts", 0, "error", message)]

    def _ask(self, folders: list[str]) -> Iterator[dict]:
        command = [sys.executable or "python3", "-m", "omni.describe.child"]
        with subprocess.Popen(  # noqa: S603 - this interpreter
            [*command, self.skills_dir, str(self._seconds), *folders],
            # Ends when we do, and so does the process: see there.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        ) as process:
            for line in process.stdout or ():
                try:
                    said = json.loads(line)
                except ValueError:
                    break  # it was ended while it wrote
                yield said


def environment() -> dict[str, str]:
    """Return the environment of a process that shall find this very package."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    variables = dict(os.environ)
    # Where it is installed, it is found anyway, and its neighbours must not come before the library.
    if os.path.basename(package) not in ("site-packages", "dist-packages"):
        before = variables.get("PYTHONPATH")
        variables["PYTHONPATH"] = package + (os.pathsep + before if before else "")
    return variables


def call_target(skills_dir: str, tool: dict) -> dict[str, Any]:
    """Return what a `call` frame of the worker wire says about a tool that was described."""
    omni = tool["omni"]
    members = {name: omni[name] for name in ("skill", "file", "function", "wrap", "structured", "inject")}
    return {"tool": tool["name"], **members, "dir": f"{skills_dir}/{omni['skill']}"}


def item_target(skills_dir: str, item: dict) -> dict[str, Any]:
    """Return what a `call` frame of the worker wire says about something that is no tool."""
    members = {name: item[name] for name in ("skill", "file", "function", "inject", "kind")}
    return {
        "tool": f"{item['skill']}.{item['name']}",
        **members,
        "mime_type": item.get("mime_type"),
        "meta": item.get("own_meta"),
        "dir": f"{skills_dir}/{item['skill']}",
    }


# -- from what is known to what is listed ---------------------------------------------------------------


def _compose(skills_dir: str, folder: str, files: list[str], found: tuple[list, list], skill: _Skill) -> None:
    functions, problems = found
    path = f"{skills_dir}/{folder}"
    hashed = hashlib.sha256()
    texts = {}
    for file in files:
        try:
            with open(f"{path}/{file}", "rb") as source:
                content = source.read()
            hashed.update(b"%s\0%d\0%s" % (file.encode("utf-8", "replace"), len(content), content))
            texts[file] = content.decode("utf-8", "strict") if not file.endswith(".py") else ""
        except (OSError, UnicodeDecodeError) as error:
            skill.problems.append(Problem(f"{folder}/{file}", 0, "error", f"the file can't be read: {error}"))

    def reporter(file: str) -> Any:
        def report(message: str, line: int = 1) -> None:
            skill.problems.append(Problem(f"{folder}/{file}", line, "warning", message))

        return report

    said = settings.read(texts.get("SKILL.md"), reporter("SKILL.md"))
    declared: dict[str, programs.Program] = {}
    programs.read(said.tools, declared, reporter("SKILL.md"))
    programs.read_pyproject(texts.get("pyproject.toml", ""), declared, reporter("pyproject.toml"))
    skill.problems += [
        Problem(f"{folder}/{file}", line, severity, text) for file, line, severity, text in problems
    ]
    taken: set[str] = set()
    for function in functions:
        if function.get("icons"):
            report = reporter(function["file"])
            function["icons"] = icon_files.embed(
                path, function["icons"], lambda message, at=function["line"], say=report: say(message, at)
            )
    items = [
        {**item, "skill": folder, "flat": said.flat, "off": _is_off(item, said)}
        for item in functions
        if "kind" in item
    ]
    skill.items = with_arguments(items)
    tools = [tool for tool in functions if "kind" not in tool]
    everything = [*tools, *(_as_function(program) for program in declared.values())]
    for tool in everything:
        place = f"{folder}/{tool['file']}"
        if tool["command"] in taken:
            message = f"there is another tool `{tool['command']}` in the skill, so this one is not listed"
            skill.problems.append(Problem(place, tool["line"], "error", message))
            continue
        taken.add(tool["command"])
        name = tool["command"] if said.flat else f"{folder}.{tool['command']}"
        if not is_tool_name(name):
            message = f"`{name}` cannot be a tool's name, so the tool is not listed"
            skill.problems.append(Problem(place, tool["line"], "error", message))
            continue
        skill.tools.append(_listed(name, folder, tool, said, hashed.copy()))


def _listed(name: str, folder: str, tool: dict, said: settings.Settings, hashed: Any) -> dict:
    """Return the tool as `tools/list` shows it, with a member `omni` for those who run it."""
    listing = {
        "name": name,
        "title": tool["title"],
        "description": tool["description"],
        "icons": tool["icons"],
        "inputSchema": tool["input"],
        "outputSchema": tool["output"],
        "annotations": tool["annotations"] or None,
        "_meta": tool["meta"] or None,
    }
    listing = {key: value for key, value in listing.items() if value is not None}
    limits = {**said.call["limits"], **tool["limits"]}
    omni = {
        "skill": folder,
        "command": tool["command"],
        "async": tool["async"],
        "timeout_ms": limits.get("timeout_ms"),
        "idle_timeout_ms": limits.get("idle_timeout_ms"),
        "policy": _policy(tool, said),
        "file": tool["file"],
        "function": tool["function"],
        "wrap": tool["wrap"] and tool["output"] is not None,
        "structured": tool["output"] is not None,
        "inject": tool["inject"],
    }
    if "program" in tool:
        omni["program"] = tool["program"]
    hashed.update(json.dumps([listing, omni], sort_keys=True).encode())
    return {**listing, "omni": {**omni, "digest": hashed.hexdigest()[:32]}}


def _policy(tool: dict, said: settings.Settings) -> dict:
    """Return what the tool says, else what its skill says; what says nothing is left out."""
    policy = {
        **said.call["policy"],
        **{key: value for key, value in tool["policy"].items() if _says(key, value)},
    }
    policy["repeatable"] = any(tool["annotations"].get(hint) for hint in ("readOnlyHint", "idempotentHint"))
    return {key: policy[key] for key in POLICY_MEMBERS if _says(key, policy.get(key))}


def _says(member: str, value: Any) -> bool:
    """Tell whether a member of a policy says something; of flags, `enabled` alone does with False."""
    return bool(value) or (member == "enabled" and value is False)


def _is_off(item: dict, said: settings.Settings) -> bool:
    return {**said.call["policy"], **item.get("policy", {})}.get("enabled") is False


def _as_function(program: programs.Program) -> dict:
    return {
        "command": program.command,
        "function": program.command,
        "file": "SKILL.md",
        "line": 1,
        "async": False,
        "title": program.title,
        "description": program.description,
        "icons": None,
        "input": program.input_schema,
        "output": program.output_schema,
        "wrap": False,
        "inject": [],
        "annotations": program.annotations,
        "limits": program.call["limits"],
        "policy": program.call["policy"],
        "meta": {},
        "program": program.run,
    }
