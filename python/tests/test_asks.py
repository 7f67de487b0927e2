"""Questions of a tool to its client: what goes up, what comes down, and who waits for whom."""

import os

import pytest

SOURCE = """
    import asyncio, os, threading
    from omni import CallCancelled, Context, ToolError
    from omni.skill import AskRefused, current

    def once(ctx: Context, message: str = "size?"):
        return ctx._ask("elicitation/create", {"message": message})

    def keyed(ctx: Context, key: object = "user_name"):
        try:
            return ctx._ask("roots/list", {}, key)
        except (TypeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"

    async def same_key(ctx: Context):
        first = asyncio.ensure_future(ctx._ask_async("roots/list", {"n": 1}, "k"))
        await asyncio.sleep(0)
        try:
            await ctx._ask_async("roots/list", {"n": 2}, "k")
        except AskRefused as refused:
            said = f"{refused.why}: {refused}"
            await asyncio.sleep(0)
            ctx.info("refused")
        return [await first, said, await ctx._ask_async("roots/list", {"n": 3}, "k")]

    def twice(ctx: Context):
        first = ctx._ask("elicitation/create", {"message": "first?"})
        return [first, ctx._ask("roots/list", {})]

    def catches(ctx: Context, method: str = "roots/list"):
        try:
            ctx._ask(method, {})
        except AskRefused as refused:
            return f"{refused.why}: {refused}"

    def parallel(ctx: Context, count: int = 3):
        answers = [None] * count

        def ask(at):
            try:
                answers[at] = ctx._ask("elicitation/create", {"at": at})
            except AskRefused as refused:
                answers[at] = refused.why
                ctx.info("refused")

        threads = [threading.Thread(target=ask, args=(at,)) for at in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def besides(ctx: Context):
        def ask():
            ctx._ask("elicitation/create", {"who": "thread"})

        thread = threading.Thread(target=ask)
        thread.start()
        mine = ctx._ask("elicitation/create", {"who": "main"})
        thread.join()
        return mine

    def leaves(ctx: Context):
        def ask():
            try:
                ctx._ask("elicitation/create", {})
            except AskRefused as refused:
                seen.append(f"{refused.why}: {refused}")

        threading.Thread(target=ask, daemon=True).start()
        while not ctx._host._asks or ctx._host._asks.is_idle():
            pass
        return "left"

    seen = []

    def what_was_seen():
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join(10)
        return seen

    def cleans_up(ctx: Context):
        try:
            ctx._ask("elicitation/create", {})
        except CallCancelled:
            seen.append("cancelled")
            raise

    def echo(text):
        return text

    def without():
        return current()._ask("roots/list", {})

    def forks(ctx: Context):
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                ctx._ask("roots/list", {})
            except BaseException as error:
                os.write(writing, f"{error.why}: {error}".encode())
            os._exit(0)
        os.waitpid(pid, 0)
        return os.read(reading, 1000).decode()

    def wrong(ctx: Context, how: str):
        params = {"nan": {"x": float("nan")}, "large": {"x": "x" * (1 << 20)}, "list": []}[how]
        try:
            ctx._ask("roots/list", params)
        except (TypeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"

    async def async_once(ctx: Context):
        return await ctx._ask_async("elicitation/create", {"message": "size?"})

    async def async_parallel(ctx: Context, count: int = 3):
        asking = (ctx._ask_async("elicitation/create", {"at": at}) for at in range(count))
        answers = await asyncio.gather(*asking, return_exceptions=True)
        return [answer.why if isinstance(answer, AskRefused) else answer for answer in answers]

    async def async_blocks(ctx: Context):
        try:
            ctx._ask("roots/list", {})
        except RuntimeError as error:
            return str(error)

    async def async_thread(ctx: Context):
        return await asyncio.to_thread(ctx._ask, "roots/list", {})

    async def async_impatient(ctx: Context):
        try:
            await asyncio.wait_for(ctx._ask_async("elicitation/create", {"n": 1}), 0.01)
        except asyncio.TimeoutError:
            return await ctx._ask_async("elicitation/create", {"n": 2})

    async def async_echo(text):
        return text
"""

CONTEXT = [{"parameter": "ctx", "kind": "context"}]
RUN = ("-m", "omni.skills.run", "demo", "once", "--args", "-")


@pytest.fixture
def demo(skill):
    """Return a skill whose tools ask."""
    return skill(files={"a.py": SOURCE})


def target(demo, function):
    return demo.target(function, inject=CONTEXT)


def ask(one):
    """Receive a question."""
    ((kind, body),) = one.receive().items()
    assert kind == "ask", body
    return body


def answer(one, question, result=None, **more):
    body = {"id": question["id"], "ask": question["ask"]}
    one.send("answer", {**body, **(more or {"result": result})})


def value(one):
    """Receive the answer to a call, and return its text."""
    ((kind, body),) = one.receive().items()
    assert kind == "result", body
    return body["content"][0]["text"]


