"""What a tool asks of the server: calls of other tools, resources, values that are kept."""

import asyncio

import pytest

from omni import Context, RequestError

SOURCE = """
    import asyncio
    from omni import Context, RequestError, ToolCallError, ToolError

    def calls(ctx: Context, name: str = "other.tool", arguments: dict = None):
        try:
            result = ctx.call_tool_sync(name, arguments)
        except ToolCallError as error:
            return f"{error.tool} failed: {error} ({error.result and error.result.text})"
        return {"text": result.text, "data": result.data, "first": result.content[0].type}

    def passes_on(ctx: Context):
        return ctx.call_tool_sync("other.tool")

    def reads(ctx: Context, uri: str = "notes://1"):
        try:
            read = ctx.read_resource_sync(uri)
        except RequestError as error:
            return str(error)
        return [[item.uri, item.mime_type, repr(item.content)] for item in read] + [read.text]

    def keeps(ctx: Context):
        before = ctx.get_state_sync("k", 7)
        ctx.set_state_sync("k", [before, (1, 2)], handle="h")
        ctx.delete_state_sync("k")
        return ctx.get_state_sync("k", handle="h")

    def knows(ctx: Context):
        client = ctx.client
        return [ctx.request_id, client.name, client.version, sorted(client.capabilities),
                client.can("elicitation"), client.can("sampling.tools"), client.can("roots")]

    def echo(text):
        return text

    def without():
        from omni.skill import current
        return current().call_tool_sync("a.b")

    def raises(ctx: Context):
        ctx.call_tool_sync("other.tool")

    async def async_calls(ctx: Context, count: int = 2):
        calls = (ctx.call_tool("other.tool", {"n": n}) for n in range(count))
        return [result.data for result in await asyncio.gather(*calls)]
"""

CONTEXT = [{"parameter": "ctx", "kind": "context"}]
TEXT = [{"type": "text", "text": "hi"}]


@pytest.fixture
def demo(skill):
    """Return a skill whose tools ask the server."""
    return skill(files={"a.py": SOURCE})


def target(demo, function):
    return demo.target(function, inject=CONTEXT)


def request(one, method):
    """Receive a request."""
    ((kind, body),) = one.receive().items()
    assert kind == "ask", body
    assert body["method"] == method
    return body


def answer(one, body, result=None, **more):
    members = {"result": result} if result is not None else more
    one.send("answer", {"id": body["id"], "ask": body["ask"], **members})


def end(one):
    """Receive the result and return its first block's text."""
    ((kind, body),) = one.receive().items()
    assert kind == "result", body
    return body["content"][0]["text"]


# A client that cannot be asked has a server all the same.
CONTEXTS = [{"context": {"log": None, "asks": asks}} for asks in (False, None)]


@pytest.mark.parametrize("more", CONTEXTS)
def test_a_tool_calls_another_and_has_its_value(worker, demo, more):
    one = worker()
    one.start(target(demo, "calls"), {"arguments": {"n": [1, 2.5, None]}}, **more)
    asked = request(one, "tools/call")
    assert asked["params"] == {"name": "other.tool", "arguments": {"n": [1, 2.5, None]}}
    answer(one, asked, {"content": TEXT, "structuredContent": {"result": 3}, "wrapped": True})
    assert end(one) == '{"text":"hi","data":3,"first":"text"}'
    one.start(target(demo, "calls"), **more)
    asked = request(one, "tools/call")
    assert asked["params"] == {"name": "other.tool"}
    answer(one, asked, {"content": TEXT, "structuredContent": {"result": 3}})
    assert '"data":{"result":3}' in end(one)
    one.start(target(demo, "calls"), **more)
    answer(one, request(one, "tools/call"), {"content": TEXT})
    assert '"data":"hi"' in end(one)


def test_a_tool_that_fails_raises_with_its_text(worker, demo):
    one = worker()
    one.start(target(demo, "calls"))
    answer(one, request(one, "tools/call"), {"content": TEXT, "isError": True})
    assert end(one) == "other.tool failed: hi (hi)"
    one.start(target(demo, "calls"), {"name": "no.such"})
    refused = {"refused": "failed", "message": "there is no tool `no.such`"}
    answer(one, request(one, "tools/call"), **refused)
    assert end(one) == "no.such failed: there is no tool `no.such` (None)"
    one.start(target(demo, "raises"))
    answer(one, request(one, "tools/call"), {"content": TEXT, "isError": True})
    ((kind, body),) = one.receive().items()
    assert kind == "error"
    assert (body["class"], body["message"], body["intended"]) == ("ToolCallError", "hi", True)


def test_another_tools_result_may_be_passed_on(worker, demo):
    one = worker()
    image = {"type": "image", "data": "AA==", "mimeType": "image/png", "annotations": {"priority": 1}}
    one.start(target(demo, "passes_on"))
    result = {"content": [*TEXT, image], "structuredContent": {"a": 1}, "_meta": {"m": 2}}
    answer(one, request(one, "tools/call"), result)
    ((_, body),) = one.receive().items()
    assert body["content"] == [*TEXT, image]
    assert body["structured"] == {"a": 1}
    assert body["meta"] == {"m": 2}


