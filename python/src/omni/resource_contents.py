"""What a resource function may return, and how that becomes the contents that a client reads."""

from __future__ import annotations

from omni import foreign_content
from omni.content import (
    BadResultError,
    OutputLimitError,
    Rendered,
    block_of,
    has_blocks,
    is_block,
    json_text,
    to_base64,
    type_name,
)
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.skill import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TEXT = "text/plain"
_BYTES = "application/octet-stream"
_JSON = "application/json"
_LINK = "a link has no contents; return what it leads to"
#: Classes of FastMCP and of the official SDK that are one of several contents.
_FOREIGN_ITEMS = frozenset(
    ("ResourceContent", "ReadResourceContents", "TextResourceContents", "BlobResourceContents")
)
_FOREIGN_RESULTS = frozenset(("ResourceResult", "ReadResourceResult"))


class NotFoundError(ToolError):
    """There is nothing of that URI, or of that name: a client is told so by MCP's own error code.

    For resource and prompt functions. A tool that raises it has failed with a message for the model, as by
    `ToolError`.
    """


class ResourceContent:
    """One of the contents of a resource, where the plain value is not enough.

    Args:
        content: Text, bytes, or any other value, which becomes JSON.
        mime_type: Its type; that of the resource by default, else `text/plain`, `application/octet-stream` or
            `application/json`.
        meta: Its `_meta`.
        uri: Its own URI, where it is another one than was asked for: a file of a folder, say.
    """

    __slots__ = ("content", "meta", "mime_type", "uri")

    def __init__(
        self,
        content: Any,
        mime_type: str | None = None,
        meta: dict[str, Any] | None = None,
        *,
        uri: str | None = None,
    ) -> None:
        self.content = content
        self.mime_type = mime_type
        self.meta = meta
        self.uri = uri

    def __repr__(self) -> str:
        return f"<ResourceContent {self.content!r:.80}>"


class ResourceResult:
    """Several contents of a resource, or contents with a `_meta` of the whole result.

    Args:
        contents: Text, bytes, a value, or a list of `ResourceContent` and other contents.
        meta: The result's `_meta`.
    """

    __slots__ = ("contents", "meta")

    def __init__(self, contents: Any, meta: dict[str, Any] | None = None) -> None:
        self.contents = contents
        self.meta = meta

    def __repr__(self) -> str:
        return f"<ResourceResult {self.contents!r:.80}>"


def render_resource(
    value: Any, uri: str, mime_type: str | None, bytes_max: int, own_meta: dict[str, Any] | None = None
) -> Rendered:
    """Turn a resource function's return value into MCP's `contents`.

    Args:
        value: What it returned.
        uri: The one that was asked for.
        mime_type: What the resource is said to be, if anything.
        bytes_max: What a file may have that is to be read.
        own_meta: The `_meta` of each of the contents, beneath what those say themselves.

    Raises:
        BadResultError: It has no contents, or something in it has no form in JSON.
        OutputLimitError: It is a file of more than `bytes_max` bytes.
        OSError: It is a file that cannot be read.
    """
    meta = None
    named = foreign_content.name_of_object(value)
    if isinstance(value, ResourceResult):
        value, meta = value.contents, value.meta
    elif named in _FOREIGN_RESULTS:
        value, meta = list(value.contents), foreign_content.member(value, "meta")
    items = list(value) if isinstance(value, (list, tuple)) and _are_contents(value) else [value]
    one = len(items) == 1
    written = [
        json_text(
            _with_meta(
                _content(item, uri, mime_type, bytes_max, "result" if one else f"result[{index}]"), own_meta
            ),
            "result" if one else f"result[{index}]",
        )
        for index, item in enumerate(items)
    ]
    return Rendered(
        "[" + ",".join(written) + "]", None, None if meta is None else json_text(meta, "result.meta")
    )


def _with_meta(item: dict[str, Any], own_meta: dict[str, Any] | None) -> dict[str, Any]:
    """Return the contents with what is said of the resource, as hosts of apps look for it there."""
    return {**item, "_meta": {**own_meta, **(item.get("_meta") or {})}} if own_meta else item


def _are_contents(values: Any) -> bool:
    """Tell whether a list is several contents, and not one value that is a list."""
    return has_blocks(values) or any(
        isinstance(value, (ResourceContent, bytes, bytearray, memoryview))
        or _is_path(value)
        or foreign_content.name_of_object(value) in _FOREIGN_ITEMS
        for value in values
    )


def _content(value: Any, uri: str, mime_type: str | None, bytes_max: int, path: str) -> dict[str, Any]:
    """Return one of the contents as MCP spells it."""
    meta = None
    named = foreign_content.name_of_object(value)
    if isinstance(value, ResourceContent) or named in ("ResourceContent", "ReadResourceContents"):
        mime_type = value.mime_type or mime_type
        meta = value.meta
        uri = getattr(value, "uri", None) or uri
        value = value.content
    elif named in _FOREIGN_ITEMS:
        return foreign_content.members_of(value)
    if is_block(type(value)):
        return _block(value, str(uri), mime_type, path)
    if _is_path(value):
        value, found = _file(value, bytes_max)
        mime_type = mime_type or found
    if isinstance(value, str):
        item = {"uri": str(uri), "mimeType": mime_type or _TEXT, "text": value}
    elif isinstance(value, (bytes, bytearray, memoryview)):
        item = {"uri": str(uri), "mimeType": mime_type or _BYTES, "blob": to_base64(bytes(value))}
    elif value is None:
        raise BadResultError(
            f"{path} is `None`, which is no contents; return text, bytes or a value, or raise "
            "`NotFoundError` where there is nothing of that URI"
        )
    else:
        item = {"uri": str(uri), "mimeType": mime_type or _JSON, "text": json_text(value, path)}
    if meta is not None:
        item["_meta"] = meta
    return item


def _block(value: Any, uri: str, mime_type: str | None, path: str) -> dict[str, Any]:
    """Return what a content block holds as contents, under the URI and of the type that it names itself."""
    block = block_of(value)
    kind = block["type"]
    if kind == "resource_link":
        raise BadResultError(f"{path} is a `{type_name(type(value))}`: {_LINK}")
    if kind == "resource":
        item = dict(block["resource"])
    elif kind == "text":
        item = {"uri": uri, "mimeType": mime_type or _TEXT, "text": block["text"]}
    else:
        item = {"uri": uri, "mimeType": block["mimeType"], "blob": block["data"]}
    if "_meta" in block:
        item.setdefault("_meta", block["_meta"])
    return item


def _is_path(value: Any) -> bool:
    return hasattr(type(value), "__fspath__")


def _file(path: Any, bytes_max: int) -> tuple[str | bytes, str | None]:
    """Return what a file holds, as text where it is UTF-8, and its type by its name."""
    import os
    from mimetypes import MimeTypes
    from stat import S_ISREG

    # What a pipe or a device would do nobody has waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not S_ISREG(state.st_mode):
            raise BadResultError(f"result is the path `{os.fspath(path)}`, which is no regular file")
        if state.st_size > bytes_max:
            raise OutputLimitError(
                f"the file `{os.fspath(path)}` is {state.st_size} bytes, more than the {bytes_max} allowed; "
                "return a part of it"
            )
        data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise OutputLimitError(f"the file `{os.fspath(path)}` is more than the {bytes_max} bytes allowed")
    # Without what this machine's own tables would add.
    types = MimeTypes()
    types.add_type("text/markdown", ".md")
    mime_type = types.guess_type(os.fspath(path))[0]
    try:
        return data.decode(), mime_type
    except UnicodeDecodeError:
        return data, mime_type
