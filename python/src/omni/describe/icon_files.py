"""Icons that are files of the skill, as the server sends them: each a `data:` URI."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from omni import safe_paths
from omni.skill import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

#: Bytes of an icon that is a file, at most.
ICON_BYTES_MAX = 16 << 10

_TYPES = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "ico": "image/vnd.microsoft.icon",
}


def embed(
    folder: str, icons: list[dict] | None, report: Callable[[str], None]
) -> list[dict[str, Any]] | None:
    """Return the icons with the files of the skill in them; one that cannot be shown is reported.

    Args:
        folder: The skill's.
        icons: As they were given.
        report: Takes what is wrong with one.
    """
    shown: list[dict[str, Any]] = []
    for icon in icons or ():
        path = icon["src"]
        if re.match(r"[A-Za-z0-9+.-]*:", path):
            shown.append(icon)
            continue
        mime_type = _TYPES.get(path.rpartition(".")[2].lower())
        data, why = _read(folder, path) if mime_type else (b"", "it is no image")
        if why:
            report(f"`{path}`, an icon, is not shown: {why}")
            continue
        uri = f"data:{mime_type};base64,{base64.b64encode(data).decode()}"
        shown.append({**icon, "src": uri, "mimeType": icon.get("mimeType", mime_type)})
    return shown or None


def _read(folder: str, path: str) -> tuple[bytes, str]:
    """Return what a file of the skill holds, and why it cannot be an icon, if so."""
    try:
        with safe_paths.open_file(Path(folder), path) as file:
            data = file.read(ICON_BYTES_MAX + 1)
    except (OSError, ValueError, ToolError) as error:
        return b"", str(error)
    too_large = f"it has more than the {ICON_BYTES_MAX} bytes that an icon may have"
    return data, too_large if len(data) > ICON_BYTES_MAX else ""
