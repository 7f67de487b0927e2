"""That nothing in a repository starts a program, whichever setting, attribute, hook or submodule it is in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import git, start

from omni import ToolError
from omni.load import load_module

# What `git help --config` of some versions leaves out.
SETTINGS_BESIDES = (
    "filter.<driver>.process", "filter.<driver>.required", "trailer.<alias>.command", "trailer.<alias>.cmd",
    "credential.<url>.helper", "gpg.<format>.program", "gpg.program", "merge.<driver>.driver", "pager.<cmd>",
    "core.alternateRefsCommand", "uploadpack.packObjectsHook", "submodule.<name>.update", "remote.<name>.vcs",
    "diff.<driver>.process", "hook.<name>.command", "hook.<name>.event", "fsmonitor.spy",
)  # fmt: skip
# What changes where or how a repository is stored: planted alone, since a wrong value ends every command.
STORAGE = ("core.repositoryformatversion", "core.worktree", "core.bare")
PROGRAM_NAMES = re.compile(
    r"(cmd|command|program|textconv|driver|clean|smudge|process|editor|pager|askpass|helper|external|fsmonitor|hook"
    r"|hookspath|proxy|uploadpack|receivepack|vcs|viewer|browser|alias\.\*|pager\.<cmd>|submodule\.<name>\.update"
    r"|(browser|man|difftool|mergetool|guitool)\.<\w+>\.(cmd|path)|include(if\.<condition>)?\.path)$",
    re.IGNORECASE,
)
HOOKS = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit", "prepare-commit-msg",
    "commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "pre-push", "pre-receive", "update",
    "proc-receive", "post-receive", "post-update", "reference-transaction", "push-to-checkout", "pre-auto-gc",
    "post-rewrite", "sendemail-validate", "fsmonitor-watchman", "fsmonitor-watchmanv2", "p4-changelist",
    "p4-prepare-changelist", "p4-post-changelist", "p4-pre-submit", "post-index-change", "pre-commit-msg",
)  # fmt: skip
ATTRIBUTES = "* filter=spy diff=spy merge=spy\n"


def every_setting():
    listed = subprocess.run(["git", "help", "--config"], capture_output=True, text=True, check=True).stdout
    names = [line for line in listed.split("\n") if re.fullmatch(r"[\w.<>* -]+\.[\w.<>* -]+", line)]
    # A variable with `_` (`gitweb.remote_heads`) is listed, and cannot be written in a file.
    return [name for name in dict.fromkeys([*names, *SETTINGS_BESIDES]) if "_" not in name]


def key_of(setting):
    """Return a setting as a key that a configuration can hold: every name in it is `spy`."""
    if setting.startswith("includeIf."):
        return "includeIf.gitdir:**.path"
    return re.sub(r"<[^>]*>|\*", "spy", setting)


class Trap:
    """Programs that leave a trace with their name, and the configuration that names them everywhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir(parents=True)
        self.hooks = folder / "hooks"
        self.hooks.mkdir()
        self._traces = folder / "traces"
        self._program = folder / "program"
        self._program.write_text(
            f'#!/bin/sh\necho "${{0##*/}}" >> {self._traces}\n'
            # What hands a file on hands it on; the others do not wait for more.
            'case "$0" in *clean*|*smudge*|*textconv*|*included*) cat ;; esac\n'
        )
        self._program.chmod(0o755)
        self.included = folder / "included"
        self.included.write_text(f'[filter "spy"]\n\tclean = {self.program("included")}\n\trequired = true\n')
        for name in HOOKS:
            self.plant(self.hooks / name)

    def program(self, name):
        """Return the path of a program of this name."""
        path = self.programs / re.sub(r"[^\w.]", "-", name)
        if not path.is_symlink():
            self.plant(path)
        return path

    def plant(self, path):
        """Put the program there."""
        os.symlink(self._program, path)

    def value(self, setting):
        if setting.startswith("include"):
            return self.included
        return self.hooks if setting == "core.hooksPath" else self.program(setting)

    def configuration(self, settings, *, alone=False):
        """Return a configuration with a program for each of these settings, and what makes git ask for them."""
        lines = []
        for setting in settings:
            section, _, rest = key_of(setting).partition(".")
            name, _, variable = rest.rpartition(".")
            lines.append(f'[{section} "{name}"]' if name else f"[{section}]")
            bang = "!" if setting in ("alias.*", "submodule.<name>.update") else ""
            lines.append(f'\t{variable} = "{bang}{self.value(setting)}"')
        if alone:
            return "\n".join([*lines, ""])
        lines += ["[commit]\n\tgpgSign = true", "[log]\n\tshowSignature = true", '[filter "spy"]\n\trequired = true']
        lines += ['[submodule "spy"]\n\tactive = true', "[submodule]\n\trecurse = true", "[extensions]\n\tnoop = x"]
        return "\n".join([*lines, ""])

    @property
    def traces(self):
        """The names of the programs that ran since the last look."""
        if not self._traces.exists():
            return set()
        found = set(self._traces.read_text().split())
        self._traces.unlink()
        return found


