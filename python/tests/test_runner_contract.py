"""The runner contract, against the cases that the server's side is tested with too."""

import json
import os

import pytest

from omni.runner.request import RefusedError, RunRequest, read_answer, read_completing

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
    if "client" in case["reads"]:
        case["reads"]["client"] = json.loads(case["reads"]["client"])
    assert read.arguments == json.loads(case["reads"].pop("arguments"))
    assert {name: getattr(read, name) for name in case["reads"]} == case["reads"]


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
    assert (read.arguments, read.id) == ({"arguments": {"x": 1}}, 4)


@pytest.mark.parametrize("case", cases("answer"))
def test_an_answer_is_read_or_refused(case):
    if "status" in case:
        with pytest.raises(RefusedError) as caught:
            read_answer(case["text"].encode())
        assert (caught.value.status, caught.value.code) == (case["status"], "bad_request")
        return
    reads = case["reads"]
    if "result" in reads:
        reads["result"] = json.loads(reads["result"])
    assert read_answer(case["text"].encode()) == reads


@pytest.mark.parametrize("case", cases("complete"))
def test_what_is_to_be_completed_is_read_or_refused(case):
    if "status" in case:
        with pytest.raises(RefusedError) as caught:
            read_completing(case["text"].encode())
        assert (caught.value.status, caught.value.code) == (case["status"], "bad_request")
        return
    kind, name, argument, value, known = read_completing(case["text"].encode())
    expected = json.loads(case["reads"]["known"] or "{}")
    own = {"kind": kind, "name": name, "argument": argument, "value": value, "known": known}
    assert own == {**case["reads"], "known": expected}


@pytest.mark.parametrize("case", cases("refused"))
def test_what_failed_that_is_no_tool_is_told_as_the_cases_have_it(case):
    error = json.loads(case["text"])["error"]
    refused = RefusedError(case["status"], error["code"], error["message"], error.get("failure"))
    assert json.dumps(refused.body(), ensure_ascii=False, separators=(",", ":")) == case["text"]
