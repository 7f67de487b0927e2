"""The wire, against the cases that the server's side is tested with too."""

import json
import os
import subprocess
import sys

import pytest
from harness import environment

from omni import wire, worker

CASES = os.path.join(os.path.dirname(__file__), "..", "..", "conformance", "wire-cases.jsonl")


def cases(**wanted):
    with open(CASES, encoding="utf-8") as file:
        every = [json.loads(line) for line in file]
    chosen = [case for case in every if wanted.items() <= {**case, "sound": "error" not in case}.items()]
    assert chosen
    return [pytest.param(case, id=case["name"]) for case in chosen]


def read(case):
    splitter = wire.Splitter(case.get("frame_bytes_max", 1 << 24), bytes.fromhex(case.get("key", "")))
    payloads = splitter.feed(bytes.fromhex(case["bytes_hex"]))
    splitter.finish()
    return [wire.decode(payload) for payload in payloads]


@pytest.mark.parametrize("case", cases(sound=True))
def test_sound_bytes_give_the_frame(case):
    ((kind, body),) = read(case)
    assert {kind: body} == case["frame"]


@pytest.mark.parametrize("case", cases(sound=False))
def test_malformed_bytes_give_the_fault_s_name(case):
    with pytest.raises(wire.MalformedFrameError) as caught:
        read(case)
    assert caught.value.kind == case["error"]


def encode(kind, body):
    """Make a frame up the way the worker does."""
    if "tainted" in body:
        body = dict(body)
        findings = body.pop("tainted")
        return wire.with_findings(encode(kind, body), findings)
    if body.get("printed"):
        body = {name: value for name, value in body.items() if name != "printed"}
        return wire.with_member(encode(kind, body), '"printed":true')
    call_id = body.get("id")
    if kind == "output":
        fd = 2 if body["stream"] == "stderr" else 1
        return wire.output(call_id, fd, body["text"], body.get("left_out", 0))
    if kind == "ready":
        return wire.ready(body["python"], body["pid"])
    if kind == "started":
        return wire.started(call_id)
    if kind == "skipped":
        return wire.skipped(call_id)
    if kind == "stale":
        return wire.stale(call_id, body["digest"])
    if kind == "beat":
        return wire.beat(call_id, body.get("note"))
    if kind == "progress":
        return wire.progress(call_id, body["value"], body["total"], body["message"])
    if kind in ("show", "hide"):
        return wire.visibility(call_id, body["name"], shown=kind == "show")
    if kind == "resource_updated":
        return wire.resource_updated(call_id, body["uri"])
    if kind == "log":
        return wire.log(call_id, body["level"], body["logger"], wire.write_json(body["data"]))
    if kind == "ask":
        params = wire.write_json(body["params"])
        return wire.ask(call_id, body["ask"], body["method"], params, body.get("key"))
    if kind == "retract":
        return wire.retract(call_id, body["ask"])
    if kind == "result":
        parts = [wire.write_json(body[name]) if name in body else None for name in ("structured", "meta")]
        extra = {name: body[name] for name in ("description", "total", "has_more") if name in body}
        return wire.result(
            call_id,
            wire.write_json(body["content"]),
            *parts,
            is_error=body.get("is_error", False),
            more="".join(f",{wire.write_json(name)}:{wire.write_json(extra[name])}" for name in extra),
        )
    named = {name: body[name] for name in ("location", "intended", "traceback")}
    return wire.error(
        call_id,
        body["kind"],
        body["class"],
        body["message"],
        bases=body.get("bases"),
        code=body.get("code"),
        data_json=wire.write_json(body["data"]) if "data" in body else None,
        capability=body.get("capability"),
        **named,
    )


@pytest.mark.parametrize("case", cases(sound=True, direction="up"))
def test_the_worker_writes_exactly_these_bytes(case):
    ((kind, body),) = case["frame"].items()
    assert case.get("key", "") + encode(kind, body).hex() == case["bytes_hex"]


def test_the_worker_announces_itself_with_the_bytes_of_the_wire():
    assert worker.ready() == wire.ready("%d.%d.%d" % sys.version_info[:3], os.getpid())


def test_frames_are_found_however_the_stream_is_cut():
    frames = [case.values[0] for case in cases(sound=True)]
    frames = [bytes.fromhex(frame["bytes_hex"].removeprefix(frame.get("key", ""))) for frame in frames]
    for size, key in ((size, key) for size in (1, 2, 3, 5, 64, 1000, 1 << 20) for key in (b"", b"12345678")):
        whole = b"".join(key + frame for frame in frames)
        splitter = wire.Splitter(1 << 24, key)
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        assert sum(len(splitter.feed(piece)) for piece in pieces) == len(cases(sound=True))
        splitter.finish()


def test_a_lone_surrogate_is_refused_in_results_and_replaced_in_errors():
    with pytest.raises(UnicodeEncodeError):
        wire.result(1, '["\ud800"]')
    assert wire.decode(wire.error(1, "tool_error", "E", "a\ud800b")[4:])[1]["message"] == "a?b"


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "NaN", "[Infinity]", "1 2", '"\n"', "nul"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        wire.scan_json(text)


@pytest.mark.parametrize("text", [" {} ", "\n[1]\t", "-0", "1e3", '"\\u00e9"'])
def test_blanks_around_json_are_allowed(text):
    assert wire.scan_json(text) == json.loads(text)


def test_without_the_accelerator_the_bytes_are_the_same(tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(
        "import sys\n"
        "sys.modules['_json'] = None\n"
        "from omni import wire\n"
        "assert wire.make_scanner is None\n"
        "value = {'a': [1, 2.5, None, True, 'é\\n\"'], 'b': {}}\n"
        "assert wire.scan_json(wire.write_json(value)) == value\n"
        "sys.stdout.write(wire.write_json(value))\n"
    )
    done = subprocess.run(
        [sys.executable, script], env=environment(PYTHONIOENCODING="utf-8"), capture_output=True, check=True
    )
    assert done.stdout.decode() == wire.write_json({"a": [1, 2.5, None, True, 'é\n"'], "b": {}})
