"""The exceptions of a call: what an author raises, catches or lets pass."""

from __future__ import annotations

from omni import wire
from omni.constants import ERROR_DATA_BYTES_MAX
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here


class ToolError(Exception):
    """Raise this to fail a call with a text that the client is meant to read.

    The text of any other exception stays in the server's log unless the operator decides otherwise,
    because it may hold a password or somebody's data.
    """


class McpError(Exception):
    """Raise this to answer the client's request with an error of the protocol, and not with a result.

    A tool that fails raises `ToolError`: its text goes to the model, which can act on it. This one is for
    programs: the client's own code gets it as a JSON-RPC error.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        """Say which error it is.

        Args:
            code: JSON-RPC's number. Those from -32768 to -32000 have meanings of their own, such as -32602
                for parameters that cannot be; others are free.
            message: A sentence for whoever reads the client's log.
            data: What a program may want to know besides: a value of JSON, of 64 KiB at most.

        Raises:
            TypeError: The code is no integer of 32 bits, or the data is nothing that JSON has.
            ValueError: The data holds a number that JSON has not, or is too large.
        """
        if type(code) is not int or not -(2**31) <= code < 2**31:
            text = f"`code` must be an integer of 32 bits, not {code!r}"
            raise TypeError(text)
        data_json = None if data is None else wire.write_json(data)
        if data_json is not None and len(data_json.encode("utf-8", "replace")) > ERROR_DATA_BYTES_MAX:
            text = f"`data` is larger than {ERROR_DATA_BYTES_MAX} bytes"
            raise ValueError(text)
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self._data_json = data_json


class AskRefused(ToolError):  # noqa: N818 - not every refusal is an error
    """A question to the client has no answer; `why` tells the reason. A tool may catch it and do without.

    What it says is meant for the client, as with `ToolError`. That a person declined is none of this: it is
    an answer.
    """

    def __init__(self, why: str, message: str, capability: str | None = None) -> None:
        """Say `why`: one of the words below.

        Args:
            why: `unsupported` (the client cannot be asked that, or nobody is there), `failed` (the client
                answered with an error, or the answer cannot be used) or `gone` (the client, or the call, has
                ended).
            message: A sentence that says more.
            capability: What the client would have to declare, as `sampling` or `elicitation.url`.
        """
        super().__init__(message or f"the question was refused: {why}")
        self.why = why
        self.capability = capability


class CallCancelled(BaseException):
    """The client gave up on this call, or its time ran out.

    Let it propagate; use `finally` to clean up. Not an `Exception`, so that `except Exception` in a
    tool does not swallow it.
    """
