"""What do the tests of the git tools share: a repository, and a call of every tool."""

from __future__ import annotations

import itertools

import pytest
from repositories import start

from omni import ToolError


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """Keep the configuration of whoever runs the tests out of them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


@pytest.fixture
def repo(ctx):
    """A call in a repository with two commits."""
    start(ctx.root)
    return ctx


@pytest.fixture(params=["confined by the kernel", "not confined"])
def confinement(request, helper, monkeypatch):
    """Run a test with the kernel's help and without it: what is tested must hold either way."""
    confine = helper("_confine")
    if request.param == "not confined":
        monkeypatch.setattr(confine, "available", lambda _: False)
    elif confine._version() < 1:
        pytest.skip("this kernel has no Landlock")
    return request.param == "confined by the kernel"


@pytest.fixture
def call_every_tool(skill):
    """Call every tool of the skill, in every way or just once, after changing files."""

    # So that no file is ever what it was before.
    number = itertools.count()

    def calls(ctx, repo=".", folder=None, *, briefly=False):
        top = folder or ctx.root
        outcomes = {}

        def call(name, function, *arguments, **given):
            try:
                outcomes[name] = function(ctx, *arguments, repo=repo, **given)
            except ToolError as error:
                outcomes[name] = error

        def change(text):
            # Another size, or git would look no further than the time.
            for name in ("a.txt", "dir/b.txt"):
                path = top / name
                path.unlink(missing_ok=True)
                path.parent.mkdir(exist_ok=True)
                path.write_text(f"{text}{next(number)}\n")

        change("changed, not committed\n")
        call("status", skill.status)
        call("log", skill.log)
        if briefly:
            call("diff", skill.diff)
            call("show", skill.show)
            call("blame", skill.blame, "a.txt")
            call("branches", skill.branches)
            call("commit", skill.commit, "all", paths=["."])
            return outcomes
        call("log of a path", skill.log, paths=["a.txt"], changed_text="two", author="Ann", since="10 years ago")
        for what in ("all", "staged", "unstaged"):
            call(f"diff {what}", skill.diff, what=what)
        call("diff to a commit", skill.diff, base="HEAD~1")
        call("diff of commits", skill.diff, base="HEAD~1", head="HEAD", merge_base=True)
        call("diff of a path", skill.diff, paths=["a.txt"], ignore_blanks=True)
        call("show", skill.show)
        call("show a file", skill.show, path="a.txt")
        call("show a folder", skill.show, path="dir")
        call("blame", skill.blame, "a.txt")
        call("blame of a commit", skill.blame, "a.txt", ref="HEAD")
        call("branches", skill.branches, remote=True)
        call("commit of paths", skill.commit, "paths", paths=["a.txt"])
        change("changed once more, and longer\n")
        call("commit of tracked files", skill.commit, "tracked", tracked=True)
        change("changed for the last time, and this is the longest\n")
        (top / "new.txt").write_text(f"new {next(number)}\n")
        call("commit of everything", skill.commit, "everything", paths=["."])
        (top / "new.txt").unlink(missing_ok=True)
        return outcomes

    return calls
