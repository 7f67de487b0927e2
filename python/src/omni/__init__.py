"""What a skill author imports: `from omni import tool, Context, ToolError`.

Names are loaded on first use, so that importing the package costs next to nothing: a worker imports it
before it is ready, and an author may import one name of ten.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from omni.completion_decorator import completion
    from omni.content import Audio, EmbeddedResource, Image, ResourceLink, Text, ToolResult
    from omni.decorator import skill_command, tool
    from omni.prompt_decorator import prompt
    from omni.resource_decorator import resource, skill_resource
    from omni.skill import CallCancelled, Context, ToolError, heartbeat, progress, remaining

__version__ = "0.1.0"
__all__ = [
    "Audio",
    "CallCancelled",
    "Context",
    "EmbeddedResource",
    "Image",
    "ResourceLink",
    "Text",
    "ToolError",
    "ToolResult",
    "completion",
    "heartbeat",
    "progress",
    "prompt",
    "remaining",
    "resource",
    "skill_command",
    "skill_resource",
    "tool",
]

_HOMES = {
    "Audio": "content",
    "CallCancelled": "skill",
    "Context": "skill",
    "EmbeddedResource": "content",
    "Image": "content",
    "ResourceLink": "content",
    "Text": "content",
    "ToolError": "skill",
    "ToolResult": "content",
    "completion": "completion_decorator",
    "heartbeat": "skill",
    "progress": "skill",
    "prompt": "prompt_decorator",
    "remaining": "skill",
    "resource": "resource_decorator",
    "skill_command": "decorator",
    "skill_resource": "resource_decorator",
    "tool": "decorator",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        message = f"module `omni` has no attribute `{name}`"
        raise AttributeError(message)
    value = getattr(__import__("omni." + home, fromlist=(name,)), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})
