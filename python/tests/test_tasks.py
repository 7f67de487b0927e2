"""The worker in async mode: many calls at once, each a task of one loop."""

import signal

import pytest

NAP = """
    import asyncio
    gates = {}
    async def wait(name):
        await gates.setdefault(name, asyncio.Event()).wait()
        return name
    async def open_gate(name):
        gates.setdefault(name, asyncio.Event()).set()
        return "opened"
    async def echo(text):
        return text
    def plain():
        return "not async"
    async def fail():
        await asyncio.sleep(0)
        raise KeyError("x")
"""


@pytest.fixture
def pair(worker, skill):
    """Return an async worker and a skill to call in it."""
    return worker("async"), skill(files={"a.py": NAP})


def answers(one, count):
    """Receive so many answers, by id."""
    found = {}
    while len(found) < count:
        ((kind, body),) = one.receive().items()
        if kind in ("result", "error"):
            found[body["id"]] = body
    return found


def text(body):
    return body["content"][0]["text"]


def test_an_async_tool_s_text_comes_back(pair):
    one, demo = pair
    assert one.text(demo.target("echo"), {"text": "a"}) == "a"
    assert one.text(demo.target("echo"), {"text": "b"}) == "b"
    assert one.started() == 2


def test_a_plain_function_runs_there_too(pair):
    one, demo = pair
    assert one.text(demo.target("plain")) == "not async"


def test_an_error_names_the_line(pair):
    one, demo = pair
    error = one.error(demo.target("fail"))
    assert (error["kind"], error["class"], error["location"]) == ("tool_error", "KeyError", "scripts/a.py:16")
    assert error["traceback"].count("\n") == 4 or "^" in error["traceback"]


def test_a_call_that_waits_does_not_hold_up_the_others(pair):
    one, demo = pair
    waiting = one.start(demo.target("wait"), {"name": "g"})
    assert one.text(demo.target("echo"), {"text": "a"}) == "a"
    one.start(demo.target("open_gate"), {"name": "g"})
    assert text(answers(one, 2)[waiting]) == "g"


def test_a_thousand_calls_at_once_are_all_answered(pair):
    one, demo = pair
    ids = [one.start(demo.target("wait"), {"name": "g"}) for _ in range(1000)]
    last = one.start(demo.target("open_gate"), {"name": "g"})
    assert set(answers(one, 1001)) == {*ids, last}


def test_a_cancel_ends_its_call_only(pair):
    one, demo = pair
    first = one.start(demo.target("wait"), {"name": "a"})
    second = one.start(demo.target("wait"), {"name": "b"})
    one.text(demo.target("echo"), {"text": "both wait by now"})
    one.send("cancel", {"id": first})
    error = answers(one, 1)[first]
    assert (error["kind"], error["location"]) == ("cancelled", "scripts/a.py:5")
    one.start(demo.target("open_gate"), {"name": "b"})
    assert text(answers(one, 2)[second]) == "b"


def test_a_cancel_ends_the_tasks_that_the_call_has_left_and_those_of_no_other(worker, skill):
    source = """
        import asyncio
        # Kept, since a task that nobody holds is collected, which ends it too.
        ended, gate, kept = [], asyncio.Event(), []
        async def background(name):
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(name)
        async def work(name):
            await asyncio.create_task(asyncio.sleep(0))
            kept.append(asyncio.create_task(background(name)))
            await gate.wait()
        async def leave(name):
            kept.append(asyncio.create_task(background(name)))
            return name
        async def seen():
            await asyncio.sleep(0.01)
            return ",".join(ended)
    """
    one, demo = worker("async"), skill(files={"a.py": source})
    one.text(demo.target("leave"), {"name": "left"})
    one.start(demo.target("work"), {"name": "other"})
    cancelled = one.start(demo.target("work"), {"name": "mine"})
    assert one.text(demo.target("seen")) == ""
    one.send("cancel", {"id": cancelled})
    assert answers(one, 1)[cancelled]["kind"] == "cancelled"
    assert one.text(demo.target("seen")) == "mine"


def test_a_call_cancelled_with_its_own_frame_still_queued_is_answered_once(pair):
    one, demo = pair
    for _ in range(50):
        call_id = one.start(demo.target("wait"), {"name": "never"})
        one.send("cancel", {"id": call_id})
        assert answers(one, 1)[call_id]["kind"] == "cancelled"
    assert one.text(demo.target("echo"), {"text": "a"}) == "a"