def test_a_tool_reads_a_resource(worker, demo):
    one = worker()
    one.start(target(demo, "reads"))
    contents = [
        {"uri": "notes://1", "mimeType": "text/plain", "text": "a"},
        {"uri": "notes://1/b", "blob": "AQI="},
    ]
    asked = request(one, "resources/read")
    assert asked["params"] == {"uri": "notes://1"}
    answer(one, asked, {"contents": contents})
    assert end(one) == ("""[["notes://1","text/plain","'a'"],["notes://1/b",null,"b'\\\\x01\\\\x02'"],"a"]""")
    one.start(target(demo, "reads"))
    answer(one, request(one, "resources/read"), refused="failed", message="there is no resource")
    assert end(one) == "there is no resource"


def test_a_tool_keeps_values(worker, demo):
    one = worker()
    one.start(target(demo, "keeps"))
    asked = request(one, "omni/state/get")
    assert asked["params"] == {"key": "k"}
    answer(one, asked, {})
    asked = request(one, "omni/state/set")
    assert asked["params"] == {"key": "k", "handle": "h", "value": [7, [1, 2]]}
    answer(one, asked, {})
    asked = request(one, "omni/state/set")
    assert asked["params"] == {"key": "k"}
    answer(one, asked, {})
    asked = request(one, "omni/state/get")
    assert asked["params"] == {"key": "k", "handle": "h"}
    answer(one, asked, {"value": "v"})
    assert end(one) == "v"


def test_a_tool_knows_its_request_and_its_client(worker, demo):
    one = worker()
    client = {"name": "c", "version": "1", "capabilities": ["elicitation.url", "sampling"]}
    context = {"log": None, "request": "r-1", "client": client}
    one.start(target(demo, "knows"), context=context)
    assert end(one) == '["r-1","c","1",["elicitation.url","sampling"],true,false,false]'
    one.start(target(demo, "knows"))
    assert end(one) == '["",null,null,[],false,false,false]'


def test_calls_that_were_sent_ahead_run_when_the_call_that_asks_has_ended(worker, demo):
    one = worker()
    one.start(target(demo, "calls"), context={"log": None, "asks": False})
    for text in ("one", "two"):
        one.start(demo.target("echo"), {"text": text})
    asked = request(one, "tools/call")
    # Behind the calls, which a thread reads before it.
    answer(one, asked, {"content": TEXT})
    assert '"data":"hi"' in end(one)
    assert [end(one), end(one)] == ["one", "two"]
    # And once more, with calls that ask themselves.
    first, second = (one.start(target(demo, "calls"), context={"asks": False}) for _ in range(2))
    one.start(demo.target("echo"), {"text": "x" * 100_000})
    for call in (first, second):
        asked = request(one, "tools/call")
        assert asked["id"] == call
        answer(one, asked, {"content": TEXT})
        assert '"data":"hi"' in end(one)
    assert end(one) == "x" * 100_000


def test_a_drain_that_comes_while_a_call_asks_is_heeded_after_it(worker, demo):
    one = worker()
    one.start(target(demo, "calls"))
    asked = request(one, "tools/call")
    one.send("drain", {})
    answer(one, asked, {"content": TEXT})
    assert '"data":"hi"' in end(one)
    assert one.wait() == 0


def test_async_tools_call_side_by_side(worker, demo):
    one = worker(mode="async")
    one.start(target(demo, "async_calls"), {"count": 3})
    asked = [request(one, "tools/call") for _ in range(3)]
    for body in reversed(asked):
        answer(one, body, {"content": [{"type": "text", "text": str(body["params"]["arguments"]["n"])}]})
    assert end(one) == '["0","1","2"]'


def test_any_number_of_tasks_call_and_some_wait_for_others(worker, demo):
    one = worker(mode="async")
    one.start(target(demo, "async_calls"), {"count": 30})
    for _ in range(30):
        body = request(one, "tools/call")
        answer(one, body, {"content": [{"type": "text", "text": str(body["params"]["arguments"]["n"])}]})
    assert end(one) == str([str(n) for n in range(30)]).replace("'", '"').replace(" ", "")


def test_where_no_server_is_asked_that_is_said(worker, demo):
    one = worker()
    error = one.error(demo.target("without"))
    assert error["class"] == "ToolCallError"
    assert "takes no `Context`" in error["message"]


def test_a_context_of_no_call_keeps_values_itself_and_has_no_server():
    context = Context()
    assert context.get_state_sync("k") is None
    context.set_state_sync("k", {"a": (1,)})
    context.set_state_sync("k", 2, handle="h")
    assert context.get_state_sync("k") == {"a": [1]}
    assert asyncio.run(context.get_state("k", handle="h")) == 2
    asyncio.run(context.delete_state("k"))
    assert context.get_state_sync("k", "none") == "none"
    assert (context.request_id, context.client.name) == ("", None)
    with pytest.raises(RequestError, match="made by no server"):
        context.read_resource_sync("notes://1")
    with pytest.raises(TypeError, match="is a text, not `int`"):
        context.set_state_sync(1, 2)
    with pytest.raises(TypeError, match="is not JSON"):
        context.set_state_sync("k", {1, 2})