@pytest.fixture
def trap(tmp_path):
    return Trap(tmp_path / "trap")


@pytest.fixture
def obeyed(helper):
    settings = helper("_settings")
    return lambda setting: settings._obeyed(key_of(setting).lower()) or setting.lower() in (
        *STORAGE, *settings._FORMATS, *settings._FORMATS_LEFT_OUT,
    ) or setting.lower().startswith("extensions.")  # fmt: skip


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def assert_answered(outcomes, *, but=()):
    refused = {name: str(outcome) for name, outcome in outcomes.items() if isinstance(outcome, ToolError)}
    assert set(refused) == set(but), refused


COMMITS = ("commit of paths", "commit of tracked files", "commit of everything")


def test_the_calls_below_are_of_every_tool(repo, skill, call_every_tool):
    names = {name for name, thing in vars(skill).items() if hasattr(thing, "__omni_tool__")}
    assert {name.split(" ")[0] for name in call_every_tool(repo)} == names


def test_no_setting_starts_a_program(repo, call_every_tool, trap, obeyed, confinement, capsys):
    settings = every_setting()
    programs = [setting for setting in settings if PROGRAM_NAMES.search(setting)]
    with capsys.disabled():
        sys.stdout.write(f" {len(settings)} settings, {len(programs)} of them name programs or more settings ")
    assert len(settings) > 500
    assert len(programs) > 50
    planted = [setting for setting in settings if not obeyed(setting)]
    # What names a program is never obeyed.
    assert set(programs) <= set(planted)
    config = repo.root / ".git" / "config"
    append(config, trap.configuration(planted))
    (repo.root / ".git" / "config.worktree").write_text(trap.configuration(planted))
    append(config, "[extensions]\n\tworktreeConfig = true\n")
    for name in HOOKS:
        (repo.root / ".git" / "hooks").mkdir(exist_ok=True)
        trap.plant(repo.root / ".git" / "hooks" / name)
    # The user's own configuration holds for git at their terminal, not here.
    (Path(os.environ["HOME"]) / ".gitconfig").write_text(trap.configuration(planted))
    assert_answered(call_every_tool(repo))
    for attributes in (repo.root / ".gitattributes", repo.root / ".git" / "info" / "attributes"):
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text(ATTRIBUTES)
        outcomes = call_every_tool(repo)
        assert_answered(outcomes, but=COMMITS)
        assert ["through the filter `spy`" in str(outcomes[name]) for name in COMMITS] == [True] * 3, str(
            outcomes["commit of everything"]
        )
        attributes.unlink()
    assert trap.traces == set()


def test_a_program_as_the_value_of_a_setting_that_is_obeyed_is_not_started(repo, call_every_tool, trap, obeyed):
    config = repo.root / ".git" / "config"
    before = config.read_text()
    chosen = [setting for setting in [*every_setting(), "extensions.spy", "user.spy"] if obeyed(setting)]
    assert len(chosen) > 20
    for setting in chosen:
        config.write_text(before + trap.configuration([setting]))
        call_every_tool(repo, briefly=True)
        assert trap.traces == set(), setting


