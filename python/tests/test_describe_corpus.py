"""Are the schemas that Python finds by importing a skill those that the scanner finds without?

Both are held against what FastMCP lists for the same functions: the corpus of `omni-scan`. A file that this
Python cannot import whole (newer syntax, a package that is not there) is run statement by statement, and what
names nothing then is not compared.
"""

import __future__

import ast
import importlib
import json
import pathlib
import sys
import types
import warnings

import pytest

from omni import tool_marks
from omni.describe import docstring, options
from omni.describe.signature import describe

CORPUS = pathlib.Path(__file__).parents[2] / "crates" / "omni-scan" / "tests" / "corpus"
STEMS = sorted(path.name.partition(".")[0] for path in CORPUS.glob("*.expected.json"))

# Differences that are meant to be: `file:tool:part`, and why.
ACCEPTED = {
    # The results of FastMCP itself lack what its schema requires.
    "classes:returns_special:output": "an `InitVar` is no member of the value",
    # FastMCP announces a structured `null` only because it compares the annotation before it reads the text.
    "futures:returns_none:output": "`None` as text is `None`",
    "outputs:as_text_none:output": "`None` as text is `None`",
}


@pytest.fixture(scope="module")
def package():
    """Return a function that gives a file of the corpus as a module, and whether that is all of it."""
    names = ("omni_skills", "omni_skills.corpus")
    for name, path in zip(names, ([], [str(CORPUS)])):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = path

    def load(stem):
        name = f"omni_skills.corpus.{stem}"
        try:
            with warnings.catch_warnings():
                # The corpus has what authors write, outdated spellings among it.
                warnings.simplefilter("ignore")
                return importlib.import_module(name), True
        except Exception:
            module = sys.modules[name] = types.ModuleType(name)
            module.__package__ = "omni_skills.corpus"
            run_what_runs((CORPUS / f"{stem}.py").read_text(), module)
            return module, False

    yield load
    for name in [name for name in sys.modules if name.startswith("omni_skills")]:
        del sys.modules[name]


def run_what_runs(text, module):
    """Run a file's statements one by one and pass over those that fail."""
    # Under Python 3.9 `int | None` is an error, unless it stays a text.
    flags = 0 if sys.version_info >= (3, 10) else __future__.annotations.compiler_flag
    for chunk in chunks(text):
        try:
            tree = ast.parse(chunk)
        except SyntaxError:
            continue
        for statement in tree.body:
            try:
                code = compile(ast.Module([statement], []), "<corpus>", "exec", flags, dont_inherit=True)
                exec(code, vars(module))
            except Exception:
                if isinstance(statement, ast.ImportFrom):
                    import_what_is_there(statement, module)


def import_what_is_there(statement, module):
    for item in statement.names:
        for home in (statement.module, "typing_extensions"):
            try:
                vars(module)[item.asname or item.name] = getattr(importlib.import_module(home), item.name)
                break
            except (ImportError, AttributeError):
                continue


def chunks(text):
    """Cut a file where a statement begins: what cannot be parsed costs itself alone."""
    chunk = []
    for line in text.splitlines():
        begins = line[:1].strip() and line[0] not in ")]}" and not (chunk and chunk[-1].startswith("@"))
        if begins and chunk:
            yield "\n".join(chunk)
            chunk = []
        chunk.append(line)
    yield "\n".join(chunk)


def found(function, *, whole):
    """Return a function's name and description, or None where this Python does not know it all."""
    given = options.read(function.__omni_tool__, pytest.fail)
    description, texts = docstring.parse(function.__doc__)
    signature = describe(function, texts)
    if not whole and signature.problems:
        return given.name or function.__name__, None
    name = given.name or function.__name__
    answer = {
        "title": given.title or name.replace("_", " ").replace("-", " ").title(),
        "input": signature.input,
        "description": description if given.description is None else given.description,
        "output": given.output_schema if given.output_schema_given else signature.output,
    }
    return name, {part: value for part, value in answer.items() if value is not None}


@pytest.mark.parametrize("stem", STEMS)
def test_every_signature_of_the_corpus_has_the_schema_that_fastmcp_gives_it(stem, package):
    expected = json.loads((CORPUS / f"{stem}.expected.json").read_text())
    tool_marks.marked = marked = []
    try:
        _, whole = package(stem)
    finally:
        tool_marks.marked = None
    # A file that was begun and then run again has marked some functions twice: the last is meant.
    answers = dict(found(function, whole=whole) for _kind, function in marked)
    differences = {}
    compared = 0
    for name, theirs in expected.items():
        ours = answers.get(name)
        if "refused" in theirs or (ours is None and not whole):
            continue
        compared += 1
        # Compared as text: the order of properties and keywords is part of what a client sees.
        for part in ("title", "description", "input", "output"):
            pair = [json.dumps(side.get(part)) for side in (ours or {}, theirs)]
            if pair[0] != pair[1]:
                differences[f"{stem}:{name}:{part}"] = pair
    COMPARED[stem] = compared
    unexplained = {place: pair for place, pair in differences.items() if place not in ACCEPTED}
    assert not unexplained
    if whole:
        accepted = {place for place in ACCEPTED if place.startswith(f"{stem}:")}
        assert accepted <= set(differences), "accepted differences that no longer occur"


COMPARED = {}


def test_enough_of_the_corpus_was_compared():
    if len(COMPARED) < len(STEMS):
        pytest.skip("only a part of the corpus was asked for")
    # All of it takes Python 3.12 and Pydantic.
    whole = sys.version_info >= (3, 12) and "pydantic" in sys.modules
    assert sum(COMPARED.values()) >= (700 if whole else 390), COMPARED
