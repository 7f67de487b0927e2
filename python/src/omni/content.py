"""What a tool may return, and how that becomes content blocks and structured content."""

from __future__ import annotations

from sys import modules as _modules

from omni import foreign_content, wire
from omni.constants import RESULT_BYTES_MAX
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike
    from typing import Any, ClassVar

_quote = wire.quote
_IMAGE_TYPES = {"jpg": "image/jpeg", "svg": "image/svg+xml", "ico": "image/x-icon"}
_AUDIO_TYPES = {"mp3": "audio/mpeg", "m4a": "audio/mp4", "oga": "audio/ogg"}


class BadResultError(Exception):
    """The tool returned something that JSON cannot carry. The text names where and what."""


class OutputLimitError(Exception):
    """The result is larger than a result may be."""


class _Block:
    """A content block. `annotations` is MCP's (audience, priority); `meta` becomes `_meta`."""

    __slots__ = ("annotations", "meta")

    def __init__(self, annotations: dict[str, Any] | None, meta: dict[str, Any] | None) -> None:
        self.annotations = annotations
        self.meta = meta

    def block(self) -> dict[str, Any]:
        """Return the block as MCP spells it."""
        raise NotImplementedError

    def _common(self, block: dict[str, Any]) -> dict[str, Any]:
        if self.annotations is not None:
            block["annotations"] = self.annotations
        if self.meta is not None:
            block["_meta"] = self.meta
        return {name: value for name, value in block.items() if value is not None}

    def __eq__(self, other: object) -> bool:
        return self.block() == other.block() if isinstance(other, _Block) else NotImplemented

    __hash__ = None

    def __repr__(self) -> str:
        shown = str(self.block())
        return f"<{type(self).__name__} {shown if len(shown) < 120 else shown[:117] + '...'}>"


class Text(_Block):
    """Text, where plain `str` is not enough because it carries annotations.

    Args:
        text: What the model reads.
        annotations: MCP annotations: `{"audience": ["user"], "priority": 0.5}`.
        meta: The block's `_meta`.
    """

    __slots__ = ("text",)

    def __init__(
        self, text: str, *, annotations: dict[str, Any] | None = None, meta: dict[str, Any] | None = None
    ) -> None:
        super().__init__(annotations, meta)
        self.text = text

    def block(self) -> dict[str, Any]:
        """Return the block as MCP spells it."""
        return self._common({"type": "text", "text": self.text})


