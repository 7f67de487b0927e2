"""What a tool asks the person at the client: a form to fill in, or a page to visit."""

from __future__ import annotations

from omni.call_errors import AskRefused
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Generic, Literal, TypeVar

    T = TypeVar("T")
    _Holds = Generic[T]
else:
    # `typing` costs a call that asks nothing of it more than all of this.
    class _Holds:
        __slots__ = ()

        def __class_getitem__(cls, _item: object) -> type:
            return cls


METHOD = "elicitation/create"


class AcceptedElicitation(_Holds):
    """The person has answered: `data` is what the form's type makes of it.

    Of a page to visit it means that the person has agreed to go there, and `data` is None.

    Args:
        data: What the answer is.
        from_default: Nobody was asked: it is the `default` that the author gave.
    """

    __slots__ = ("data", "from_default")
    __match_args__ = ("data",)

    action: Literal["accept"] = "accept"

    def __init__(self, data: Any = None, *, from_default: bool = False) -> None:
        self.data = data
        self.from_default = from_default

    def __eq__(self, other: object) -> bool:
        return self.data == other.data if isinstance(other, AcceptedElicitation) else NotImplemented

    __hash__ = None

    def __repr__(self) -> str:
        return f"<AcceptedElicitation {self.data!r:.80}>"


class _Unanswered:
    """An answer without data."""

    __slots__ = ()
    __match_args__ = ()

    #: There is none: `answer.data` needs no question whether it is there.
    data: None = None

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class DeclinedElicitation(_Unanswered):
    """The person has said no."""

    __slots__ = ()

    action: Literal["decline"] = "decline"


class CancelledElicitation(_Unanswered):
    """The person has closed the question without a yes or no, or the client has."""

    __slots__ = ()

    action: Literal["cancel"] = "cancel"


def form_question(
    message: str, schema: Any, title: str | None, description: str | None
) -> tuple[dict[str, Any], Callable[[dict], Any]]:
    """Return the parameters of a question that shows a form, and what makes an answer of the result.

    Raises:
        TypeError: The message is no text, or the schema nothing that a form can ask for.
        ValueError: The schema lists no choice, or one twice.
    """
    from omni.elicit_form import form_of

    form = form_of(schema, title, description)

    def read(result: dict[str, Any]) -> Any:
        from omni.stdlib_types import ArgumentError

        def data() -> Any:
            content = result.get("content")
            if content is None:
                content = {}
            if type(content) is not dict:
                raise AskRefused("failed", "the client accepted the form, and its `content` is no object")
            try:
                return form.read(content)
            except ArgumentError as error:
                raise AskRefused("failed", f"the client's answer does not fit the form: {error}") from None

        return _answer(result, data)

    return {"mode": "form", "message": _text("message", message), "requestedSchema": form.schema}, read


def url_question(message: str, url: str) -> tuple[dict[str, Any], Callable[[dict], Any]]:
    """Return the same of a question that wants a page visited.

    Raises:
        TypeError: Something is no text.
        ValueError: The URL is no page's address.
    """
    scheme, _, address = _text("url", url).partition("://")
    # A client opens it in a browser, which does other things with other schemes.
    if (
        scheme.lower() not in ("http", "https")
        or address[:1] in ("", "/", "?", "#")
        or any(character <= " " for character in url)
    ):
        message = f"`url` is the address of a page, `https://…` or `http://…`, not {url!r:.80}"
        raise ValueError(message)
    return {"mode": "url", "message": _text("message", message), "url": url}, lambda result: _answer(
        result, lambda: None
    )


def _answer(result: dict[str, Any], data: Callable[[], Any]) -> Any:
    action = result.get("action")
    if action == "accept":
        return AcceptedElicitation(data())
    if action == "decline":
        return DeclinedElicitation()
    if action == "cancel":
        return CancelledElicitation()
    raise AskRefused("failed", f"the client's answer has the action {action!r:.40}, which MCP does not know")


def default_action(action: str) -> Any:
    """Return the answer that has this action, of a question without data. Raises `ValueError`."""
    found = {
        "accept": AcceptedElicitation,
        "decline": DeclinedElicitation,
        "cancel": CancelledElicitation,
    }.get(action)
    if found is None:
        message = f"`default` is the action `accept`, `decline` or `cancel`, not {action!r:.40}"
        raise ValueError(message)
    return found(None, from_default=True) if found is AcceptedElicitation else found()


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        message = f"`{name}` is a text, not `{type(value).__name__}`"
        raise TypeError(message)
    return value
