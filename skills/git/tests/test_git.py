"""What the git tools say about real repositories, and what they refuse."""

from __future__ import annotations

import os
import subprocess

import pytest
from repositories import git

from omni import ToolError
from omni.answer_size import DATA_TOKENS, tokens


def test_status_of_a_clean_tree(repo, skill):
    status = skill.status(repo)
    assert (status.branch, status.clean, status.upstream, status.in_progress) == ("main", True, None, None)
    assert status.commit == git(repo.root, "rev-parse", "HEAD")[:10]


def test_status_tells_every_kind_of_change(repo, skill):
    (repo.root / "a.txt").write_text("changed\n")
    git(repo.root, "mv", "dir/b.txt", "dir/ü c.txt")
    (repo.root / "new").mkdir()
    (repo.root / "new" / "x").write_text("x")
    status = skill.status(repo)
    assert status.staged == [{"path": "dir/ü c.txt", "change": "renamed", "old_path": "dir/b.txt"}]
    assert status.unstaged == [{"path": "a.txt", "change": "modified"}]
    assert (status.untracked, status.clean) == (["new/"], False)


def test_status_tells_conflicts_and_the_merge_in_progress(repo, skill):
    git(repo.root, "checkout", "--quiet", "-b", "other", "HEAD~1")
    (repo.root / "a.txt").write_text("one\nzwei\nthree\n")
    git(repo.root, "commit", "--quiet", "-am", "other")
    with pytest.raises(subprocess.CalledProcessError):
        git(repo.root, "merge", "main")
    status = skill.status(repo)
    assert (status.conflicted, status.in_progress, status.branch) == (["a.txt"], "merge", "other")


def test_status_tells_how_a_branch_stands_to_its_upstream(repo, skill):
    git(repo.root, "branch", "base", "HEAD~1")
    git(repo.root, "branch", "--quiet", "--set-upstream-to=base")
    status = skill.status(repo)
    assert (status.upstream, status.ahead, status.behind) == ("base", 1, 0)


def test_status_before_the_first_commit(ctx, skill):
    git(ctx.root, "init", "--quiet", "--initial-branch=main")
    (ctx.root / "x").write_text("x")
    status = skill.status(ctx)
    assert (status.branch, status.commit, status.untracked) == ("main", None, ["x"])
    with pytest.raises(ToolError, match="no commits yet"):
        skill.log(ctx)
    git(ctx.root, "add", "x")
    assert "+x" in skill.diff(ctx).text


def test_log_lists_commits(repo, skill):
    history = skill.log(repo)
    assert [c["subject"] for c in history.commits] == ["second: change", "first: start"]
    ids = git(repo.root, "log", "--format=%H").split()
    assert history.commits[1] == {
        "commit": ids[1][:10],
        "date": "2024-01-02",
        "author": "Ann Author",
        "subject": "first: start",
    }
    assert history.commits[0]["refs"] == ["main"]
    assert not history.more


def test_log_says_more_when_asked(repo, skill):
    ids = git(repo.root, "log", "--format=%H").split()
    assert skill.log(repo, detail="message").commits[1]["body"] == "Because."
    second, first = skill.log(repo, detail="full").commits
    assert (first["commit"], first["email"], first["date"][:19], first["body"]) == (
        ids[1],
        "ann@example.org",
        "2024-01-02T03:04:05",
        "Because.",
    )
    assert (second["parents"], first["parents"], "body" in second) == ([first["commit"]], [], False)


def test_log_filters_and_pages(repo, skill):
    def subjects(**filters):
        return [c["subject"] for c in skill.log(repo, **filters).commits]

    assert subjects(limit=1) == ["second: change"]
    assert skill.log(repo, limit=1).more
    assert subjects(skip=1) == ["first: start"]
    assert subjects(paths=["dir"]) == ["first: start"]
    assert subjects(message="BECAUSE") == ["first: start"]
    assert subjects(author="nobody") == []
    assert subjects(changed_text="two") == ["second: change", "first: start"]
    assert subjects(until="2024-06-01") == []
    assert subjects(ref="HEAD~1..main") == ["second: change"]
    assert subjects(ref="HEAD~1..") == ["second: change"]


