"""What authors ask by: `Context.elicit`, `elicit_url`, `sample` and `roots`, and what they get."""

import pytest

from omni import (
    AcceptedElicitation,
    AskRefused,
    CancelledElicitation,
    Context,
    DeclinedElicitation,
    Image,
    Message,
    Root,
    SamplingResult,
    ToolError,
)
from omni.elicit import form_question, url_question
from omni.sample import read_roots, read_sample, sample_params

SOURCE = """
    import asyncio
    from dataclasses import dataclass
    from omni import AcceptedElicitation, AskRefused, Context, Image, tool

    @dataclass
    class Booking:
        seats: int
        window: bool = False

    def shown(answer):
        return f"{answer.action}: {answer.data!r}"

    def form(ctx: Context) -> str:
        return shown(ctx.elicit_sync("Which seats?", Booking, key="seats"))

    async def form_async(ctx: Context) -> str:
        answer = await ctx.elicit("Which seats?", response_type=Booking)
        if isinstance(answer, AcceptedElicitation):
            assert isinstance(answer.data, Booking)
        return shown(answer)

    def page(ctx: Context) -> str:
        return shown(ctx.elicit_url_sync("Sign in.", "https://example.com/in"))

    async def page_async(ctx: Context) -> str:
        return shown(await ctx.elicit_url("Sign in.", "https://example.com/in"))

    def model(ctx: Context) -> str:
        result = ctx.sample_sync(["Hi", Image(b"x", format="png")], system_prompt="Be brief.", max_tokens=9)
        return f"{result.model}: {result.text} ({result.stop_reason})"

    async def model_async(ctx: Context) -> str:
        return (await ctx.sample("Hi", default="none")).text

    def folders(ctx: Context) -> str:
        return ", ".join(f"{root.name} {root.path}" for root in ctx.roots_sync())

    async def folders_async(ctx: Context) -> str:
        return str(await ctx.roots(default=[]))

    def defaults(ctx: Context) -> str:
        answer = ctx.elicit_sync("Sure?", bool, default=False)
        said = f"{shown(answer)} {answer.from_default}"
        said += f"; {shown(ctx.elicit_url_sync('Go.', 'https://a.example', default='decline'))}"
        return said + f"; {ctx.sample_sync('Hi', default='no model').text}; {ctx.roots_sync(default=[])}"

    def catches(ctx: Context) -> str:
        try:
            ctx.elicit_sync("Sure?", bool)
        except AskRefused as refused:
            return f"{refused.why}: {refused}"

    async def blocks(ctx: Context) -> str:
        try:
            ctx.elicit_sync("Sure?", bool)
        except RuntimeError as error:
            return str(error)

    async def at_once(ctx: Context) -> str:
        answers = await asyncio.gather(*(ctx.elicit(f"{n}?", int, key=f"k{n}") for n in range(3)))
        return str([answer.data for answer in answers])
"""

CONTEXT = [{"parameter": "ctx", "kind": "context"}]


@pytest.fixture
def demo(skill):
    """Return a skill whose tools ask."""
    return skill(files={"a.py": SOURCE})


def start(one, demo, function, **more):
    return one.start(demo.target(function, inject=CONTEXT), **more)


def asked(one):
    ((kind, body),) = one.receive().items()
    assert kind == "ask", body
    return body


def answer(one, question, result=None, **more):
    one.send("answer", {"id": question["id"], "ask": question["ask"], **(more or {"result": result})})


def value(one):
    ((kind, body),) = one.receive().items()
    assert kind == "result", body
    return body["content"][0]["text"]


BOOKING = {
    "type": "object",
    "properties": {"seats": {"type": "integer"}, "window": {"type": "boolean", "default": False}},
    "required": ["seats"],
}


@pytest.mark.parametrize("way", [("sync", "form"), ("sync", "form_async"), ("async", "form_async")])
@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"action": "accept", "content": {"seats": 2}}, "accept: Booking(seats=2, window=False)"),
        ({"action": "decline"}, "decline: None"),
        ({"action": "cancel", "content": None}, "cancel: None"),
    ],
)
def test_a_form_is_asked_for_and_its_answer_has_the_authors_type(worker, demo, way, result, said):
    mode, function = way
    one = worker(mode)
    start(one, demo, function)
    question = asked(one)
    assert question["method"] == "elicitation/create"
    assert question["params"] == {"mode": "form", "message": "Which seats?", "requestedSchema": BOOKING}
    assert question.get("key") == ("seats" if function == "form" else None)
    answer(one, question, result)
    assert value(one) == said


