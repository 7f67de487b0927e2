"""Which version of a skill's files a call runs: the one that it means, or none."""

import hashlib
import os
import subprocess
import sys

import pytest
from harness import HELPER, LATE_IMPORTS, TOP, environment

from omni.skill_digest import as_lines, read_skill

#: Ways to import a file in the middle of a call.
LATE = {
    "a relative import": "def f():\n    from .helper import value\n    return value()\n",
    "a package of the skill": "def f():\n    from .inner import value\n    return value()\n",
    "a path on `sys.path`": (
        "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))\n"
        "def f():\n    from helper import value\n    return value()\n"
    ),
    "a path with dots": (
        "import os, sys\nsys.path.insert(0, os.path.dirname(__file__) + '/../scripts/.')\n"
        "def f():\n    from helper import value\n    return value()\n"
    ),
    "`importlib.import_module`": (
        "import importlib\ndef f():\n    return importlib.import_module('.helper', __package__).value()\n"
    ),
    **LATE_IMPORTS,
    "`runpy.run_path`": (
        "import os, runpy\ndef f():\n"
        "    return runpy.run_path(os.path.join(os.path.dirname(__file__), 'helper.py'))['value']()\n"
    ),
    "`runpy.run_module`": (
        "import runpy\ndef f():\n    return runpy.run_module(__package__ + '.helper')['value']()\n"
    ),
    "a link to a folder": "def f():\n    from .linked.helper import value\n    return value()\n",
    "a thread": (
        "import threading\ndef f():\n    said = []\n"
        "    def work():\n        from .helper import value\n        said.append(value())\n"
        "    thread = threading.Thread(target=work)\n    thread.start()\n    thread.join()\n"
        "    return said[0] if said else 'nothing'\n"
    ),
}
#: What happens to the helpers meanwhile.
EDITS = {
    "changed": lambda path: write(path, HELPER.format("new")),
    "changed in place, of one length and time": lambda path: write(path, HELPER.format("odd"), same=True),
}


def write(path, text, *, same=False):
    before = os.stat(path) if same else None
    with open(path, "w") as file:
        file.write(text)
    if same:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def of_version(demo, function, file="a.py", **more):
    """Return what a call says that means the files as they are now."""
    return demo.target(function, file, digest=read_skill(demo.folder)[0], **more)


def late(skill, source):
    """Write a skill that imports its helpers in the call; return it and the helpers' paths."""
    source += "def first():\n    return 'first'\n"
    demo = skill(
        files={"a.py": source, **{name: HELPER.format("old") for name in ("helper.py", "inner/__init__.py")}}
    )
    scripts = os.path.join(demo.folder, "scripts")
    os.makedirs(os.path.join(demo.folder, "shared"), exist_ok=True)
    shared = os.path.join(demo.folder, "shared", "helper.py")
    with open(shared, "w") as file:
        file.write(HELPER.format("old"))
    os.symlink("../shared", os.path.join(scripts, "linked"))
    return demo, [os.path.join(scripts, "helper.py"), os.path.join(scripts, "inner", "__init__.py"), shared]


@pytest.mark.parametrize("page", [True, False])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_call_that_means_another_version_is_stale_and_imports_nothing(worker, skill, mode, page, tmp_path):
    mark = tmp_path / "imported"
    demo = skill(files={"a.py": f"open({str(mark)!r}, 'a').write('x')\ndef f():\n    return 'one'\n"})
    meant = of_version(demo, "f")
    one = worker(mode, page=page)
    for _ in range(2):
        stale = {**meant, "digest": "0" * 64}
        assert one.call(stale) == [{"stale": {"id": one._last_id, "digest": meant["digest"]}}]
    assert not mark.exists()
    assert one.text(meant) == "one"
    assert mark.read_text() == "x"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_what_is_loaded_runs_for_who_means_it_and_for_nobody_else(worker, skill, mode):
    demo = skill(files={"a.py": "def f():\n    return 'one'\n"})
    old, one = of_version(demo, "f"), worker(mode)
    assert one.text(old) == "one"
    write(os.path.join(demo.folder, "scripts", "a.py"), "def f():\n    return 'two'\n")
    new = of_version(demo, "f")
    for _ in range(2):
        assert one.call(new) == [{"stale": {"id": one._last_id, "digest": old["digest"]}}]
        assert one.text(old) == "one"
    assert worker(mode).text(new) == "two"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_second_file_of_the_skill_is_loaded_as_it_was_or_not_at_all(worker, skill, mode, tmp_path):
    mark = tmp_path / "imported"
    second = f"open({str(mark)!r}, 'a').write('x')\ndef g():\n    return {{!r}}\n"
    demo = skill(files={"a.py": "def f():\n    return 'one'\n", "b.py": second.format("one")})
    one = worker(mode)
    assert one.text(of_version(demo, "f")) == "one"
    old = of_version(demo, "g", "b.py")
    write(os.path.join(demo.folder, "scripts", "b.py"), second.format("two"))
    new = of_version(demo, "g", "b.py")
    assert one.call(old) == [{"stale": {"id": one._last_id, "digest": new["digest"]}}]
    assert not mark.exists()
    write(os.path.join(demo.folder, "scripts", "b.py"), second.format("one"))
    assert one.text(old) == "one"