@pytest.mark.parametrize(
    ("mode", "function", "argv"),
    [
        ("sync", "once", ("-m", "omni.worker")),
        ("sync", "async_once", ("-m", "omni.worker")),
        ("async", "async_once", ("-m", "omni.worker")),
        ("sync", "once", RUN),
        ("sync", "async_once", RUN),
    ],
)
def test_a_question_goes_up_and_its_answer_comes_back(worker, demo, mode, function, argv):
    one = worker(mode, argv=argv)
    call_id = one.start(target(demo, function))
    question = ask(one)
    assert question == {
        "id": call_id,
        "ask": 1,
        "method": "elicitation/create",
        "params": {"message": "size?"},
    }
    answer(one, question, {"action": "accept", "content": {"size": 4}})
    assert value(one) == '{"action":"accept","content":{"size":4}}'


def test_questions_of_a_call_are_numbered_and_those_of_the_next_begin_anew(worker, demo):
    one = worker()
    for _ in range(2):
        one.start(target(demo, "twice"))
        for number in (1, 2):
            question = ask(one)
            assert question["ask"] == number
            answer(one, question, {"number": number})
        assert value(one) == '[{"number":1},{"number":2}]'


def test_a_question_goes_up_under_its_key(worker, demo):
    one = worker()
    one.start(target(demo, "keyed"))
    question = ask(one)
    assert question["key"] == "user_name"
    answer(one, question, {})
    assert value(one) == "{}"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "ValueError: the key of a question has 1 to 128 bytes, not 0"),
        ("ü" * 65, "ValueError: the key of a question has 1 to 128 bytes, not 130"),
        (5, "TypeError: the key of a question is a text, not `int`"),
    ],
)
def test_a_key_that_no_question_may_have_is_refused_before_it_is_sent(worker, demo, key, said):
    one = worker()
    one.start(target(demo, "keyed"), {"key": key})
    assert value(one) == said


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_key_names_one_open_question_of_its_call(worker, demo, mode):
    one = worker(mode)
    one.start(target(demo, "same_key"))
    first = ask(one)
    assert "log" in one.receive(), "the second one has been refused while the first is open"
    answer(one, first, {"first": 1})
    answer(one, ask(one), {"third": 3})
    said = "failed: a question of this call is open under the key `k`; each needs its own"
    assert value(one) == '[{"first":1},"' + said + '",{"third":3}]'


@pytest.mark.parametrize("why", ["unsupported", "failed", "gone"])
def test_a_refusal_says_why(worker, demo, why):
    one = worker()
    one.start(target(demo, "catches"))
    answer(one, ask(one), refused=why, message="nobody is there")
    assert value(one) == f"{why}: nobody is there"


def test_a_refusal_that_nobody_catches_speaks_to_the_client(worker, demo):
    one = worker()
    one.start(target(demo, "once"))
    answer(one, ask(one), refused="unsupported", message="this client cannot be asked")
    ((_, error),) = one.receive().items()
    assert (error["class"], error["message"], error["intended"]) == (
        "AskRefused",
        "this client cannot be asked",
        True,
    )


@pytest.mark.parametrize(("mode", "function"), [("sync", "parallel"), ("async", "async_parallel")])
def test_answers_may_come_in_any_order(worker, demo, mode, function):
    one = worker(mode)
    one.start(target(demo, function))
    for question in reversed([ask(one) for _ in range(3)]):
        answer(one, question, question["params"])
    assert value(one) == '[{"at":0},{"at":1},{"at":2}]'


@pytest.mark.parametrize(("mode", "function"), [("sync", "parallel"), ("async", "async_parallel")])
def test_no_more_than_so_many_questions_are_open_at_once(worker, demo, mode, function):
    one = worker(mode)
    one.start(target(demo, function), {"count": 20})
    # Of threads each that is refused says so, and until then nobody is answered.
    frames = [one.receive() for _ in range(20 if mode == "sync" else 16)]
    questions = [frame["ask"] for frame in frames if "ask" in frame]
    assert len(questions) == 16
    for question in questions:
        answer(one, question, {})
    assert value(one).count('"failed"') == 4


def test_a_thread_and_the_call_itself_ask_at_once(worker, demo):
    one = worker()
    one.start(target(demo, "besides"))
    for question in [ask(one), ask(one)]:
        answer(one, question, question["params"])
    assert value(one) == '{"who":"main"}'