def test_plain_git_starts_what_is_planted(repo, trap):
    """The control: the same plants in the same place, and git as a person runs it."""
    append(repo.root / ".gitmodules", '[submodule "spy"]\n\tpath = spy\n\turl = ../spy\n\tupdate = none\n')
    (repo.root / ".gitattributes").write_text("*.txt filter=spy diff=spy merge=spy\n")
    git(repo.root, "branch", "other", "HEAD~1")
    before = (repo.root / ".git" / "config").read_text()
    controls = {
        "filter.<driver>.clean": ["add", "--renormalize", "."],
        "filter.<driver>.smudge": ["cat-file", "--filters", "HEAD:a.txt"],
        "filter.<driver>.process": ["add", "--renormalize", "."],
        "diff.external": ["diff"],
        "diff.<driver>.command": ["diff"],
        "diff.<driver>.textconv": ["diff"],
        "core.fsmonitor": ["status"],
        "core.hooksPath": ["commit", "-am", "x"],
        "core.editor": ["commit", "--amend", "-a"],
        "sequence.editor": ["rebase", "--interactive", "--autostash", "HEAD~1"],
        "gpg.program": ["commit", "-S", "-am", "x"],
        "alias.*": ["spy"],
        "core.sshCommand": ["fetch", "ssh://127.0.0.1/x"],
        "core.gitProxy": ["fetch", "git://127.0.0.1/x"],
        "credential.helper": ["credential", "fill"],
        "core.askPass": ["-c", "credential.helper=", "credential", "fill"],
        "difftool.<tool>.cmd": ["difftool", "--no-prompt", "--tool=spy"],
        "trailer.<alias>.cmd": ["interpret-trailers", "--trailer", "spy: x", "a.txt"],
        "merge.<driver>.driver": ["merge-file-control"],
        "include.path": ["add", "--renormalize", "."],
        "includeIf.<condition>.path": ["add", "--renormalize", "."],
        "submodule.<name>.update": None,
    }
    ran = set()
    for setting, command in controls.items():
        if command is None or command == ["merge-file-control"]:
            continue
        (repo.root / "a.txt").write_text(f"{setting}, changed\n")
        (repo.root / ".git" / "config").write_text(before + trap.configuration([setting], alone=True))
        subprocess.run(
            ["git", *command], cwd=repo.root, input=b"protocol=https\nhost=127.0.0.1\n\n", check=False,
            capture_output=True, timeout=20, start_new_session=True,
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "GIT_CONFIG_NOSYSTEM": "1"},
        )  # fmt: skip
        if trap.traces:
            ran.add(setting)
    assert len(ran) >= 15, sorted(set(controls) - ran)


def test_plain_git_starts_hooks_that_are_planted(repo, trap):
    for name in HOOKS:
        trap.plant(repo.root / ".git" / "hooks" / name)
    git(repo.root, "commit", "--allow-empty", "--message=x", check=False)
    assert trap.traces >= {"pre-commit", "prepare-commit-msg", "commit-msg"}