def test_diff_of_the_working_tree(repo, skill):
    assert skill.diff(repo).text == "[no differences]"
    (repo.root / "a.txt").write_text("one\n2\nthree\nfour\n")
    (repo.root / "dir" / "b.txt").write_text("bb\n")
    git(repo.root, "add", "dir")
    text = skill.diff(repo).text
    assert text.startswith("2 files changed, +2 -1\n  a.txt  +1 -0\n  dir/b.txt  +1 -1\n\n--- a/a.txt\n+++ b/a.txt\n")
    assert "+four" in text
    assert "a.txt  +" not in skill.diff(repo, what="staged").text
    assert "dir/b.txt" not in skill.diff(repo, what="unstaged").text
    assert skill.diff(repo, summary=True, paths=["dir"]).text == "1 file changed, +1 -1\n  dir/b.txt  +1 -1"


def test_diff_between_commits_and_from_where_a_branch_began(repo, skill):
    assert "-two\n+2" in skill.diff(repo, base="HEAD~1", head="HEAD").text
    git(repo.root, "checkout", "--quiet", "-b", "feature", "HEAD~1")
    (repo.root / "f.txt").write_text("f\n")
    git(repo.root, "add", ".")
    git(repo.root, "commit", "--quiet", "-m", "feature")
    assert "a.txt" in skill.diff(repo, base="main", head="HEAD", summary=True).text
    assert skill.diff(repo, base="main", head="HEAD", merge_base=True, summary=True).text.endswith("  f.txt  +1 -0")
    with pytest.raises(ToolError, match="need a `base`"):
        skill.diff(repo, head="HEAD")


def test_a_rename_and_a_binary_file_are_named_as_such(repo, skill):
    git(repo.root, "mv", "a.txt", "z.txt")
    (repo.root / "x.bin").write_bytes(b"\0\1\2")
    git(repo.root, "add", ".")
    assert "  a.txt -> z.txt  +0 -0" in skill.diff(repo).text
    assert "  x.bin  binary" in skill.diff(repo).text


def test_a_large_diff_is_cut_with_a_note(repo, skill):
    for number in range(12):
        (repo.root / f"big{number}.txt").write_text("".join(f"line {number} {n}\n" for n in range(3000)))
    git(repo.root, "add", ".")
    text = skill.diff(repo).text
    assert tokens(text) < 17_000
    assert "more lines of this file]" in text
    assert "left out; ask for them with `paths`]" in text
    assert "big11.txt  +3000 -0" in text
    one = skill.diff(repo, paths=["big3.txt"]).text
    assert "line 3 2999" in one
    assert "[cut" not in one


def test_show_a_commit(repo, skill):
    text = skill.show(repo, "HEAD").text
    assert "author Ann Author\n" in text
    assert "second: change" in text
    assert "-two\n+2" in text
    first = skill.show(repo, "HEAD~1", summary=True).text
    assert first.endswith("first: start\n\nBecause.\n\n2 files changed, +4 -0\n  a.txt  +3 -0\n  dir/b.txt  +1 -0")


def test_show_a_merge_against_its_first_parent(repo, skill):
    git(repo.root, "checkout", "--quiet", "-b", "side", "HEAD~1")
    (repo.root / "side.txt").write_text("s\n")
    git(repo.root, "add", ".")
    git(repo.root, "commit", "--quiet", "-m", "side")
    git(repo.root, "checkout", "--quiet", "main")
    git(repo.root, "merge", "--quiet", "--no-edit", "side")
    text = skill.show(repo).text
    assert "compared with the first" in text
    assert "1 file changed, +1 -0\n  side.txt  +1 -0" in text


