"""What both languages must know, where a worker has it written out to start without another import."""

import inspect

import pytest
from harness import SOURCES

from omni import channel, constants, skill, wire, worker_loop
from omni.call_frame import Call, Target
from omni.invoke import ToolRunner
from omni.mcp.outcomes import failed_result, with_stderr


def test_levels_are_those_of_the_shared_file():
    assert skill.LEVELS == constants.LEVELS


def test_the_wires_numbers_are_those_of_the_shared_file():
    assert wire.PROTO == constants.PROTO
    source = inspect.getsource(worker_loop.greet)
    assert f'hello.get("frame_bytes_max") or {_spelt(constants.FRAME_BYTES_MAX)}' in source
    source = inspect.getsource(ToolRunner.__init__)
    assert f'hello.get("result_bytes_max") or {_spelt(constants.RESULT_BYTES_MAX)}' in source
    assert f'hello.get("frame_bytes_max") or {_spelt(constants.FRAME_BYTES_MAX)}' in source
    source = inspect.getsource(channel.Channel.fail)
    assert f"_exit({constants.GAVE_UP})" in source
    assert f'"{constants.LAST_WORDS}{{message}}' in source.replace('f"', '"')


def test_the_package_names_the_sdk_that_was_tried():
    with open(f"{SOURCES}/../pyproject.toml", encoding="utf-8") as file:
        assert f'mcp = ["{constants.MCP_PACKAGE}"]' in file.read()


def _spelt(number):
    """Return a number of bytes as people write it."""
    mib, rest = divmod(number, 1 << 20)
    return f"({mib} << 20) + ({rest >> 10} << 10)" if rest else f"{mib} << 20"


def test_a_context_takes_the_levels_and_no_others():
    call = Call(1, Target({"tool": "", "skill": "", "dir": "/", "file": "", "function": ""}), {})
    context = skill.Context(call_id=call.id)
    for level in constants.LEVELS:
        context.log(level, "x")
    with pytest.raises(ValueError, match="is no log level"):
        context.log("loud", "x")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            {"kind": "tool_error", "class": "KeyError", "location": "scripts/a.py:3", "message": "secret"},
            "tool_error",
            "`a.b` raised `KeyError` at scripts/a.py:3; its message is in the server's log",
        ),
        (
            {"kind": "tool_error", "class": "X", "message": "for {you}", "intended": True},
            "tool_error",
            "for {you}",
        ),
        (
            {"kind": "cancelled", "class": "CallCancelled", "message": ""},
            "tool_error",
            "`a.b` raised `CallCancelled`",
        ),
        ({"kind": "tool_error", "class": "MemoryError"}, "oom", "wanted more memory"),
        ({"kind": "exited", "code": 3}, "exited", "with exit code 3"),
        ({"kind": "signalled", "signal": 11}, "signalled", "signal 11 (SIGSEGV, a crash in native code)"),
        ({"kind": "bad_result", "message": "no {braces}"}, "bad_result", "unusable result: no {braces}"),
        ({"kind": "output_limit"}, "output_limit", "more than 8388608 bytes"),
        ({"kind": "worker_start", "message": "`nix`: gone"}, "worker_start", "for `a.b`: `nix`: gone ("),
        ({"kind": "weather", "message": "it rained"}, "weather", "was lost: it rained"),
    ],
)
def test_an_ending_has_the_servers_sentence(error, kind, text):
    result = failed_result("a.b", error, started=True, elapsed_ms=1, detail="masked")
    assert text in result["content"][0]["text"]
    assert "secret" not in result["content"][0]["text"]
    assert result["isError"]
    failure = result["_meta"]["omni/failure"]
    assert (failure["kind"], failure["retryable"]) == (kind, kind == "worker_start")


@pytest.mark.parametrize(
    ("detail", "text"),
    [
        (
            "masked",
            f"`a.b` raised `KeyError`; its message {constants.OUTCOME_WITHHELD}",
        ),
        ("message", "`a.b` raised `KeyError`: secret"),
        ("full", "`a.b` raised `KeyError`: secret\n\nTraceback\n\nlast output on stderr:\ne"),
    ],
)
def test_a_client_reads_as_much_of_an_exception_as_was_asked_for(detail, text):
    error = {
        "kind": "tool_error",
        "class": "KeyError",
        "message": "secret",
        "traceback": "Traceback\n",
        "stderr": "e",
    }
    assert _said(error, detail) == text


@pytest.mark.parametrize("detail", constants.ERROR_DETAILS)
def test_a_processs_last_words_reach_whoever_may_read_messages(detail):
    for error in (
        {"kind": "exited", "code": 3, "stderr": "password"},
        {"kind": "signalled", "signal": 6, "stderr": "password"},
        {"kind": "exited", "code": 1, "class": "SystemExit", "message": "password", "stderr": "password\n"},
    ):
        assert _said(error, detail).count("password") == (detail != "masked")
        assert ("--errors message" in _said(error, detail)) == (detail == "masked")
    body = {"content": [{"type": "text", "text": "out"}], "is_error": True, "stderr": "password\n" * 1000}
    text = with_stderr(body, detail)["content"][1]["text"]
    assert ("password" in text) == (detail != "masked")
    assert len(text) < constants.MESSAGE_BYTES_MAX + 50 or detail == "full"


def _said(error, detail):
    result = failed_result("a.b", error, started=True, elapsed_ms=1, detail=detail)
    return result["content"][0]["text"]
