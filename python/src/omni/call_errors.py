"""The exceptions of a call: what an author raises, catches or lets pass."""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here


class ToolError(Exception):
    """Raise this to fail a call with a text that the client is meant to read.

    The text of any other exception stays in the server's log unless the operator decides otherwise,
    because it may hold a password or somebody's data.
    """


class AskRefused(ToolError):  # noqa: N818 - not every refusal is an error
    """A question to the client has no answer; `why` tells the reason. A tool may catch it and do without.

    What it says is meant for the client, as with `ToolError`. That a person declined is none of this: it is
    an answer.
    """

    def __init__(self, why: str, message: str) -> None:
        """Say `why`: one of the words below.

        Args:
            why: `unsupported` (the client cannot be asked that, or nobody is there), `failed` (the client
                answered with an error, or the answer cannot be used) or `gone` (the client, or the call, has
                ended).
            message: A sentence that says more.
        """
        super().__init__(message or f"the question was refused: {why}")
        self.why = why


class CallCancelled(BaseException):
    """The client gave up on this call, or its time ran out.

    Let it propagate; use `finally` to clean up. Not an `Exception`, so that `except Exception` in a
    tool does not swallow it.
    """