@pytest.mark.parametrize("function", ["page", "page_async"])
def test_a_page_is_asked_for_by_its_address(worker, demo, function):
    one = worker()
    start(one, demo, function)
    question = asked(one)
    assert question["params"] == {"mode": "url", "message": "Sign in.", "url": "https://example.com/in"}
    answer(one, question, {"action": "accept"})
    assert value(one) == "accept: None"


def test_a_model_is_asked_and_a_folder_found(worker, demo):
    one = worker()
    start(one, demo, "model")
    question = asked(one)
    assert question["method"] == "sampling/createMessage"
    assert question["params"] == {
        "messages": [
            {"role": "user", "content": {"type": "text", "text": "Hi"}},
            {"role": "user", "content": {"type": "image", "data": "eA==", "mimeType": "image/png"}},
        ],
        "systemPrompt": "Be brief.",
        "maxTokens": 9,
    }
    said = {"type": "text", "text": "Hello."}
    answer(one, question, {"role": "assistant", "content": said, "model": "m", "stopReason": "endTurn"})
    assert value(one) == "m: Hello. (endTurn)"
    start(one, demo, "folders")
    question = asked(one)
    assert (question["method"], question["params"]) == ("roots/list", {})
    answer(one, question, {"roots": [{"uri": "file:///my%20work", "name": "work"}, {"uri": "https://a.b/c"}]})
    assert value(one) == "work /my work, None None"


def test_the_awaited_spellings_ask_the_same(worker, demo):
    one = worker("async")
    start(one, demo, "model_async")
    answer(one, asked(one), {"role": "assistant", "content": [{"type": "text", "text": "Yes"}], "model": "m"})
    assert value(one) == "Yes"
    start(one, demo, "folders_async")
    answer(one, asked(one), {"roots": []})
    assert value(one) == "[]"
    start(one, demo, "at_once")
    for question in reversed([asked(one) for _ in range(3)]):
        number = int(question["key"][1:])
        answer(one, question, {"action": "accept", "content": {"value": number}})
    assert value(one) == "[0, 1, 2]"


def test_where_the_client_cannot_be_asked_the_defaults_take_the_place_of_answers(worker, demo):
    one = worker()
    start(one, demo, "defaults", context={"asks": False})
    assert value(one) == "accept: False True; decline: None; no model; []"
    # The server says so, too, of what this client has not declared.
    start(one, demo, "defaults")
    for _ in range(4):
        answer(one, asked(one), refused="unsupported", message="it cannot")
    assert value(one) == "accept: False True; decline: None; no model; []"


def test_a_default_is_no_answer_of_a_client_that_has_gone_or_failed(worker, demo):
    one = worker()
    for why in ("gone", "failed"):
        start(one, demo, "defaults")
        answer(one, asked(one), refused=why, message="no answer")
        ((kind, body),) = one.receive().items()
        assert (kind, body["class"], body["message"]) == ("error", "AskRefused", "no answer")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, "failed: the client's answer has the action None, which MCP does not know"),
        (
            {"action": "accept"},
            "failed: the client's answer does not fit the form: /value: required, but missing",
        ),
        (
            {"action": "accept", "content": {"value": "yes"}},
            "failed: the client's answer does not fit the form: /value: 'yes' is not true or false",
        ),
        (
            {"action": "accept", "content": [1]},
            "failed: the client accepted the form, and its `content` is no object",
        ),
    ],
)
def test_an_answer_that_is_none_is_told_to_the_tool(worker, demo, result, said):
    one = worker()
    start(one, demo, "catches")
    answer(one, asked(one), result)
    assert value(one) == said


def test_the_blocking_spelling_is_refused_where_an_event_loop_runs(worker, demo):
    one = worker("async")
    start(one, demo, "blocks")
    assert "await the one without, such as `await ctx.elicit(…)`" in value(one)


# -- without a worker ------------------------------------------------------------------------------------


def test_in_a_test_of_an_author_nobody_is_asked():
    context = Context()
    assert context.elicit_sync("Sure?", bool, default=True) == AcceptedElicitation(data=True)
    with pytest.raises(AskRefused) as caught:
        context.elicit_sync("Sure?", bool)
    assert caught.value.why == "unsupported"
    assert isinstance(caught.value, ToolError)


