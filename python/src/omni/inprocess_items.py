"""The resources and prompts of a folder of skills, for those who serve them from Python."""

from __future__ import annotations

import sys

from omni import uri_templates
from omni.completion_values import VALUES_MAX
from omni.inprocess import InProcessCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from omni.inprocess import InProcessTools


_ARGUMENT_MEMBERS = ("name", "title", "description", "required")


class RefusedItemError(Exception):
    """There is nothing to be read, or it failed.

    `kind` is that of an `error` frame, and `failure` its body where a function has failed.
    """

    def __init__(self, kind: str, message: str, failure: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.failure = failure


class InProcessItems:
    """What a folder has besides tools."""

    def __init__(self, tools: InProcessTools) -> None:
        """Take what `tools` has found; of two with one URI or name the first is meant."""
        self._tools = tools
        self._resources: dict[str, dict] = {}
        self._prompts: dict[str, dict] = {}
        self._completions: dict[tuple[str, str, str], dict] = {}
        for item in tools.items:
            if item["kind"] == "resource":
                uri = item["uri"] or uri_templates.default_uri(item["skill"], item["name"])
                self._resources.setdefault(uri, item)
            elif item["kind"] == "prompt":
                name = item["name"] if item["flat"] else f"{item['skill']}.{item['name']}"
                self._prompts.setdefault(name, item)
        for item in tools.items:
            if item["kind"] == "completion":
                of, name = item["of"]
                self._completions.setdefault((of, item["skill"], f"{name}/{item['argument']}"), item)

    @property
    def completes(self) -> bool:
        """Whether there is an argument that can be completed."""
        items = (*self._prompts.values(), *self._resources.values())
        return bool(self._completions) or any(
            argument["choices"] for item in items for argument in item["arguments"]
        )

    def resources(self, *, for_caller: bool = False) -> dict[str, Any]:
        """Return MCP's lists of resources and of templates; with `for_caller`, which are off."""
        lists: dict[str, Any] = {"resources": [], "resourceTemplates": []}
        for uri, item in sorted(self._resources.items()):
            template = uri_templates.is_template(uri)
            listing = {
                "uriTemplate" if template else "uri": uri,
                "name": item["name"],
                **_common(item, for_caller),
                "mimeType": item["mime_type"],
                "size": None if template else item["size"],
                "annotations": item["annotations"],
            }
            lists["resourceTemplates" if template else "resources"].append(_present(listing))
        return lists

    def prompts(self, *, for_caller: bool = False) -> dict[str, Any]:
        """Return MCP's list of prompts; with `for_caller`, which are off."""
        return {
            "prompts": [
                _present(
                    {
                        "name": name,
                        **_common(item, for_caller),
                        "arguments": [
                            _present({key: argument[key] for key in _ARGUMENT_MEMBERS})
                            for argument in item["arguments"]
                        ],
                    }
                )
                for name, item in sorted(self._prompts.items())
            ]
        }

    def read(self, uri: str) -> dict[str, Any]:
        """Return MCP's `ReadResourceResult`. Raises `RefusedItemError`."""
        item, variables = self._resource(uri)
        body = self._run(item, variables, {"uri": uri})
        return _present({"contents": body["content"], "_meta": body.get("meta")})

    def _resource(self, uri: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the resource of this URI, and the variables of its template."""
        found = uri_templates.find(self._resources, uri)
        if found is None:
            raise RefusedItemError("not_found", f"there is no resource `{uri[:200]}`")
        return found

    def get(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return MCP's `GetPromptResult`. Raises `RefusedItemError`."""
        item = self._prompts.get(name)
        if item is None:
            raise RefusedItemError("not_found", f"there is no prompt `{name[:200]}`")
        body = self._run(item, arguments, {})
        description = body.get("description", item["description"])
        return _present({"description": description, "messages": body["content"], "_meta": body.get("meta")})

    def complete(
        self, kind: str, name: str, argument: str, value: str, known: dict[str, str]
    ) -> dict[str, Any]:
        """Return MCP's `completion` of a prompt's argument or a template's variable.

        Raises:
            RefusedItemError: There is no such prompt, template or argument, or the function failed.
        """
        item = (self._prompts if kind == "prompt" else self._resources).get(name)
        if item is None:
            raise RefusedItemError("not_found", f"there is no {kind} `{name[:200]}`")
        described = next((known for known in item["arguments"] if known["name"] == argument), None)
        if described is None and (kind == "prompt" or argument not in uri_templates.variables_of(name)):
            raise RefusedItemError("invalid_arguments", f"`{name}` has no argument `{argument[:200]}`")
        function = self._completions.get((kind, item["skill"], f"{item['name']}/{argument}"))
        if function is None:
            return _matching(described["choices"] if described else [], value)
        body = self._run(function, {"value": value, "context": known}, {})
        return _present(
            {"values": body["content"], "total": body.get("total"), "hasMore": body.get("has_more")}
        )

    def _run(self, item: dict, arguments: dict, more: dict[str, Any]) -> dict[str, Any]:
        kind, body = self._tools.run_item(item, arguments, say=_say, running=InProcessCall(), more=more)
        if kind == "error":
            raise RefusedItemError(body["kind"], body["message"], body)
        return body


def _say(kind: str, body: dict[str, Any]) -> None:
    """Hear what a function says before its answer, which nobody who asked for that could be told."""
    if kind in ("resource_updated", "show", "hide"):
        what = body.get("uri", body.get("name"))
        sys.stderr.write(
            f"omni: `ctx.{kind}({what!r})` does nothing here: only a tool changes what clients have\n"
        )


def _matching(choices: list[str], typed: str) -> dict[str, Any]:
    """Return the fixed values that go with what was typed, as the server does.

    Those that begin so come first, then those that have it in them, whatever its case.
    """
    typed = typed.lower()
    places = [(choice.lower().find(typed), choice) for choice in choices]
    found = [choice for at, choice in places if at == 0] + [choice for at, choice in places if at > 0]
    return {"values": found[:VALUES_MAX], "total": len(found), "hasMore": len(found) > VALUES_MAX}


def _common(item: dict[str, Any], for_caller: bool) -> dict[str, Any]:  # noqa: FBT001 - passed on
    return {
        "omni": {"enabled": False} if for_caller and item["off"] else None,
        "title": item["title"],
        "description": item["description"],
        "icons": item["icons"],
        "_meta": item["meta"],
    }


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
