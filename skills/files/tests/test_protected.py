"""That nothing the server runs or obeys is written, whatever path leads there."""

from __future__ import annotations

import os

import pytest

from omni import ToolError, protected


@pytest.fixture
def served(ctx, monkeypatch):
    """A project with its skills and settings, a key of the server's, and what is not there yet."""
    root = ctx.root
    (root / "skills" / "s" / "scripts").mkdir(parents=True)
    (root / "skills" / "s" / "scripts" / "s.py").write_text("x = 1\n")
    (root / "omni.toml").write_text("timeout = 5\n")
    (root / "state").mkdir()
    (root / "state" / "session.key").write_text("secret")
    (root / "src").mkdir()
    named = [
        (f"{root}/skills", "the folder of skills that omni serves", False),
        (f"{root}/omni.toml", "the settings file in force", False),
        (f"{root}/state/session.key", "the key of omni's sessions", True),
        (f"{root}/later/cache", "omni's cache", False),
    ]
    monkeypatch.setattr(protected, "entries", named)
    return ctx


def everything(root):
    """Return every file below the root with its content."""
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "path",
    [
        "skills/s/scripts/s.py",
        "skills/s/scripts/new.py",
        "skills/new/SKILL.md",
        "skills/s/scripts/__pycache__/s.cpython-311.pyc",
        "skills",
        "omni.toml",
        "./src/../omni.toml",
        "src/../skills/./s//scripts/s.py",
        "state/session.key",
        "later/cache/python.json",
        "LATER/Cache/python.json",
        "later/cache",
        "to-skills/s/scripts/s.py",
        "to-settings",
        "absolute/scripts/s.py",
        "other-name.txt",
    ],
)
@pytest.mark.parametrize("mode", ["create", "overwrite", "append"])
def test_what_omni_obeys_is_not_written(served, skill, path, mode):
    os.symlink("skills", served.root / "to-skills")
    os.symlink("omni.toml", served.root / "to-settings")
    os.symlink(served.root / "skills" / "s", served.root / "absolute")
    os.link(served.root / "omni.toml", served.root / "other-name.txt")
    before = everything(served.root)
    with pytest.raises(ToolError, match="must not be written: .* ask the user"):
        skill.write(served, path, "pwned = 1\n", mode=mode)
    with pytest.raises(ToolError):
        skill.edit(served, path, "x = 1", "pwned = 1")
    assert everything(served.root) == before


def test_no_folder_comes_to_be_that_omni_would_obey(served, skill):
    with pytest.raises(ToolError, match="omni's cache"):
        skill.write(served, "later/cache/deep/er/file", "x")
    assert not (served.root / "later" / "cache").exists()


def test_absolute_paths_are_looked_at_too(served, skill):
    with pytest.raises(ToolError, match="the settings file in force"):
        skill.write(served, str(served.root / "omni.toml"), "x", mode="overwrite")


def test_everything_else_is_written_as_ever(served, skill):
    for path in ("src/omni.toml", "src/skills/a.py", "skills.md", "omni.toml.bak", "later/file", "Omni.toml"):
        skill.write(served, path, "fine\n")
        skill.write(served, path, "more\n", mode="append")
        assert (served.root / path).read_text() == "fine\nmore\n"
        skill.edit(served, path, "more", "less")


def test_another_name_of_a_file_elsewhere_is_not_written_through(served, skill):
    inside = served.root / "skills" / "s" / "scripts" / "s.py"
    os.link(inside, served.root / "src" / "alias.py")
    skill.write(served, "src/alias.py", "y = 2\n", mode="append")
    assert (served.root / "src" / "alias.py").read_text() == "x = 1\ny = 2\n"
    assert inside.read_text() == "x = 1\n"


def test_a_folder_that_was_renamed_is_known_by_what_it_is(served, skill, monkeypatch):
    # As a mount, or a disk that takes two names for one, would have it.
    monkeypatch.setattr(protected.os, "stat", _stat_as_if_moved(served.root))
    os.rename(served.root / "skills", served.root / "moved")
    with pytest.raises(ToolError, match="folder of skills"):
        skill.write(served, "moved/s/scripts/s.py", "x", mode="overwrite")


def _stat_as_if_moved(root):
    real = os.stat

    def stat(path, **options):
        return real(str(path).replace(f"{root}/skills", f"{root}/moved"), **options)

    return stat


def test_a_secret_is_not_read_either(served, skill):
    os.symlink("session.key", served.root / "state" / "link")
    os.link(served.root / "state" / "session.key", served.root / "src" / "key.txt")
    for path in ("state/session.key", "state/link", "src/key.txt"):
        with pytest.raises(ToolError, match="keeps to itself"):
            skill.read(served, path)
    assert "no match" in skill.search(served, "secret").text


def test_without_a_word_of_the_server_what_it_would_find_here_is_protected(ctx, skill, monkeypatch):
    monkeypatch.setattr(protected, "entries", ())
    monkeypatch.chdir(ctx.root)
    protected.take(None)
    for path in ("skills/s/SKILL.md", "Skills/s/SKILL.md", "omni.toml", "OMNI.TOML"):
        with pytest.raises(ToolError, match="when it starts there"):
            skill.write(ctx, path, "x")
    assert list(ctx.root.iterdir()) == []