def test_what_is_asked_wrongly_is_a_mistake_whoever_the_client_is():
    context = Context()
    for wrong, error in [
        (lambda: context.elicit_sync("Sure?"), TypeError),
        (lambda: context.elicit_sync("Sure?", bool, response_type=bool, default=True), TypeError),
        (lambda: context.elicit_sync(5, bool, default=True), TypeError),
        (lambda: context.elicit_url_sync("Go.", "example.com/x", default="accept"), ValueError),
        (lambda: context.elicit_url_sync("Go.", "https://a b", default="accept"), ValueError),
        (lambda: context.elicit_url_sync("Go.", "https://", default="accept"), ValueError),
        (lambda: context.elicit_url_sync("Go.", "https:a.example", default="accept"), ValueError),
        (lambda: context.elicit_url_sync("Go.", "https:///a", default="accept"), ValueError),
        (lambda: context.elicit_url_sync("Go.", "file:///etc/hosts", default="accept"), ValueError),
        (lambda: context.elicit_url_sync("Go.", "javascript:alert(1)", default="accept"), ValueError),
        (lambda: context.sample_sync("Go.", tool_choice="maybe", default="a"), ValueError),
        (lambda: context.sample_sync("Go.", temperature=float("nan"), default="a"), ValueError),
        (lambda: context.elicit_url_sync("Go.", "https://a", default="yes"), ValueError),
        (lambda: context.sample_sync([], default=""), TypeError),
        (lambda: context.sample_sync(None, default=""), TypeError),
        (lambda: context.sample_sync("Hi", max_tokens=0, default=""), ValueError),
        (lambda: context.sample_sync("Hi", include_context="all", default=""), ValueError),
    ]:
        with pytest.raises(error):
            wrong()


def test_answers_are_told_apart_by_class_action_and_equality():
    assert AcceptedElicitation(1) == AcceptedElicitation(1) != AcceptedElicitation(2)
    assert DeclinedElicitation() == DeclinedElicitation() != CancelledElicitation()
    assert (DeclinedElicitation().action, CancelledElicitation().data) == ("decline", None)
    assert AcceptedElicitation[int](1).action == "accept"
    _, read = form_question("m", bool, None, None)
    assert read({"action": "accept", "content": {"value": True}}) == AcceptedElicitation(data=True)
    _, read = url_question("m", "HTTPS://b.example/?q")
    assert read({"action": "decline"}) == DeclinedElicitation()


PLAIN = {
    "system_prompt": None,
    "max_tokens": 10,
    "temperature": None,
    "stop_sequences": None,
    "model_preferences": None,
    "include_context": None,
    "tools": None,
    "tool_choice": None,
    "metadata": None,
}


def test_messages_are_what_prompts_take_and_what_mcp_writes():
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "t", "input": {}}]}
    params = sample_params([Message("a", role="assistant"), call, {"role": "user", "content": "b"}], **PLAIN)
    assert params == {
        "messages": [
            {"role": "assistant", "content": {"type": "text", "text": "a"}},
            call,
            {"role": "user", "content": {"type": "text", "text": "b"}},
        ],
        "maxTokens": 10,
    }
    more = {
        "model_preferences": ["haiku", "mini"],
        "tool_choice": "auto",
        "tools": [],
        "stop_sequences": ("x",),
    }
    params = sample_params("a", **{**PLAIN, **more})
    assert params["modelPreferences"] == {"hints": [{"name": "haiku"}, {"name": "mini"}]}
    assert (params["toolChoice"], params["tools"], params["stopSequences"]) == ({"mode": "auto"}, [], ["x"])
    assert sample_params("a", **{**PLAIN, "model_preferences": "mini"})["modelPreferences"] == {
        "hints": [{"name": "mini"}]
    }


def test_results_of_models_and_folders_are_read_or_refused():
    use = {"type": "tool_use", "id": "1", "name": "t", "input": {}}
    result = read_sample({"role": "assistant", "model": "m", "content": [{"type": "text", "text": "a"}, use]})
    assert (result.text, result.tool_calls, result.stop_reason) == ("a", [use], None)
    assert isinstance(result, SamplingResult)
    for wrong in ({}, {"content": "text"}, {"content": [1]}):
        with pytest.raises(AskRefused, match="content block"):
            read_sample(wrong)
    assert read_roots({"roots": [{"uri": "file:///a"}]}) == [Root("file:///a")]
    for wrong in ({}, {"roots": {}}, {"roots": [{}]}, {"roots": [{"uri": 5}]}):
        with pytest.raises(AskRefused, match="`roots`"):
            read_roots(wrong)


def test_a_picture_is_a_message():
    (message,) = sample_params(Image(b"x", format="png"), **PLAIN)["messages"]
    assert message["content"]["type"] == "image"
