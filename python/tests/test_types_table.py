"""Does every row of the table of types hold: described, made of its JSON, written back, or refused?

The table is `conformance/types.jsonl`, from which the page of all types is written too. The scanner is held
against the same rows (`omni-scan/tests/types.rs`), and so is every way to run tools (`omni/tests/types.rs`).
"""

import importlib.util
import json
import pathlib
import sys
import types
import warnings

import pytest

from omni.content import BadResultError, json_text, materialised
from omni.convert import plan_arguments
from omni.describe.signature import describe
from omni.stdlib_types import ArgumentError

TABLE = pathlib.Path(__file__).parents[2] / "conformance" / "types.jsonl"
LINES = [json.loads(line) for line in TABLE.read_text().splitlines()]
HEADER = LINES[0]["header"]
TYPES = [line for line in LINES if "type" in line]
RESULTS = [line for line in LINES if "result" in line]

LATER = "from __future__ import annotations\n"


def name_of(row):
    return f"{row.get('type') or row['result']} {json.dumps(row.get('given', ''))}"[:70]


@pytest.fixture
def run():
    """Return a function that runs the code of a row in a module of its own and returns the module."""
    name = "omni_skills.table.row"

    def run(row, code="", first=""):
        wanted = tuple(map(int, row.get("since", "3.9").split(".")))
        if sys.version_info < wanted:
            pytest.skip(f"came with Python {row['since']}")
        if row.get("needs") and importlib.util.find_spec(row["needs"]) is None:
            pytest.skip(f"`{row['needs']}` is not installed")
        module = sys.modules[name] = types.ModuleType(name)
        text = f"{first}{HEADER}{row.get('setup', '')}{code}"
        with warnings.catch_warnings():
            # The table has what authors write, outdated spellings among it.
            warnings.simplefilter("ignore")
            exec(compile(text, name, "exec", dont_inherit=True), vars(module))
        return module

    yield run
    sys.modules.pop(name, None)


def described(row, run, first):
    """Return the module of a row with the functions `plain` and `default`, and what is said about `plain`."""
    code = f"def plain(x: {row['type']}) -> {row['type']}: ...\n"
    if "default" in row:
        code += f"def default(x: {row['type']} = {row['default']}): ...\n"
    module = run(row, code, first)
    return module, describe(module.plain, [])


@pytest.mark.parametrize("first", ["", LATER], ids=["", "as text"])
@pytest.mark.parametrize("row", TYPES, ids=name_of)
def test_a_type_is_described_as_the_table_says(row, first, run):
    module, found = described(row, run, first)
    about_input = [problem for parameter, problem in found.problems if parameter]
    if "refused" in row:
        assert about_input, "described, though the table says that it is refused"
        return
    assert not found.problems
    assert found.input.get("$defs", {}) == row.get("defs", {})
    if row.get("unrolled"):
        return  # the same, with the alias written out once more at the top
    assert found.input["properties"]["x"] == row["schema"]
    output = row.get("output", row["schema"])
    if output is None:
        assert found.output is None
    elif found.wrap:
        assert found.output["properties"]["result"] == output
    else:
        if "$ref" in output:
            output = row["defs"][output["$ref"].rpartition("/")[2]]
        assert {name: value for name, value in found.output.items() if name != "$defs"} == output
    if "default" in row:
        schema = describe(module.default, []).input["properties"]["x"]
        assert schema.get("default", "not shown") == row.get("shown", "not shown")


@pytest.mark.parametrize("first", ["", LATER], ids=["", "as text"])
@pytest.mark.parametrize("row", [row for row in TYPES if "python" in row], ids=name_of)
def test_a_value_arrives_as_its_type_and_goes_back_as_its_json(row, first, run):
    module, _ = described(row, run, first)
    # Made of a copy: what the tool gets is its own.
    value = json.loads(json.dumps(row["given"]))
    plan = plan_arguments(module.plain)
    made = value if plan is None else plan({"x": value})["x"]
    expected = eval(row["python"], vars(module))
    if "through" in row:
        assert type(made) is not type(expected)
        made = eval(row["through"])(made)
    assert made == expected
    assert type(made) is type(expected)
    if isinstance(expected, (list, tuple, set)):
        assert [type(item) for item in made] == [type(item) for item in expected]
    assert json.loads(json_text(made)) == row.get("returned", row["given"])


@pytest.mark.parametrize(
    "row", [row for row in TYPES if row.get("wrong") and not row.get("bounds")], ids=name_of
)
def test_what_is_no_value_of_the_type_is_refused(row, run):
    module, _ = described(row, run, "")
    for wrong in row["wrong"]:
        # The server checks the schema first, bounds included; here the worker checks the types alone.
        with pytest.raises(ArgumentError, match=r"^/x"):
            plan_arguments(module.plain, checked=True)({"x": wrong})


@pytest.mark.parametrize("row", RESULTS, ids=name_of)
def test_a_result_is_written_or_refused_by_place(row, run):
    module = run(row)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = materialised(eval(row["result"], vars(module)))
    if "refused" in row:
        with pytest.raises(BadResultError) as caught:
            json_text(value)
        assert row["refused"] in str(caught.value)
        return
    assert json.loads(json_text(value)) == row["returned"]


def test_the_table_is_whole():
    assert len(TYPES) >= 190
    assert len(RESULTS) >= 70
    for row in TYPES:
        assert ("refused" in row) != ("schema" in row), row
        assert ("python" in row) == ("schema" in row), row
