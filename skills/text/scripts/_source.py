"""Where does the text of a call come from: the call itself, or a file of the project?"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Optional

from omni import ToolError
from omni.safe_paths import open_file

# What one call works on. Everything here holds the whole text in memory.
TEXT_BYTES_MAX = 64 * 1024 * 1024

_MARKS = (
    # UTF-32 first: its mark begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def text_of(root: Path, text: Optional[str], path: Optional[str], names: str = "`text` or `path`") -> str:
    """Return the text of a call that takes either a text or a path.

    Args:
        root: The project root.
        text: The text itself.
        path: A file beneath the root, in UTF-8 or with a mark that says otherwise.
        names: How the two parameters are called, for the error text.

    Raises:
        ToolError: Not exactly one of them was given, or the file is missing, too large or not text.
    """
    if text is not None and path is None:
        return text
    if text is not None or path is None:
        raise ToolError(f"give exactly one of {names}: the text itself, or a file of the project")
    with open_file(root, path) as file:
        data = file.read(TEXT_BYTES_MAX + 1)
    if len(data) > TEXT_BYTES_MAX:
        raise ToolError(f"`{path}` is larger than {TEXT_BYTES_MAX >> 20} MB; cut it into pieces first")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ToolError(
            f"`{path}` is not {encoding} text: byte {error.start} cannot be decoded. `text_hash` takes any file"
        ) from None
