"""The runner contract, against the cases that the server's side is tested with too."""

import json
import os

import pytest

from omni import wire
from omni.runner.exchange import RefusedError
from omni.runner.request import RunRequest
from omni.supervise import Job

CASES = os.path.join(os.path.dirname(__file__), "..", "..", "conformance", "runner-cases.jsonl")


def cases(part, **wanted):
    with open(CASES, encoding="utf-8") as file:
        every = [json.loads(line) for line in file]
    chosen = [case for case in every if {"part": part, **wanted}.items() <= case.items()]
    assert chosen
    return [pytest.param(case, id=case["name"]) for case in chosen]


@pytest.mark.parametrize("case", cases("request"))
def test_a_request_is_read_or_refused(case):
    if "status" in case:
        with pytest.raises(RefusedError) as caught:
            RunRequest(case["text"].encode())
        assert (caught.value.status, caught.value.code) == (case["status"], case["code"])
        return
    read = RunRequest(case["text"].encode())
    assert json.loads(read.arguments) == json.loads(case["reads"].pop("arguments"))
    assert {name: getattr(read, name) for name in case["reads"]} == case["reads"]


def test_arguments_pass_as_they_are_written_where_omni_writes_them():
    read = RunRequest(b'{"name":"a.b","arguments":{"n": 1E2},"id":4}')
    assert read.arguments == '{"n": 1E2}'


@pytest.mark.parametrize(
    "body",
    [
        '{"name":"a.b","arguments":{"arguments":{"x":1}},"id":4}',
        '{"id":4,"name":"a.b","arguments":{"arguments":{"x":1}}}',
        '{"arguments":{"arguments":{"x":1}},"note":{"arguments":{}},"name":"a.b","id":4}',
        '{"name":"a.b","arguments":{"no":1},"arguments":{"arguments":{"x":1}},"id":4}',
    ],
)
def test_arguments_are_found_wherever_the_word_stands(body):
    read = RunRequest(body.encode())
    assert (json.loads(read.arguments), read.id) == ({"arguments": {"x": 1}}, 4)


@pytest.mark.parametrize("case", cases("line", written_by_omni=True))
def test_an_event_has_the_bytes_of_the_cases(case):
    ((kind, body),) = json.loads(case["text"]).items()
    if kind == "error":
        assert body.pop("id") == 7
        line = Job({}, call_id=7).failure(**body)
    else:
        line = wire.seal(wire.write_json({kind: body}))[4:]
    assert line == case["text"].encode()
