"""That a repository leads nowhere outside the root, and that those which stay beneath it work."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess

import pytest
from repositories import git, start

from omni import ToolError, protected

SECRET = "the secret outside"


@pytest.fixture
def outside(ctx):
    """A repository beside the root, whose file, commit and branch hold a secret."""
    folder = ctx.root.parent / "outside"
    start(folder)
    (folder / "secret.txt").write_text(SECRET + "\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", SECRET)
    git(folder, "branch", "secret-branch")
    return folder


def replaced_by_a_link(repo, outside, name):
    path = repo.root / ".git" / name
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
    os.symlink(outside / ".git" / name, path)


def text_in(repo, name, text):
    path = repo.root / ".git" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def as_submodule(repo, outside, write):
    """Put a folder with a `.git` of this kind where the index has a submodule."""
    folder = repo.root / "sub"
    start(folder)
    git(repo.root, "add", "sub")
    git(repo.root, "commit", "--quiet", "-m", "with a submodule")
    shutil.rmtree(folder / ".git")
    write(folder / ".git")


# How, and what the refusal names.
WAYS_OUT = {
    "`.git` is a link": (
        lambda repo, outside: (shutil.rmtree(repo.root / ".git"), os.symlink(outside / ".git", repo.root / ".git")),
        ".git`",
    ),
    "`.git` is a relative link": (
        lambda repo, outside: (shutil.rmtree(repo.root / ".git"), os.symlink("../outside/.git", repo.root / ".git")),
        ".git`",
    ),
    "a `.git` file": (
        lambda repo, outside: (
            shutil.rmtree(repo.root / ".git"), (repo.root / ".git").write_text(f"gitdir: {outside}/.git\n")
        ),
        "`gitdir:`",
    ),
    "a relative `.git` file": (
        lambda repo, outside: (
            shutil.rmtree(repo.root / ".git"), (repo.root / ".git").write_text("gitdir: dir/../../outside/.git\n")
        ),
        "`gitdir:`",
    ),
    "a `.git` file through a link": (
        lambda repo, outside: (
            shutil.rmtree(repo.root / ".git"), os.symlink(outside, repo.root / "away"),
            (repo.root / ".git").write_text("gitdir: away/.git\n"),
        ),
        "`gitdir:`",
    ),
    "commondir": (lambda repo, outside: text_in(repo, "commondir", f"{outside}/.git\n"), "`commondir`"),
    "a relative commondir": (lambda repo, outside: text_in(repo, "commondir", "../../outside/.git"), "`commondir`"),
    "core.worktree": (
        lambda repo, outside: git(repo.root, "config", "core.worktree", str(outside)), "`core.worktree`",
    ),
    "a relative core.worktree": (
        lambda repo, outside: git(repo.root, "config", "core.worktree", "../../outside"), "`core.worktree`",
    ),
    "core.worktree in config.worktree": (
        lambda repo, outside: (
            git(repo.root, "config", "extensions.worktreeConfig", "true"),
            text_in(repo, "config.worktree", f"[core]\n\tworktree = {outside}\n"),
        ),
        "`core.worktree`",
    ),
    "alternates": (
        lambda repo, outside: text_in(repo, "objects/info/alternates", f"{outside}/.git/objects\n"), "alternates",
    ),
    "relative alternates": (
        lambda repo, outside: text_in(repo, "objects/info/alternates", "# x\n\n../../../outside/.git/objects"),
        "alternates",
    ),
    "quoted alternates": (
        lambda repo, outside: text_in(
            repo, "objects/info/alternates", f'"{str(outside)[:-1]}\\{ord(str(outside)[-1]):03o}/.git/objects"\n'
        ),
        "alternates",
    ),
    "alternates that git reads as several": (
        lambda repo, outside: text_in(repo, "objects/info/alternates", f'"x"\0{outside}/.git/objects\n'), "alternates",
    ),
    "alternates in wrong quotes": (
        lambda repo, outside: text_in(
            repo, "objects/info/alternates", '"\\u0041"/../../../../outside/.git/objects\n'
        ),
        "alternates",
    ),
    "alternates that go back from a link": (
        lambda repo, outside: (
            (repo.root / "a/b/c/d/outside/.git/objects").mkdir(parents=True),
            (repo.root / "a/b/c/d/e/f/g/h").mkdir(parents=True),
            os.symlink("../../a/b/c/d/e/f/g/h", repo.root / ".git/objects/link"),
            text_in(repo, "objects/info/alternates", "link/../../../../outside/.git/objects\n"),
        ),
        "alternates",
    ),
    "a `.git` file with a NUL byte": (
        lambda repo, outside: (
            os.rename(repo.root / ".git", repo.root / "store"),
            (repo.root / ".git").write_text(f"gitdir: {outside}/.git\0/../../project/store\n"),
        ),
        "NUL",
    ),
    "alternates of alternates": (
        lambda repo, outside: (
            start(repo.root / "between"),
            (repo.root / "between/.git/objects/info/alternates").write_text(f"{outside}/.git/objects\n"),
            text_in(repo, "objects/info/alternates", "../../between/.git/objects\n"),
        ),
        "alternates",
    ),
    "alternates behind a link": (
        lambda repo, outside: (
            os.symlink(outside, repo.root / "away"),
            text_in(repo, "objects/info/alternates", "../../away/.git/objects\n"),
        ),
        "alternates",
    ),
    **{
        f"`{name}` is a link": (
            lambda repo, outside, name=name: replaced_by_a_link(repo, outside, name), f"{name}`",
        )
        for name in ("HEAD", "refs", "refs/heads", "refs/heads/main", "objects", "objects/info", "objects/pack",
                     "packed-refs", "config", "index", "info", "info/attributes", "info/exclude", "logs", "logs/HEAD",
                     "MERGE_HEAD", "shallow", "commondir")
    },
    "an object is a link": (
        lambda repo, outside: os.symlink(outside / "secret.txt", repo.root / ".git/objects/pack/pack-x.pack"),
        "pack-x.pack",
    ),
    "a link to a link": (
        lambda repo, outside: (
            os.symlink(outside / ".git/refs/heads/main", repo.root / "away"),
            os.symlink("../../../away", repo.root / ".git/refs/heads/far"),
        ),
        "heads/far`",
    ),
    "a link into the root, and a link there": (
        lambda repo, outside: (
            (repo.root / "refs").mkdir(), os.symlink(outside / ".git/refs/heads", repo.root / "refs/heads"),
            shutil.rmtree(repo.root / ".git/refs"), os.symlink("../refs", repo.root / ".git/refs"),
        ),
        "refs/heads`",
    ),
    "a named pipe": (lambda repo, outside: os.mkfifo(repo.root / ".git/refs/heads/pipe"), "neither a file"),
    "a named pipe for HEAD": (
        lambda repo, outside: ((repo.root / ".git/HEAD").unlink(), os.mkfifo(repo.root / ".git/HEAD")),
        "neither a file",
    ),
    "a named pipe for `.git`": (
        lambda repo, outside: (shutil.rmtree(repo.root / ".git"), os.mkfifo(repo.root / ".git")), "neither a folder",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS_OUT)
def test_a_repository_that_leads_out_of_the_root_is_refused(repo, outside, call_every_tool, confinement, way):
    make, named = WAYS_OUT[way]
    make(repo, outside)
    before = git(outside, "rev-parse", "HEAD", "secret-branch")
    for name, outcome in call_every_tool(repo).items():
        assert isinstance(outcome, ToolError), name
        assert named in str(outcome)
        assert SECRET not in str(outcome)
    assert git(outside, "rev-parse", "HEAD", "secret-branch") == before


SUBMODULES_OUT = {
    "a `.git` file": lambda path, outside: path.write_text(f"gitdir: {outside}/.git\n"),
    "a link": lambda path, outside: os.symlink(outside / ".git", path),
    "commondir": lambda path, outside: (
        path.mkdir(), (path / "HEAD").write_text("ref: refs/heads/main\n"),
        (path / "commondir").write_text(f"{outside}/.git"),
    ),
    "a link for HEAD": lambda path, outside: (
        shutil.copytree(outside / ".git", path), (path / "HEAD").unlink(),
        os.symlink(outside / ".git" / "HEAD", path / "HEAD"),
    ),
    "an included configuration": lambda path, outside: (
        shutil.copytree(outside / ".git", path),
        (path / "config").write_text(f"[include]\n\tpath = {outside}/.git/config\n"),
    ),
}  # fmt: skip
READS_OF_THE_WORKING_TREE = ("status", "diff all", "diff unstaged", "diff to a commit", "blame", "commit of everything")


@pytest.mark.parametrize("way", SUBMODULES_OUT)
def test_a_submodule_that_leads_out_of_the_root_is_refused(repo, outside, call_every_tool, way):
    as_submodule(repo, outside, lambda path: SUBMODULES_OUT[way](path, outside))
    head = git(outside, "rev-parse", "HEAD").strip()
    outcomes = call_every_tool(repo)
    for name in READS_OF_THE_WORKING_TREE:
        assert isinstance(outcomes[name], ToolError), name
        assert "sub" in str(outcomes[name])
    assert head not in str([getattr(outcome, "text", outcome) for outcome in outcomes.values()])


def test_a_new_repository_in_the_working_tree_that_leads_out_is_not_added(repo, outside, skill):
    (repo.root / "new").mkdir()
    (repo.root / "new" / ".git").write_text(f"gitdir: {outside}/.git\n")
    with pytest.raises(ToolError, match="`gitdir:`"):
        skill.commit(repo, "new", paths=["new"])
    assert skill.show(repo, path=".").text == "a.txt\ndir/"


def made_index(repo, name):
    """Write an index with one file of this name, as no git would."""
    blob = bytes.fromhex(git(repo.root, "rev-parse", "HEAD:a.txt").strip())
    entry = struct.pack(">10I", 0, 0, 0, 0, 0, 0, 0o100644, 0, 0, 0) + blob + struct.pack(">H", len(name)) + name
    data = b"DIRC" + struct.pack(">II", 2, 1) + entry + b"\0" * (8 - len(entry) % 8)
    (repo.root / ".git" / "index").write_bytes(data + hashlib.sha1(data).digest())


@pytest.mark.parametrize(
    "name", [b"../outside/secret.txt", b"dir/../../outside/secret.txt", b"/etc/passwd", b".git/config", b"dir/.GIT/x"]
)
def test_an_index_that_names_files_outside_the_working_tree_is_refused(
    repo, outside, call_every_tool, confinement, name
):
    made_index(repo, name)
    if name.startswith(b".."):
        # The control: plain git shows the file.
        assert SECRET in git(repo.root, "diff")
    outcomes = call_every_tool(repo)
    for tool in READS_OF_THE_WORKING_TREE:
        assert isinstance(outcomes[tool], ToolError), tool
        assert name.decode() in str(outcomes[tool])
    assert SECRET not in str([getattr(outcome, "text", outcome) for outcome in outcomes.values()])


@pytest.mark.parametrize("target", ["../outside", "../../outside/dir"])
def test_a_folder_that_became_a_link_is_not_looked_through(repo, outside, skill, git_objects, confinement, target):
    (outside / "dir").mkdir(exist_ok=True)
    for folder in (outside, outside / "dir"):
        (folder / "b.txt").write_text(SECRET)
    shutil.rmtree(repo.root / "dir")
    os.symlink(outside if target == "../outside" else outside / "dir", repo.root / "dir")
    with pytest.raises(ToolError, match="behind a symbolic link"):
        skill.blame(repo, "dir/b.txt")
    assert skill.status(repo).unstaged[0]["change"] == "deleted"
    assert SECRET not in skill.diff(repo).text
    with pytest.raises(ToolError, match="beyond a symbolic link"):
        skill.commit(repo, "x", paths=["dir/b.txt"])
    made = skill.commit(repo, "the folder is a link", paths=["dir"])
    assert made.files == ["dir", "dir/b.txt"]
    assert skill.show(repo, path="dir").text == str(outside if target == "../outside" else outside / "dir")
    assert SECRET.encode() not in git_objects(repo)


@pytest.fixture
def git_objects():
    """Return everything that a repository stores."""
    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    return lambda repo: subprocess.run(command, cwd=repo.root, check=True, capture_output=True).stdout


@pytest.mark.parametrize("name", ["COMMIT_EDITMSG", "logs/HEAD", "logs", "index"])
def test_a_commit_writes_nothing_through_a_link_that_stays_beneath_the_root(repo, skill, confinement, name):
    path = repo.root / ".git" / name
    target = repo.root / "dir" / "kept"
    if path.is_dir():
        shutil.rmtree(path)
        target.mkdir()
    else:
        path.unlink(missing_ok=True)
        target.write_text("kept")
    os.symlink(target, path)
    with pytest.raises(ToolError):
        skill.commit(repo, "written over a file", paths=["a.txt", "dir"])
    assert list(target.iterdir()) == [] if target.is_dir() else target.read_text() == "kept"


@pytest.mark.parametrize("name", ["refs", "refs/heads"])
def test_a_commit_writes_no_id_through_refs_that_are_a_link(repo, skill, confinement, name):
    """A branch called `omni.toml` would be written over the settings."""
    folder = repo.root / ".git" / name
    target = repo.root / "project"
    target.mkdir()
    shutil.rmtree(folder)
    os.symlink(target, folder)
    (repo.root / ".git" / "HEAD").write_text(f"ref: {name}/omni.toml\n")
    with pytest.raises(ToolError, match="symbolic link"):
        skill.commit(repo, "written over a file", paths=["a.txt"])
    assert list(target.iterdir()) == []


def test_a_secret_of_the_servers_is_not_committed(repo, skill, monkeypatch):
    (repo.root / "key").write_text(SECRET)
    monkeypatch.setattr(protected, "entries", [(str(repo.root / "key"), "the key of sessions", True)])
    for paths in (["key"], ["."]):
        with pytest.raises(ToolError, match="the key of sessions"):
            skill.commit(repo, "x", paths=paths)
    assert skill.status(repo).untracked == ["key"]


def test_a_secret_of_the_servers_is_not_shown_by_an_index_that_names_it(repo, skill, monkeypatch):
    (repo.root / "key").write_text("before\n")
    git(repo.root, "add", "key")
    (repo.root / "key").write_text(SECRET)
    assert SECRET in skill.diff(repo).text
    monkeypatch.setattr(protected, "entries", [(str(repo.root / "key"), "the key of sessions", True)])
    for call in (lambda: skill.diff(repo), lambda: skill.diff(repo, what="unstaged"), lambda: skill.diff(repo, "HEAD")):
        with pytest.raises(ToolError, match="the key of sessions") as raised:
            call()
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "name", ["packed-refs", "shallow", "commondir", "HEAD", "config", "objects/info/alternates", "refs/tags", "index"]
)
def test_a_link_to_a_secret_of_the_servers_shows_nothing_of_it(repo, skill, monkeypatch, call_every_tool, name):
    """Git says what it cannot read; so do we."""
    (repo.root / "state").mkdir()
    key = repo.root / "state" / "key"
    # Looks like a ref.
    key.write_text("5ec2e7" * 6 + "5ec2\n")
    link = repo.root / ".git" / name
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(key.parent if name == "refs/tags" else key)
    monkeypatch.setattr(protected, "entries", [(str(key), "the key of sessions", True)])
    outcomes = call_every_tool(repo)
    assert outcomes
    for outcome in outcomes.values():
        assert "5ec2e7" not in str(outcome)
        assert "the key of sessions" in str(outcome)


def test_a_list_of_reftables_names_none_elsewhere(ctx, skill):
    git(ctx.root.parent, "init", "--quiet", "--ref-format=reftable", str(ctx.root), check=False)
    tables = ctx.root / ".git" / "reftable" / "tables.list"
    if not tables.exists():
        pytest.skip("this git knows no reftables")
    tables.write_text("../../../outside/.git/reftable/x.ref\n")
    with pytest.raises(ToolError, match="no file beside it"):
        skill.branches(ctx)


def test_an_index_of_packs_that_names_packs_elsewhere_is_not_used(repo, outside, skill, helper):
    """Its names are paths to git, which does not look at them."""
    git(outside, "repack", "--quiet", "-adf")
    git(outside, "multi-pack-index", "write")
    packs = outside / ".git" / "objects" / "pack"
    data = (packs / "multi-pack-index").read_bytes()
    pack = next(packs.glob("*.idx")).name.encode()
    assert pack in data
    (repo.root / ".git" / "objects" / "pack" / "multi-pack-index").write_bytes(data)
    head = git(outside, "rev-parse", "HEAD").strip()
    with pytest.raises(ToolError, match="names no commit"):
        skill.show(repo, head)
    assert "multiPackIndex = false" in helper("_settings").configuration([], [], None)


def test_a_submodule_that_leads_to_nothing_does_not_hide_the_rest(repo, outside, skill):
    as_submodule(repo, outside, lambda path: path.write_text("gitdir: ../nowhere\n"))
    assert skill.status(repo).branch == "main"


@pytest.mark.parametrize(("value", "mode"), [("world", 0o002), ("0666", 0o002)])
def test_a_repository_opens_itself_to_nobody(repo, skill, value, mode):
    git(repo.root, "config", "core.sharedRepository", value)
    (repo.root / "a.txt").write_text("new\n")
    skill.commit(repo, "new", tracked=True)
    assert [path for path in (repo.root / ".git" / "objects").rglob("*") if path.stat().st_mode & mode] == []


def test_a_file_that_became_a_link_is_shown_as_a_link(repo, outside, skill):
    (repo.root / "a.txt").unlink()
    os.symlink("../outside/secret.txt", repo.root / "a.txt")
    assert skill.blame(repo, "a.txt").text.endswith("1  ../outside/secret.txt")
    assert SECRET not in skill.diff(repo).text
    assert SECRET not in skill.diff(repo, base="HEAD~1").text


@pytest.mark.parametrize("swapped", ["git-dir", "objects", "refs", "folder"])
def test_a_link_put_there_between_the_look_and_git_shows_nothing(
    repo, outside, helper, monkeypatch, call_every_tool, swapped
):
    """What only the kernel can refuse: without it, somebody who runs beside us may win this race."""
    confine = helper("_confine")
    if confine._version() < 1:
        pytest.skip("this kernel has no Landlock")
    start_git = confine.start
    victim = {"git-dir": ".git", "objects": ".git/objects", "refs": ".git/refs", "folder": "dir"}[swapped]
    (outside / "b.txt").write_text(SECRET)
    target = outside if swapped == "folder" else outside / victim

    def start_after_a_swap(reach, popen):
        os.rename(repo.root / victim, repo.root / "aside")
        os.symlink(target, repo.root / victim)
        try:
            return start_git(reach, popen)
        finally:
            os.unlink(repo.root / victim)
            os.rename(repo.root / "aside", repo.root / victim)

    def start_and_wait(reach, popen):
        def waiting():
            process = popen()
            process.wait()
            return process

        return start_after_a_swap(reach, waiting)

    monkeypatch.setattr(confine, "start", start_and_wait)
    before = git(outside, "rev-parse", "HEAD", "secret-branch")
    outcomes = call_every_tool(repo)
    assert SECRET not in str([getattr(outcome, "text", outcome) for outcome in outcomes.values()])
    assert "secret-branch" not in str(outcomes["branches"])
    assert git(outside, "rev-parse", "HEAD", "secret-branch") == before


def test_a_linked_working_tree_beneath_the_root_works(repo, skill, call_every_tool):
    git(repo.root, "worktree", "add", "--quiet", "-b", "other", "trees/other")
    outcomes = call_every_tool(repo, repo="trees/other", folder=repo.root / "trees" / "other")
    assert [str(outcome) for outcome in outcomes.values() if isinstance(outcome, ToolError)] == []
    assert git(repo.root, "log", "--format=%s", "-3", "other") == "everything\ntracked\npaths\n"
    assert git(repo.root, "reflog", "other").count("commit: ") == 3
    # It is the repository's own index: to git nothing is left to be said.
    assert git(repo.root / "trees" / "other", "status", "--porcelain") == " D new.txt\n"


def test_a_working_tree_of_a_repository_outside_is_refused_unless_the_user_names_that(outside, ctx, skill, call_with):
    git(outside, "worktree", "add", "--quiet", "-b", "other", str(ctx.root / "tree"))
    with pytest.raises(ToolError, match="outside the project root .* `allow_git_dirs`"):
        skill.status(ctx, repo="tree")
    allowed = call_with(settings={"allow_git_dirs": [str(outside / ".git")]})
    assert skill.status(allowed, repo="tree").branch == "other"
    (ctx.root / "tree" / "a.txt").write_text("new\n")
    assert skill.commit(allowed, "new", tracked=True, repo="tree").branch == "other"
    for wrong in ("x", ["relative"], [1]):
        with pytest.raises(ToolError, match="`allow_git_dirs`"):
            skill.status(call_with(settings={"allow_git_dirs": wrong}), repo="tree")


def test_a_repository_kept_apart_and_objects_borrowed_beneath_the_root_work(repo, skill):
    git(repo.root, "clone", "--quiet", "--shared", "--separate-git-dir=store", ".", "clone")
    for key, value in (("user.name", "A"), ("user.email", "a@b")):
        git(repo.root / "clone", "config", key, value)
    assert (repo.root / "store" / "objects" / "info" / "alternates").exists()
    assert skill.log(repo, repo="clone").commits[0]["subject"] == "second: change"
    (repo.root / "clone" / "a.txt").write_text("new\n")
    assert skill.commit(repo, "in the clone", tracked=True, repo="clone").subject == "in the clone"
    status = skill.status(repo, repo="clone")
    assert (status.upstream, status.ahead, status.behind) == ("origin/main", 1, 0)


def test_links_within_the_root_work(repo, skill):
    os.rename(repo.root / ".git", repo.root / "store")
    os.symlink("store", repo.root / ".git")
    os.rename(repo.root / "store" / "objects", repo.root / "objects")
    os.symlink("../objects", repo.root / "store" / "objects")
    os.symlink("refs/heads/main", repo.root / "store" / "LINK_HEAD")
    assert skill.log(repo).commits[0]["subject"] == "second: change"
    (repo.root / "a.txt").write_text("new\n")
    assert skill.commit(repo, "new", tracked=True).files == ["a.txt"]


def test_submodules_beneath_the_root_work(repo, skill):
    start(repo.root / "origin")
    git(repo.root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "./origin", "sub")
    git(repo.root, "commit", "--quiet", "-m", "with a submodule")
    assert (repo.root / "sub" / ".git").is_file()
    assert skill.status(repo, repo="sub").branch == "main"
    (repo.root / "sub" / "a.txt").write_text("new\n")
    git(repo.root / "sub", "config", "user.email", "a@b")
    git(repo.root / "sub", "config", "user.name", "A")
    inner = skill.commit(repo, "in the submodule", tracked=True, repo="sub").commit
    assert [change["path"] for change in skill.status(repo).unstaged] == ["sub"]
    assert f"+Subproject commit {inner}" in skill.diff(repo).text
    assert skill.commit(repo, "the submodule", paths=["sub"]).files == ["sub"]
    assert skill.status(repo).unstaged == []
    (repo.root / "sub" / "a.txt").write_text("newer\n")
    skill.commit(repo, "in the submodule", tracked=True, repo="sub")
    assert skill.commit(repo, "all", tracked=True).files == ["sub"]


@pytest.mark.parametrize("form", ["--object-format=sha256", "--ref-format=reftable"])
def test_other_formats_of_repositories_work(ctx, skill, form):
    done = git(ctx.root.parent, "init", "--quiet", form, "--initial-branch=main", str(ctx.root), check=False)
    if not (ctx.root / ".git" / "HEAD").exists():
        pytest.skip(f"this git knows no {form}: {done}")
    for key, value in (("user.name", "A"), ("user.email", "a@b")):
        git(ctx.root, "config", key, value)
    (ctx.root / "x").write_text("x\n")
    assert skill.commit(ctx, "start", paths=["x"]).files == ["x"]
    (ctx.root / "x").write_text("y\n")
    assert skill.commit(ctx, "second", paths=["x"]).branch == "main"
    assert [commit["subject"] for commit in skill.log(ctx).commits] == ["second", "start"]
    assert git(ctx.root, "log", "--format=%s") == "second\nstart\n"


def test_a_format_that_is_not_known_is_refused(repo, skill):
    git(repo.root, "config", "core.repositoryFormatVersion", "1")
    git(repo.root, "config", "extensions.future", "yes")
    with pytest.raises(ToolError, match=r"extensions\.future"):
        skill.status(repo)
    (repo.root / ".git" / "config").write_text("[core]\n\trepositoryformatversion = 2\n")
    with pytest.raises(ToolError, match="repositoryformatversion"):
        skill.status(repo)


def test_a_bare_repository_is_refused_with_its_reason(ctx, skill):
    git(ctx.root.parent, "init", "--quiet", "--bare", str(ctx.root / "bare.git"))
    (ctx.root / "bare").mkdir()
    (ctx.root / "bare" / ".git").write_text("gitdir: ../bare.git\n")
    with pytest.raises(ToolError, match="looks like a bare repository"):
        skill.status(ctx, repo="bare.git")
    with pytest.raises(ToolError, match="no working tree"):
        skill.status(ctx, repo="bare")


def test_the_users_name_and_ignored_files_hold_and_nothing_else_of_theirs(ctx, skill, monkeypatch):
    home = ctx.root.parent / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    git(ctx.root, "init", "--quiet")
    (home / ".gitconfig").write_text(
        '[core]\n\texcludesFile = ~/ignored\n[status]\n\tshowUntrackedFiles = no\n[includeIf "gitdir:'
        f'{ctx.root}/"]\n\tpath = work\n[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = /nowhere\n'
    )
    (home / "work").write_text("[user]\n\tname = At Work\n\temail = at@work\n")
    (home / "ignored").write_text("*.ignored\n")
    (ctx.root / "x.ignored").write_text("x")
    (ctx.root / "x").write_text("x")
    assert skill.status(ctx).untracked == ["x"]
    made = skill.commit(ctx, "start", paths=["x"])
    logged = skill.log(ctx, detail="full").commits[0]
    assert (logged["author"], logged["email"]) == ("At Work", "at@work")
    assert [note.split(":")[0] for note in made.notes] == ["the commit is not signed (`commit.gpgSign`)"]


def test_reading_writes_nothing_into_the_repository(repo, skill, call_every_tool):
    os.utime(repo.root / "a.txt", (1_500_000_000, 1_500_000_000))

    def state():
        found = sorted((repo.root / ".git").rglob("*"))
        return [(str(path), path.stat().st_mtime_ns, path.stat().st_ino) for path in found]

    before = state()
    skill.status(repo)
    skill.diff(repo)
    skill.diff(repo, what="staged")
    skill.blame(repo, "a.txt")
    skill.show(repo, "HEAD~1")
    skill.log(repo, changed_text="one")
    skill.branches(repo)
    assert state() == before


def test_nothing_of_a_call_is_left_in_the_temporary_folder(repo, skill, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    skill.status(repo)
    with pytest.raises(ToolError):
        skill.show(repo, "nowhere")
    git(repo.root, "config", "core.bare", "true")
    with pytest.raises(ToolError):
        skill.status(repo)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\tb", "a # b", 'x\n[filter "y"]', " lead", "ünï", "a]b"])
def test_settings_that_are_copied_mean_the_same_in_the_copy(repo, helper, value):
    settings = helper("_settings")
    entry = settings.Entry("user.name", value)
    branch = settings.Entry(f"branch.{value.replace(chr(10), '')}.merge", value)
    path = repo.root / "copy"
    path.write_text(settings.configuration([], [entry, branch], None))
    listed = git(repo.root, "config", "--file", str(path), "--list", "--null")
    found = settings.parsed(listed.encode())
    assert entry in found
    assert branch in found
    assert {item.key.split(".")[0] for item in found} == {"core", "user", "branch"}
