"""What a call asks its client through the SDK: by a request of ours, or by asking for its request once more.

Which of the two is the revision's affair: up to 2025-11-25 a server sends requests, from 2026-07-28 on it
answers with what it wants to know, keeps the call, and goes on with it when the request comes again.
"""

from __future__ import annotations

import asyncio
import json
import secrets

from omni.asks import capability_of
from omni.inprocess import InProcessCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The error of a request that needs a capability which its client has not declared.
MISSING_CAPABILITY = -32021
#: From this revision on a request is answered with questions.
_ANSWERS_ASK = "2026-07-28"
#: A call that nobody has come back to for so long is given up.
_WAIT_SECONDS = 15 * 60
#: Calls that wait at once, at most.
_PARKED_MAX = 256
#: So long others may join a question, as those do that are asked at the same time.
_JOIN_SECONDS = 0.02


class RunningCall:
    """A call that runs in a thread of its own, and what it has asked."""

    def __init__(self, tool: dict[str, Any], arguments: dict[str, Any]) -> None:
        self.tool = tool
        # The tool gets the arguments themselves, and may change them.
        self._arguments = _comparable(arguments)
        #: What the call says, its last frame last.
        self.said: asyncio.Queue[tuple[str, dict]] = asyncio.Queue()
        self.thread = InProcessCall()
        self.started = False
        self.progress = float("-inf")
        self._open: dict[int, dict[str, Any]] = {}
        self._tasks: dict[int, asyncio.Task] = {}

    def is_of(self, tool: dict[str, Any], arguments: dict[str, Any]) -> bool:
        """Whether a request with these arguments is that of this call."""
        return self.tool is tool and self._arguments == _comparable(arguments)

    def has_questions(self) -> bool:
        """Whether something waits that only a request that comes again can answer."""
        return bool(self._open)

    def ask(self, context: Any, types: Any, body: dict[str, Any]) -> None:
        """Put a question to the client, or refuse it where the client has not declared the capability."""
        capability = capability_of(body["method"], body["params"])
        if capability is None:
            message = f"here nobody answers `{body['method']}`: `omni mcp` does"
            self._refuse(body["ask"], "unsupported", message)
        elif not _declares(context.session.client_capabilities, capability):
            message = f"the client cannot be asked that: it did not declare the capability `{capability}`"
            self._refuse(body["ask"], "unsupported", message)
        elif context.session.protocol_version >= _ANSWERS_ASK:
            self._open[body["ask"]] = {"key": f"q{body['ask']}", **body}
        else:
            asking = asyncio.ensure_future(self._by_request(context, types, body))
            self._tasks[body["ask"]] = asking

    def retract(self, number: int) -> None:
        """Take a question back."""
        self._open.pop(number, None)
        task = self._tasks.pop(number, None)
        if task is not None:
            task.cancel()

    def requests(self) -> dict[str, dict[str, Any]]:
        """Return what is open, by key, as MCP writes it."""
        return {
            body["key"]: {"method": body["method"], "params": body["params"]} for body in self._open.values()
        }

    def answer(self, responses: dict[str, Any]) -> None:
        """Hand over the answers to questions that were asked by key. Others mean nothing."""
        for number, body in list(self._open.items()):
            response = responses.get(body["key"])
            if response is not None:
                del self._open[number]
                result = response.model_dump(by_alias=True, mode="json", exclude_none=True)
                self.thread.answer({"id": 0, "ask": number, "result": result})

    def end(self) -> None:
        """Take the call back, or be done with it: a tool that still runs learns it when it next speaks."""
        self.thread.cancel()
        for number in [*self._open, *self._tasks]:
            self._refuse(number, "gone", "the client went away before it answered")
            self.retract(number)

    async def _by_request(self, context: Any, types: Any, body: dict[str, Any]) -> None:
        from mcp.shared.exceptions import MCPError
        from mcp.shared.message import ServerMessageMetadata
        from pydantic import ValidationError

        number, method, params = body["ask"], body["method"], dict(body["params"])
        request, result = {
            "elicitation/create": (types.ElicitRequest, types.ElicitResult),
            "sampling/createMessage": (types.CreateMessageRequest, types.CreateMessageResultWithTools),
            "roots/list": (types.ListRootsRequest, types.ListRootsResult),
        }[method]
        if params.get("mode") == "url":
            params.setdefault("elicitationId", secrets.token_hex(16))
        try:
            asked = request.model_validate({"method": method, "params": params}, by_name=False)
            related = ServerMessageMetadata(related_request_id=context.request_id)
            answered = await context.session.send_request(asked, result, metadata=related)
            found = answered.model_dump(by_alias=True, mode="json", exclude_none=True)
            self._tasks.pop(number, None)
            self.thread.answer({"id": 0, "ask": number, "result": found})
        except MCPError as error:
            code, message = error.error.code, error.error.message
            self._refuse(number, "failed", f"the client answered with error {code}: {message}")
        except ValidationError as error:
            self._refuse(number, "failed", f"question or answer is none of MCP's: {error}")

    def _refuse(self, number: int, why: str, message: str) -> None:
        self.thread.answer({"id": 0, "ask": number, "refused": why, "message": message})


class ParkedCalls:
    """The calls that wait for their request to come again, each found by what was given out for it."""

    def __init__(self, types: Any) -> None:
        self._types = types
        self._calls: dict[str, tuple[RunningCall, asyncio.TimerHandle]] = {}

    def park(self, call: RunningCall) -> Any:
        """Keep a call; return the answer to its request."""
        if len(self._calls) >= _PARKED_MAX:
            self._give_up(next(iter(self._calls)))
        state = secrets.token_urlsafe(24)
        timer = asyncio.get_running_loop().call_later(_WAIT_SECONDS, self._give_up, state)
        self._calls[state] = call, timer
        asked = {"resultType": "input_required", "inputRequests": call.requests(), "requestState": state}
        return self._types.InputRequiredResult.model_validate(asked, by_name=False)

    def take(self, params: Any, tool: dict[str, Any], arguments: dict[str, Any]) -> RunningCall | None:
        """Return the call that a request goes on with, its questions answered; None where there is none."""
        call, timer = self._calls.get(params.request_state or "", (None, None))
        if call is None or not call.is_of(tool, arguments):
            return None
        del self._calls[params.request_state]
        timer.cancel()
        call.answer(params.input_responses or {})
        return call

    def _give_up(self, state: str) -> None:
        call, timer = self._calls.pop(state, (None, None))
        if call is not None:
            timer.cancel()
            call.end()


def missing_capability(context: Any, name: str | None) -> dict[str, Any] | None:
    """Return what goes with the error for want of a capability; None where the revision has no such error."""
    if name is None or context.session.protocol_version < _ANSWERS_ASK:
        return None
    first, _, second = name.partition(".")
    # An empty one means forms.
    needed = {} if second in ("", "form") else {second: {}}
    return {"requiredCapabilities": {first: needed}}


async def joined(call: RunningCall) -> bool:
    """Whether a call can go no further than its questions: it says nothing more for a moment."""
    await asyncio.sleep(_JOIN_SECONDS)
    return call.said.empty() and call.has_questions()


def _comparable(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, sort_keys=True)


def _declares(capabilities: Any, name: str) -> bool:
    """Tell whether a client has declared a capability, such as `sampling.tools`."""
    first, _, second = name.partition(".")
    declared = getattr(capabilities, first, None)
    if declared is None:
        return False
    if name == "elicitation.form":
        # An empty one means forms: revisions before the modes had nothing else.
        return declared.form is not None or declared.url is None
    return not second or getattr(declared, second, None) is not None
