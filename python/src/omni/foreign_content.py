"""What functions return that was written for another server: classes of FastMCP and of the official SDK.

They are known by their names and their packages, and none is imported here: an object of such a class exists
only where its package has been imported.
"""

from __future__ import annotations

from sys import modules as _modules

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PACKAGES = ("mcp_types", "mcp", "fastmcp")

#: Classes whose objects are one content block.
BLOCKS = frozenset(
    (
        *("TextContent", "ImageContent", "AudioContent", "ResourceLink", "EmbeddedResource"),
        # These become one, by a method that is named after what they become.
        *("Image", "Audio", "File"),
    )
)
_CONVERSIONS = ("to_image_content", "to_audio_content", "to_resource_content")


def is_loaded() -> bool:
    """Tell whether such objects can exist in this process at all."""
    return any(package in _modules for package in _PACKAGES)


def name_of(kind: type) -> str | None:
    """Return what a class of those packages is called, or the one that a class is derived from."""
    for base in kind.__mro__:
        module = getattr(base, "__module__", None)
        if isinstance(module, str) and module.partition(".")[0] in _PACKAGES and base.__name__[:1] != "_":
            return base.__name__
    return None


def name_of_object(value: Any) -> str | None:
    """Return what the class of an object is called in those packages, if it is of one of them."""
    return name_of(type(value)) if is_loaded() else None


def block_of(value: Any) -> dict[str, Any]:
    """Return a content block as MCP spells it. Raises whatever the object's own methods raise."""
    for conversion in _CONVERSIONS:
        convert = getattr(value, conversion, None)
        if convert is not None:
            value = convert()
            break
    return members_of(value)


def members_of(value: Any) -> dict[str, Any]:
    """Return the members of one of MCP's own objects, as MCP spells them."""
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


def member(value: Any, *names: str) -> Any:
    """Return the first of these attributes that is there and not None: versions differ in spelling."""
    for name in names:
        found = getattr(value, name, None)
        if found is not None:
            return found
    return None