def test_no_setting_of_a_submodule_starts_a_program(repo, call_every_tool, trap, confinement):
    """Git asks itself, in each submodule, what changed there: with that submodule's settings."""
    start(repo.root / "sub")
    git(repo.root, "-c", "protocol.file.allow=always", "add", "sub")
    (repo.root / ".gitmodules").write_text(
        f'[submodule "spy"]\n\tpath = sub\n\turl = ./sub\n\tignore = none\n\tupdate = "!{trap.program("update")}"\n'
    )
    git(repo.root, "add", ".gitmodules")
    git(repo.root, "commit", "--quiet", "-m", "with a submodule")
    # Git reads this file to see which commit the submodule is at, and ends with an error when a value is no value.
    programs = [s for s in every_setting() if PROGRAM_NAMES.search(s) and not s.startswith("include")]
    append(repo.root / "sub" / ".git" / "config", trap.configuration(programs))
    (repo.root / "sub" / ".git" / "info" / "attributes").write_text(ATTRIBUTES)
    # Its files look changed, so that they are read again.
    for name in ("a.txt", "dir/b.txt"):
        os.utime(repo.root / "sub" / name, (1_500_000_000, 1_500_000_000))
    assert_answered(call_every_tool(repo))
    outcomes = call_every_tool(repo, repo="sub", folder=repo.root / "sub")
    assert_answered(outcomes, but=COMMITS)
    assert trap.traces == set()
    # The control: plain git runs the submodule's filter.
    git(repo.root, "rm", "--quiet", "--force", ".gitmodules")
    (repo.root / "sub" / ".git" / "config").write_text(trap.configuration(["filter.<driver>.clean"], alone=True))
    (repo.root / "sub" / "a.txt").write_text("one\n2\nthree\n")
    for folder in (repo.root, repo.root / "sub"):
        git(folder, "status", check=False)
    assert trap.traces == {"filter.-driver-.clean"}


def test_no_setting_of_a_linked_working_tree_starts_a_program(repo, call_every_tool, trap, obeyed, confinement):
    git(repo.root, "worktree", "add", "--quiet", "-b", "tree", "tree")
    append(repo.root / ".git" / "config", trap.configuration([s for s in every_setting() if not obeyed(s)]))
    for folder in (repo.root / ".git" / "hooks", repo.root / ".git" / "worktrees" / "tree" / "hooks"):
        folder.mkdir(exist_ok=True)
        for name in HOOKS:
            trap.plant(folder / name)
    outcomes = call_every_tool(repo, repo="tree", folder=repo.root / "tree")
    assert_answered(outcomes)
    assert outcomes["status"].branch == "tree"
    assert trap.traces == set()


@pytest.mark.parametrize("name", ["vault", "vault.git", "x/y"])
def test_a_repository_written_file_by_file_with_a_tool_is_none(ctx, skill, helper, call_every_tool, trap, name):
    """As a model would do it with `files_write`, with nothing but text."""
    files = load_module("files", str(Path(skill.__file__).parents[2] / "files"), "scripts/files.py")
    program = trap.program("clean")
    for path, text in {
        "HEAD": "ref: refs/heads/main\n",
        "objects/keep": "",
        "refs/heads/keep": "",
        "config": f"[core]\n\trepositoryformatversion = 0\n\tworktree = {ctx.root}\n"
        f'\tbare = false\n[filter "x"]\n\tclean = {program}\n',
        "info/attributes": "* filter=x\n",
    }.items():
        files.write(ctx, f"{name}/{path}", text)
    files.write(ctx, ".gitattributes", "* filter=x\n")
    for repo in (name, f"{name}/objects", "."):
        outcomes = call_every_tool(ctx, repo=repo)
        assert all(isinstance(outcome, ToolError) for outcome in outcomes.values())
    assert "looks like a bare repository" in str(call_every_tool(ctx, repo=name)["status"])
    assert trap.traces == set()
    # The control: plain git takes it for a repository, and runs the program.
    subprocess.run(
        ["git", "add", ctx.root / ".gitattributes"], cwd=ctx.root / name, check=False, capture_output=True,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]},
    )  # fmt: skip
    assert trap.traces == {"clean"}


def test_a_repository_kept_apart_whose_settings_a_tool_rewrites_starts_nothing(
    ctx, skill, call_every_tool, trap, obeyed, confinement
):
    """`git init --separate-git-dir` keeps the repository where `files_write` may write."""
    start(ctx.root)
    os.rename(ctx.root / ".git", ctx.root / "store")
    (ctx.root / ".git").write_text("gitdir: store\n")
    files = load_module("files", str(Path(skill.__file__).parents[2] / "files"), "scripts/files.py")
    files.write(ctx, "store/config", trap.configuration([s for s in every_setting() if not obeyed(s)]), mode="append")
    files.write(ctx, "store/info/attributes", ATTRIBUTES, mode="append")
    outcomes = call_every_tool(ctx)
    assert_answered(outcomes, but=COMMITS)
    assert trap.traces == set()