@pytest.mark.parametrize("source", LATE.values(), ids=LATE)
def test_a_late_import_of_what_has_not_changed_works(worker, skill, source):
    demo, _ = late(skill, source)
    one = worker()
    assert one.text(of_version(demo, "first")) == "first"
    assert one.text(of_version(demo, "f")) == "old"


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("source", LATE.values(), ids=LATE)
def test_a_late_import_of_what_has_changed_is_refused_and_the_worker_replaced(
    worker, skill, source, edit, mode
):
    demo, helpers = late(skill, source)
    one, old = worker(mode), of_version(demo, "f")
    assert one.text(of_version(demo, "first")) == "first"
    for path in helpers:
        edit(path)
    error = one.error(old)
    assert (error["kind"], error["class"]) == ("load_error", "SkillChangedError")
    assert "after this worker had loaded the skill; call it again" in error["message"]
    assert error["location"].startswith("scripts/")
    assert any("after this worker had loaded the skill" in finding for finding in error["tainted"]), error
    assert "skipped" in one.call(old)[-1]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "way", ["a relative import", "a package of the skill", "a path on `sys.path`", "a link to a folder"]
)
def test_a_late_import_of_what_is_gone_says_so_and_the_worker_is_replaced(worker, skill, way, mode):
    demo, helpers = late(skill, LATE[way])
    one, old = worker(mode), of_version(demo, "f")
    assert one.text(of_version(demo, "first")) == "first"
    for path in helpers:
        os.remove(path)
    error = one.error(old)
    assert (error["kind"], error["class"]) == ("load_error", "SkillChangedError")
    assert "the file was removed after this worker had loaded the skill" in error["message"]
    assert "skipped" in one.call(old)[-1]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_tool_that_goes_on_without_the_file_fails_all_the_same(worker, skill, mode):
    source = (
        "def f():\n    try:\n        from .helper import value\n    except ImportError:\n"
        "        return 'without'\n    return value()\n"
        "def g():\n    try:\n        f_ = __import__(__package__ + '.helper')\n    except BaseException:\n"
        "        raise ValueError('my own')\n"
    )
    demo = skill(
        files={"a.py": source + "def first():\n    return 'first'\n", "helper.py": HELPER.format("old")}
    )
    for function in ("f", "g"):
        write(os.path.join(demo.folder, "scripts", "helper.py"), HELPER.format("old"))
        one, old = worker(mode), of_version(demo, function)
        assert one.text(of_version(demo, "first")) == "first"
        write(os.path.join(demo.folder, "scripts", "helper.py"), HELPER.format("new"))
        assert one.error(old)["class"] == "SkillChangedError"


def test_a_file_that_is_new_is_no_part_of_what_was_loaded(worker, skill):
    late_import = (
        "def f():\n    from .newer import value\n    return value()\ndef first():\n    return 'first'\n"
    )
    demo = skill(files={"a.py": late_import})
    one, old = worker(), of_version(demo, "f")
    assert one.text(of_version(demo, "first")) == "first"
    write(os.path.join(demo.folder, "scripts", "newer.py"), HELPER.format("new"))
    assert "the file was added after this worker had loaded the skill" in one.error(old)["message"]


