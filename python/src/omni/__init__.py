"""What a skill author imports: `from omni import tool, Context, ToolError`.

Names are loaded on first use, so that importing the package costs next to nothing: a worker imports it
before it is ready, and an author may import one name of ten.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from omni.app_config import AppConfig, Icon, ResourceCSP, ResourcePermissions
    from omni.call_errors import AskRefused, CallCancelled, McpError, ToolError
    from omni.completion_decorator import completion
    from omni.completion_values import CompletionResult
    from omni.content import Audio, EmbeddedResource, Image, ResourceLink, Text, ToolResult
    from omni.decorator import skill_command, tool
    from omni.elicit import AcceptedElicitation, CancelledElicitation, DeclinedElicitation
    from omni.prompt_decorator import prompt
    from omni.prompt_messages import AssistantMessage, Message, PromptResult, UserMessage
    from omni.resource_contents import NotFoundError, ResourceContent, ResourceResult
    from omni.resource_decorator import resource, skill_resource
    from omni.sample import Root, SamplingResult
    from omni.server_requests import Client, RequestError, ToolCallError, ToolCallResult
    from omni.skill import Context, heartbeat, progress, remaining, resource_updated

__version__ = "0.1.0"
__all__ = [
    "AcceptedElicitation",
    "AppConfig",
    "AskRefused",
    "AssistantMessage",
    "Audio",
    "CallCancelled",
    "CancelledElicitation",
    "Client",
    "CompletionResult",
    "Context",
    "DeclinedElicitation",
    "EmbeddedResource",
    "Icon",
    "Image",
    "McpError",
    "Message",
    "NotFoundError",
    "PromptResult",
    "RequestError",
    "ResourceCSP",
    "ResourceContent",
    "ResourceLink",
    "ResourcePermissions",
    "ResourceResult",
    "Root",
    "SamplingResult",
    "Text",
    "ToolCallError",
    "ToolCallResult",
    "ToolError",
    "ToolResult",
    "UserMessage",
    "completion",
    "heartbeat",
    "progress",
    "prompt",
    "remaining",
    "resource",
    "resource_updated",
    "skill_command",
    "skill_resource",
    "tool",
]

_HOMES = {
    "AcceptedElicitation": "elicit",
    "AppConfig": "app_config",
    "AskRefused": "call_errors",
    "AssistantMessage": "prompt_messages",
    "Audio": "content",
    "CallCancelled": "call_errors",
    "CancelledElicitation": "elicit",
    "Client": "server_requests",
    "CompletionResult": "completion_values",
    "Context": "skill",
    "DeclinedElicitation": "elicit",
    "EmbeddedResource": "content",
    "Icon": "app_config",
    "Image": "content",
    "McpError": "call_errors",
    "Message": "prompt_messages",
    "NotFoundError": "resource_contents",
    "PromptResult": "prompt_messages",
    "RequestError": "server_requests",
    "ResourceCSP": "app_config",
    "ResourceContent": "resource_contents",
    "ResourceLink": "content",
    "ResourcePermissions": "app_config",
    "ResourceResult": "resource_contents",
    "Root": "sample",
    "SamplingResult": "sample",
    "Text": "content",
    "ToolCallError": "server_requests",
    "ToolCallResult": "server_requests",
    "ToolError": "call_errors",
    "ToolResult": "content",
    "completion": "completion_decorator",
    "UserMessage": "prompt_messages",
    "heartbeat": "skill",
    "progress": "skill",
    "prompt": "prompt_decorator",
    "remaining": "skill",
    "resource": "resource_decorator",
    "resource_updated": "skill",
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
