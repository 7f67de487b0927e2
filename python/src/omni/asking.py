"""How a call asks its client something: the part of `Context` that does."""

from __future__ import annotations

from omni.call_errors import AskRefused, CallCancelled
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, TypeVar, Union

    from omni.asks import Asks
    from omni.call_frame import Call
    from omni.elicit import AcceptedElicitation, CancelledElicitation, DeclinedElicitation
    from omni.sample import Root, SamplingResult
    from omni.skill import Host

    T = TypeVar("T")
    Elicitation = Union[AcceptedElicitation[T], DeclinedElicitation, CancelledElicitation]
    Question = tuple[str, dict[str, Any], Callable[[dict[str, Any]], Any], Callable[[Any], Any]]


class _NotGiven:
    """Stands for an argument that was not given, where None is one that may be."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "…"


_NOT_GIVEN: Any = _NotGiven()


class Asking:
    """Questions to the client, each in two spellings: to be awaited, and with `_sync` for plain functions.

    A question goes to whoever made the call. Whether there is an answer depends on the client: one that
    cannot be asked that is an `AskRefused` whose `why` is `unsupported`, or the `default` where one is given.
    While a question is open both time limits stand still, and cancelling the call ends it. Cancelling the
    task that waits, as `asyncio.wait_for` does, takes the question back. Up to 16 questions of a call may be
    open at once.

    All raise, besides what they say themselves:
        AskRefused: There is no answer: see its `why`.
        CallCancelled: The client gave up on the call. Let it propagate.
        RuntimeError: `…_sync` where an event loop runs, which would stand still.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _call: Call
        _host: Host
        _stopped: bool

    async def elicit(
        self,
        message: str,
        schema: type[T] | list | dict = _NOT_GIVEN,
        *,
        default: T = _NOT_GIVEN,
        key: str | None = None,
        response_type: type[T] | list | dict = _NOT_GIVEN,
        response_title: str | None = None,
        response_description: str | None = None,
    ) -> Elicitation[T]:
        """Ask the person at the client, by a form that the client shows.

        Args:
            message: What it is about, for the person.
            schema: What is asked for. A dataclass, a `TypedDict` or a Pydantic model is a form with its
                fields, each of a type of these: `str`, `int`, `float`, `bool`, a date, a `Literal` or an
                enumeration, a list or set of the latter two. One of these types alone asks for one value.
                `["a", "b"]` are choices, `{"a": "Title of a"}` are choices with titles, and either in a list
                lets the person choose several. A JSON Schema (`{"type": "object", "properties": …}`) is sent
                as it is.
            default: The `data` of the answer where this client cannot be asked. It is not for a person who
                declines.
            key: What the question is called for clients that answer by a request of their own: 1 to 128
                bytes, which no other open question of the call has. One without is named by the server.
            response_type: `schema`, as FastMCP calls it.
            response_title: The label of the one value.
            response_description: What is written beside it.

        Returns:
            `AcceptedElicitation`, whose `data` is what `schema` makes of the answer, `DeclinedElicitation` or
            `CancelledElicitation`; by `action` these are `accept`, `decline` and `cancel`.

        Raises:
            TypeError: `schema` is nothing that a form can ask for.
            ValueError: It lists no choice, or the question is larger than a mebibyte.
        """
        words = (response_title, response_description)
        question = _elicitation(message, _one_of(schema, response_type), words, default)
        return await self._answered_async(question, key)

    def elicit_sync(
        self,
        message: str,
        schema: type[T] | list | dict = _NOT_GIVEN,
        *,
        default: T = _NOT_GIVEN,
        key: str | None = None,
        response_type: type[T] | list | dict = _NOT_GIVEN,
        response_title: str | None = None,
        response_description: str | None = None,
    ) -> Elicitation[T]:
        """Do what `elicit` does, and block this thread until the answer is there."""
        words = (response_title, response_description)
        question = _elicitation(message, _one_of(schema, response_type), words, default)
        return self._answered(question, key)

    async def elicit_url(
        self, message: str, url: str, *, default: str = _NOT_GIVEN, key: str | None = None
    ) -> Elicitation[None]:
        """Ask the person to visit a page, for what must not pass through the client, such as a password.

        Args:
            message: Why, for the person.
            url: The page.
            default: The action where this client cannot be asked: `accept`, `decline` or `cancel`.
            key: As of `elicit`.

        Returns:
            As of `elicit`, without data. `accept` means that the person has agreed to go there, not that
            anything has been done there: find that out by yourself.

        Raises:
            ValueError: The URL is no address of a page (`https`, `http`), or the default no action.
        """
        return await self._answered_async(_url(message, url, default), key)

    def elicit_url_sync(
        self, message: str, url: str, *, default: str = _NOT_GIVEN, key: str | None = None
    ) -> Elicitation[None]:
        """Do what `elicit_url` does, and block this thread until the answer is there."""
        return self._answered(_url(message, url, default), key)

    async def sample(
        self,
        messages: Any,
        *,
        system_prompt: str | None = None,
        max_tokens: int = 1024,
        temperature: float | None = None,
        stop_sequences: list[str] | None = None,
        model_preferences: str | list[str] | dict[str, Any] | None = None,
        include_context: str | None = None,
        tools: list[dict[str, Any]] | None = None,
        tool_choice: str | dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        default: Any = _NOT_GIVEN,
        key: str | None = None,
    ) -> SamplingResult:
        """Have the client's model answer something. The client may show it to its person first.

        Args:
            messages: What the model reads: text, a content block (`Image`, …), a `Message`, a message as MCP
                spells it, or a list of these. Without a role it is the user who speaks.
            system_prompt: What the model is told before. The client may ignore it.
            max_tokens: How long the answer may be.
            temperature: How freely the model may answer.
            stop_sequences: Texts at which it stops.
            model_preferences: Names of models, best first, of which parts are enough; or MCP's
                `modelPreferences`.
            include_context: `none`, `thisServer` or `allServers`: what else of MCP servers the model is to
                see.
            tools: Tools that the model may call, as MCP describes them; the tool of this call runs them.
            tool_choice: `auto`, `required` or `none`, or MCP's `toolChoice`.
            metadata: Passed on to whoever serves the model.
            default: Returned where this client has no model for others; a text stands for a result with that
                text.
            key: As of `elicit`.

        Raises:
            TypeError: The messages are none.
            ValueError: A number or a word is none that MCP has.
        """
        question = _sampling(
            default,
            messages,
            system_prompt=system_prompt,
            max_tokens=max_tokens,
            temperature=temperature,
            stop_sequences=stop_sequences,
            model_preferences=model_preferences,
            include_context=include_context,
            tools=tools,
            tool_choice=tool_choice,
            metadata=metadata,
        )
        return await self._answered_async(question, key)

    def sample_sync(
        self,
        messages: Any,
        *,
        system_prompt: str | None = None,
        max_tokens: int = 1024,
        temperature: float | None = None,
        stop_sequences: list[str] | None = None,
        model_preferences: str | list[str] | dict[str, Any] | None = None,
        include_context: str | None = None,
        tools: list[dict[str, Any]] | None = None,
        tool_choice: str | dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        default: Any = _NOT_GIVEN,
        key: str | None = None,
    ) -> SamplingResult:
        """Do what `sample` does, and block this thread until the answer is there."""
        question = _sampling(
            default,
            messages,
            system_prompt=system_prompt,
            max_tokens=max_tokens,
            temperature=temperature,
            stop_sequences=stop_sequences,
            model_preferences=model_preferences,
            include_context=include_context,
            tools=tools,
            tool_choice=tool_choice,
            metadata=metadata,
        )
        return self._answered(question, key)

    async def roots(self, *, default: Any = _NOT_GIVEN, key: str | None = None) -> list[Root]:
        """Return the folders that the client works in, each with its `uri`, its `name` and its `path`.

        Args:
            default: Returned where this client does not tell, such as `[]`.
            key: As of `elicit`.
        """
        return await self._answered_async(_roots(default), key)

    def roots_sync(self, *, default: Any = _NOT_GIVEN, key: str | None = None) -> list[Root]:
        """Do what `roots` does, and block this thread until the answer is there."""
        return self._answered(_roots(default), key)

    def _answered(self, question: Question, key: str | None) -> Any:
        method, params, read, fall_back = question
        try:
            result = self._ask(method, params, key)
        except AskRefused as refused:
            return fall_back(refused)
        return read(result)

    async def _answered_async(self, question: Question, key: str | None) -> Any:
        method, params, read, fall_back = question
        try:
            result = await self._ask_async(method, params, key)
        except AskRefused as refused:
            return fall_back(refused)
        return read(result)

    def _ask(self, method: str, params: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Ask the client something and block this thread until its answer is there.

        Args:
            method: MCP's name of what a server may ask: `elicitation/create`, `sampling/createMessage` or
                `roots/list`.
            params: What MCP says of that method. JSON values; a mebibyte at most.
            key: As of `elicit`.

        Returns:
            The client's result as MCP describes it.

        Raises:
            TypeError: Something is no JSON.
            ValueError: The parameters are too large, or hold NaN or an infinity, or the key is not of 1 to
                128 bytes.
        """
        return self._asker(method, params, key).ask(self, method, params, key)

    async def _ask_async(self, method: str, params: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Do what `_ask` does, and let others run meanwhile."""
        return await self._asker(method, params, key).ask_async(self, method, params, key)

    def _asker(self, method: str, params: object, key: str | None) -> Asks:
        """Return what asks the client. Raises `AskRefused` where nobody can be asked."""
        if self._stopped:
            raise CallCancelled
        host = self._host
        asks = host.asks()
        capability = None
        if host.elsewhere is not None:
            reason = "by a process that a tool has started; ask in the call's own process"
        elif asks is None:
            reason = "here: the call was made without a client that could answer"
        elif not any(kind == "context" for _, kind in self._call.target.inject):
            reason = "by a tool that takes no `Context`: give its function a parameter `ctx: Context`"
        elif self._call.context.get("asks") is False:
            # What could never be asked is said as it is where a client can be.
            capability = asks.check(method, params, key)
            reason = "here: this call's client has not declared that it can be asked anything"
        else:
            return asks
        message = f"`{method}` cannot be asked {reason}"
        raise AskRefused("unsupported", message, capability)


def _elicitation(message: str, schema: Any, words: tuple[str | None, str | None], default: Any) -> Question:
    from omni.elicit import METHOD, AcceptedElicitation, form_question

    params, read = form_question(message, schema, *words)
    return METHOD, params, read, _default(default, lambda data: AcceptedElicitation(data, from_default=True))


def _one_of(schema: Any, response_type: Any) -> Any:
    if schema is not _NOT_GIVEN and response_type is not _NOT_GIVEN:
        raise TypeError("`schema` and `response_type` are the same thing: give one of them")
    asked_for = response_type if schema is _NOT_GIVEN else schema
    return None if asked_for is _NOT_GIVEN else asked_for


def _url(message: str, url: str, default: Any) -> Question:
    from omni.elicit import METHOD, default_action, url_question

    params, read = url_question(message, url)
    answer = None if default is _NOT_GIVEN else default_action(default)
    return METHOD, params, read, _default(default, lambda _: answer)


def _sampling(default: Any, messages: Any, **options: Any) -> Question:
    from omni.sample import SAMPLE, default_sample, read_sample, sample_params

    return SAMPLE, sample_params(messages, **options), read_sample, _default(default, default_sample)


def _roots(default: Any) -> Question:
    from omni.sample import ROOTS, read_roots

    return ROOTS, {}, read_roots, _default(default, lambda value: value)


def _default(default: Any, make: Callable[[Any], Any]) -> Callable[[AskRefused], Any]:
    """Return what is done where there is no answer: the default takes its place where nobody can be asked."""

    def fall_back(refused: AskRefused) -> Any:
        if default is _NOT_GIVEN or refused.why != "unsupported":
            raise refused
        return make(default)

    return fall_back
