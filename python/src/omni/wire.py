"""What goes over the control channel: bytes to frames and back. Pure, no I/O.

A frame is a little-endian `u32` length and that many bytes of UTF-8 JSON: an object with one member,
whose name is the frame's type. Frames up are put together from text rather than from a tree of
dictionaries: a small result costs one pass over its text that way.

The C halves of `json` are used directly. The package around them imports `re`, which takes as long as
a fifth of an interpreter's start.
"""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

try:
    from _json import encode_basestring as quote
    from _json import make_encoder, make_scanner
except ImportError:  # an interpreter without the accelerator: slower to start, same results
    from json.encoder import encode_basestring as quote

    make_encoder = make_scanner = None

PROTO = 2
_BLANKS = " \t\r\n"


class MalformedFrameError(ValueError):
    """The peer broke the framing. `kind` is the fault's name in the shared conformance cases."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


def refuse_constant(name: str) -> object:
    """`NaN` and `Infinity` are Python's own additions to JSON."""
    message = f"`{name}` is not JSON"
    raise ValueError(message)


class _Rules:
    """What the C scanner asks of its context object."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(refuse_constant)


def _refuse_value(value: object) -> object:
    message = f"`{type(value).__name__}` is not JSON"
    raise TypeError(message)


if make_scanner is None:
    from json import JSONDecoder, JSONEncoder

    scan = JSONDecoder(parse_constant=refuse_constant).raw_decode

    def json_writer(default: Callable[[object], object]) -> Callable[[object], str]:
        """Compact JSON writer; see the accelerated twin below."""
        return JSONEncoder(
            default=default, ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
        ).encode

else:
    #: Parses the JSON value that begins at an index; returns it and where it ends.
    scan = make_scanner(_Rules)

    def json_writer(default: Callable[[object], object]) -> Callable[[object], str]:
        """Return a function that writes compact JSON; what JSON lacks goes through `default` first.

        The function raises `ValueError` for NaN and infinities, `TypeError` for keys that are no JSON
        keys, and `RecursionError` for cycles. It lets lone surrogates pass: UTF-8 refuses them later.
        """
        # No table of open containers: a cycle meets the recursion limit instead, which is free.
        encode = make_encoder(None, default, quote, None, ":", ",", False, False, False)  # noqa: FBT003
        join = "".join

        def write(value: object) -> str:
            return join(encode(value, 0))

        return write


write_json = json_writer(_refuse_value)


def scan_json(text: str) -> object:
    """Parse one JSON text. Raises `ValueError` when it is none or when something follows it."""
    start = 0
    if text and text[0] in _BLANKS:
        start = len(text) - len(text.lstrip(_BLANKS))
    try:
        value, end = scan(text, start)
    except SystemError:
        # The C scanner takes the class of its error from the module that it expects to be loaded.
        import json.decoder  # noqa: F401

        return scan_json(text)
    except StopIteration as error:
        message = f"no JSON value at character {error.value}"
        raise ValueError(message) from None
    if end != len(text) and text[end:].strip(_BLANKS):
        message = f"something follows the JSON value at character {end}"
        raise ValueError(message)
    return value


def decode(payload: bytes) -> tuple[str, dict]:
    """Return the type and the body of the frame with this payload (without its length)."""
    try:
        value = scan_json(payload.decode())
    except UnicodeDecodeError as error:
        raise MalformedFrameError("not_utf8", str(error)) from None
    except (ValueError, RecursionError) as error:
        raise MalformedFrameError("not_json", str(error)) from None
    if type(value) is not dict or len(value) != 1:
        raise MalformedFrameError("not_one_member", "a frame is an object with one member")
    ((kind, body),) = value.items()
    if type(body) is not dict:
        raise MalformedFrameError("body_not_object", f"the body of `{kind}` is no object")
    return kind, body


class Splitter:
    """Cuts a stream of bytes into the payloads of its frames."""

    __slots__ = ("_data", "_key", "_limit")

    def __init__(self, frame_bytes_max: int, key: bytes = b"") -> None:
        """Take frames of up to `frame_bytes_max` bytes, each with `key` before it."""
        self._data = bytearray()
        self._limit = frame_bytes_max
        self._key = key

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; return the payloads that are complete now, oldest first."""
        held = self._data
        held += data
        payloads = []
        start = 0
        key = self._key
        while len(held) - start >= 4 + len(key):
            if key:
                if held[start : start + len(key)] != key:
                    raise MalformedFrameError("foreign", "a frame came without its key")
                start += len(key)
            end = start + 4 + int.from_bytes(held[start : start + 4], "little")
            if end - start - 4 > self._limit:
                raise MalformedFrameError("too_long", f"{end - start - 4} bytes, at most {self._limit}")
            if end > len(held):
                start -= len(key)
                break
            payloads.append(bytes(held[start + 4 : end]))
            start = end
        del held[:start]
        return payloads

    def finish(self) -> None:
        """Tell that the stream ended. Raises when it ended inside a frame."""
        if self._data:
            raise MalformedFrameError("truncated", f"the stream ended {len(self._data)} bytes into a frame")


def seal(text: str) -> bytes:
    """Put the length before a frame's text. Raises `UnicodeEncodeError` for lone surrogates."""
    payload = text.encode()
    return len(payload).to_bytes(4, "little") + payload


def seal_lossy(text: str) -> bytes:
    """Like `seal`, for text that must get through: lone surrogates become question marks."""
    payload = text.encode("utf-8", "replace")
    return len(payload).to_bytes(4, "little") + payload


def ready(version: str, pid: int) -> bytes:
    """Return the first frame up."""
    return seal(f'{{"ready":{{"proto":{PROTO},"python":"{version}","pid":{pid}}}}}')