def test_what_the_digest_leaves_out_may_change(worker, skill):
    source = (
        "import importlib.util as u, os\ndef f(path):\n"
        "    path = os.path.join(os.path.dirname(__file__), '..', path)\n"
        "    os.makedirs(os.path.dirname(path), exist_ok=True)\n"
        "    with open(path, 'w') as file:\n        file.write('made = 1')\n"
        "    spec = u.spec_from_file_location('made', path)\n"
        "    module = u.module_from_spec(spec)\n    spec.loader.exec_module(module)\n"
        "    return str(module.made)\n"
    )
    demo = skill(files={"a.py": source})
    one, meant = worker(), of_version(demo, "f")
    for path in ("data/made.py", "tests/made.py", ".cache/made.py", "scripts/__pycache__/made.py"):
        assert one.text(meant, {"path": path}) == "1"
    assert one.error(meant, {"path": "scripts/made.py"})["class"] == "SkillChangedError"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_skill_that_changes_while_it_is_imported_is_stale_and_can_be_loaded_anew(worker, skill, mode):
    overtaken = (
        "import os\npath = os.path.join(os.path.dirname(__file__), 'helper.py')\n"
        "if 'old' in open(path).read():\n    with open(path, 'w') as file:\n"
        "        file.write('def value():\\n    return \"new\"\\n')\n"
        "from .helper import value\ndef f():\n    return value()\n"
    )
    demo = skill(files={"a.py": overtaken, "helper.py": HELPER.format("old")})
    one, old = worker(mode), of_version(demo, "f")
    stale = one.call(old)[-1]["stale"]
    new = of_version(demo, "f")
    assert stale["digest"] == new["digest"] != old["digest"]
    assert one.text(new) == "new"
    assert one.text(new) == "new"


def test_an_import_that_fails_and_leaves_a_thread_ends_the_worker_when_it_is_stale(worker, skill):
    overtaken = (
        "import os, threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
        "os.remove(os.path.join(os.path.dirname(__file__), 'helper.py'))\n"
        "from .helper import value\ndef f():\n    return value()\n"
    )
    demo = skill(files={"a.py": overtaken, "helper.py": HELPER.format("old")})
    one = worker()
    assert "stale" in one.call(of_version(demo, "f"))[-1]
    assert one.receive() is None
    assert one.wait() == 0


def test_a_skill_that_is_broken_is_a_load_error_and_not_stale(worker, skill):
    demo = skill(files={"a.py": "def f(:\n"})
    one = worker()
    for _ in range(2):
        assert one.error(of_version(demo, "f"))["kind"] == "load_error"
    write(os.path.join(demo.folder, "scripts", "a.py"), "def f():\n    return 'mended'\n")
    assert one.text(of_version(demo, "f")) == "mended"


def test_what_was_imported_ahead_settles_the_version(worker, skill):
    demo = skill(files={"a.py": "def f():\n    return 'one'\n"})
    old = of_version(demo, "f")
    file = {"skill": demo.name, "dir": demo.folder, "file": "scripts/a.py"}
    one, two = worker(), worker()
    one.send("preload", {"files": [file]})
    assert "ready" in one.receive()
    two.send("preload", {"files": [{**file, "digest": "0" * 64}]})
    assert "ready" in two.receive()
    write(os.path.join(demo.folder, "scripts", "a.py"), "def f():\n    return 'two'\n")
    new = of_version(demo, "f")
    assert "stale" in one.call(new)[-1]
    assert one.text(old) == "one"
    # Nothing was: the files were not those that were meant.
    assert two.text(new) == "two"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_process_that_a_call_starts_imports_the_same_version_or_fails(worker, skill, method):
    source = (
        "import multiprocessing as m, os\nfrom .helper import value\ndef f(edit):\n"
        "    if edit:\n"
        "        with open(os.path.join(os.path.dirname(__file__), 'helper.py'), 'a') as file:\n"
        "            file.write('# another\\n')\n"
        f"    context = m.get_context({method!r})\n"
        "    ours, theirs = context.Pipe()\n"
        "    process = context.Process(target=say, args=(theirs,))\n    process.start()\n    theirs.close()\n"
        "    try:\n        return ours.recv()\n    except EOFError:\n        return 'refused'\n"
        "    finally:\n        process.join()\n"
        "def say(pipe):\n    pipe.send(value())\n"
    )
    demo = skill(files={"a.py": source, "helper.py": HELPER.format("old")})
    one, meant = worker(), of_version(demo, "f")
    assert one.text(meant, {"edit": False}) == "old"
    assert one.text(meant, {"edit": True}) == "refused"
    assert "changed while the call ran" in one.drain()["err"]


def test_a_call_in_a_process_of_its_own_is_held_to_its_version_too(worker, skill):
    demo = skill(files={"a.py": TOP + "@tool\ndef f():\n    return 'one'\n"})
    meant = of_version(demo, "f")
    argv = ("-m", "omni.skills.run", "demo", "f", "--args", "-")
    other = worker(argv=argv)
    stale = other.call({**meant, "digest": "0" * 64})[-1]
    assert stale == {"stale": {"id": 1, "digest": meant["digest"]}}
    assert (other.wait(), other.printed["err"]) == (1, "")
    assert worker(argv=argv).text(meant) == "one"


