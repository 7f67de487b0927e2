"""How files and folders are moved and made, and what is never moved."""

from __future__ import annotations

import errno
import os
import stat
import threading

import pytest

from omni import CallCancelled, ToolError, protected


@pytest.fixture
def project(ctx):
    (ctx.root / "src" / "deep").mkdir(parents=True)
    (ctx.root / "src" / "a.txt").write_text("a\n")
    (ctx.root / "src" / "deep" / "b.txt").write_text("b\n")
    (ctx.root / "other.txt").write_text("other\n")
    return ctx


def everything(root):
    """Return every name below the root with what it is."""
    return {
        str(path.relative_to(root)): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in sorted(root.rglob("*"))
    }


@pytest.mark.parametrize(
    ("path", "to", "now"),
    [
        ("src/a.txt", "src/c.txt", "src/c.txt"),
        ("src/a.txt", "new/folders/on/the/way.txt", "new/folders/on/the/way.txt"),
        ("src/a.txt", "src/deep/", "src/deep/a.txt"),
        ("src/a.txt", "src/A.txt", "src/A.txt"),
        ("src/deep", "deep", "deep"),
        ("src/deep/", "there/deep", "there/deep"),
        ("./src//a.txt", "src/../b.txt", "b.txt"),
        ("src/a.txt", "-rf", "-rf"),
        ("src/a.txt", "line\nbreak", "line\nbreak"),
        ("src/a.txt", "名前.txt", "名前.txt"),
    ],
)
def test_a_file_or_folder_comes_to_its_new_name(project, skill, path, to, now):
    before = (project.root / path).stat()
    planned = skill.move(project, path, to, dry_run=True)
    assert (project.root / path).exists()
    moved = skill.move(project, path, to)
    assert (moved.to, moved.replaced, planned.to) == (now, False, now)
    assert not (project.root / path).exists()
    after = (project.root / now).stat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)


def test_absolute_paths_beneath_the_root_are_moved_too(project, skill):
    assert skill.move(project, f"{project.root}/src/a.txt", f"{project.root}/c.txt").to == "c.txt"


