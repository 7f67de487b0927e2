"""Which code runs after an edit: what the file says, whatever byte code lies beside it."""

import os
import py_compile
import subprocess
import sys

import pytest
from harness import HELPER, LATE_IMPORTS, environment

IMPORTS = {
    "the file itself": "def f():\n    return {0!r}\n",
    "a relative import": "from .helper import value\ndef f():\n    return value()\n",
    "an import in the call": "def f():\n    from . import helper\n    return helper.value()\n",
    "a package of the skill": "from .inner import value\ndef f():\n    return value()\n",
    "a path on `sys.path`": (
        "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))\n"
        "from helper import value\ndef f():\n    return value()\n"
    ),
    "the folder of scripts": (
        "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))\n"
        "from scripts.helper import value\ndef f():\n    return value()\n"
    ),
    "a folder beside the skill": (
        "import os, sys\nup = os.path.dirname\nsys.path.insert(0, up(up(up(__file__))))\n"
        "from beside.helper import value\ndef f():\n    return value()\n"
    ),
    **LATE_IMPORTS,
    "a child of `spawn`": (
        "import multiprocessing as m\nfrom .helper import value\ndef f():\n"
        "    with m.get_context('spawn').Pool(1) as pool:\n        return pool.apply(value)\n"
    ),
    "a child of `forkserver`": (
        "import multiprocessing as m\nfrom .helper import value\ndef f():\n"
        "    with m.get_context('forkserver').Pool(1) as pool:\n        return pool.apply(value)\n"
    ),
}
STALE = {
    "by time and length": py_compile.PycInvalidationMode.TIMESTAMP,
    "by no check at all": py_compile.PycInvalidationMode.UNCHECKED_HASH,
}


def written(skill, source, value):
    """Write a skill whose files give `value`, all last changed at the same moment."""
    names = ("helper.py", "inner/__init__.py", "../../beside/helper.py")
    files = {name: HELPER.format(value) for name in names}
    demo = skill(files={"a.py": source.format(value) if "{0" in source else source, **files})
    scripts = os.path.join(demo.folder, "scripts")
    paths = [os.path.normpath(os.path.join(scripts, name)) for name in (*files, "a.py")]
    for path in paths:
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return demo, paths


def bytecode(folder):
    """Return the files with byte code beneath a folder."""
    found = [os.path.join(top, name) for top, _, names in os.walk(folder) for name in names]
    return [path for path in found if path.endswith("pyc")]


@pytest.mark.parametrize("kind", STALE.values(), ids=STALE)
@pytest.mark.parametrize("source", IMPORTS.values(), ids=IMPORTS)
def test_what_the_file_says_runs_whatever_byte_code_lies_beside_it(worker, skill, source, kind):
    for path in written(skill, source, "old")[1]:
        py_compile.compile(path, doraise=True, invalidation_mode=kind)
    demo, _ = written(skill, source, "new")
    assert worker().text(demo.target("f")) == "new"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_no_byte_code_is_written_beside_a_skill_s_files(worker, skill, mode, tmp_path):
    for source in IMPORTS.values():
        demo, _ = written(skill, source, "new")
        one = worker(mode)
        assert one.text(demo.target("f")) == "new"
    assert bytecode(tmp_path) == []


def test_what_was_compiled_is_kept_by_what_it_was_compiled_from(worker, skill, tmp_path):
    cache = tmp_path / "code"
    cached = {"OMNI_CODE_CACHE": str(cache)}
    source = IMPORTS["a relative import"]
    for value in ("one", "two", "one"):
        demo, _ = written(skill, source, value)
        assert worker(env=cached).text(demo.target("f")) == value
    # `a.py`, and a helper twice.
    kept = sorted(cache.iterdir())
    assert len(kept) == 3, kept
    assert (cache.stat().st_mode & 0o777, kept[0].stat().st_mode & 0o777) == (0o700, 0o600)
    # Damaged, it is compiled again; and a traceback shows the file that runs.
    for file in kept:
        file.write_bytes(file.read_bytes()[:-3] + b"\0\0\0")
    assert worker(env=cached).text(demo.target("f")) == "one"
    other = skill("other", files={"a.py": source, "helper.py": "def value():\n    return 1 / 0\n"})
    for _ in range(2):
        error = worker(env=cached).error(other.target("f"))
        assert error["location"] == "scripts/helper.py:2"
        assert f'"{other.folder}/scripts/helper.py", line 2' in error["traceback"]


def test_a_cache_that_cannot_be_written_costs_time_only(worker, skill, tmp_path):
    (tmp_path / "file").touch()
    demo, _ = written(skill, IMPORTS["a relative import"], "new")
    assert worker(env={"OMNI_CODE_CACHE": str(tmp_path / "file" / "code")}).text(demo.target("f")) == "new"
    assert bytecode(tmp_path) == []


def test_the_cache_does_not_grow_for_ever(tmp_path, monkeypatch):
    from omni import skill_code

    monkeypatch.setattr(skill_code, "_KEPT_MAX", 4)
    monkeypatch.setenv("OMNI_CODE_CACHE", str(tmp_path / "code"))
    for number in range(20):
        kept = skill_code._CachedCode(str(tmp_path / "code"), f"{number:064}")
        kept.write(compile(f"x = {number}", "x", "exec"))
        assert kept.read("/somewhere/x.py").co_filename == "/somewhere/x.py"
    assert 0 < len(os.listdir(tmp_path / "code")) <= 4


def test_a_module_without_source_is_loaded_as_python_does(worker, skill):
    demo = skill(files={"a.py": "from .helper import value\ndef f():\n    return value()\n"})
    path = os.path.join(demo.folder, "scripts", "helper.py")
    with open(path, "w") as file:
        file.write(HELPER.format("compiled"))
    py_compile.compile(path, path + "c", doraise=True)
    os.unlink(path)
    assert worker().text(demo.target("f")) == "compiled"


def test_installed_packages_keep_their_byte_code_wherever_they_lie(worker, skill):
    source = (
        "import os, sys\nsys.path.insert(0, os.path.dirname(__file__) + '/.venv/lib/site-packages')\n"
        "import installed\ndef f():\n    return installed.__spec__.cached\n"
    )
    demo = skill(files={"a.py": source, ".venv/lib/site-packages/installed.py": "x = 1\n"})
    assert os.path.isfile(worker().text(demo.target("f")))


IN_PROCESS = """
import sys
from omni.inprocess import InProcessCall, InProcessTools
tools = InProcessTools(sys.argv[1], "/", {})
print(tools.run(tools.listed["demo.f"], {}, say=lambda kind, body: None, running=InProcessCall()))
"""


@pytest.mark.parametrize("how", ["by hand", "described", "in one process"])
def test_without_a_server_it_is_the_same(skill, how, tmp_path):
    source = (
        "from omni import tool\nfrom .helper import value\n@tool\ndef f():\n    {0!r}\n    return value()\n"
    )
    for path in written(skill, source, "old")[1]:
        py_compile.compile(path, doraise=True)
    written(skill, source, "new")
    folder = str(tmp_path / "skills")
    words = {
        "by hand": ["-m", "omni.skills.run", "demo", "f", "--skills", folder],
        "described": ["-m", "omni.describe", folder],
        "in one process": ["-c", IN_PROCESS, folder],
    }
    done = subprocess.run(
        [sys.executable, *words[how]], env=environment(), capture_output=True, text=True, check=True
    )
    assert "new" in done.stdout, done
    assert "old" not in done.stdout