def started(call_id: int) -> bytes:
    """User code is about to run. Only sent when there is no status page."""
    return seal('{"started":{"id":%d}}' % call_id)


def skipped(call_id: int) -> bytes:
    """The call was revoked before its code began, and will not run here."""
    return seal('{"skipped":{"id":%d}}' % call_id)


def stale(call_id: int, digest: str) -> bytes:
    """The call means another version of its skill than this process has or finds: `digest` names which."""
    return seal('{"stale":{"id":%d,"digest":%s}}' % (call_id, quote(digest)))


def is_stale(frame: bytes) -> bool:
    """Tell whether an answer is that a call means another version of its skill."""
    return frame.startswith(b'{"stale"', 4)


def beat(call_id: int, note: str | None = None) -> bytes:
    """Sign of life, with an optional line for the client."""
    if note is None:
        return seal('{"beat":{"id":%d}}' % call_id)
    return seal_lossy('{"beat":{"id":%d,"note":%s}}' % (call_id, quote(note)))


def progress(call_id: int, value: float, total: float | None, message: str | None) -> bytes:
    """How far the call has come. Numbers must be finite."""
    return seal_lossy(
        '{"progress":{"id":%d,"value":%s,"total":%s,"message":%s}}'
        % (
            call_id,
            write_json(value),
            "null" if total is None else write_json(total),
            "null" if message is None else quote(message),
        )
    )


def log(call_id: int, level: str, logger: str | None, data_json: str) -> bytes:
    """Log message whose data is JSON text already."""
    return seal_lossy(
        '{"log":{"id":%d,"level":%s,"logger":%s,"data":%s}}'
        % (call_id, quote(level), "null" if logger is None else quote(logger), data_json)
    )


def output(call_id: int, fd: int, text: str, left_out: int) -> bytes:
    """What a call has printed on standard output or error, and how many bytes of it are not sent."""
    return seal_lossy(
        '{"output":{"id":%d,"stream":"%s","text":%s%s}}'
        % (
            call_id,
            "stderr" if fd == 2 else "stdout",
            quote(text),
            ',"left_out":%d' % left_out if left_out else "",
        )
    )


def ask(call_id: int, number: int, method: str, params_json: str, key: str | None = None) -> bytes:
    """Ask the call's client something: the question `number` of this call, counted from 1.

    Raises `UnicodeEncodeError` for lone surrogates.
    """
    return seal(
        '{"ask":{"id":%d,"ask":%d%s,"method":%s,"params":%s}}'
        % (call_id, number, "" if key is None else f',"key":{quote(key)}', quote(method), params_json)
    )


def resource_updated(call_id: int, uri: str) -> bytes:
    """A resource has other content now."""
    return seal_lossy('{"resource_updated":{"id":%d,"uri":%s}}' % (call_id, quote(uri)))


def visibility(call_id: int, name: str, *, shown: bool) -> bytes:
    """The call's client is to have something from now on, or not to have it any more."""
    return seal_lossy('{"%s":{"id":%d,"name":%s}}' % ("show" if shown else "hide", call_id, quote(name)))


def retract(call_id: int, number: int) -> bytes:
    """Nobody waits any more for the answer to this question."""
    return seal('{"retract":{"id":%d,"ask":%d}}' % (call_id, number))


def result(
    call_id: int,
    content_json: str,
    structured_json: str | None = None,
    meta_json: str | None = None,
    *,
    is_error: bool = False,
    more: str = "",
) -> bytes:
    """Return what a call gave, each part as JSON text: content blocks, or what an item of another kind has.

    `more` are further members with a comma before each. Raises `UnicodeEncodeError` for lone surrogates.
    """
    return seal(
        '{"result":{"id":%d,"content":%s%s%s%s%s}}'
        % (
            call_id,
            content_json,
            "" if structured_json is None else ',"structured":' + structured_json,
            "" if meta_json is None else ',"meta":' + meta_json,
            ',"is_error":true' if is_error else "",
            more,
        )
    )


def with_findings(frame: bytes, findings: list[str], quote: Callable[[str], str] = quote) -> bytes:
    """Add to an answer what its call has done to the process, which is to be replaced therefore.

    It may have replaced `quote` as well.
    """
    return with_member(frame, '"tainted":[%s]' % ",".join(map(quote, findings)))


def with_member(frame: bytes, member: str) -> bytes:
    """Add a member, as JSON text, to the body of a frame that has some."""
    body = frame[4:-2] + f",{member}}}}}".encode("utf-8", "replace")
    return len(body).to_bytes(4, "little") + body


def error(
    call_id: int,
    kind: str,
    class_name: str,
    message: str,
    *,
    bases: list[str] | None = None,
    location: str | None = None,
    intended: bool = False,
    traceback: str | None = None,
    code: int | None = None,
    data_json: str | None = None,
    capability: str | None = None,
) -> bytes:
    """Return how a call failed.

    `bases` are the classes above `class_name`; `code` is for `exited` and `mcp_error`, `data_json` for the
    latter; `capability` is what the client would have to declare to be asked what it was not.
    """
    return seal_lossy(
        '{"error":{"id":%d,"kind":%s,"class":%s%s,"message":%s,"location":%s,"intended":%s,'
        '"traceback":%s%s%s%s}}'
        % (
            call_id,
            quote(kind),
            quote(class_name),
            "" if bases is None else ',"bases":[%s]' % ",".join(map(quote, bases)),
            quote(message),
            "null" if location is None else quote(location),
            "true" if intended else "false",
            "null" if traceback is None else quote(traceback),
            "" if code is None else ',"code":%d' % code,
            "" if data_json is None else ',"data":%s' % data_json,
            "" if capability is None else ',"capability":' + quote(capability),
        )
    )