def test_a_call_by_hand_runs_what_is_there(skill):
    demo = skill(files={"a.py": TOP + "@tool\ndef f():\n    return 'one'\n"})
    command = [
        sys.executable,
        "-m",
        "omni.skills.run",
        demo.name,
        "f",
        "--skills",
        os.path.dirname(demo.folder),
    ]
    for value in ("one", "two"):
        write(os.path.join(demo.folder, "scripts", "a.py"), TOP + f"@tool\ndef f():\n    return {value!r}\n")
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
        assert done.stdout == f"{value}\n"


def broken(worker, skill, cache, files=("helper.py",)):
    """Have a worker run a skill whose code is kept, then break files of it; return its target of before."""
    source = (
        "from .helper import value\n"
        "def f():\n    from .late import value as own\n    return value() + own()\n"
    )
    demo = skill(files={"a.py": source, "helper.py": HELPER.format("old "), "late.py": HELPER.format("good")})
    good = of_version(demo, "f")
    assert worker(env={"OMNI_CODE_CACHE": cache}).text(good) == "old good"
    for file in files:
        write(os.path.join(demo.folder, "scripts", file), "def value(:\n")
    return demo, good


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("files", [("helper.py",), ("late.py", "a.py"), ("a.py", "helper.py", "late.py")])
def test_the_last_good_version_runs_from_the_code_that_is_kept(worker, skill, files, mode, tmp_path):
    cache = str(tmp_path / "code")
    _, good = broken(worker, skill, cache, files)
    one = worker(mode, env={"OMNI_CODE_CACHE": cache})
    # A version that is over for another reason is not run again.
    assert "stale" in one.call(good)[-1]
    for _ in range(2):
        assert one.text({**good, "last_good": True}) == "old good"


def test_a_worker_that_has_loaded_the_last_good_version_takes_the_rest_from_what_is_kept(
    worker, skill, tmp_path
):
    cache = str(tmp_path / "code")
    late_import = (
        "def f():\n    from .helper import value\n    return value()\ndef first():\n    return 'first'\n"
    )
    demo = skill(files={"a.py": late_import, "helper.py": HELPER.format("old")})
    good, before = of_version(demo, "f"), of_version(demo, "first")
    assert worker(env={"OMNI_CODE_CACHE": cache}).text(good) == "old"
    for mode in ("sync", "async"):
        write(os.path.join(demo.folder, "scripts", "helper.py"), HELPER.format("old"))
        one = worker(mode, env={"OMNI_CODE_CACHE": cache})
        assert one.text(before) == "first"
        write(os.path.join(demo.folder, "scripts", "helper.py"), "def value(:\n")
        assert one.text({**good, "last_good": True}) == "old"


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("loaded", [False, True], ids=["a new worker", "one that has tried before"])
def test_a_version_that_never_loaded_fails_as_it_did_after_an_edit_has_broken_it_further(
    worker, skill, loaded, mode, tmp_path
):
    cache = tmp_path / "code"
    env = {"OMNI_CODE_CACHE": str(cache)}
    source = "import nosuch\ndef f():\n    return ''\n"
    demo = skill(files={"a.py": source})
    meant = of_version(demo, "f")
    # As the server keeps what it serves.
    digest, hashes = read_skill(demo.folder)
    (cache / "sources").mkdir(parents=True)
    for path, text in (
        (f"{digest}.files", as_lines(hashes)),
        (f"{hashes['scripts/a.py']}.py", source),
    ):
        write(str(cache / "sources" / path), text)
    one = worker(mode, env=env)
    if loaded:
        assert "module `nosuch` is not installed" in one.error(meant)["message"]
    write(os.path.join(demo.folder, "scripts", "a.py"), "def f(:\n")
    for _ in range(2):
        error = one.error({**meant, "last_good": True})
        assert (error["kind"], error["class"]) == ("load_error", "ModuleNotFoundError"), error
        assert "module `nosuch` is not installed" in error["message"]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("files", [("helper.py",), ("late.py", "a.py"), ("inner/__init__.py",)])
