"""That no path, and no race, reaches anything outside the root."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from omni import ToolError, safe_paths

SECRET = "the secret outside"


@pytest.fixture
def cage(ctx):
    """A root with a folder in it, and beside the root a secret."""
    outside = ctx.root.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(SECRET)
    (ctx.root.parent / "project-evil").mkdir()
    (ctx.root.parent / "project-evil" / "secret.txt").write_text(SECRET)
    (ctx.root / "in").mkdir()
    (ctx.root / "in" / "own.txt").write_text("own")
    os.symlink("../outside", ctx.root / "link-out")
    os.symlink(outside, ctx.root / "link-abs")
    os.symlink("../../outside/secret.txt", ctx.root / "in" / "file-out")
    os.symlink(ctx.root.parent / "outside" / "secret.txt", ctx.root / "file-abs")
    os.symlink("link-out", ctx.root / "chain")
    os.symlink("loop", ctx.root / "loop")
    os.symlink("..", ctx.root / "up")
    os.symlink("/proc/self/root", ctx.root / "proc")
    return ctx


TRAVERSALS = [
    "../outside/secret.txt",
    "in/../../outside/secret.txt",
    "./././../outside/secret.txt",
    "in/../in/../../outside/secret.txt",
    "//../outside/secret.txt",
    "../project/../outside/secret.txt",
    "../project-evil/secret.txt",
    "link-out/secret.txt",
    "link-abs/secret.txt",
    "chain/secret.txt",
    "in/file-out",
    "file-abs",
    "up/outside/secret.txt",
    "up/project/../outside/secret.txt",
    "link-out/../outside/secret.txt",
    "in/../link-out/secret.txt",
    "link-out/./secret.txt",
    "loop",
    "loop/x",
    "proc/etc/passwd",
    "/etc/passwd",
    "/",
    "..",
    "../",
    "in/../..",
    "/proc/self/root/etc/passwd",
    "/dev/stdin",
    "~root/.profile",
    "~/.profile",
    "in\0/../../outside/secret.txt",
    "..\\outside\\secret.txt",
    "%2e%2e/outside/secret.txt",
    "file:///etc/passwd",
    "in/own.txt/../../../outside/secret.txt",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_reads_outside_the_root(cage, skill, path):
    with pytest.raises(ToolError):
        skill.read(cage, path)


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_writes_outside_the_root(cage, skill, path):
    for mode in ("create", "overwrite", "append"):
        try:
            skill.write(cage, path, "mine", mode=mode)
        except ToolError:
            continue
    with pytest.raises(ToolError):
        skill.edit(cage, path, "the", "no")
    assert sorted(p.name for p in cage.root.parent.iterdir()) == ["outside", "project", "project-evil"]
    assert sorted(p.name for p in (cage.root.parent / "outside").iterdir()) == ["secret.txt"]
    assert (cage.root.parent / "outside" / "secret.txt").read_text() == SECRET
    assert (cage.root.parent / "project-evil" / "secret.txt").read_text() == SECRET


@pytest.mark.parametrize("path", ["..", "link-out", "link-abs", "chain", "up", "/", "/etc", "proc"])
def test_no_folder_outside_the_root_is_listed_or_searched(cage, skill, path):
    for call in (
        lambda: skill.list_folder(cage, path, depth=3),
        lambda: skill.find(cage, "*", path=path),
        lambda: skill.search(cage, "secret", path=path),
    ):
        with pytest.raises(ToolError):
            call()


def test_walks_pass_links_by(cage, skill):
    assert SECRET not in skill.search(cage, "secret").text
    assert skill.find(cage, "**/secret.txt").paths == []
    assert "secret.txt" not in skill.list_folder(cage, depth=9).text.replace("outside/secret.txt", "")


def test_links_within_the_root_work_for_reading_and_writing(cage, skill):
    os.symlink("in/own.txt", cage.root / "own")
    os.symlink("../in", cage.root / "in" / "again")
    os.symlink(cage.root / "in", cage.root / "absolute")
    os.symlink("in/later.txt", cage.root / "later")
    assert skill.read(cage, "own", numbers=False).text == "own"
    assert skill.read(cage, "in/again/again/own.txt", numbers=False).text == "own"
    assert skill.read(cage, "absolute/../in/own.txt", numbers=False).text == "own"
    assert skill.edit(cage, "own", "own", "changed").path == "in/own.txt"
    assert (cage.root / "own").is_symlink()
    assert skill.write(cage, "later", "now").path == "in/later.txt"


def test_absolute_paths_beneath_the_root_are_taken(cage, skill):
    assert skill.read(cage, str(cage.root / "in" / "own.txt"), numbers=False).text == "own"
    assert skill.list_folder(cage, str(cage.root)).text.startswith("./\n")


def test_a_root_that_is_itself_a_link_works(cage, skill, call_with):
    by_link = cage.root.parent / "by-link"
    os.symlink(cage.root, by_link)
    call = call_with(root=by_link)
    assert skill.read(call, "in/own.txt", numbers=False).text == "own"
    assert skill.read(call, os.path.realpath(by_link) + "/in/own.txt", numbers=False).text == "own"


def test_no_descriptor_is_left_open(cage, skill):
    before = len(os.listdir("/dev/fd"))
    for path in [*TRAVERSALS, "in/own.txt", "nowhere/x"]:
        for call in (skill.read, skill.list_folder):
            try:
                call(cage, path)
            except ToolError:
                pass
    skill.find(cage, "*", hidden=True)
    assert len(os.listdir("/dev/fd")) == before


class Swapper(threading.Thread):
    """Turns a folder of the root into a link that leads out, and back, as fast as it can."""

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self.real, self.aside, self.link = root / "race", root / "aside", root / "spare-link"
        self.real.mkdir()
        (self.real / "secret.txt").write_text("inside")
        os.symlink("../outside", self.link)
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            self._move(self.real, self.aside)
            self._move(self.link, self.real)
            self._move(self.real, self.link)
            self._move(self.aside, self.real)

    def _move(self, source: Path, target: Path) -> None:
        while True:
            try:
                return os.rename(source, target)
            except OSError:
                # A write made the folder anew in the moment when it was gone.
                shutil.rmtree(target, ignore_errors=True)


@pytest.mark.parametrize("name", ["in", "own.txt"])
def test_a_link_put_there_between_the_look_and_the_opening_is_not_followed(cage, skill, monkeypatch, name):
    victim = cage.root / "in" / "own.txt" if name == "own.txt" else cage.root / "in"
    target = "../../outside/secret.txt" if name == "own.txt" else "../outside"
    (cage.root.parent / "outside" / "own.txt").write_text(SECRET)
    look = safe_paths._link_target

    def look_then_swap(folder, part):
        found = look(folder, part)
        if part == name and not victim.is_symlink():
            os.rename(victim, cage.root / "aside")
            os.symlink(target, victim)
        return found

    monkeypatch.setattr(safe_paths, "_link_target", look_then_swap)
    for call in (
        lambda: skill.read(cage, "in/own.txt"),
        lambda: skill.edit(cage, "in/own.txt", "the", "no"),
        lambda: skill.write(cage, "in/own.txt", "mine", mode="append"),
    ):
        with pytest.raises(ToolError):
            call()
        victim.unlink()
        os.rename(cage.root / "aside", victim)
    assert (cage.root.parent / "outside" / "own.txt").read_text() == SECRET
    assert (cage.root.parent / "outside" / "secret.txt").read_text() == SECRET


def test_a_folder_swapped_for_a_link_never_leads_out(cage, skill):
    swapper = Swapper(cage.root)
    swapper.start()
    outcomes = {"inside": 0, "refused": 0}
    try:
        for number in range(4000):
            try:
                text = skill.read(cage, "race/secret.txt", numbers=False).text
                assert text.startswith("inside")
                outcomes["inside"] += 1
                if number % 20 == 0:
                    skill.write(cage, "race/secret.txt", "inside", mode="overwrite")
                    skill.write(cage, f"race/new/{number}.txt", "x")
                    skill.edit(cage, "race/secret.txt", "inside", f"inside {number}")
                    assert SECRET not in skill.search(cage, "secret", path="race").text
            except ToolError:
                outcomes["refused"] += 1
        assert swapper.is_alive()
    finally:
        swapper.stop.set()
        swapper.join()
    # Both happened, so the race was really run.
    assert outcomes["inside"] > 0
    assert outcomes["refused"] > 0
    outside = cage.root.parent / "outside"
    assert [p.name for p in outside.iterdir()] == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == SECRET


def test_a_name_that_is_not_utf_8_is_reached_as_it_is_shown(ctx, skill):
    folder = os.path.join(os.fsencode(ctx.root), b"caf\xe9")
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this disk takes only names in UTF-8")
    with open(os.path.join(folder, b"\xff.txt"), "w") as file:
        file.write("here\n")
    (ctx.root / r"literal\xff").write_text("literal\n")
    assert skill.find(ctx, "*.txt").paths == [r"caf\xe9/\xff.txt"]
    assert skill.read(ctx, r"caf\xe9/\xff.txt", numbers=False).text == "here"
    assert skill.edit(ctx, r"caf\xe9/\xff.txt", "here", "there").path == r"caf\xe9/\xff.txt"
    assert skill.read(ctx, r"literal\xff", numbers=False).text == "literal"
    assert skill.move(ctx, r"caf\xe9", "cafe").path == r"caf\xe9"
    changed = skill.change(
        ctx,
        [skill.Change("move", r"cafe/\xff.txt", to="a.txt"), skill.Change("edit", "a.txt", old="there", new="done")],
    )
    assert changed.paths == ["a.txt", "a.txt"]
    assert (ctx.root / "a.txt").read_text() == "done\n"
    with pytest.raises(ToolError, match="there is no file"):
        skill.read(ctx, r"cafe/\xfe.txt")


def test_the_earlier_name_of_the_module_still_works():
    from omni.beneath import open_file, place

    assert (place, open_file) == (safe_paths.place, safe_paths.open_file)