def test_a_thread_of_an_async_tool_may_wait_for_its_answer(worker, demo):
    one = worker("async")
    one.start(target(demo, "async_thread"))
    question = ask(one)
    assert one.text(demo.target("async_echo"), {"text": "meanwhile"}) == "meanwhile"
    answer(one, question, {"roots": []})
    assert value(one) == '{"roots":[]}'


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_async_tool_is_told_how_to_ask(worker, demo, mode):
    one = worker(mode)
    assert "await ctx.elicit(…)" in one.text(target(demo, "async_blocks"))


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_who_does_not_wait_any_longer_takes_the_question_back(worker, demo, mode):
    one = worker(mode)
    call_id = one.start(target(demo, "async_impatient"))
    first = ask(one)
    assert one.receive() == {"retract": {"id": call_id, "ask": 1}}
    second = ask(one)
    assert second["ask"] == 2
    answer(one, first, {"late": True})
    answer(one, second, {"n": 2})
    assert value(one) == '{"n":2}'


def test_a_call_that_ends_without_its_answer_leaves_the_next_one_alone(worker, demo):
    one = worker()
    one.start(target(demo, "leaves"))
    question = ask(one)
    assert value(one) == "left"
    answer(one, question, {"late": True})
    assert (
        one.text(demo.target("what_was_seen")) == '["gone: the call ended before its question was answered"]'
    )
    assert one.text(demo.target("echo"), {"text": "a"}) == "a"


def test_calls_right_behind_an_answer_are_read(worker, demo):
    one = worker()
    for text in "abcdefghij":
        one.start(target(demo, "once"))
        question = ask(one)
        answer(one, question, {"text": text})
        one.start(demo.target("echo"), {"text": text})
        assert (value(one), value(one)) == (f'{{"text":"{text}"}}', text)


def test_a_call_is_cancelled_while_it_asks(worker, demo):
    one = worker()
    one.start(target(demo, "cleans_up"))
    question = ask(one)
    one.wait_until_blocked()
    one.interrupt()
    assert one.receive()["error"]["kind"] == "cancelled"
    answer(one, question, {"late": True})
    assert one.text(demo.target("what_was_seen")) == '["cancelled"]'


def test_a_call_whose_signal_came_before_it_waited_is_let_go_by_a_frame(worker, demo):
    one = worker()
    call_id = one.start(target(demo, "cleans_up"))
    ask(one)
    one.send("cancel", {"id": call_id + 1})
    one.send("cancel", {"id": call_id})
    assert one.receive()["error"]["kind"] == "cancelled"
    # One that comes when the call has ended is for nobody.
    one.send("cancel", {"id": call_id})
    assert one.text(demo.target("what_was_seen")) == '["cancelled"]'


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_async_call_is_cancelled_while_it_asks(worker, demo, mode):
    one = worker(mode)
    call_id = one.start(target(demo, "async_once"))
    ask(one)
    if mode == "sync":
        one.wait_until_blocked()
        one.interrupt()
    else:
        one.send("cancel", {"id": call_id})
    frame = one.receive()
    assert frame["error"]["kind"] == "cancelled", frame


def test_a_tool_without_a_context_cannot_ask(worker, demo):
    error = worker().error(demo.target("without"))
    assert "takes no `Context`" in error["message"]


def test_where_the_server_says_that_nobody_can_be_asked_nothing_goes_up(worker, demo):
    context = {"progress": False, "log": None, "session": "", "asks": False}
    frames = worker().call(target(demo, "catches"), context=context)
    assert [list(frame) for frame in frames] == [["result"]]
    error = worker().call(target(demo, "wrong"), {"how": "large"}, context=context)
    assert "1048576" in error[-1]["result"]["content"][0]["text"]
    said = frames[0]["result"]["content"][0]["text"]
    assert said.startswith(
        "unsupported: `roots/list` cannot be asked here: this call's client has not declared"
    )


def test_a_process_that_a_tool_has_forked_cannot_ask(worker, demo):
    assert (
        worker()
        .text(target(demo, "forks"))
        .startswith("unsupported: `roots/list` cannot be asked by a process")
    )


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("nan", "ValueError"),
        ("large", "ValueError: the parameters of `roots/list` are 1048584 bytes, more than the 1048576"),
        ("list", "TypeError: the parameters of `roots/list` are a dictionary, not `list`"),
    ],
)
def test_parameters_that_cannot_be_sent_are_refused_before_they_are(worker, demo, how, says):
    assert worker().text(target(demo, "wrong"), {"how": how}).startswith(says)


def test_a_large_answer_arrives_whole(worker, demo):
    one = worker()
    one.start(target(demo, "once"))
    answer(one, ask(one), {"text": "x" * 3_000_000})
    assert len(value(one)) == 3_000_000 + len('{"text":""}')


def test_no_descriptor_is_left_by_questions(worker, demo):
    one = worker()
    counts = set()
    for _ in range(4):
        one.start(target(demo, "once"))
        answer(one, ask(one), {})
        value(one)
        counts.add(len(os.listdir(f"/proc/{one.process.pid}/fd")))
    assert len(counts) == 1


def test_where_there_is_no_client_nobody_is_asked():
    from omni import Context
    from omni.skill import AskRefused

    with pytest.raises(AskRefused, match="made without a client") as caught:
        Context()._ask("roots/list", {})
    assert caught.value.why == "unsupported"