@pytest.mark.parametrize(
    ("path", "to", "said"),
    [
        ("src/a.txt", "other.txt", "exists already; choose another name, or set overwrite=true"),
        ("src/a.txt", "src/deep", "is a folder; to move into it, set `to` to `src/deep/a.txt`"),
        ("src", "src/deep/src", "cannot be moved into itself"),
        ("src", "src", "the same place"),
        ("src", "src/new/src", "cannot be moved into itself"),
        ("src/deep", "other.txt", "is no file that a folder replaces"),
        ("src/A.tx", "x", "there is no `src/A.tx`; did you mean `a.txt`"),
        ("missing/x", "y", "there is no folder `missing`"),
        (".", "x", "names no file or folder that can be moved"),
        ("src/..", "x", "names no file or folder that can be moved"),
        ("src/a.txt", "../out.txt", "leads out of the project root"),
        ("../x", "y", "leads out of the project root"),
        ("src/a.txt", "/etc/x", "is outside the project root"),
        ("src/a.txt", "other.txt/x", "is a file, not a folder"),
        ("src/a.txt", "new/../x", "which is not there"),
        ("src/a.txt", ".git/hooks/pre-commit", "is git's own"),
        (".GIT", "x", "is git's own"),
        ("src/a.txt", "src/.Git/x", "is git's own"),
        ("src/a.txt", "", "is empty"),
        ("src/a.txt", "a\0b", "NUL byte"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_cannot_be_moved_is_refused_and_nothing_is_made(project, skill, path, to, said, dry_run):
    (project.root / ".git").mkdir()
    before = everything(project.root)
    with pytest.raises(ToolError, match=said.replace("(", r"\(")):
        skill.move(project, path, to, dry_run=dry_run)
    assert everything(project.root) == before


def test_a_file_is_replaced_only_when_asked(project, skill):
    assert skill.move(project, "src/a.txt", "other.txt", overwrite=True, dry_run=True).replaced
    assert (project.root / "other.txt").read_text() == "other\n"
    assert skill.move(project, "src/a.txt", "other.txt", overwrite=True).replaced
    assert (project.root / "other.txt").read_text() == "a\n"
    with pytest.raises(ToolError, match="is a folder"):
        skill.move(project, "other.txt", "src", overwrite=True)


def test_a_link_is_not_moved_and_none_leads_out(project, skill, tmp_path):
    (tmp_path / "outside").mkdir()
    os.symlink("src/a.txt", project.root / "link")
    os.symlink("src", project.root / "inside")
    os.symlink(tmp_path / "outside", project.root / "out")
    before = everything(project.root)
    with pytest.raises(ToolError, match="is a symbolic link to `src/a.txt`"):
        skill.move(project, "link", "moved")
    for path, to in (("out/x", "y"), ("src/a.txt", "out/x"), ("src/a.txt", "out/new/x")):
        with pytest.raises(ToolError, match="leads out of the project root"):
            skill.move(project, path, to)
    assert everything(project.root) == before
    assert skill.move(project, "inside/a.txt", "inside/c.txt").to == "src/c.txt"


def test_two_names_of_one_file_are_told(project, skill):
    os.link(project.root / "other.txt", project.root / "same.txt")
    with pytest.raises(ToolError, match="hard links"):
        skill.move(project, "other.txt", "same.txt", overwrite=True)
    assert (project.root / "other.txt").exists()


def test_what_is_neither_file_nor_folder_stays(project, skill):
    os.mkfifo(project.root / "pipe")
    with pytest.raises(ToolError, match="neither a file nor a folder"):
        skill.move(project, "pipe", "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(project, skill):
    (project.root / "src").chmod(0o500)
    try:
        with pytest.raises(ToolError, match="permission denied"):
            skill.move(project, "src/a.txt", "c.txt")
    finally:
        (project.root / "src").chmod(0o700)
    assert not (project.root / "c.txt").exists()


@pytest.fixture
def served(project, monkeypatch):
    """A project in which omni serves skills, in a folder of a folder, and would obey what is not there yet."""
    (project.root / "tools" / "skills" / "s").mkdir(parents=True)
    (project.root / "tools" / "skills" / "s" / "SKILL.md").write_text("served")
    monkeypatch.setattr(
        protected,
        "entries",
        [
            (f"{project.root}/tools/skills", "the folder of skills that omni serves", False),
            (f"{project.root}/config/omni.toml", "the settings that omni would find", False),
        ],
    )
    return project


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("tools/skills", "x"),
        ("tools/skills/s/SKILL.md", "x"),
        ("tools", "x"),
        ("src/a.txt", "tools/skills/s/SKILL.md"),
        ("src", "tools/skills/t"),
        ("src/a.txt", "config/omni.toml"),
        ("src", "config"),
        ("src", "Config"),
        ("through/skills", "x"),
    ],
)
def test_what_omni_runs_or_obeys_neither_goes_nor_comes(served, skill, path, to):
    os.symlink("tools", served.root / "through")
    (served.root / "src" / "omni.toml").write_text("x")
    before = everything(served.root)
    for call in (
        lambda: skill.move(served, path, to, overwrite=True),
        lambda: skill.change(served, [{"do": "move", "path": path, "to": to}]),
        lambda: skill.change(
            served, [skill.Change("write", "first.txt", content=""), skill.Change("move", path, to=to, overwrite=True)]
        ),
    ):
        with pytest.raises((ToolError, AttributeError)):
            call()
    assert everything(served.root) == before


def test_a_folder_that_holds_nothing_of_omnis_is_moved_beside_it(served, skill):
    assert skill.move(served, "src", "tools/src").to == "tools/src"


@pytest.fixture
def other_disk(monkeypatch):
    """Make the kernel refuse to rename between two folders, as between two disks."""
    rename = os.rename

    def across(source, target, *, src_dir_fd, dst_dir_fd):
        if os.fstat(src_dir_fd).st_ino != os.fstat(dst_dir_fd).st_ino:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", across)


@pytest.mark.usefixtures("other_disk")
def test_a_move_to_another_disk_copies_and_removes(project, skill):
    os.symlink("../other.txt", project.root / "src" / "link")
    (project.root / "src" / "a.txt").chmod(0o640)
    os.utime(project.root / "src" / "a.txt", ns=(1, 2_000_000_000))
    before = everything(project.root / "src")
    skill.move(project, "src", "disk/src")
    assert everything(project.root / "disk" / "src") == before
    assert not (project.root / "src").exists()
    info = (project.root / "disk" / "src" / "a.txt").stat()
    assert (stat.S_IMODE(info.st_mode), info.st_mtime_ns) == (0o640, 2_000_000_000)
    assert skill.move(project, "disk/src/a.txt", "a.txt").to == "a.txt"
    assert skill.move(project, "a.txt", "disk/src/deep/b.txt", overwrite=True).replaced
    assert (project.root / "disk" / "src" / "deep" / "b.txt").read_text() == "a\n"
    assert sorted(os.listdir(project.root)) == ["disk", "other.txt"]


@pytest.mark.usefixtures("other_disk")
def test_a_move_to_another_disk_that_fails_leaves_everything(project, skill, monkeypatch):
    os.mkfifo(project.root / "src" / "deep" / "pipe")
    (project.root / "disk").mkdir()
    before = sorted(everything_but_pipes(project.root))
    with pytest.raises(ToolError, match="it cannot be moved to another disk"):
        skill.move(project, "src", "disk/src")
    assert sorted(everything_but_pipes(project.root)) == before
    os.unlink(project.root / "src" / "deep" / "pipe")

    def cancelled():
        raise CallCancelled

    monkeypatch.setattr(project, "heartbeat", cancelled)
    with pytest.raises(CallCancelled):
        skill.move(project, "src", "disk/src")
    assert sorted(everything_but_pipes(project.root)) == [name for name in before if not name.endswith("pipe")]


def everything_but_pipes(root):
    return [str(path.relative_to(root)) for path in root.rglob("*")]


def test_a_name_that_somebody_takes_meanwhile_is_not_overwritten(project, skill, monkeypatch):
    module = __import__("sys").modules[skill.make_move.__module__]
    taken = module._rename_to_free

    def late(ctx, source, target, *, is_folder):
        (project.root / "c.txt").write_text("somebody's")
        taken(ctx, source, target, is_folder=is_folder)

    monkeypatch.setattr(module, "_rename_to_free", late)
    with pytest.raises(ToolError, match="was made by somebody else meanwhile"):
        skill.move(project, "src/a.txt", "c.txt")
    assert (project.root / "c.txt").read_text() == "somebody's"
    assert (project.root / "src" / "a.txt").read_text() == "a\n"


def test_nothing_is_left_when_the_kernel_refuses(project, skill, monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "rename", refused)
    before = everything(project.root)
    for path in ("src/a.txt", "src/deep"):
        with pytest.raises(ToolError, match="Input/output error"):
            skill.move(project, path, "c")
    assert everything(project.root) == before


def test_links_swapped_during_moves_never_lead_out(project, skill, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (project.root / "real").mkdir()
    stop = threading.Event()

    def swap():
        door = project.root / "door"
        while not stop.is_set():
            try:
                os.symlink(outside, door)
                os.unlink(door)
                os.mkdir(door)
                os.rmdir(door)
            except OSError:
                # What was moved there is in the way.
                for name in os.listdir(door) if door.is_dir() and not door.is_symlink() else []:
                    os.rename(door / name, project.root / "real" / name)

    racer = threading.Thread(target=swap)
    racer.start()
    try:
        for number in range(300):
            (project.root / f"f{number}").write_text("ours")
            for path, to in (
                (f"f{number}", f"door/f{number}"),
                ("door/secret.txt", f"stolen{number}"),
                ("door", "gone"),
            ):
                try:
                    skill.move(project, path, to)
                except ToolError:
                    continue
    finally:
        stop.set()
        racer.join()
    assert os.listdir(outside) == ["secret.txt"]
    assert not any(path.read_text() == "secret" for path in project.root.rglob("stolen*"))


def test_a_folder_is_made_with_those_on_the_way(project, skill):
    assert vars(skill.make_folder(project, "x/y/z")) == {"path": "x/y/z", "created": True}
    assert vars(skill.make_folder(project, "x/y/z/")) == {"path": "x/y/z", "created": False}
    assert skill.make_folder(project, "src/deep").created is False
    for path, said in (
        ("src/a.txt", "is no folder"),
        ("src/a.txt/x", "is a file, not a folder"),
        ("../x", "leads out"),
        (".git/x", "git's own"),
    ):
        with pytest.raises(ToolError, match=said):
            skill.make_folder(project, path)


def test_a_folder_is_not_made_where_omni_would_look(served, skill):
    with pytest.raises(ToolError, match="must not be written"):
        skill.make_folder(served, "tools/skills/evil")