def test_a_cancel_for_an_unknown_call_does_nothing(pair):
    one, demo = pair
    one.send("cancel", {"id": 99})
    assert one.text(demo.target("echo"), {"text": "a"}) == "a"


@pytest.mark.parametrize(
    "raised", ["SystemExit(3)", "KeyboardInterrupt()", "BaseException()", "asyncio.CancelledError()"]
)
def test_whatever_a_task_raises_the_others_live_on(worker, skill, raised):
    one = worker("async")
    source = f"{NAP}\n    async def f():\n        await asyncio.sleep(0)\n        raise {raised}\n"
    demo = skill(files={"a.py": source})
    waiting = one.start(demo.target("wait"), {"name": "g"})
    error = one.error(demo.target("f"))
    assert error["kind"] == ("exited" if raised.startswith("SystemExit") else "tool_error")
    one.start(demo.target("open_gate"), {"name": "g"})
    assert text(answers(one, 2)[waiting]) == "g"


def test_an_exit_in_a_task_of_the_tool_s_own_does_not_end_the_worker(worker, skill):
    source = f"""{NAP}
    async def boom():
        raise SystemExit(5)
    async def f():
        await asyncio.gather(asyncio.ensure_future(boom()), return_exceptions=True)
        return "done"
    """
    one, demo = worker("async"), skill(files={"a.py": source})
    one.start(demo.target("f"))
    answers(one, 1)
    assert one.text(demo.target("echo"), {"text": "a"}) == "a"


def test_each_task_has_its_own_current_call(worker, skill):
    source = """
        import asyncio
        from omni import heartbeat
        async def f(ctx, n):
            await asyncio.sleep(0)
            heartbeat(f"beat of {n}")
            await ctx.info(n)
            await ctx.report_progress(n, 100)
    """
    one = worker("async")
    target = skill(files={"a.py": source}).target("f", inject=[{"parameter": "ctx", "kind": "context"}])
    ids = {one.start(target, {"n": n}): n for n in range(20)}
    seen = {call_id: [] for call_id in ids}
    while any("result" not in kinds for kinds in seen.values()):
        ((kind, body),) = one.receive().items()
        seen[body["id"]].append(kind)
        if kind == "beat":
            assert body["note"] == f"beat of {ids[body['id']]}"
        if kind == "log":
            assert body["data"] == ids[body["id"]]
    assert all(kinds == ["beat", "log", "progress", "result"] for kinds in seen.values())


def test_sigusr1_prints_where_every_task_waits(pair):
    one, demo = pair
    one.start(demo.target("wait"), {"name": "g"})
    one.text(demo.target("echo"), {"text": "the other one runs by now"})
    one.process.send_signal(signal.SIGUSR1)
    one.start(demo.target("open_gate"), {"name": "g"})
    answers(one, 2)
    printed = one.drain()["err"]
    assert "Call 1 (`demo.wait`), most recent call first:" in printed
    assert f'File "{demo.folder}/scripts/a.py", line 5 in wait' in printed


def test_drain_waits_for_the_calls_that_run(pair):
    one, demo = pair
    waiting = one.start(demo.target("wait"), {"name": "g"})
    one.send("drain", {})
    one.start(demo.target("open_gate"), {"name": "g"})
    assert text(answers(one, 2)[waiting]) == "g"
    assert one.wait() == 0


def test_a_closed_channel_ends_the_worker_with_calls_running(pair):
    one, demo = pair
    one.start(demo.target("wait"), {"name": "g"})
    one.text(demo.target("echo"), {"text": "a"})
    one.channel.close()
    assert one.wait() == 0


def test_a_call_that_came_with_hello_is_not_lost(worker, skill):
    demo = skill(files={"a.py": NAP})
    one = worker("async", greet=False)
    one.send("hello", {"proto": 1, "mode": "async", "root": "/"})
    one.start(demo.target("echo"), {"text": "a"})
    assert "ready" in one.receive()
    assert one.receive() == {"started": {"id": 1}}
    assert "result" in one.receive()


def test_a_malformed_frame_ends_the_worker_with_a_reason(pair):
    one, _ = pair
    one.channel.sendall(b"\x02\0\0\0[]")
    assert one.wait() == 70
    assert "not_one_member" in one.printed["err"]