def test_files_of_the_last_good_version_may_be_gone(worker, skill, files, mode, tmp_path):
    env = {"OMNI_CODE_CACHE": str(tmp_path / "code")}
    source = (
        "from .helper import value\nfrom .inner import value as third\n"
        "def f():\n    from .late import value as own\n    return value() + own() + third()\n"
    )
    helpers = {name: HELPER.format(name[0]) for name in ("helper.py", "late.py", "inner/__init__.py")}
    demo = skill(files={"a.py": source, **helpers})
    good = of_version(demo, "f")
    assert worker(env=env).text(good) == "hli"
    loaded = worker(mode, env=env)
    assert loaded.text(good) == "hli"
    for file in files:
        os.remove(os.path.join(demo.folder, "scripts", file))
    good["last_good"] = True
    for one in (worker(mode, env=env), loaded):
        for _ in range(2):
            assert one.text(good) == "hli"


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "edit", [os.remove, lambda path: write(path, "def value(:\n")], ids=["gone", "broken"]
)
def test_a_tool_that_goes_on_without_a_file_that_is_not_kept_fails_all_the_same(
    worker, skill, edit, mode, tmp_path
):
    env = {"OMNI_CODE_CACHE": str(tmp_path / "code")}
    source = (
        "def f():\n    try:\n        from .late import value\n    except ImportError:\n"
        "        return 'without'\n    return value()\ndef first():\n    return 'first'\n"
    )
    demo = skill(files={"a.py": source, "late.py": HELPER.format("good")})
    first, meant = of_version(demo, "first"), of_version(demo, "f", last_good=True)
    assert worker(env=env).text(first) == "first"
    edit(os.path.join(demo.folder, "scripts", "late.py"))
    one = worker(mode, env=env)
    error = one.error(meant)
    assert (error["kind"], error["class"]) == ("load_error", "SkillChangedError")
    assert "its last good version is not kept" in error["message"]
    assert "skipped" in one.call(meant)[-1]


def test_where_the_code_is_not_kept_the_last_good_version_is_stale(worker, skill, tmp_path):
    cache = tmp_path / "code"
    demo, good = broken(worker, skill, str(cache))
    good["last_good"] = True
    assert "stale" in worker().call(good)[-1]
    assert "stale" in worker(env={"OMNI_CODE_CACHE": str(tmp_path / "other")}).call(good)[-1]
    (files,) = cache.glob("*.files")
    whole = files.read_bytes()
    files.write_bytes(whole.replace(b"helper", b"healer"))
    assert "stale" in worker(env={"OMNI_CODE_CACHE": str(cache)}).call(good)[-1]
    files.write_bytes(whole)
    for code in cache.iterdir():
        if code != files:
            code.unlink()
    one = worker(env={"OMNI_CODE_CACHE": str(cache)})
    assert "stale" in one.call(good)[-1]
    # Mended, it is what the folder has.
    write(os.path.join(demo.folder, "scripts", "helper.py"), HELPER.format("old "))
    assert one.text(good) == "old good"


def test_a_version_that_no_worker_has_loaded_runs_from_the_sources_that_the_server_keeps(
    worker, skill, tmp_path
):
    cache = tmp_path / "code"
    _, good = broken(worker, skill, str(cache))
    sources = cache / "sources"
    sources.mkdir()
    for text in (HELPER.format("old "), HELPER.format("good")):
        (sources / f"{hashlib.sha256(text.encode()).hexdigest()}.py").write_text(text)
    (files,) = cache.glob("*.files")
    files.rename(sources / files.name)
    for code in [path for path in cache.iterdir() if path.is_file() and path.suffix != ".files"]:
        code.unlink()
    good["last_good"] = True
    assert worker(env={"OMNI_CODE_CACHE": str(cache)}).text(good) == "old good"
    # What is kept under a name that is not its own is nobody's.
    other = worker(env={"OMNI_CODE_CACHE": str(cache)})
    for code in [path for path in cache.iterdir() if path.is_file() and path.suffix != ".files"]:
        code.unlink()
    for source in sources.glob("*.py"):
        source.write_text(HELPER.format("forged"))
    assert "stale" in other.call(good)[-1]


def test_the_last_good_version_takes_nothing_of_the_one_that_is_broken(worker, skill, tmp_path):
    cache = str(tmp_path / "code")
    demo, good = broken(worker, skill, cache)
    write(os.path.join(demo.folder, "scripts", "late.py"), HELPER.format("newer"))
    one = worker(env={"OMNI_CODE_CACHE": cache})
    assert one.text({**good, "last_good": True}) == "old good"
    added = worker(env={"OMNI_CODE_CACHE": cache})
    write(os.path.join(demo.folder, "scripts", "a.py"), "def f():\n    return 'newer'\n")
    assert added.text({**good, "last_good": True}) == "old good"


