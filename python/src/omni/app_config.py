"""What an icon is, what a tool says of the page that shows its results, and what a page may load.

They are dictionaries as MCP and its extension for apps spell them, under names that FastMCP's authors know.
"""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What Python spells otherwise than the extension does.
SPELLINGS = {
    "resource_uri": "resourceUri",
    "prefers_border": "prefersBorder",
    "connect_domains": "connectDomains",
    "resource_domains": "resourceDomains",
    "frame_domains": "frameDomains",
    "base_uri_domains": "baseUriDomains",
    "clipboard_write": "clipboardWrite",
    "mime_type": "mimeType",
}


class _Dictionary(dict):
    """A dictionary of what was given, as the protocol spells it."""

    def __init__(self, **given: Any) -> None:
        members = {name: value for name, value in given.items() if value is not None}
        super().__init__((SPELLINGS.get(name, name), value) for name, value in members.items())


class Icon(_Dictionary):
    """An icon of a tool, resource or prompt.

    Args:
        src: An `https:` or `data:` URI, or an image of the skill of 16 KiB at most, relative to its folder.
        mime_type: Its type, as `image/png`; of a file that is known.
        sizes: For which sizes it is, as `["48x48"]`, or `["any"]`.
        theme: For which background it is, `"light"` or `"dark"`.
    """

    def __init__(
        self,
        src: str,
        mime_type: str | None = None,
        sizes: list[str] | None = None,
        theme: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(src=src, mime_type=mime_type, sizes=sizes, theme=theme, **more)


class ResourceCSP(_Dictionary):
    """Origins that a page may reach: without one it reaches none.

    Args:
        connect_domains: For requests, as `https://api.example.com` or `wss://live.example.com`.
        resource_domains: For scripts, styles, images, fonts and media, also `https://*.example.com`.
        frame_domains: For pages within it.
        base_uri_domains: For its `<base>`.
    """

    def __init__(
        self,
        *,
        connect_domains: list[str] | None = None,
        resource_domains: list[str] | None = None,
        frame_domains: list[str] | None = None,
        base_uri_domains: list[str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(
            connect_domains=connect_domains,
            resource_domains=resource_domains,
            frame_domains=frame_domains,
            base_uri_domains=base_uri_domains,
            **more,
        )


class ResourcePermissions(_Dictionary):
    """What a page asks the browser for, each as `{}`. A host may refuse it.

    Args:
        camera: The camera.
        microphone: The microphone.
        geolocation: Where the user is.
        clipboard_write: To write to the clipboard.
    """

    def __init__(
        self,
        *,
        camera: dict[str, Any] | None = None,
        microphone: dict[str, Any] | None = None,
        geolocation: dict[str, Any] | None = None,
        clipboard_write: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(
            camera=camera,
            microphone=microphone,
            geolocation=geolocation,
            clipboard_write=clipboard_write,
            **more,
        )


class AppConfig(_Dictionary):
    """The value of `app=`: of a tool its page and who sees it, of a page what it may do.

    Args:
        resource_uri: Of a tool: the page that hosts show with its results, a `ui://` URI.
        visibility: Of a tool: who is meant to call it, `"model"`, `"app"` or both; both where it is left
            out. It keeps nobody from calling it.
        csp: Of a page: the origins that it may reach.
        permissions: Of a page: what it asks the browser for.
        domain: Of a page: the origin that it runs under, as its host spells one.
        prefers_border: Of a page: whether the host draws a border around it.
    """

    def __init__(
        self,
        *,
        resource_uri: str | None = None,
        visibility: list[str] | None = None,
        csp: dict[str, Any] | None = None,
        permissions: dict[str, Any] | None = None,
        domain: str | None = None,
        prefers_border: bool | None = None,
        **more: Any,
    ) -> None:
        super().__init__(
            resource_uri=resource_uri,
            visibility=visibility,
            csp=csp,
            permissions=permissions,
            domain=domain,
            prefers_border=prefers_border,
            **more,
        )
