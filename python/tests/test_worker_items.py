"""Functions of the kinds resource, prompt and completion in a worker: one process for a call, or for many."""

import json
from time import monotonic

import pytest
from harness import PATIENCE_SECONDS

SOURCE = """
    import datetime
    from omni import AssistantMessage, Context, Image, Message, NotFoundError, PromptResult
    from omni import ResourceContent, ToolError

    def today(format: str = "plain") -> str:
        return f"today, {format}"

    def note(number: int, *, long: bool = False):
        if number < 0:
            raise NotFoundError(f"there is no note {number}")
        if number == 0:
            raise ToolError("note 0 is locked")
        return ResourceContent({"number": number, "long": long}, meta={"k": 1})

    async def picture():
        return b"\\xff"

    def review(day: datetime.date, ctx: Context, tags: list[str] = ()):
        ctx.progress(1, 2)
        yield f"review {day.isoformat()} of {len(tags)}"
        yield Message("yes", role="assistant")

    async def plan(topic: str):
        yield topic
        yield AssistantMessage(Image(b"a"))

    def about():
        return PromptResult("a", description="about", meta={"k": 1})

    def languages(value: str, context: dict):
        return [name for name in ("dart", "de", "rust") if name.startswith(value)] + sorted(context)

    def endless(value: str):
        while True:
            yield value

    async def endless_async(value: str):
        while True:
            yield value

    def nothing(): ...

    def broken():
        return "\\ud800"

    def slow():
        import time
        time.sleep(60)
"""


@pytest.fixture(params=["sync", "async"])
def one(request, worker):
    return worker(request.param)


@pytest.fixture
def items(skill):
    return skill(files={"a.py": SOURCE.replace("list[str]", "'list[str]'")})


def test_a_resource_is_read_under_the_uri_that_was_asked_for(one, items):
    target = items.target("today", kind="resource")
    result = one.result(target, {"format": "long"}, uri="notes://today")
    assert result["content"] == [{"uri": "notes://today", "mimeType": "text/plain", "text": "today, long"}]
    typed = items.target("today", kind="resource", mime_type="text/markdown")
    for uri in ("notes://a", "notes://b"):
        (content,) = one.result(typed, uri=uri)["content"]
        assert (content["uri"], content["mimeType"]) == (uri, "text/markdown"), "the second time it is known"


def test_the_variables_of_a_template_become_the_types_of_the_parameters(one, items):
    target = items.target("note", kind="resource")
    (content,) = one.result(target, {"number": "7", "long": "yes"}, uri="notes://7")["content"]
    assert json.loads(content["text"]) == {"number": 7, "long": True}
    assert content["_meta"] == {"k": 1}
    error = one.error(target, {"number": "seven"}, uri="notes://seven")
    assert error["kind"] == "invalid_arguments"
    assert "/number" in error["message"]


def test_a_resource_says_by_an_exception_that_there_is_nothing_of_that_uri(one, items):
    target = items.target("note", kind="resource")
    error = one.error(target, {"number": "-1"}, uri="notes://-1")
    assert (error["kind"], error["message"], error["intended"]) == ("not_found", "there is no note -1", True)
    error = one.error(target, {"number": "0"}, uri="notes://0")
    assert (error["kind"], error["message"], error["intended"]) == ("tool_error", "note 0 is locked", True)
    error = one.error(items.target("note"), {"number": -1})
    assert (error["kind"], error["intended"]) == ("tool_error", True), "a tool that raises it has failed"


def test_bytes_come_in_base64(one, items):
    (content,) = one.result(items.target("picture", kind="resource"), uri="x:1")["content"]
    assert content == {"uri": "x:1", "mimeType": "application/octet-stream", "blob": "/w=="}


def test_a_prompt_s_arguments_become_their_types_and_what_it_yields_messages(one, items):
    target = items.target("review", kind="prompt", inject=[{"parameter": "ctx", "kind": "context"}])
    frames = one.call(target, {"day": "2025-01-31", "tags": '["a", "b"]'})
    assert any("progress" in frame for frame in frames)
    assert frames[-1]["result"]["content"] == [
        {"role": "user", "content": {"type": "text", "text": "review 2025-01-31 of 2"}},
        {"role": "assistant", "content": {"type": "text", "text": "yes"}},
    ]
    result = one.result(items.target("plan", kind="prompt"), {"topic": "5"})
    assert [message["role"] for message in result["content"]] == ["user", "assistant"]


def test_a_prompt_s_description_and_meta_stand_beside_its_messages(one, items):
    result = one.result(items.target("about", kind="prompt"))
    assert (result["description"], result["meta"]) == ("about", {"k": 1})


def test_a_completion_gets_what_was_typed_and_what_is_known(one, items):
    target = items.target("languages", kind="completion")
    assert one.result(target, {"value": "d"})["content"] == ["dart", "de"]
    assert one.result(target, {"value": "r", "context": {"a": "b"}})["content"] == ["rust", "a"]


@pytest.mark.parametrize("function", ["endless", "endless_async"])
def test_of_an_endless_completion_a_hundred_values_are_sent(one, items, function):
    result = one.result(items.target(function, kind="completion"), {"value": "a"})
    assert result["content"] == ["a"] * 100
    assert result["has_more"] is True
    assert "total" not in result


@pytest.mark.parametrize("kind", ["resource", "prompt"])
def test_what_cannot_be_sent_is_a_bad_result(one, items, kind):
    error = one.error(items.target("nothing", kind=kind), uri="x:1")
    assert error["kind"] == "bad_result"
    assert error["location"].startswith("scripts/a.py:")
    error = one.error(items.target("broken", kind=kind), uri="x:1")
    assert (error["kind"], "surrogate" in error["message"]) == ("bad_result", True)


def test_one_function_may_be_of_several_kinds(one, items):
    assert one.text(items.target("today")) == "today, plain"
    assert "uri" in one.result(items.target("today", kind="resource"), uri="x:1")["content"][0]
    assert "role" in one.result(items.target("today", kind="prompt"))["content"][0]


@pytest.mark.parametrize("kind", ["resource", "prompt", "completion"])
def test_a_result_larger_than_it_may_be_is_named(worker, skill, kind):
    one = worker(result_bytes_max=1000)
    source = "def f(value='') -> str:\n    return ['x' * 2000] if value else 'x' * 2000\n"
    demo = skill(files={"a.py": source})
    error = one.error(demo.target("f", kind=kind), {"value": "a"}, uri="x:1")
    assert error["kind"] == "output_limit", error


@pytest.mark.parametrize("kind", ["resource", "prompt"])
def test_a_sync_function_of_any_kind_is_cancelled(worker, items, kind):
    one = worker()
    call_id = one.start(items.target("slow", kind=kind), uri="x:1")
    deadline = monotonic() + PATIENCE_SECONDS
    while one.started() != call_id:
        assert monotonic() < deadline, one.receive()
    one.interrupt()
    assert one.receive()["error"]["kind"] == "cancelled"