def test_show_a_file_or_folder_as_it_was(repo, skill):
    assert skill.show(repo, "HEAD~1", "a.txt").text == "one\ntwo\nthree"
    assert skill.show(repo, "HEAD~1", "a.txt", start=2, limit=1).text == "two\n[lines 2-2 of 3; go on with start=3]"
    assert skill.show(repo, path=".").text == "a.txt\ndir/"
    assert skill.show(repo, path="dir").text == "b.txt"
    with pytest.raises(ToolError, match="no `zz.txt` in `HEAD`"):
        skill.show(repo, path="zz.txt")


def test_blame_names_the_commit_of_each_line(repo, skill):
    second = git(repo.root, "rev-parse", "HEAD").strip()[:8]
    rows = skill.blame(repo, "a.txt").text.split("\n")
    assert rows[0].endswith(" 2024-01-02 Ann Author")
    assert rows[1] == "     1  one"
    assert rows[2].startswith(f"{second} ")
    assert rows[3] == "     2  2"
    assert rows[4:] == [rows[0], "     3  three"]
    assert skill.blame(repo, "a.txt", start=2, lines=1).text.split("\n") == rows[2:4]
    # A commit is named once for all the lines that follow it.
    assert len(skill.blame(repo, "a.txt", ref="HEAD~1").text.split("\n")) == 4
    with pytest.raises(ToolError, match="has only 3 lines"):
        skill.blame(repo, "a.txt", start=9)


def test_branches_are_listed_with_their_state(repo, skill):
    git(repo.root, "branch", "old", "HEAD~1")
    git(repo.root, "branch", "--quiet", "--set-upstream-to=old")
    found = {branch["name"]: branch for branch in skill.branches(repo).branches}
    assert set(found) == {"main", "old"}
    main = found["main"]
    assert (main["current"], main["upstream"], main["track"]) == (True, "old", "ahead 1")
    # What does not hold is not said.
    assert found["old"] == {
        "name": "old",
        "commit": git(repo.root, "rev-parse", "old")[:10],
        "date": git(repo.root, "log", "-1", "--format=%cs", "old").strip(),
        "subject": "first: start",
    }


def test_commit_only_the_named_paths(repo, skill):
    (repo.root / "a.txt").write_text("new\n")
    (repo.root / "dir" / "b.txt").unlink()
    (repo.root / "other.txt").write_text("other\n")
    git(repo.root, "add", "other.txt")
    made = skill.commit(repo, "third: both\n\n# not a comment\nwhy", paths=["a.txt", "dir"])
    assert (made.branch, made.subject, made.files, made.added, made.removed) == (
        "main",
        "third: both",
        ["a.txt", "dir/b.txt"],
        1,
        4,
    )
    assert git(repo.root, "log", "-1", "--format=%B").strip() == "third: both\n\n# not a comment\nwhy"
    assert [c["path"] for c in skill.status(repo).staged] == ["other.txt"]
    assert skill.commit(repo, "fourth").files == ["other.txt"]


def test_commit_all_tracked_files(repo, skill):
    (repo.root / "a.txt").write_text("new\n")
    (repo.root / "untracked").write_text("x")
    assert skill.commit(repo, "third", tracked=True).files == ["a.txt"]
    assert skill.status(repo).untracked == ["untracked"]


def test_the_first_commit_of_a_repository(ctx, skill):
    git(ctx.root, "init", "--quiet", "--initial-branch=main")
    git(ctx.root, "config", "user.name", "A")
    git(ctx.root, "config", "user.email", "a@b")
    (ctx.root / "x").write_text("x\n")
    made = skill.commit(ctx, "start", paths=["."])
    assert (made.files, made.added) == (["x"], 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"message": " \n"}, "is empty"),
        ({"message": "m"}, "nothing to commit; name the files"),
        ({"message": "m", "paths": ["a.txt"]}, "nothing to commit in these paths"),
        ({"message": "m", "paths": ["nowhere"]}, "did not match any files"),
        ({"message": "m", "paths": ["a.txt"], "tracked": True}, "not both"),
        ({"message": "m", "paths": ["../x"]}, "leads out of the repository"),
        ({"message": "m", "paths": ["/etc/passwd"]}, "leads out of the repository"),
    ],
)
def test_commit_explains_what_was_wrong(repo, skill, arguments, said):
    with pytest.raises(ToolError, match=said):
        skill.commit(repo, **arguments)


