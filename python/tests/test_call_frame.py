"""How call frames are read: the quick way and the general way say the same."""

import json

import pytest

from omni.call_frame import CallReader
from omni.wire import MalformedFrameError

TARGET = {
    "tool": "notes.save",
    "skill": "notes",
    "dir": '/srv/skills/no"tes,"args":{}',
    "file": "scripts/ü.py",
    "function": "save",
    "wrap": True,
    "structured": True,
    "inject": [{"parameter": "ctx", "kind": "context"}],
}
MORE = {"deadline_ms": 1500, "idle_ms": None, "attempt": 1, "context": {"progress": True, "session": "s"}}


def frame(call, **style):
    return json.dumps({"call": call}, **{"ensure_ascii": False, "separators": (",", ":"), **style}).encode()


def said(call):
    target = call.target
    return (
        (call.id, call.args, call.deadline_ms, call.context),
        (target.tool, target.skill, target.folder, target.file, target.function),
        (target.wrap, target.structured, target.inject),
    )


EXPECTED_TARGET = (
    ("notes.save", "notes", TARGET["dir"], "scripts/ü.py", "save"),
    (True, True, [("ctx", "context")]),
)


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"a": 1},
        {"text": '"},"args":{"x":1}}', "args": {"args": [{}, "}}"]}, "target": ',"target":'},
        {"ü": "🦀\n", "deep": [[[{"a": None}]]], "n": 1.5e300},
    ],
)
@pytest.mark.parametrize("style", [{}, {"separators": (", ", ": ")}, {"indent": 1}, {"ensure_ascii": True}])
def test_a_call_is_read_alike_the_first_time_and_later_and_in_any_spelling(args, style):
    reader = CallReader()
    for call_id in (7, 8, 2**64 - 1):
        kind, call = reader.read(frame({"id": call_id, "target": TARGET, "args": args, **MORE}, **style))
        assert kind == "call"
        assert said(call) == ((call_id, args, 1500, MORE["context"]), *EXPECTED_TARGET)


def test_a_tool_s_target_is_made_once():
    reader = CallReader()
    first, second = (reader.read(frame({"id": n, "target": TARGET, "args": {}, **MORE}))[1] for n in (1, 2))
    other = reader.read(frame({"id": 3, "target": {**TARGET, "function": "load"}, "args": {}, **MORE}))[1]
    spaced = reader.read(frame({"id": 4, "target": TARGET, "args": {}}, separators=(", ", ": ")))[1]
    assert first.target is second.target is spaced.target
    assert other.target is not first.target


def test_members_in_another_order_or_missing_are_no_matter():
    reader = CallReader()
    for call in (
        {"id": 1, "target": TARGET, "args": {"a": 1}},
        {"args": {"a": 1}, "id": 1, "target": TARGET},
        {"id": 1, "new": {"args": 5}, "target": TARGET, "args": {"a": 1}},
        {"id": 1, "target": TARGET, "new": ["args"], "args": {"a": 1}, "more": 2},
    ):
        for _ in range(2):
            read = reader.read(frame(call))[1]
            assert (read.id, read.args, read.deadline_ms, read.context) == (1, {"a": 1}, None, {})
            assert said(read)[1:] == EXPECTED_TARGET


def test_other_frames_are_dictionaries():
    assert CallReader().read(b'{"cancel":{"id":7}}') == ("cancel", {"id": 7})


@pytest.mark.parametrize(
    "broken",
    [
        lambda text: text[:-1],
        lambda text: text[:-2],
        lambda text: text + b"{}",
        lambda text: text[:40],
        lambda text: text.replace(b'"args":{}', b'"args":{'),
        lambda text: text.replace(b'"args":{}', b'"args":'),
        lambda text: text.replace(b'"id":1', b'"id":x'),
        lambda text: text.replace(b"notes", b"no\xfftes"),
    ],
)
def test_a_broken_call_is_malformed_the_first_time_and_later(broken):
    reader = CallReader()
    good = frame({"id": 1, "target": TARGET, "args": {}})
    for _ in range(2):
        with pytest.raises(MalformedFrameError):
            reader.read(broken(good))
        reader.read(good)
