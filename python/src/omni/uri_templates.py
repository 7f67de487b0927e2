"""Which variables a URI has by a template: `{x}`, `{x*}` over several segments, and `{?a,b}` behind it.

For callers without a server, whose catalogue does the same in Rust.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    Resource = TypeVar("Resource")


def default_uri(skill: str, name: str) -> str:
    """Return where a resource is read whose author gives no URI."""
    return f"omni://skill/{quote(skill, safe='')}/{quote(name, safe='')}"


def is_template(uri: str) -> bool:
    """Tell whether a URI has variables."""
    return "{" in uri


def variables_of(template: str) -> list[str]:
    """Return the names of a template's variables, in their order."""
    names = []
    for inside in re.findall(r"\{([^}]*)\}", template):
        names += [name.strip().rstrip("*") for name in inside.lstrip("+/?&").split(",")]
    return names


def find(resources: Mapping[str, Resource], uri: str) -> tuple[Resource, dict[str, str]] | None:
    """Return what is read at a URI, and the variables: what has it, else the first template it comes of.

    Args:
        resources: By their URIs and templates.
        uri: The one that is asked for.
    """
    if uri in resources and not is_template(uri):
        return resources[uri], {}
    for template, resource in resources.items():
        variables = match(template, uri) if is_template(template) else None
        if variables is not None:
            return resource, variables
    return None


def match(template: str, uri: str) -> dict[str, str] | None:
    """Return the variables with which a template becomes this URI, decoded; None where it does not."""
    path, _, query = template.partition("{?")
    asked, _, given = uri.partition("?") if query else (uri, "", "")
    pattern = ""
    for piece in re.split(r"(\{[^}]*\})", path):
        if piece[:1] == "{":
            name = piece[1:-1].lstrip("+/")
            pattern += f"(?P<{name.rstrip('*')}>{'.+' if name.endswith('*') else '[^/?#]+'})"
        else:
            pattern += re.escape(piece)
    found = re.fullmatch(pattern, asked)
    if found is None:
        return None
    wanted = query.rstrip("}").split(",")
    more = {name: value for name, value in parse_qsl(given, keep_blank_values=True) if name in wanted}
    return {**{name: unquote(value) for name, value in found.groupdict().items()}, **more}