def test_a_commit_of_paths_undoes_no_commit_made_meanwhile(repo, skill, monkeypatch):
    commits = skill.commits
    fill = commits._index_of
    said = []

    def fill_while_another_commits(repository, paths):
        index = fill(repository, paths)
        said.append(git(repo.root, "commit", "--quiet", "-m", "another", "--", "dir", check=False))
        return index

    monkeypatch.setattr(commits, "_index_of", fill_while_another_commits)
    (repo.root / "a.txt").write_text("ours\n")
    (repo.root / "dir" / "b.txt").write_text("theirs\n")
    assert skill.commit(repo, "ours", paths=["a.txt"]).files == ["a.txt"]
    assert said == [""]
    # Git was refused, as by any git at work, and can commit now.
    git(repo.root, "commit", "--quiet", "-m", "another", "--", "dir")
    assert git(repo.root, "log", "-2", "--format=%s") == "another\nours\n"
    assert git(repo.root, "status", "--porcelain") == ""
    (repo.root / ".git" / "index.lock").write_text("")
    (repo.root / "a.txt").write_text("ours again\n")
    with pytest.raises(ToolError, match="another git is at work"):
        skill.commit(repo, "x", paths=["a.txt"])


def test_an_unknown_author_is_explained(ctx, skill, monkeypatch):
    git(ctx.root, "init", "--quiet")
    git(ctx.root, "config", "user.useConfigOnly", "true")
    (ctx.root / "x").write_text("x\n")
    with pytest.raises(ToolError, match="ask the user to set"):
        skill.commit(ctx, "start", paths=["x"])


def hook(repo, name, body):
    path = repo.root / ".git" / "hooks" / name
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)


def test_hooks_do_not_run_and_the_answer_says_so(repo, skill):
    hook(repo, "pre-commit", "echo 'line too long' >&2; exit 1\n")
    (repo.root / "a.txt").write_text("new\n")
    made = skill.commit(repo, "third", tracked=True)
    assert made.subject == "third"
    (note,) = made.notes
    assert note.startswith("the hook `pre-commit` did not run: ")
    assert "allow_programs = true" in note


def test_a_hook_that_the_settings_allow_may_refuse_a_commit_and_says_why(repo, skill, call_with):
    hook(repo, "pre-commit", "echo 'line too long' >&2; exit 1\n")
    (repo.root / "a.txt").write_text("new\n")
    with pytest.raises(ToolError, match="line too long"):
        skill.commit(call_with(settings={"allow_programs": True}), "third", tracked=True)


def test_the_old_setting_for_hooks_names_the_new_one(repo, skill, call_with):
    with pytest.raises(ToolError, match="allow_programs = true"):
        skill.status(call_with(settings={"hooks": False}))