def test_a_lazy_fetch_does_not_happen(repo, call_every_tool, trap, confinement):
    """A partial clone fetches what it lacks by a program that its remote names."""
    config = repo.root / ".git" / "config"
    append(
        config,
        '[extensions]\n\tpartialClone = spy\n[remote "spy"]\n\tpromisor = true\n\turl = ext::x\n'
        f"\tuploadpack = {trap.program('uploadpack')}\n[protocol]\n\tallow = always\n[core]\n\tsshCommand = "
        f"{trap.program('ssh')}\n",
    )
    append(config, f'[url "ext::{trap.program("ext")} "]\n\tinsteadOf = "ext::"\n')
    blob = git(repo.root, "rev-parse", "HEAD~1:a.txt").strip()
    (repo.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    outcomes = call_every_tool(repo)
    assert isinstance(outcomes["show"], ToolError)
    assert trap.traces == set()


@pytest.mark.parametrize("key", ["config", "config.worktree", "hooks", "info/attributes", "HEAD"])
def test_what_is_put_into_a_repository_between_the_look_and_git_starts_nothing(
    repo, helper, monkeypatch, call_every_tool, trap, obeyed, key
):
    """The program must not run whatever wins the race: git is not shown these files at all."""
    confine = helper("_confine")
    monkeypatch.setattr(confine, "available", lambda _: False)
    start = confine.start
    spy = trap.configuration([s for s in every_setting() if not obeyed(s)])

    def start_after_a_change(reach, popen):
        path = repo.root / ".git" / key
        if key == "hooks":
            for name in HOOKS:
                if not (path / name).is_symlink():
                    trap.plant(path / name)
        elif key == "HEAD":
            (repo.root / ".git" / "commondir").write_text(str(trap.folder / "evil"))
        else:
            path.write_text(ATTRIBUTES if key == "info/attributes" else spy)
        return start(reach, popen)

    (trap.folder / "evil" / "refs").mkdir(parents=True)
    (trap.folder / "evil" / "objects").mkdir()
    (trap.folder / "evil" / "config").write_text(spy)
    monkeypatch.setattr(confine, "start", start_after_a_change)
    call_every_tool(repo)
    assert trap.traces == set()


def test_git_is_not_one_that_lies_beneath_the_root(repo, skill, monkeypatch, trap):
    trap.plant(repo.root / "git")
    monkeypatch.setenv("PATH", f"{repo.root}:.::{os.environ['PATH']}")
    monkeypatch.chdir(repo.root)
    assert skill.status(repo).branch == "main"
    monkeypatch.setenv("PATH", str(repo.root))
    with pytest.raises(ToolError, match="beneath the project root"):
        skill.status(repo)
    assert trap.traces == set()


def test_the_kernel_refuses_git_every_other_program(repo, helper):
    confine = helper("_confine")
    repository = helper("_run").Repository(repo, ".")
    with repository:
        if not confine.available(repository._git):
            pytest.skip("this kernel has no Landlock")
        outside = repo.root.parent / "outside.txt"
        outside.write_text("secret")
        for command in (
            ["-c", "alias.spy=!/bin/sh -c 'echo ran'", "spy"],
            ["hash-object", "--no-filters", "--", str(outside)],
            ["diff", "--no-index", "--", "a.txt", str(outside)],
            ["diff", f"--output={outside}"],
            ["hash-object", "-w", "-t", "blob", "/etc/passwd"],
            ["update-ref", "refs/heads/new", "HEAD"],
        ):
            done = repository._run(command)
            assert done.code != 0, command
            assert "ran" not in done.output.text
            assert "secret" not in done.output.text
        assert outside.read_text() == "secret"
