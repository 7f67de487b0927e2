"""One call, from the frame that asks for it to the frame that answers it."""

from __future__ import annotations

import sys
from _contextvars import copy_context
from _signal import getsignal, signal
from _thread import get_ident
from os import _exit, getcwd, getpid, register_at_fork
from sys import _getframe, version_info
from time import monotonic, sleep

from omni import foreign_content, protected, skill, skill_version, wire
from omni.content import (
    BadResultError,
    OutputLimitError,
    Rendered,
    find_surrogate,
    is_async_iterator,
    materialised,
    materialised_async,
    render,
    text_content,
)
from omni.failure import (
    base_names,
    class_name,
    client_message,
    exit_code,
    full_message,
    innermost_location,
    invalid_arguments_message,
    message_of,
    missing_variable_advice,
    traceback_of,
)
from omni.load import LoadError, preload, prepare
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.skill import CURRENT, AskRefused, CallCancelled, Context, McpError, ToolError
from omni.skill_version import SkillChangedError, StaleError
from omni.stdlib_types import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable

    from omni.asks import Asks
    from omni.call_frame import Call, Target
    from omni.channel import Channel
    from omni.contamination import ContaminationCheck
    from omni.load import Prepared
    from omni.report_listener import ReportListener
    from omni.restore_state import StateRestorer
    from omni.streams import Streams
    from omni.temporary import TemporaryFolder

_modules = sys.modules
_quote = wire.quote
_PLAIN_TEXT = '{"result":{"id":%d,"content":[{"type":"text","text":%s}]}}'
_WRAPPED_TEXT = '{"result":{"id":%d,"content":[{"type":"text","text":%s}],"structured":{"result":%s}}}'
# Six bytes are the most that one character takes in JSON.
_BYTES_PER_CHARACTER = 6
_SMALL_CHARACTERS = 4096
#: The slot of the status page that says that a skill is being imported.
_IMPORTING = 8
#: The slot where the server notes the last call of which it has read all that it printed.
_HEARD = 9
_HEARD_SECONDS = 0.25
_LOOK_SECONDS = 0.0001
_IMPORT_MACHINERY = "<frozen importlib._bootstrap>"
#: With this code a worker ends whose call was cancelled while it imported something.
INTERRUPTED_IMPORT = 71


class RevokedError(Exception):
    """The server has taken the call back before it began."""


