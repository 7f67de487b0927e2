"""What an author's code sees when no server is near: decorator, context, errors."""

import asyncio
import pathlib

import pytest

import omni
from omni import CallCancelled, Context, ToolError, heartbeat, skill_command, tool


def test_a_decorated_function_stays_the_function_it_was():
    def add(a, b):
        return a + b

    assert tool(add) is add
    assert add(1, 2) == 3
    assert add.__omni_tool__ == {}


def test_what_the_decorator_was_given_is_kept():
    @tool(name="x", read_only=True, timeout=0, tags=["a"])
    def function():
        pass

    assert function.__omni_tool__ == {"name": "x", "read_only": True, "timeout": 0, "tags": ["a"]}


def test_the_second_name_is_the_same_object():
    assert skill_command is tool


def test_a_name_may_stand_alone_and_nothing_else():
    @omni.tool("sum", timeout=5)
    def add(): ...

    assert add.__omni_tool__ == {"name": "sum", "timeout": 5}
    for wrong in (5, ["sum"]):
        with pytest.raises(TypeError, match="takes a name and keywords"):
            omni.tool(wrong)
    with pytest.raises(TypeError):
        omni.tool("a", "b")


def test_an_option_that_does_not_exist_costs_a_warning_and_no_more():
    with pytest.warns(UserWarning, match="no option `colour`") as told:

        @omni.tool(colour="red", timeout=5)
        def add(): ...

    assert told[0].filename == __file__
    assert add.__omni_tool__ == {"timeout": 5, "colour": "red"}


def test_options_of_the_earlier_decorator_are_taken_without_a_word(recwarn):
    @omni.skill_command(name="x", autowire=True, log_level="debug")
    def add(): ...

    assert add.__omni_tool__ == {"name": "x"}
    assert not recwarn


def test_an_executor_that_does_not_exist_costs_a_warning_and_no_more():
    with pytest.warns(UserWarning, match="`zygote` is now `fork`"):

        @omni.tool(executor="zygote")
        def add(): ...

    assert add() is None


def test_every_public_name_can_be_imported():
    assert {name: getattr(omni, name) for name in omni.__all__}
    assert set(omni.__all__) <= set(dir(omni))
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = omni.nothing_like_it


def test_a_context_of_no_call_answers_and_tells_nobody(tmp_path):
    context = Context(root=tmp_path, skill_dir="/s", settings={"k": 1}, call_id=3, session_id="s")
    assert (context.root, context.skill_dir) == (tmp_path, pathlib.Path("/s"))
    assert (context.settings, context.call_id, context.session_id) == ({"k": 1}, 3, "s")
    assert context.remaining is None
    assert not context.cancelled
    assert repr(context) == "<Context of call 3>"
    context.progress(1, 2, "m")
    context.heartbeat()
    context.resource_updated("a:b")
    context.show("a.b")
    context.hide("a.*")
    context.info({"k": object()})
    heartbeat("note")
    omni.resource_updated("a:b")


def test_a_context_counts_down():
    assert 0 < Context(deadline_seconds=60).remaining <= 60
    assert Context(deadline_seconds=-1).remaining == 0


def test_everything_may_be_awaited():
    async def use(context):
        await context.progress(1)
        await context.report_progress(2, 10, "m")
        await context.info("x")
        await context.heartbeat()
        await context.resource_updated("a:b")
        await context.show("a.b")
        await context.hide("a.b")
        return "done"

    assert asyncio.run(use(Context())) == "done"


def test_a_uri_that_no_server_takes_is_refused_before_it_is_sent():
    with pytest.raises(ValueError, match="`uri` has more than 8192 bytes"):
        Context().resource_updated("é" * 4097)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_progress_takes_finite_numbers_only(value):
    with pytest.raises(ValueError, match="finite"):
        Context().progress(value)
    with pytest.raises(ValueError, match="finite"):
        Context().progress(1, value)


def test_an_unknown_log_level_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="`loud` is no log level; use one of debug, info"):
        Context().log("loud", "x")


def test_a_cancelled_call_is_no_ordinary_exception():
    assert not issubclass(CallCancelled, Exception)
    assert issubclass(ToolError, Exception)