def test_reading_runs_no_program_of_the_repository(repo, skill):
    marker = repo.root.parent / "ran"
    program = repo.root.parent / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch {marker}\ncat\n")
    program.chmod(0o755)
    for key in ("core.pager", "diff.external", "core.fsmonitor", "diff.spy.textconv", "diff.spy.command",
                "core.editor", "core.sshCommand", "gpg.program", "core.askPass"):  # fmt: skip
        git(repo.root, "config", key, str(program))
    git(repo.root, "config", "log.showSignature", "true")
    (repo.root / ".gitattributes").write_text("*.txt diff=spy\n")
    for name in ("post-index-change", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
        hook(repo, name, f"touch {marker}\n")
    (repo.root / "a.txt").write_text("changed\n")
    skill.status(repo)
    skill.diff(repo)
    skill.diff(repo, base="HEAD~1", head="HEAD")
    skill.show(repo)
    skill.show(repo, path="a.txt")
    skill.blame(repo, "a.txt")
    skill.log(repo, changed_text="two")
    skill.branches(repo)
    assert not marker.exists()


@pytest.mark.parametrize(
    "ref",
    ["--output=/tmp/evil", "-p", "", "a b", "HEAD\n", "x\0y", "main..--output=/tmp/evil", "--all", "-" * 600],
)
def test_a_name_that_could_be_an_option_is_refused(repo, skill, ref):
    for call in (skill.log, skill.show):
        with pytest.raises(ToolError, match="cannot be the name of a commit|names no commit"):
            call(repo, ref)
    with pytest.raises(ToolError):
        skill.diff(repo, base=ref)
    with pytest.raises(ToolError):
        skill.blame(repo, "a.txt", ref=ref or "-")


def test_paths_and_filters_that_look_like_options_or_patterns_are_taken_as_they_are(repo, skill):
    (repo.root / "-rf").write_text("x\n")
    (repo.root / "*").write_text("star\n")
    assert skill.commit(repo, "dash", paths=["-rf"]).files == ["-rf"]
    assert skill.commit(repo, "star", paths=["*"]).files == ["*"]
    assert [c["subject"] for c in skill.log(repo, paths=["*"]).commits] == ["star"]
    assert skill.log(repo, author="--all").commits == []
    assert skill.log(repo, changed_text="-p").commits == []
    with pytest.raises(ToolError, match="did not match"):
        skill.commit(repo, "m", paths=[":(exclude)a.txt"])


def test_a_wrong_ref_suggests_one_that_exists(repo, skill):
    git(repo.root, "branch", "feature-login")
    with pytest.raises(ToolError, match="did you mean `feature-login`"):
        skill.show(repo, "feature-logn")


def test_variables_of_git_in_the_environment_lead_nowhere(repo, skill, monkeypatch, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet", "--initial-branch=elsewhere")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    assert skill.status(repo).branch == "main"


def test_a_repository_above_the_root_is_not_touched(repo, skill, call_with):
    with pytest.raises(ToolError, match="start the server with that as `--root`"):
        skill.status(call_with(root=repo.root / "dir"))


def test_a_repository_in_a_folder_of_the_project(ctx, skill):
    (ctx.root / "sub").mkdir()
    git(ctx.root / "sub", "init", "--quiet", "--initial-branch=inner")
    assert skill.status(ctx, repo="sub").branch == "inner"
    with pytest.raises(ToolError, match="in no git repository"):
        skill.status(ctx)
    with pytest.raises(ToolError, match="no folder `nowhere`"):
        skill.status(ctx, repo="nowhere")


def test_a_folder_that_leads_out_of_the_project_is_refused(ctx, skill):
    outside = ctx.root.parent / "outside"
    outside.mkdir()
    git(outside, "init", "--quiet")
    os.symlink(outside, ctx.root / "link")
    for folder in ("../outside", "link", str(outside)):
        with pytest.raises(ToolError, match="outside the project root"):
            skill.status(ctx, repo=folder)


def test_git_that_is_not_there_is_explained(repo, skill, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match="`git` is not installed"):
        skill.status(repo)


def test_output_without_end_is_not_read_to_the_end(repo, helper):
    repository = helper("_run").Repository(repo, ".")
    (repo.root / "huge").write_text("x" * 3_000_000)
    git(repo.root, "add", ".")
    output = repository.read("cat-file", "blob", ":huge", bytes_max=1000)
    assert (len(output.data), output.cut) == (1000, True)


@pytest.fixture
def crowded(repo):
    """A repository with everything that is large: files, lines, names, messages, branches."""
    (repo.root / "min.js").write_text("var a=1;" * 100_000 + "\n")
    (repo.root / "lock.json").write_text("".join(f'  "package-{n}": "1.2.{n}",\n' for n in range(5000)))
    (repo.root / "chinese.txt").write_text("漢字かな交じり文\n" * 4000)
    (repo.root / "many").mkdir()
    for number in range(1200):
        (repo.root / "many" / f"{'n' * 120}{number}").write_text("x\n")
    git(repo.root, "add", ".")
    git(repo.root, "commit", "--quiet", "-m", "subject " * 200 + "\n\n" + "body " * 5000)
    for number in range(60):
        git(repo.root, "commit", "--quiet", "--allow-empty", "-m", f"{'subject ' * 60}{number}\n\n{'body ' * 500}")
    for number in range(300):
        git(repo.root, "branch", f"branch-{'b' * 120}-{number}")
    for name in ("min.js", "lock.json", "chinese.txt"):
        (repo.root / name).write_text((repo.root / name).read_text().replace("a", "b").replace("字", "か"))
    for number in range(1200):
        (repo.root / "many" / f"{'n' * 120}{number}").write_text("y\n")
    return repo


def test_no_answer_drowns_the_conversation(crowded, skill):
    for answer in (
        skill.diff(crowded),
        skill.diff(crowded, summary=True),
        skill.diff(crowded, paths=["min.js"]),
        skill.diff(crowded, paths=["chinese.txt"]),
        skill.show(crowded, ref="HEAD~60"),
        skill.show(crowded, ref="HEAD~60", summary=True),
        skill.show(crowded, path="lock.json", limit=10_000),
        skill.show(crowded, path="min.js"),
        skill.show(crowded, path="chinese.txt", limit=10_000),
        skill.show(crowded, path="many"),
        skill.blame(crowded, "chinese.txt", lines=1000),
        skill.blame(crowded, "min.js"),
    ):
        assert tokens(answer.text) < 18_000
    for answer in (
        skill.log(crowded, limit=500, detail="full"),
        skill.status(crowded),
        skill.branches(crowded, limit=1000),
        skill.commit(crowded, "all", tracked=True),
    ):
        assert tokens(str(answer)) < DATA_TOKENS * 1.5


def test_what_was_cut_is_told_and_can_be_had(crowded, skill):
    history = skill.log(crowded, limit=61)
    assert history.more
    assert skill.log(crowded, skip=len(history.commits), limit=1).commits[0]["subject"][:7] == "subject"
    assert "… [" in skill.diff(crowded, paths=["min.js"]).text
    assert "go on with start=" in skill.show(crowded, path="lock.json", limit=10_000).text
    assert "go on with start=" in skill.blame(crowded, "chinese.txt", ref="HEAD", lines=1000).text
    assert "more; give a folder further down" in skill.show(crowded, path="many").text
    assert skill.status(crowded).truncated
    made = skill.commit(crowded, "all", tracked=True)
    assert (len(made.files), made.more_files) == (100, 1103)


def test_a_patch_says_each_name_once_more_and_what_git_knows_of_the_file(repo, skill):
    git(repo.root, "mv", "a.txt", "moved.txt")
    (repo.root / "dir" / "b.txt").chmod(0o755)
    (repo.root / "new.txt").write_text("new\n")
    (repo.root / "bin").write_bytes(b"\0\1")
    git(repo.root, "add", ".")
    text = skill.diff(repo).text
    assert "rename from a.txt\nrename to moved.txt" in text
    assert "old mode 100644\nnew mode 100755" in text
    assert "new file mode 100644\n--- /dev/null\n+++ b/new.txt" in text
    assert "Binary files /dev/null and b/bin differ" in text
    assert "\nindex " not in text


def test_the_patch_that_is_shown_can_be_applied(repo, skill, tmp_path):
    (repo.root / "a.txt").write_text("one\n2\nthree\nfour\n")
    (repo.root / "new.txt").write_text("new\n")
    git(repo.root, "add", "new.txt")
    text = skill.diff(repo).text
    (tmp_path / "p").write_text(text[text.index("\n--- ") + 1 :] + "\n")
    git(repo.root, "reset", "--quiet", "--hard")
    git(repo.root, "apply", str(tmp_path / "p"))
    assert (repo.root / "a.txt").read_text() == "one\n2\nthree\nfour\n"