class _Media(_Block):
    """Bytes with a MIME type, from memory or from a file."""

    __slots__ = ("data", "mime_type")

    _kind = ""
    _types: ClassVar[dict[str, str]] = {}
    _default = ""

    def __init__(
        self,
        data: bytes | str | PathLike[str] | None = None,
        *,
        path: str | PathLike[str] | None = None,
        format: str | None = None,  # noqa: A002 - the name that other Python servers gave it
        mime_type: str | None = None,
        annotations: dict[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        """Take the bytes themselves or the path of a file, which is read at once, whole.

        Args:
            data: The bytes; a text or a path here is taken as `path`.
            path: A file to read instead; its suffix gives the type unless one is named.
            format: Short name of the type: `png` means `image/png` here.
            mime_type: The type in full.
            annotations: MCP annotations (audience, priority).
            meta: The block's `_meta`.

        Raises:
            ValueError: Both `data` and `path` are given, or neither.
            OSError: The file cannot be read.
        """
        super().__init__(annotations, meta)
        if (data is None) == (path is None):
            message = f"`{type(self).__name__}` takes either `data` or `path`"
            raise ValueError(message)
        if isinstance(data, str) or hasattr(type(data), "__fspath__"):
            # Other Python servers take the path first.
            data, path = None, data
        suffix = format
        if path is not None:
            with open(path, "rb") as file:
                data = file.read()
            name = str(path).replace("\\", "/").rpartition("/")[2]
            suffix = suffix or name.rpartition(".")[2] if "." in name else suffix
        if mime_type is None:
            suffix = (suffix or self._default).lower()
            mime_type = self._types.get(suffix) or f"{self._kind}/{suffix}"
        self.data = bytes(data)
        self.mime_type = mime_type

    def block(self) -> dict[str, Any]:
        """Return the block as MCP spells it."""
        return self._common({"type": self._kind, "data": to_base64(self.data), "mimeType": self.mime_type})


class Image(_Media):
    """A picture: `Image(path="plot.png")` or `Image(data, format="png")`.

    PNG unless a name, `format` or `mime_type` says otherwise. It is not looked into.
    """

    __slots__ = ()
    _kind = "image"
    _types = _IMAGE_TYPES
    _default = "png"


class Audio(_Media):
    """Sound: `Audio(path="hello.wav")` or `Audio(data, format="wav")`.

    WAV unless a name, `format` or `mime_type` says otherwise. It is not looked into.
    """

    __slots__ = ()
    _kind = "audio"
    _types = _AUDIO_TYPES
    _default = "wav"


class ResourceLink(_Block):
    """A pointer to something that the client can read or show by itself: a large file, a page."""

    __slots__ = ("description", "mime_type", "name", "size", "title", "uri")

    def __init__(
        self,
        uri: str,
        name: str | None = None,
        *,
        title: str | None = None,
        description: str | None = None,
        mime_type: str | None = None,
        size: int | None = None,
        annotations: dict[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        """Point to `uri`, which is not read here and need not be a resource of this server.

        Args:
            uri: Where it is: `file:///…`, `https://…` or any other scheme that the client knows.
            name: Its name; the last part of `uri` by default.
            title: A name for people.
            description: What it is, for the model.
            mime_type: Its type, such as `text/csv`.
            size: In bytes.
            annotations: MCP annotations (audience, priority).
            meta: The block's `_meta`.
        """
        super().__init__(annotations, meta)
        self.uri = str(uri)
        self.name = name if name is not None else self.uri.rstrip("/").rpartition("/")[2] or self.uri
        self.title = title
        self.description = description
        self.mime_type = mime_type
        self.size = size

    def block(self) -> dict[str, Any]:
        """Return the block as MCP spells it."""
        return self._common(
            {
                "type": "resource_link",
                "uri": self.uri,
                "name": self.name,
                "title": self.title,
                "description": self.description,
                "mimeType": self.mime_type,
                "size": self.size,
            }
        )


class EmbeddedResource(_Block):
    """A resource's content inside the result: text or bytes."""

    __slots__ = ("data", "mime_type", "text", "uri")

    def __init__(
        self,
        uri: str,
        text: str | None = None,
        *,
        data: bytes | None = None,
        mime_type: str | None = None,
        annotations: dict[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        """Embed `text` or `data` under the name `uri`.

        Args:
            uri: What it is called; any URI.
            text: The content, when it is text.
            data: The content, when it is bytes: sent in base64.
            mime_type: Its type, such as `text/csv`.
            annotations: MCP annotations (audience, priority).
            meta: The block's `_meta`.

        Raises:
            ValueError: Both `text` and `data` are given, or neither.
        """
        super().__init__(annotations, meta)
        if (data is None) == (text is None):
            message = "`EmbeddedResource` takes either `text` or `data`"
            raise ValueError(message)
        self.uri = str(uri)
        self.text = text
        self.data = None if data is None else bytes(data)
        self.mime_type = mime_type

    def block(self) -> dict[str, Any]:
        """Return the block as MCP spells it."""
        resource = {"uri": self.uri}
        if self.mime_type is not None:
            resource["mimeType"] = self.mime_type
        if self.text is not None:
            resource["text"] = self.text
        else:
            resource["blob"] = to_base64(self.data)
        return self._common({"type": "resource", "resource": resource})


class ToolResult:
    """A result given in full, where a plain return value is not enough.

    The structured value is checked against the tool's output schema, where it has one.

    Args:
        content: What the model reads: text, a content block, or a list of them. Left out, it is the
            structured value as JSON text.
        structured: The structured content, sent as it is.
        meta: The result's `_meta`.
        is_error: The call failed in a way that the model should see; like `ToolError`, with content.
    """

    __slots__ = ("content", "is_error", "meta", "structured")

    def __init__(
        self,
        content: Any = None,
        structured: Any = None,
        meta: dict[str, Any] | None = None,
        *,
        is_error: bool = False,
    ) -> None:
        self.content = content
        self.structured = structured
        self.meta = meta
        self.is_error = is_error

    def __repr__(self) -> str:
        return f"<ToolResult {self.content!r}>"


class Rendered:
    """A result's parts as JSON text."""

    __slots__ = ("content", "is_error", "meta", "structured")

    def __init__(
        self, content: str, structured: str | None = None, meta: str | None = None, *, is_error: bool = False
    ) -> None:
        self.content = content
        self.structured = structured
        self.meta = meta
        self.is_error = is_error

    def says_something(self) -> bool:
        """Tell whether the content has more than empty text."""
        return self.content not in ("[]", '[{"type":"text","text":""}]')


class Yielded(list):
    """What an iterator has yielded; it may have had more to yield."""


def materialised(value: object, most: int | None = None) -> object:
    """Return a list of what a generator or another iterator yields; any other value as it is.

    This runs the tool's own code, so it belongs where that may run. Whatever that code raises is raised.

    Args:
        value: What a function has returned.
        most: So many values are enough, and no more are asked for.

    Raises:
        OutputLimitError: It yields more than a result may hold. One without end would take all memory.
    """
    kind = type(value)
    if not (hasattr(kind, "__next__") and hasattr(kind, "__iter__")):
        return value
    room = _Room()
    if most is None:
        return [room.take(item) for item in value]  # type: ignore[attr-defined]
    return Yielded(room.take(item) for _, item in zip(range(most), value))  # type: ignore[call-overload]


async def materialised_async(values: Any, most: int | None = None) -> list[object]:
    """Return a list of what an asynchronous generator yields, as `materialised` does.

    Raises:
        OutputLimitError: As for `materialised`.
    """
    room = _Room()
    if most is None:
        return [room.take(item) async for item in values]
    taken = Yielded()
    async for item in values:
        taken.append(room.take(item))
        if len(taken) == most:
            close = getattr(values, "aclose", None)
            if close is not None:
                await close()
            break
    return taken


class _Room:
    """The least that items take as JSON, against what a result may have."""

    __slots__ = ("_count", "_left")

    def __init__(self) -> None:
        self._left = RESULT_BYTES_MAX
        self._count = 0

    def take(self, item: object) -> object:
        # A digit and a comma; of text and bytes each sign is a byte at least.
        self._left -= 2 + (len(item) if type(item) in _COUNTED else 0)
        self._count += 1
        if self._left < 0:
            message = (
                f"it had yielded {self._count} values, for which {RESULT_BYTES_MAX} bytes are too few, "
                "and had not ended; stop after some of them, and say that there is more"
            )
            raise OutputLimitError(message)
        return item


_COUNTED = (str, bytes)


def is_async_iterator(value: object) -> bool:
    """Tell whether a value is an asynchronous generator or another asynchronous iterator."""
    return hasattr(type(value), "__anext__")


def render(value: object, *, structured: bool, wrap: bool) -> Rendered:
    """Turn a tool's return value into content and, when its schema asks for it, structured content.

    Raises:
        BadResultError: Something in it has no form in JSON.
    """
    value = _own_result(value)
    if isinstance(value, ToolResult):
        return _render_in_full(value)
    content, body = _content_of(value)
    if not structured or body is None:
        return Rendered(content)
    return Rendered(content, '{"result":' + body + "}" if wrap else body)


_FOREIGN_RESULTS = frozenset(("ToolResult", "CallToolResult"))


def _own_result(value: Any) -> Any:
    """Return a whole result of FastMCP or the official SDK as one of ours, any other value as it is."""
    if isinstance(value, str) or foreign_content.name_of_object(value) not in _FOREIGN_RESULTS:
        return value
    member = foreign_content.member
    return ToolResult(
        list(value.content),
        member(value, "structured_content", "structuredContent"),
        member(value, "meta"),
        is_error=bool(member(value, "is_error", "isError")),
    )


def _render_in_full(value: ToolResult) -> Rendered:
    structured = None if value.structured is None else json_text(value.structured, "result.structured")
    if value.content is None and structured is not None:
        content = _twin(structured)
    else:
        content = _content_of(value.content, "result.content")[0]
    meta = None if value.meta is None else json_text(value.meta, "result.meta")
    return Rendered(content, structured, meta, is_error=bool(value.is_error))


def _content_of(value: object, path: str = "result") -> tuple[str, str | None]:
    """Return the content blocks, and the value itself as JSON text where it has one."""
    if isinstance(value, str):
        body = _quote(value)
        return '[{"type":"text","text":' + body + "}]", body
    if value is None:
        return "[]", "null"
    if is_block(type(value)):
        return "[" + json_text(block_of(value), path) + "]", None
    if isinstance(value, (list, tuple)) and has_blocks(value):
        return _blocks(value, path), None
    body = json_text(value, path)
    return _twin(body), body


def _twin(body: str) -> str:
    """Return the content that says what a structured value says; nothing is no content."""
    return "[]" if body == "null" else '[{"type":"text","text":' + twin_text(body) + "}]"


def twin_text(body: str) -> str:
    """Return the text that says what a value says, both as JSON: the value's JSON, and of a text no quotes.

    So a date, a UUID or an enum reads as the text that stands for it.
    """
    # What is text in JSON is a member's value already as it stands.
    return body if body[0] == '"' else _quote(body)


def is_block(kind: type) -> bool:
    """Tell whether objects of a class are content blocks: ours, FastMCP's or the official SDK's."""
    if issubclass(kind, _Block):
        return True
    return foreign_content.is_loaded() and foreign_content.name_of(kind) in foreign_content.BLOCKS


def block_of(value: Any) -> dict[str, Any]:
    """Return a content block as MCP spells it. Raises what a class of somebody else's raises."""
    return value.block() if isinstance(value, _Block) else foreign_content.block_of(value)


def has_blocks(values: Iterable[object]) -> bool:
    """Tell whether a content block is among these values."""
    return any(map(is_block, set(map(type, values))))


def _blocks(values: Iterable[object], path: str) -> str:
    parts = []
    for index, value in enumerate(values):
        content, _ = _content_of(value, f"{path}[{index}]")
        if content != "[]":
            parts.append(content[1:-1])
    return "[" + ",".join(parts) + "]"


def text_content(text: str) -> str:
    """Return the content that is one text, as JSON."""
    return '[{"type":"text","text":' + _quote(text) + "}]"


def to_base64(data: bytes) -> str:
    """Return bytes as MCP sends them."""
    from binascii import b2a_base64

    return b2a_base64(data, newline=False).decode("ascii")


def json_text(value: object, path: str = "result") -> str:
    """Write a value as compact JSON.

    Raises:
        BadResultError: Something in it has no form in JSON; the text names the path and the type.
    """
    text = _orjson_text(value) if _orjson.module else None
    if text is not None:
        return text
    try:
        text = _write(value)
    except (TypeError, ValueError, RecursionError, BadResultError):
        # The quick way does not know where it was. Walk the value: that finds the place, and handles
        # the keys which the quick way does not know.
        return _write(_plain(value, path, ()))
    if len(text) > _LARGE_CHARACTERS and not _orjson.tried:
        _orjson.load()
    return text


class _Orjson:
    """The environment's `orjson`, if it has one: ten times as fast as the library.

    Loading it takes as long as writing a megabyte without it, so it waits for the first large result.
    """

    __slots__ = ("module", "options", "tried")

    def __init__(self) -> None:
        self.module: Any = None
        self.options = 0
        self.tried = False

    def load(self) -> None:
        self.tried = True
        try:
            import orjson

            # Left to us, so that they come out the same with and without it.
            self.options = (
                orjson.OPT_PASSTHROUGH_DATACLASS
                | orjson.OPT_PASSTHROUGH_DATETIME
                | orjson.OPT_PASSTHROUGH_SUBCLASS
            )
            self.module = orjson
        except Exception:
            self.module = None


_orjson = _Orjson()
_LARGE_CHARACTERS = 64 * 1024


def _orjson_text(value: object) -> str | None:
    """Write a value with `orjson`; None when it would, or could, say something else than the library."""
    try:
        data = _orjson.module.dumps(value, _simplify, _orjson.options)
    except (TypeError, ValueError, RecursionError):  # big integers, other keys, what has no form at all
        return None
    # It writes NaN as null, and a null may be one.
    return None if b"null" in data else data.decode()


def _simplify(value: object) -> object:
    """Return something closer to JSON that means the same. Raises `BadResultError` for what has no form."""
    if isinstance(value, (set, frozenset)):
        return list(value)
    kind = type(value)
    if hasattr(kind, "__pydantic_serializer__") and hasattr(kind, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(kind, "__dataclass_fields__"):
        return {field.name: getattr(value, field.name) for field in _modules["dataclasses"].fields(value)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _decoded(bytes(value))
    if kind.__name__ == "SimpleNamespace" and kind.__module__ == "types":
        return vars(value)
    if hasattr(kind, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
    if isinstance(value, complex):
        return _finite(value, str(value).strip("()"))
    for module, names, turn in _FOREIGN:
        # A value of such a class exists only where its module has been imported.
        source = _modules.get(module)
        if source is not None and isinstance(value, tuple(getattr(source, name) for name in names)):
            return turn(value)
    if isinstance(value, range) or kind.__name__ in _VIEWS:
        return list(value)
    simpler = _scalar(value, kind)
    if simpler is not value:
        return simpler
    return _as_pydantic_writes(value, kind)


_VIEWS = frozenset({"dict_keys", "dict_values", "dict_items"})


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        # Not a `ValueError`: the quick way takes one for a reason to look again.
        name = type_name(type(value))
        raise BadResultError(
            f"a `{name}` that is no UTF-8 (return an `Image`, `Audio` or `EmbeddedResource`)"
        ) from None


def _finite(value: Any, text: str) -> str:
    try:
        finite = value - value == 0
    except ArithmeticError:  # a signalling NaN
        finite = False
    if not finite:
        raise BadResultError(f"`{text}`")
    return text


def _moment(text: str) -> str:
    # Classes of others may have values that are no time, such as `NaT` of pandas.
    if not text[:1].isdigit():
        raise BadResultError(f"`{text[:20]}` (no date or time; return `None` instead)")
    return text.replace("+00:00", "Z")


def _scalar(value: Any, kind: type) -> object:
    """Return the number, text or time that a value of a numeric package stands for, else itself."""
    module, name = kind.__module__.partition(".")[0], kind.__name__
    if module == "numpy":
        if name == "datetime64":
            return _moment(str(value))
        if name == "timedelta64":
            return _numpy_duration(value)
        if name in ("longdouble", "float128"):
            return float(value)
        if any(base.__name__ == "ndarray" for base in kind.__mro__):
            # The quick way, where it keeps the meaning: of a time it would make a bare number.
            if value.dtype.kind in "biuU" or value.dtype.name in ("float16", "float32", "float64"):
                return value.tolist()
            return value[()] if value.ndim == 0 else [*value]
        # Some of its classes have an `__index__` that raises.
        item = value.item() if hasattr(kind, "item") and getattr(value, "shape", None) == () else value
        return value if type(item) is kind else item
    if module == "pandas":
        return _of_pandas(value, name)
    try:
        if hasattr(kind, "__index__"):
            return value.__index__()
        if hasattr(kind, "item") and getattr(value, "shape", None) == ():
            item = value.item()
            return value if type(item) is kind else item
    except Exception:  # it is no number after all, such as an array of several
        return value
    return value


def _numpy_duration(value: Any) -> str:
    text = str(value)
    if text == "NaT":
        raise BadResultError("`NaT` (no duration; return `None` instead)")
    if text.rpartition(" ")[2] in ("months", "years", "generic"):
        raise BadResultError(f"`{text}` (its length depends on the calendar; return days or text instead)")
    nanoseconds = int(value.astype("timedelta64[ns]").astype("int64"))
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    days, seconds = divmod(seconds, 86_400)
    digits = f"{fraction:09d}".rstrip("0")
    return _iso_text("-" if nanoseconds < 0 else "", days, seconds, digits)


def _of_pandas(value: Any, name: str) -> object:
    """Return the list that an index or an array of pandas is. A frame could be written in several ways."""
    if name == "DataFrame":
        raise BadResultError('a `pandas.DataFrame` (return `frame.to_dict("records")`, a list of rows, say)')
    if name == "Series":
        raise BadResultError(
            "a `pandas.Series` (return `series.tolist()`, or `series.to_dict()` with its index)"
        )
    if name == "NAType":
        raise BadResultError("`<NA>` (no value; return `None` instead)")
    if name == "Period":
        return str(value)
    return list(value) if hasattr(value, "dtype") and hasattr(value, "__len__") else value


def _as_pydantic_writes(value: object, kind: type) -> object:
    """Return what Pydantic makes of a class of its own, such as a URL or a secret."""
    core = _modules.get("pydantic_core")
    if core is not None and kind.__module__.partition(".")[0] in ("pydantic", "pydantic_core"):
        try:
            return core.to_jsonable_python(value)
        except Exception:
            pass
        try:
            return _modules["pydantic"].TypeAdapter(kind).dump_python(value, mode="json")
        except Exception:
            pass
    raise BadResultError(f"a `{type_name(kind)}`")


def _iso_duration(value: Any) -> str:
    """Write a `timedelta` as ISO 8601, the way its schema says (`format: duration`)."""
    sign, value = ("-", -value) if value.days < 0 else ("", value)
    # That of pandas is one with a finer end.
    fraction = f"{value.microseconds:06d}{getattr(value, 'nanoseconds', 0):03d}"
    return _iso_text(sign, value.days, value.seconds, fraction.rstrip("0"))


def _iso_text(sign: str, days: int, seconds: int, fraction: str) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{fraction}" if fraction else ""
    date = f"{days}D" if days else ""
    time = f"{hours}H" if hours else ""
    time += f"{minutes}M" if minutes else ""
    time += f"{seconds}{fraction}S" if seconds or fraction else ""
    return f"{sign}P{date}T{time}" if time else f"{sign}P{date}" if date else "PT0S"


# Where a class lives, what it is called, and what stands for its values in JSON.
_FOREIGN = (
    ("enum", ("Enum",), lambda value: value.value),
    ("datetime", ("date", "time"), lambda value: _moment(value.isoformat())),
    ("datetime", ("timedelta",), _iso_duration),
    ("datetime", ("timezone",), str),
    ("pathlib", ("PurePath",), str),
    ("uuid", ("UUID",), str),
    ("decimal", ("Decimal",), lambda value: _finite(value, str(value))),
    ("fractions", ("Fraction",), str),
    ("zoneinfo", ("ZoneInfo",), str),
    ("re", ("Pattern",), lambda value: value.pattern),
    ("collections", ("deque", "UserList"), list),
    ("collections", ("UserString",), str),
    ("collections.abc", ("Mapping",), dict),
    (
        "ipaddress",
        ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface"),
        str,
    ),
)

_write = wire.json_writer(_simplify)


def _plain(value: object, path: str, above: tuple[int, ...]) -> object:
    """Copy a value with nothing in it but what JSON has; name the first place where that fails."""
    if isinstance(value, str):
        _check_text(value, path)
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _written_out(value, path)
    if isinstance(value, float):
        if value != value:  # noqa: PLR0124 - only NaN does
            raise BadResultError(
                f"{path} is NaN, which JSON has no number for; return `None` or text instead"
            )
        if value in (float("inf"), float("-inf")):
            raise BadResultError(
                f"{path} is infinite, which JSON has no number for; return `None` or text instead"
            )
        return value
    if id(value) in above:
        raise BadResultError(f"{path} contains itself; JSON has no cycles")
    if len(above) >= _DEPTH_MAX:
        raise BadResultError(f"{_short(path)} is nested deeper than {_DEPTH_MAX} levels")
    above = (*above, id(value))
    if isinstance(value, dict):
        return {_key(key, path): _plain(item, _member(path, key), above) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{index}]", above) for index, item in enumerate(value)]
    try:
        simpler = _simplify(value)
    except BadResultError as error:
        raise BadResultError(f"{path} is {error}, which has no form in JSON") from None
    return _plain(simpler, path, above)


_DEPTH_MAX = 200


def _written_out(value: int, path: str) -> int:
    try:
        int.__repr__(value)
    except ValueError:  # `sys.set_int_max_str_digits`: writing takes the square of the length
        bits = int(value).bit_length()
        raise BadResultError(
            f"{path} is an integer of {bits} bits, more than Python writes; return it as text, `hex(…)` say"
        ) from None
    return value


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        _check_text(key, f"a key of {path}")
        return key
    if key is None or isinstance(key, (bool, int, float)):
        return _write(key) if not isinstance(key, float) else _write(_plain(key, f"a key of {path}", ()))
    try:
        simpler = _simplify(key)
    except BadResultError as error:
        raise BadResultError(f"a key of {path} is {error}; JSON's keys are text") from None
    if isinstance(simpler, (list, dict)):
        raise BadResultError(f"a key of {path} is a `{type_name(type(key))}`; JSON's keys are text")
    return _key(simpler, path)


def _member(path: str, key: object) -> str:
    return f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else f"{path}[{key!r}]"


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise BadResultError(
            f"{path} has half a surrogate pair (U+{code:04X}) at character {error.start}, which UTF-8 lacks"
        ) from None


def find_surrogate(value: object) -> BadResultError:
    """Say where a value that UTF-8 refused has its lone surrogate."""
    try:
        value = _own_result(value)
        if isinstance(value, ToolResult):
            _plain(_parts(value.content), "result.content", ())
            _plain(value.structured, "result.structured", ())
            _plain(value.meta, "result.meta", ())
        else:
            _plain(_parts(value), "result", ())
    except BadResultError as error:
        return error
    return BadResultError("the result has half a surrogate pair, which UTF-8 has no form for")


def _parts(value: object) -> object:
    if is_block(type(value)):
        return block_of(value)
    if isinstance(value, (list, tuple)) and has_blocks(value):
        return [_parts(item) for item in value]
    return value


def _short(path: str) -> str:
    return path if len(path) <= 60 else path[:57] + "..."


def type_name(kind: type) -> str:
    """Return how a class is called in a message."""
    module = getattr(kind, "__module__", "builtins")
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
