"""Is what Python finds of prompts and resources, by importing them, what the scanner reads without?

`crates/omni-scan/tests/items/described.json` is what the scanner reads of the files there, which it holds
against FastMCP; here the same functions are imported and asked.
"""

import importlib.util
import json
import pathlib
import sys

import pytest

from omni.describe.items import described

ITEMS = pathlib.Path(__file__).parents[2] / "crates" / "omni-scan" / "tests" / "items"


def offered(tmp_path, text, name="offered"):
    """Import a file, and return what it offers and what is told."""
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    return imported(path)


def imported(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    told = []
    try:
        spec.loader.exec_module(module)
        return described(module, f"scripts/{path.name}", lambda _line, text: told.append(text)), told
    finally:
        del sys.modules[path.stem]


@pytest.mark.parametrize("stem", ["prompts", "resources"])
@pytest.mark.skipif(sys.version_info < (3, 10), reason="the files have types that are newer than this Python")
def test_every_prompt_and_resource_is_what_the_scanner_reads(stem):
    pytest.importorskip("pydantic", reason="one argument of the files is a model of Pydantic")
    expected = json.loads((ITEMS / "described.json").read_text())[stem]
    found, _told = imported(ITEMS / f"{stem}.py")
    ours = {item["function"]: item for item in found}
    assert sorted(ours) == sorted(expected)
    for function, theirs in expected.items():
        item = dict(ours[function])
        # A function begins with its decorators for Python, and with its `def` for the scanner.
        assert item.pop("line") <= theirs.pop("line")
        assert item.pop("kind") == stem[:-1]
        # The order of properties is part of what clients see, that of an item's members is not.
        assert json.dumps(item, sort_keys=True) == json.dumps(theirs, sort_keys=True), function
        names = [list(side["input_schema"]["properties"]) for side in (item, theirs)]
        assert names[0] == names[1]


def test_a_completion_says_whose_argument_it_completes(tmp_path):
    text = """
from omni import completion, prompt, resource
@prompt(name="look")
def review(code): ...
@resource("a://{day}")
def note(day): ...
@completion("code", prompt=review)
def codes(value): ...
@completion("day", resource="note", timeout=2)
async def days(typed, known): ...
@completion(prompt=note)
def wrong(value): ...
@completion
def none(value): ...
"""
    found, told = offered(tmp_path, text)
    of = {item["function"]: (item["of"], item["argument"]) for item in found if item["kind"] == "completion"}
    assert of == {"codes": ({"prompt": "look"}, "code"), "days": ({"resource": "note"}, "day")}
    assert told == [
        "`note` is no prompt, so the completion `wrong` is not listed",
        "it completes the argument of nothing, so the completion `none` is not listed",
    ]


def test_a_name_for_people_is_the_title_of_a_resource(tmp_path):
    (item,), told = offered(
        tmp_path, 'from omni import resource\n@resource(name="Application status")\ndef status(): ...\n'
    )
    assert (item["name"], item["title"], told) == ("status", "Application status", [])


@pytest.mark.parametrize(
    ("decorated", "why"),
    [
        ('@resource("a://{x}")\ndef go(): ...', "no parameter is for the variable `x`"),
        ('@resource("a://b")\ndef go(x): ...', "`x` has no default and is no variable of the URI"),
        ('@resource("a://b{?x}")\ndef go(x): ...', "a URI may leave out `x`, which has no default"),
        ('@resource("nothing")\ndef go(): ...', "`nothing` is no URI"),
        ('@resource("a://{+x}")\ndef go(x): ...', "`a://{+x}` is no template that is read here"),
        ('@resource("a://{x")\ndef go(x): ...', "`a://{x` has a brace that stands alone"),
        ("@prompt\ndef go(*x): ...", "`x` can't be given by name"),
        ('@prompt(name="a b")\ndef go(): ...', "`a b` can't be a prompt's name"),
    ],
)
def test_what_the_scanner_leaves_out_is_left_out(tmp_path, decorated, why):
    found, told = offered(tmp_path, f"from omni import prompt, resource\n{decorated}\n")
    kind = decorated[1:].partition("(")[0].partition("\n")[0]
    assert (found, told) == ([], [f"{why}, so the {kind} `go` is not listed"])


APPS = [
    """AppConfig(csp=ResourceCSP(connect_domains=["https://a.b"]), permissions={"clipboard_write": {}},
    prefers_border=True)""",
    """{"csp": {"connectDomains": ["https://a.b"], "frame_domains": None}, "domain": None,
    "permissions": ResourcePermissions(clipboard_write={}), "prefers_border": True}""",
]


@pytest.mark.parametrize("app", APPS)
def test_what_is_said_of_an_app_s_page_is_what_the_scanner_reads(tmp_path, app):
    text = f"""
from omni import AppConfig, ResourceCSP, ResourcePermissions, resource
@resource("ui://a/b", app={app}, meta={{"k": 1}})
def page(): ...
"""
    (item,), told = offered(tmp_path, text)
    ui = {
        "csp": {"connectDomains": ["https://a.b"]},
        "permissions": {"clipboardWrite": {}},
        "prefersBorder": True,
    }
    assert item["meta"] == {"k": 1, "ui": ui}
    assert item["mime_type"] == "text/html;profile=mcp-app"
    assert told == []


def test_a_resource_has_no_page_of_its_own(tmp_path):
    text = 'from omni import resource\n@resource("ui://a/b", app="ui://a/b")\ndef page(): ...\n'
    (item,), (told,) = offered(tmp_path, text)
    assert "meta" not in item
    assert told.startswith("`app=` must be a dictionary with `csp`")
