"""What a runner has: the tools of a folder of skills, and the texts beside them as resources."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import os
import sys
from threading import Event, Lock, Thread
from urllib.parse import quote

from omni import wire
from omni.runner.exchange import RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_LOOK_SECONDS = 2.0
_RESOURCE_BYTES_MAX = 8 << 20
_SCHEME = "omni://skill/"


class Target:
    """Where a tool is, as a call frame says it."""

    __slots__ = ("affinity", "members", "text")

    def __init__(self, members: dict[str, Any], affinity: str) -> None:
        self.members = members
        #: The same as JSON.
        self.text = wire.write_json(members)
        #: `none`, `session` or `single`.
        self.affinity = affinity


class Skills:
    """A folder of skills, looked at again every two seconds."""

    def __init__(self, folder: str, changed: Callable[[], None]) -> None:
        """Describe the tools in a thread of its own.

        Args:
            folder: Holds the skills' folders.
            changed: Called when a tool is another one than before.
        """
        self.folder = os.path.realpath(folder)
        self._changed = changed
        self._ready = Event()
        self._lock = Lock()
        self._targets: dict[str, Target] = {}
        self._body = b""
        self._etag = ""
        self._complaint = ""
        self._stop = Event()
        Thread(target=self._watch, name="omni-skills", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()

    @property
    def ready(self) -> bool:
        """Whether the tools are known."""
        return self._ready.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the tools are known."""
        return self._ready.wait(seconds)

    # -- tools ---------------------------------------------------------------------------------------

    def listing(self) -> tuple[bytes, str]:
        """Return the answer to `GET /tools` and its tag."""
        with self._lock:
            return self._body, self._etag

    def target(self, name: str) -> Target | None:
        """Return where a tool is; None when there is no such tool."""
        with self._lock:
            return self._targets.get(name)

    def _watch(self) -> None:
        while True:
            try:
                self._look()
            except Exception as error:  # whatever a skill's author can bring about
                self._complain(f"the skills cannot be read: {type(error).__name__}: {error}")
            self._ready.set()
            if self._stop.wait(_LOOK_SECONDS):
                return

    def _look(self) -> None:
        from omni.describe import call_target, describe_skills

        problems: list[Any] = []
        tools = describe_skills(self.folder, problems)
        self._complain("\n".join(map(str, problems)))
        # Programs of other kinds are the server's affair: they need no Python.
        tools = [tool for tool in tools if str(tool["omni"].get("file", "")).endswith(".py")]
        body = wire.write_json({"tools": tools}).encode("utf-8", "replace")
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        targets = {tool["name"]: Target(call_target(self.folder, tool), _affinity(tool)) for tool in tools}
        with self._lock:
            other = self._etag not in ("", etag)
            self._body, self._etag, self._targets = body, etag, targets
        if other:
            self._changed()

    def _complain(self, text: str) -> None:
        """Say what is wrong with the skills, once."""
        if text and text != self._complaint:
            sys.stderr.write(f"omni runner: {text}\n")
        self._complaint = text

    # -- resources -----------------------------------------------------------------------------------

    def resources(self) -> dict[str, Any]:
        """Return the answer to `GET /resources`: each skill's SKILL.md and what is below `references/`."""
        resources = [
            {
                "uri": f"{_SCHEME}{quote(skill, safe='')}/{quote(path)}",
                "name": f"{skill}/{path}",
                "mimeType": _kind(path),
                "size": os.path.getsize(f"{folder}/{path}"),
            }
            for skill, folder in sorted(_folders(self.folder).items())
            for path in _texts(folder)
        ]
        return {"resources": resources, "resourceTemplates": []}

    def read(self, uri: str) -> dict[str, Any]:
        """Return the answer to `POST /resources/read`.

        Raises:
            RefusedError: There is no such resource.
        """
        for skill, folder in _folders(self.folder).items():
            prefix = f"{_SCHEME}{quote(skill, safe='')}/"
            if not uri.startswith(prefix):
                continue
            # Compared with what is listed, not resolved: no name leads out of the folder.
            for path in _texts(folder):
                if uri == prefix + quote(path):
                    return {"contents": [_contents(uri, f"{folder}/{path}", path)]}
        raise RefusedError(
            404, "not_found", f"there is no resource `{uri[:200]}`; `GET /resources` lists them"
        )


def _contents(uri: str, file: str, path: str) -> dict[str, Any]:
    try:
        with open(file, "rb") as source:
            data = source.read(_RESOURCE_BYTES_MAX + 1)
    except OSError as error:
        raise RefusedError(404, "not_found", f"`{uri}` cannot be read: {error.strerror}") from None
    if len(data) > _RESOURCE_BYTES_MAX:
        raise RefusedError(404, "not_found", f"`{uri}` has more than {_RESOURCE_BYTES_MAX} bytes")
    try:
        return {"uri": uri, "mimeType": _kind(path), "text": data.decode()}
    except UnicodeDecodeError:
        return {"uri": uri, "mimeType": _kind(path), "blob": base64.b64encode(data).decode()}


def _kind(path: str) -> str:
    if path.endswith((".md", ".markdown")):
        return "text/markdown"
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _folders(skills: str) -> dict[str, str]:
    """Return the folder of every skill, by the skill's name."""
    from omni.skills.find import skill_folders

    return skill_folders(skills)


def _texts(folder: str) -> list[str]:
    """Return the files of a skill that are resources, without links: they may lead elsewhere."""
    found = ["SKILL.md"] if _is_file(f"{folder}/SKILL.md") else []
    for place, folders, names in os.walk(f"{folder}/references"):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        plain = (name for name in sorted(names) if name[0] != "." and _is_file(f"{place}/{name}"))
        found += [os.path.relpath(f"{place}/{name}", folder) for name in plain]
    return found


def _is_file(path: str) -> bool:
    return os.path.isfile(path) and not os.path.islink(path)


def _affinity(tool: dict[str, Any]) -> str:
    return (tool["omni"].get("policy") or {}).get("affinity") or "none"