class ToolRunner:
    """Runs tools and words their answers. One per process; calls share what it has loaded.

    It also stands between a running call and the channel: `hold`, `lock`, `release` and `send_locked`
    are what a `Context` uses to speak.
    """

    def __init__(
        self,
        channel: Channel,
        hello: dict,
        page: memoryview | None,
        streams: Streams,
        *,
        checked: bool = False,
    ) -> None:
        """Serve the server that said `hello`.

        Args:
            channel: Where a call's words go.
            hello: The body of the frame: project folder, settings and limits.
            page: Its first slot takes the id of the call that starts; without it a `started` frame is sent.
                Its second holds an id: calls with a lower one are revoked.
            streams: What calls print to.
            checked: Nobody has checked the arguments or named the injected parameters: do both.
        """
        self.root: str = hello.get("root") or getcwd()
        #: This process is one skill's alone, for what that keeps in it.
        self.stateful = bool(hello.get("stateful"))
        self.settings: dict[str, Any] = hello.get("settings") or {}
        protected.take(hello.get("protected"))
        self.lock = channel.lock
        self.send_locked = channel.send_locked
        self._channel = channel
        self._result_bytes_max: int = hello.get("result_bytes_max") or 8 << 20
        #: A text up to this length is below the limit without being counted.
        self._small_characters = min(_SMALL_CHARACTERS, self._result_bytes_max // _BYTES_PER_CHARACTER)
        self._frame_bytes_max: int = hello.get("frame_bytes_max") or (16 << 20) + (64 << 10)
        self._page = page
        self._checked = checked
        self._main = get_ident()
        #: True while user code of `_context` runs in the main thread: a signal may raise there.
        self._armed = False
        #: True while the main thread writes a frame: a signal must wait.
        self._held = False
        self._signalled = False
        self._context: Context | None = None
        self._streams = streams
        #: Who hears what the children of calls report, by call.
        self._listeners: dict[int, ReportListener] = {}
        self.elsewhere: dict[int, str] | None = None
        self.kept = None
        #: What calls ask their clients, from the first question on.
        self._asks: Asks | None = None
        skill.only_call = lambda: self._context
        #: What looks for traces of a call, where calls follow each other: see `restore_after_calls`.
        self._contamination_check: ContaminationCheck | None = None
        self._restorer: StateRestorer | None = None
        #: A tool that has not run here before has run since the last look.
        self._first = False
        #: The call at hand has left a child process that may stay.
        self._began_helper = False
        #: The last call has printed something.
        self.printed = False
        #: A call has left something behind by which the next would suffer: none may run here any more.
        self.tainted = False
        #: This process ends once its answer is sent.
        self._ends = False
        #: Where calls find room for temporary files, and what they leave there.
        self._temp = _temporary_folder(hello)
        register_at_fork(after_in_child=self._disarm)

    # -- one call, in the main thread ------------------------------------------------------------

    def run(self, call: Call) -> bytes:
        """Run a call and return the frame that answers it. Never raises."""
        context = Context.__new__(Context)
        context._bind(call, self)
        try:
            try:
                self._context = context
                self._armed = True
                function, arguments = self.begin(call, context)
                CURRENT.set(context)
                # What the call sets in context variables, the precision of decimals among them, ends with it.
                own = copy_context()
                if "decimal" in _modules:
                    own.run(own_precision)
                value = own.run(function, **arguments)
                if type(value) is not str:
                    value = own.run(self._settled, call, value)
                frame = self.answer(call, value)
            finally:
                # A signal that comes in before this line raises here and disarms itself: the handler
                # below sees it as what the call raised, and no second one follows.
                self._armed = False
        except BaseException as error:
            frame = self.describe(call, context, error)
        self.end(context)
        if self._streams.printed and self._page is not None:
            # The server looks for it then, and this process waits for that: see `wait_until_heard`.
            self._streams.printed = False
            self.printed = True
            frame = wire.with_member(frame, '"printed":true')
        if self._contamination_check is not None:
            frame = self.inspected(frame)
        temp = self._temp
        if temp is None:
            return frame
        if temp.stays:
            return frame if call.target.keep_temp else temp.mention(frame)
        return self._leave_nothing(call, frame) if temp.changed() else frame

    def begin(self, call: Call, context: Context) -> tuple[Any, dict]:
        """Load the call's function and make its arguments; from here on user code may run."""
        target = call.target
        prepared = target.prepared
        if prepared is None:
            before = self._look()
            prepared = target.prepared = self._prepare(target)
            self._first = True
            self._accept(before)
            if self._temp is not None:
                self._temp.accept()
        if self._page is not None:
            # First noted, then looked whether it may begin: in the other order the server could take it
            # for never begun while it does.
            self._page[0] = call.id
            if self._page[1] > call.id:
                raise RevokedError
        else:
            self._say(wire.started(call.id))
        arguments = call.args
        if prepared.convert is not None:
            arguments = prepared.convert(arguments)
        for name, kind in target.inject:
            arguments[name] = _injected(kind, context)
        return prepared.function, arguments

    def preload(self, files: list[dict[str, str]]) -> bytes:
        """Import files of skills before anybody calls them; return the frame that says it is done.

        What cannot be imported is for its calls to say.
        """
        before = self._look()
        for file in files:
            try:
                preload(file["skill"], file["dir"], file["file"], file.get("digest"))
            except BaseException:
                continue
        self._streams.flush()
        self._accept(before)
        if self._temp is not None:
            self._temp.accept()
        return wire.ready("%d.%d.%d" % version_info[:3], getpid())

    def _look(self) -> tuple | None:
        """Return how this process is before an import, for `_accept`."""
        return None if self._restorer is None else self._restorer.look()

    def _accept(self, before: tuple | None) -> None:
        """Take for granted what an import has set."""
        if before is not None:
            self._contamination_check.accept()
            self._restorer.accept(before)

    def _prepare(self, target: Target) -> Prepared:
        if self._page is None:
            return prepare(target, checked=self._checked)
        # An event loop stands still meanwhile, and the server shall not take that for a tool that blocks it.
        self._page[_IMPORTING] = 1
        try:
            return prepare(target, checked=self._checked)
        finally:
            if self._page is not None:  # else a fork has come back out of the import
                self._page[_IMPORTING] = 0

    def answer(self, call: Call, value: object) -> bytes:
        """Word a return value as the call's result."""
        target = call.target
        if call.refused is not None:
            # Whatever it has made of the exception: what it gave may be of two versions.
            raise SkillChangedError(call.refused)
        if type(value) is not str or len(value) > self._small_characters or target.kind != "tool":
            return self._answer_any(call, value)
        text = _quote(value)
        if not target.structured:
            body = _PLAIN_TEXT % (call.id, text)
        elif target.wrap:
            body = _WRAPPED_TEXT % (call.id, text, text)
        else:
            return self._answer_any(call, value)
        try:
            payload = body.encode()
        except UnicodeEncodeError:
            raise find_surrogate(value) from None
        return len(payload).to_bytes(4, "little") + payload

    def _answer_any(self, call: Call, value: object) -> bytes:
        if type(value) is str and len(value) > self._result_bytes_max:
            raise self._too_large("text", len(value))
        if call.target.kind != "tool":
            return self._answer_item(call, value)
        parts = render(value, structured=call.target.structured, wrap=call.target.wrap)
        if parts.is_error and not parts.says_something():
            # The model APIs refuse an error whose text is empty.
            parts.content = text_content(self._no_reason(call))
        try:
            frame = wire.result(call.id, parts.content, parts.structured, parts.meta, is_error=parts.is_error)
        except UnicodeEncodeError:
            raise find_surrogate(value) from None
        self._check_size(parts, len(frame) - 4)
        return frame

    def _answer_item(self, call: Call, value: object) -> bytes:
        """Word what a function has returned that is no tool."""
        kind, more = call.target.kind, ""
        if kind == "resource":
            from omni.resource_contents import render_resource

            said = call.target
            parts = render_resource(value, call.uri, said.mime_type, self._result_bytes_max, said.meta)
        elif kind == "prompt":
            from omni.prompt_messages import render_prompt

            parts, description = render_prompt(value)
            more = "" if description is None else ',"description":' + _quote(description)
        else:
            from omni.completion_values import render_completion

            parts = render_completion(value)
            more = parts.more()
        try:
            frame = wire.result(call.id, parts.content, None, parts.meta, more=more)
        except UnicodeEncodeError:
            raise find_surrogate(wire.scan_json(parts.content)) from None
        self._check_size(parts, len(frame) - 4)
        return frame

    def _check_size(self, parts: Rendered, frame_bytes: int) -> None:
        if frame_bytes <= self._result_bytes_max:
            return
        for name, text in (("content", parts.content), ("structured content", parts.structured)):
            if text is not None and len(text) * 4 > self._result_bytes_max:
                size = len(text) if text.isascii() else len(text.encode())
                if size > self._result_bytes_max:
                    raise self._too_large(name, size)
        if frame_bytes > self._frame_bytes_max:
            message = (
                f"the whole result is {frame_bytes} bytes, more than the {self._frame_bytes_max} of a frame"
            )
            raise OutputLimitError(message)

    def _too_large(self, name: str, size: int) -> OutputLimitError:
        return OutputLimitError(
            f"the result's {name} is {size} bytes, more than the {self._result_bytes_max} allowed; "
            "return a part of it, or write it to a file and return a `ResourceLink`"
        )

    def _settled(self, call: Call, value: Any) -> Any:
        """Wait for what a tool returned to be waited for, and go through what it yields."""
        if hasattr(type(value), "__await__"):
            value = self._wait(call, value)
        most = values_enough(call.target)
        if is_async_iterator(value):
            value = self._wait(call, materialised_async(value, most))
        return materialised(value, most)

    def _wait(self, call: Call, value: Any) -> Any:
        """Run an awaitable in this process that has no event loop of its own."""
        from omni.await_outside_loop import run

        return run(call, value, self._streams.err_copy)

    def describe(self, call: Call, context: Context, error: BaseException) -> bytes:
        """Word an exception as the call's error. Never raises."""
        try:
            return self._describe(call, context, error)
        except BaseException:
            return wire.error(call.id, "tool_error", class_name(error), "<the error cannot be described>")

    def _describe(self, call: Call, context: Context, error: BaseException) -> bytes:
        call_id = call.id
        if isinstance(error, RevokedError):
            return wire.skipped(call_id)
        if isinstance(error, StaleError):
            return wire.stale(call_id, error.digest)
        folder = call.target.folder
        name = class_name(error)
        if isinstance(error, CallCancelled) or (context.cancelled and name == "CancelledError"):
            return wire.error(
                call_id,
                "cancelled",
                name,
                "the call was cancelled",
                location=innermost_location(error, folder),
            )
        refused = call.refused or _removed(call, error)
        if refused is not None:
            return wire.error(
                call_id,
                "load_error",
                "SkillChangedError",
                f"{refused}; call it again",
                location=innermost_location(error, folder) or self._definition(call),
                intended=True,
            )
        if isinstance(error, LoadError):
            cause = error.__cause__
            return wire.error(
                call_id,
                "load_error",
                error.class_name,
                message_of(error),
                location=error.location,
                intended=error.intended,
                traceback=None if cause is None else traceback_of(cause, folder),
            )
        if isinstance(error, BadResultError):
            return wire.error(
                call_id, "bad_result", "BadResult", message_of(error), location=self._definition(call)
            )
        if isinstance(error, OutputLimitError):
            return wire.error(
                call_id, "output_limit", "OutputLimit", message_of(error), location=self._definition(call)
            )
        location = innermost_location(error, folder)
        if isinstance(error, ArgumentError):
            message = invalid_arguments_message(call.target.tool, error.faults)
            return wire.error(call_id, "invalid_arguments", "ArgumentError", message, intended=True)
        if isinstance(error, SystemExit):
            code, text = exit_code(error)
            if text:
                # As Python does when it ends: the words would be nowhere otherwise.
                _say_on_stderr(text)
            return wire.error(
                call_id,
                "exited",
                name,
                text,
                location=location,
                traceback=traceback_of(error, folder),
                code=code,
            )
        if location is None:
            # Raised where a result was made of what the tool returned: by the skill's code beneath a
            # library's, or by a library alone.
            cause = error.__cause__
            location = (cause and innermost_location(cause, folder)) or self._definition(call)
        protocol_error = as_mcp_error(error)
        if protocol_error is not None:
            return wire.error(
                call_id,
                "mcp_error",
                name,
                protocol_error.message,
                location=location,
                intended=True,
                code=protocol_error.code,
                data_json=protocol_error._data_json,
            )
        words = client_message(error, ToolError)
        if words is None and foreign_content.name_of_object(error) in _FOREIGN_ERRORS:
            words = message_of(error)
        intended = words is not None
        message = full_message(error) if words is None else words
        if intended and not message.strip():
            message = self._no_reason(call, location)
        if call.target.kind != "tool" and is_not_found(error):
            return wire.error(call_id, "not_found", name, message, location=location, intended=True)
        lack = missing_variable_advice(error)
        if lack is not None:
            # A client may read it.
            message, intended = lack, True
        return wire.error(
            call_id,
            "tool_error",
            name,
            message,
            bases=base_names(error),
            location=location,
            intended=intended,
            traceback=traceback_of(error, folder),
            capability=error.capability if isinstance(error, AskRefused) else None,
        )

    def _no_reason(self, call: Call, location: str | None = None) -> str:
        return f"`{call.target.tool}` failed and gave no reason ({location or self._definition(call)})"

    def _definition(self, call: Call) -> str | None:
        """Return `file:line` of the function that a call names."""
        target = call.target
        code = getattr(target.prepared and target.prepared.function, "__code__", None)
        return None if code is None else f"{target.file}:{code.co_firstlineno}"

    def end(self, context: Context) -> None:
        """Say a call's last words: what its children reported, pending progress, then what it printed."""
        if self._listeners:
            self._stop_listening(context)
        if self._asks is not None:
            self._end_asks(context)
        if context._pending is not None:
            with self.lock:
                context._close()
        else:
            context._open = False
        self._context = None
        CURRENT.set(None)
        self._streams.flush()

    @property
    def speaks(self) -> bool:
        """Whether this process is the one that speaks to the server: not one that a tool forked."""
        return self._channel.mine

    def attribute(self, speak: Callable[[int, Any], bool]) -> None:
        """Have `speak` asked of everything printed whose call it is, and not the descriptors alone."""
        self._streams.attribute(speak)

    def wait_until_heard(self, call_id: int) -> None:
        """Wait, but not for long, until the server has read all that the last call printed.

        The next call may be here already, and what it printed would be taken for the last one's.
        """
        self.printed = False
        until = monotonic() + _HEARD_SECONDS
        while self._page is not None and self._page[_HEARD] < call_id and monotonic() < until:
            sleep(_LOOK_SECONDS)

    def end_output(self) -> None:
        """Push out what was printed outside a call."""
        self._streams.flush()

    # -- what a context uses to speak ---------------------------------------------------------------

    def hold(self) -> None:
        """Keep signals from raising in this thread until `release`: half a frame would break the wire."""
        if get_ident() == self._main:
            self._held = True

    def release(self) -> None:
        """Let signals raise again, and raise for one that came in meanwhile."""
        if get_ident() == self._main:
            self._held = False
            if self._signalled:
                self._signalled = False
                self._raise()

    def listen(self, context: Context) -> str | None:
        """Hear what the children of a call report; return the address for them."""
        call_id = context.call_id
        if self.elsewhere is not None:
            return self.elsewhere.get(call_id)
        # Imported first: with a held signal nothing may raise, and an import runs code of its own.
        from omni.report_listener import ReportListener

        self.hold()
        try:
            listener = self._listeners.get(call_id)
            if listener is None and context._open:
                listener = self._listeners[call_id] = ReportListener(context)
        except OSError:
            return None
        finally:
            self.release()
        return None if listener is None else listener.address

    def send_together_locked(self, frames: list[bytes]) -> None:
        """Send frames in one go; the caller holds `lock`."""
        self.send_locked(frames[0] if len(frames) == 1 else self._channel.joined(frames))

    def asks(self) -> Asks | None:
        """Return what asks the clients of calls; None where nobody can be asked."""
        asks, channel = self._asks, self._channel
        if asks is None and getattr(channel, "answers", None) is not None:
            # Imported before the lock: an import runs code of its own.
            from omni.asks import Asks

            with self.lock:
                asks = self._asks
                if asks is None:
                    asks = self._asks = Asks(self, channel if channel.answers == "read" else None)
        return asks

    def answered(self, body: dict[str, Any]) -> bool:
        """Hand over an answer to a question. False when nobody here has asked that."""
        return self._asks is not None and self._asks.deliver(body)

    def _end_asks(self, context: Context) -> None:
        # Nothing may be asked from here on: what is asked now would be heard by the next call.
        with self.lock:
            context._close()
        self._asks.end(context.call_id)

    def _stop_listening(self, context: Context) -> None:
        listener = self._listeners.pop(context.call_id, None)
        if listener is not None:
            listener.end()

    def _say(self, frame: bytes) -> None:
        self.hold()
        try:
            with self.lock:
                self.send_locked(frame)
        finally:
            self.release()

    # -- cancelling ------------------------------------------------------------------------------------

    def install_handler(self, number: int) -> None:
        """Let this signal raise `CallCancelled` in the call that runs in the main thread."""
        self._signal_number = number
        self._handler = self.interrupt
        signal(number, self._handler)

    def interrupt(self, _number: int, _frame: object) -> None:
        """Handle the signal: raise in the call that runs, now or as soon as its frame is written."""
        if not self._armed:
            return
        if self._context is not None:
            self._context._stopped = True
        if self._held:
            self._signalled = True
        else:
            self._raise()

    def note_taken_back(self, call_id: int) -> None:
        """Have the call in the main thread know that it was taken back. For other threads."""
        context = self._context
        if context is not None and context._call.id == call_id:
            context._stopped = True

    def _raise(self) -> None:
        if self._armed:
            self._armed = False
            if not self._checked and imports(_getframe(1)):
                # What is half imported stays so: `sys.modules` keeps the modules that came through, and
                # the next import of their package fails on them. Nobody waits for this call's answer.
                _exit(INTERRUPTED_IMPORT)
            raise CallCancelled

    def _disarm(self) -> None:
        # In the child of a fork.
        self._armed = False
        # The page is not mapped here.
        self._page = None
        self._asks = None
        self.lock = self._channel.lock
        if self.elsewhere is None:
            self.elsewhere = {call_id: listener.address for call_id, listener in self._listeners.items()}
            self._listeners = {}

    # -- after a call ----------------------------------------------------------------------------------

    def restore_after_calls(self, check: ContaminationCheck, restorer: StateRestorer) -> None:
        """From now on, look for what calls leave behind, and put back what they have changed."""
        from omni.restore_interpreter import forget_modules

        self._contamination_check = check
        skill_version.forget = forget_modules
        self._restorer = restorer

    def inspected(self, answer: bytes) -> bytes:
        """Return a call's answer with what was found after it, if anything was. Never raises."""
        if not self._channel.mine:
            return answer
        first, self._first = self._first, False
        try:
            findings = self._contamination_check.findings(first=first)
        except BaseException as error:
            findings = [f"the process cannot be looked at any more ({type(error).__name__})"]
        if skill_version.refusals:
            findings = [*(findings or []), *skill_version.take_refusals()]
        if findings is None:
            self._began_helper = first and self._contamination_check.has_children
            return answer
        self.tainted = True
        if wire.is_stale(answer):
            # Its import was under way when the skill changed, and has left something. There is no result that
            # could tell.
            self._ends = True
            return answer
        return wire.with_findings(answer, findings)

    def mentioned(self, call: Call, answer: bytes) -> bytes:
        """Return an answer that says of temporary files which it names that they do not last."""
        temp = self._temp
        return answer if temp is None or call.target.keep_temp else temp.mention(answer)

    def _leave_nothing(self, call: Call, answer: bytes) -> bytes:
        """Have the next call find nothing of this one among its temporary files. Never raises."""
        if not self._channel.mine:
            return answer
        # A helper that a tool leaves for its later calls has its socket or its data there.
        keep = call.target.keep_temp or self._began_helper
        try:
            return self._temp.leave_nothing(answer, keep=keep)
        except BaseException as error:
            if self.tainted:
                return answer
            self.tainted = True
            finding = f"its temporary folder could not be emptied: {error}"
            return wire.with_findings(answer, [finding])

    def tidy(self) -> None:
        """Undo what a call did to the process and the next one would trip over.

        A fork that came back out of the tool ends here: the call belongs to its parent.
        """
        if not self._channel.mine or self._ends:
            _exit(0)
        if getsignal(self._signal_number) is not self._handler:
            signal(self._signal_number, self._handler)
        try:
            self._streams.restore()
            if self._temp is not None:
                self._temp.put_back()
            if self._restorer is not None:
                self._restorer.restore()
        except (OSError, ValueError) as error:
            self._channel.fail(f"what a tool has done to this process cannot be undone: {error}")


def values_enough(target: Target) -> int | None:
    """Return how many values of an iterator are taken at most; None takes all."""
    if target.kind != "completion":
        return None
    from omni.completion_values import VALUES_MAX

    # One more tells that there are more.
    return VALUES_MAX + 1


def as_mcp_error(error: BaseException) -> McpError | None:
    """Return an error of the protocol that was raised: of our class, or of FastMCP's or the SDK's."""
    if isinstance(error, McpError):
        return error
    if foreign_content.name_of_object(error) not in ("McpError", "MCPError"):
        return None
    said = error.error
    return McpError(said.code, said.message, said.data)


def is_not_found(error: BaseException) -> bool:
    """Tell whether an exception says that there is nothing of that URI or name."""
    if foreign_content.name_of_object(error) in ("NotFoundError", "ResourceNotFoundError"):
        return True
    # Whoever raised ours has loaded it.
    home = _modules.get("omni.resource_contents")
    return home is not None and isinstance(error, home.NotFoundError)


#: Of FastMCP and the official SDK: what their servers show to a client whatever they hide.
_FOREIGN_ERRORS = frozenset(
    ("ToolError", "ResourceError", "PromptError", "NotFoundError", "ResourceNotFoundError")
)


def own_precision() -> None:
    """Have a call change the precision and the rounding of decimals for itself alone."""
    decimal = _modules["decimal"]
    decimal.setcontext(decimal.getcontext().copy())


def imports(frame: FrameType | None) -> bool:
    """Tell whether the code at `frame` runs on behalf of an `import`."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT_MACHINERY:
            return True
        frame = frame.f_back
    return False


def _removed(call: Call, error: BaseException) -> str | None:
    """Return that a file of the skill was removed while a call ran that was to import it, if it was."""
    version = call.target.version
    if version is None or call.target.prepared is None or not isinstance(error, ImportError):
        return None
    message = version.absence()
    if message is not None:
        skill_version.note_refusal(call, message)
    return message


def _say_on_stderr(text: str) -> None:
    try:
        sys.stderr.write(f"{text}\n")
    except Exception:  # the tool has closed it, or put something else in its place
        return


def _temporary_folder(hello: dict) -> TemporaryFolder | None:
    path = hello.get("temp")
    if not path:
        return None
    from omni.temporary import TemporaryFolder

    try:
        return TemporaryFolder(path, stays=bool(hello.get("temp_stays")))
    except OSError:  # gone already: the server is ending this process
        return None


def _injected(kind: str, context: Context) -> object:
    if kind == "context":
        return context
    if kind == "settings":
        return context.settings
    if kind == "project_root":
        return context.root
    message = f"this version of omni cannot fill in a parameter of kind `{kind}`"
    raise LoadError(message)