# -- where one version follows another in one process -----------------------------------------------------

IN_ONE_PROCESS = """
import sys
from omni import skill, skill_version
from omni.call_frame import Call, Target
from omni.load import LoadError, prepare
from omni.restore_interpreter import InterpreterRestorer, forget_modules
from omni.skill import Context
from omni.skill_digest import as_lines, read_skill

folder = sys.argv[1]
running = []
skill_version.in_use = lambda: {target.version for target in running}
skill_version.forget = forget_modules
restorer = InterpreterRestorer()

def target(function, digest=None):
    body = {"tool": "demo.f", "skill": "demo", "dir": folder, "file": "scripts/a.py", "function": function}
    return Target({**body, "digest": digest or read_skill(folder)[0]})

def load(target):
    before = restorer.look()
    target.prepared = prepare(target)
    restorer.accept(before)
    restorer.restore()
    return target.prepared.function

def edit(value):
    for file in ("constant.py", "helper.py"):
        with open(f"{folder}/scripts/{file}", "w") as opened:
            opened.write(f"VALUE = {value!r}\\n")

def during(target, function):
    # As a call of that version would.
    context = Context.__new__(Context)
    context._call = Call(1, target, {})
    context._open = False
    token = skill.CURRENT.set(context)
    try:
        return function()
    except ImportError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        skill.CURRENT.reset(token)
"""
TWO_FILES = (
    "import os, sys\nsys.path.insert(0, os.path.dirname(__file__))\n"
    "from .constant import VALUE\nimport constant\n"
    "def f():\n    return [VALUE, constant.VALUE]\n"
    "def late():\n    from .helper import VALUE as own\n    return [VALUE, own]\n"
)


def in_one_process(skill, script):
    """Run a script where versions may follow each other; return what it prints."""
    demo = skill(files={"a.py": TWO_FILES, "constant.py": "VALUE = 'one'\n", "helper.py": "VALUE = 'one'\n"})
    command = [sys.executable, "-c", IN_ONE_PROCESS + script, demo.folder]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=True
    ).stdout.split("\n")


def test_where_a_process_cannot_be_replaced_a_new_version_is_loaded_beside_the_old(skill):
    said = in_one_process(
        skill,
        """
old = target("f")
first = load(old)
print(first())
edit("two")
new = target("f")
second = load(new)
print(second(), first())
print(load(target("f")) is second)
edit("three")
third = load(target("f"))
print(third(), second(), first())
""",
    )
    assert said[:4] == [
        "['one', 'one']",
        "['two', 'two'] ['one', 'one']",
        "True",
        "['three', 'three'] ['two', 'two'] ['one', 'one']",
    ]


def test_there_a_version_that_is_neither_loaded_nor_on_disk_is_stale(skill):
    said = in_one_process(
        skill,
        """
old = target("f")
load(old)
edit("two")
new = target("f")
load(new)
try:
    load(target("f", old.digest))
    print("loaded")
except skill_version.StaleError as error:
    print(error.digest == new.digest)
""",
    )
    assert said[0] == "True"


def test_there_a_call_that_runs_gets_nothing_of_the_version_after_it(skill):
    said = in_one_process(
        skill,
        """
old = target("late")
late = load(old)
running.append(old)
edit("two")
load(target("f"))
print(during(old, late))
new = target("late")
print(during(new, load(new)))
""",
    )
    assert said[0].startswith(
        "SkillChangedError: `scripts/helper.py` was not imported: the file changed after"
    )
    assert said[1] == "['two', 'two']"


def test_there_modules_go_once_no_call_runs_them_any_more(skill):
    said = in_one_process(
        skill,
        """
old = target("f")
load(old)
running.append(old)
def packages():
    return sorted(one for one in sys.modules if one.startswith("omni_skills.demo") and one.count(".") == 1)
for value in ("two", "three", "four"):
    edit(value)
    load(target("f"))
    print(packages())
running.clear()
edit("five")
load(target("f"))
print(packages())
""",
    )
    assert said[:4] == [
        "['omni_skills.demo', 'omni_skills.demo@2']",
        "['omni_skills.demo', 'omni_skills.demo@2', 'omni_skills.demo@3']",
        "['omni_skills.demo', 'omni_skills.demo@3', 'omni_skills.demo@4']",
        "['omni_skills.demo@4', 'omni_skills.demo@5']",
    ]
