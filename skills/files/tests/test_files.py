"""What the file tools do with ordinary files."""

from __future__ import annotations

import os

import pytest

from omni import ToolError, safe_paths


@pytest.fixture
def project(ctx):
    (ctx.root / "src").mkdir()
    (ctx.root / "src" / "main.py").write_text("import os\n\n\ndef main():\n    print('hello')\n")
    (ctx.root / "src" / "util.py").write_text("def helper():\n    return 'Hello'\n")
    (ctx.root / "README.md").write_text("# Title\n\nhello reader\n")
    (ctx.root / ".github").mkdir()
    (ctx.root / ".github" / "ci.yml").write_text("run: hello\n")
    (ctx.root / "node_modules").mkdir()
    (ctx.root / "node_modules" / "dep.py").write_text("hello\n")
    return ctx


def test_list_shows_folders_sizes_and_links_in_order(project, skill):
    os.symlink("README.md", project.root / "alias")
    assert skill.list_folder(project).text.split("\n") == [
        "./",
        "  README.md  22 B",
        "  alias -> README.md",
        "  node_modules/",
        "  src/",
    ]


def test_list_goes_as_deep_as_asked_but_not_into_folders_of_tools(project, skill):
    text = skill.list_folder(project, depth=2, hidden=True).text
    assert "    main.py  43 B" in text
    assert "  node_modules/ (not entered)" in text
    assert "dep.py" not in text
    assert "    ci.yml  11 B" in text


def test_a_folder_of_tools_is_entered_when_it_is_named(project, skill):
    assert "dep.py" in skill.list_folder(project, "node_modules").text


def test_a_folder_marked_as_a_cache_is_not_entered(project, skill):
    (project.root / "target").mkdir()
    (project.root / "target" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    (project.root / "target" / "built.py").write_text("hello\n")
    assert "target/built.py" not in skill.find(project, "*.py").paths


def test_list_says_that_it_was_cut(project, skill):
    assert "[cut at 2 entries" in skill.list_folder(project, limit=2).text


def test_listing_a_missing_folder_names_one_that_exists(project, skill):
    with pytest.raises(ToolError, match="did you mean `src`"):
        skill.list_folder(project, "srcs")


def test_a_file_name_that_is_not_utf8_can_be_shown(project, skill):
    os.close(os.open(os.fsencode(project.root) + b"/\xff.txt", os.O_CREAT | os.O_WRONLY))
    text = skill.list_folder(project).text
    assert r"\xff.txt" in text
    text.encode("utf-8")


def test_read_numbers_lines(project, skill):
    assert skill.read(project, "README.md").text == "     1\t# Title\n     2\t\n     3\thello reader"


def test_read_takes_a_range_and_says_where_to_go_on(project, skill):
    (project.root / "long.txt").write_text("".join(f"line {n}\n" for n in range(1, 1001)))
    text = skill.read(project, "long.txt", start=10, limit=2, numbers=False).text
    assert text == "line 10\nline 11\n[lines 10-11 of 1,000; go on with start=12]"


def test_read_counts_from_the_end_with_a_negative_start(project, skill):
    (project.root / "long.txt").write_text("".join(f"line {n}\n" for n in range(1, 1001)))
    assert skill.read(project, "long.txt", start=-2).text == "   999\tline 999\n  1000\tline 1000"


def test_read_ends_before_an_answer_gets_too_long(project, skill):
    (project.root / "wide.txt").write_text(("x" * 1000 + "\n") * 500)
    text = skill.read(project, "wide.txt").text
    assert len(text) < 110_000
    assert "go on with start=32]" in text


def test_read_cuts_a_line_of_megabytes(project, skill):
    (project.root / "min.js").write_text("a" * 3_000_000 + "\nlast\n")
    first, last = skill.read(project, "min.js", numbers=False).text.split("\n")
    assert first.endswith("… [2,998,000 more characters in this line; go on with column=2001]")
    assert last == "last"


def test_read_understands_windows_lines_and_marked_utf16(project, skill):
    (project.root / "win.txt").write_bytes(b"one\r\ntwo\r\n")
    (project.root / "wide.txt").write_bytes("käse\r\n".encode("utf-16"))
    assert skill.read(project, "win.txt", numbers=False).text == "one\ntwo"
    assert skill.read(project, "wide.txt", numbers=False).text == "käse"


def test_read_says_that_bytes_could_not_be_decoded(project, skill):
    (project.root / "old.txt").write_bytes("käse\n".encode("latin-1"))
    assert "are not utf-8" in skill.read(project, "old.txt").text
    assert skill.read(project, "old.txt", numbers=False, encoding="latin-1").text == "käse"


def test_read_refuses_binary_files_by_kind(project, skill):
    (project.root / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    with pytest.raises(ToolError, match="a PNG image"):
        skill.read(project, "x.png")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"path": "REDME.md"}, "did you mean `README.md`"),
        ({"path": "src"}, "is a folder"),
        ({"path": "README.md/x"}, "is a file, not a folder"),
        ({"path": "README.md", "start": 0}, "from 1"),
        ({"path": "README.md", "start": 99}, "has 3 lines"),
        ({"path": "README.md", "encoding": "utf-9"}, "no encoding `utf-9`"),
        ({"path": ""}, "is empty"),
        ({"path": "~/x"}, "not expanded"),
    ],
)
def test_read_errors_say_what_to_do(project, skill, arguments, said):
    with pytest.raises(ToolError, match=said):
        skill.read(project, **arguments)


def test_reading_a_named_pipe_is_refused_at_once(project, skill):
    os.mkfifo(project.root / "pipe")
    with pytest.raises(ToolError, match="not a regular file"):
        skill.read(project, "pipe")


def test_find_by_name_at_any_depth_and_by_path(project, skill):
    assert skill.find(project, "*.py").paths == ["src/main.py", "src/util.py"]
    assert skill.find(project, "src/**/u*.py").paths == ["src/util.py"]
    assert skill.find(project, "*.{md,yml}", hidden=True).paths == [".github/ci.yml", "README.md"]
    assert skill.find(project, "*", path="src").paths == ["src/main.py", "src/util.py"]
    assert skill.find(project, "s*", kind="folder").paths == ["src"]


def test_find_orders_by_age_and_size_and_counts_beyond_the_limit(project, skill):
    os.utime(project.root / "src" / "util.py", (1, 1))
    found = skill.find(project, "*", order="newest", limit=1)
    assert (found.total, found.truncated) == (3, True)
    assert skill.find(project, "*", order="newest").paths[-1] == "src/util.py"
    assert skill.find(project, "*", order="largest").paths[0] == "src/main.py"


def test_search_shows_matches_with_lines_around_them(project, skill):
    text = skill.search(project, "print", context=1).text
    assert text == (
        "src/main.py-4- def main():\nsrc/main.py:5:     print('hello')\n[1 matching line in 1 file; 3 files searched]"
    )


def test_search_can_ignore_case_take_text_literally_and_list_files(project, skill):
    assert "src/util.py:2:" in skill.search(project, "hello", ignore_case=True).text
    assert "src/main.py:4: def main():" in skill.search(project, "main()", literal=True).text
    assert skill.search(project, "hello", show="files").text.split("\n")[:2] == ["README.md", "src/main.py"]
    assert "src/main.py" not in skill.search(project, "hello", glob="*.md").text


def test_search_reads_one_file_when_it_is_given(project, skill):
    assert skill.search(project, "hello", path="README.md").text.startswith("README.md:3: hello reader")


def test_search_counts_what_it_left_out(project, skill):
    (project.root / "bin").write_bytes(b"hello\0")
    (project.root / "big.txt").write_bytes(b"hello\n" * 1_000_000)
    text = skill.search(project, "nowhere").text
    assert text == "[no match; 5 files searched, 1 binary and 1 too large left out]"


def test_search_stops_at_the_limit(project, skill):
    (project.root / "many.txt").write_text("hit\n" * 50)
    text = skill.search(project, "hit", limit=3).text
    assert text.count("many.txt:") == 3
    assert "stopped there" in text


def test_search_shows_a_long_line_around_its_match(project, skill):
    (project.root / "min.js").write_text("a" * 5000 + "needle" + "b" * 5000)
    text = skill.search(project, "needle").text
    assert "needle" in text
    assert len(text) < 600


def test_an_expression_that_is_none_is_explained(project, skill):
    with pytest.raises(ToolError, match="literal=true"):
        skill.search(project, "foo(")


def test_write_creates_folders_and_refuses_to_overwrite(project, skill):
    written = skill.write(project, "docs/new/page.md", "text\n")
    assert (written.path, written.bytes, written.created) == ("docs/new/page.md", 5, True)
    with pytest.raises(ToolError, match="files_edit"):
        skill.write(project, "docs/new/page.md", "other\n")
    assert (project.root / "docs/new/page.md").read_text() == "text\n"


def test_overwriting_keeps_the_permissions_and_leaves_no_draft(project, skill):
    script = project.root / "run.sh"
    script.write_text("old\n")
    script.chmod(0o750)
    assert not skill.write(project, "run.sh", "new\n", mode="overwrite").created
    assert script.read_text() == "new\n"
    assert script.stat().st_mode & 0o777 == 0o750
    assert not list(project.root.glob(".*.omni"))


def test_appending_adds_and_creates(project, skill):
    assert skill.write(project, "log.txt", "one\n", mode="append").created
    assert not skill.write(project, "log.txt", "two\n", mode="append").created
    assert (project.root / "log.txt").read_text() == "one\ntwo\n"


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", "sub/.GIT/config", "a/../.git/config", "hidden-link/config"])
def test_nothing_is_written_inside_git(project, skill, path):
    (project.root / ".git").mkdir()
    os.symlink(".git", project.root / "hidden-link")
    with pytest.raises(ToolError, match="git's own"):
        skill.write(project, path, "x")


def test_edit_replaces_one_place(project, skill):
    edited = skill.edit(project, "src/main.py", "print('hello')", "print('bye')\n    print('end')")
    assert (edited.replacements, edited.lines) == (1, [5])
    assert (project.root / "src/main.py").read_text().endswith("    print('bye')\n    print('end')\n")


def test_edit_refuses_an_ambiguous_place_and_names_the_lines(project, skill):
    (project.root / "a.txt").write_text("x\ny\nx\n")
    with pytest.raises(ToolError, match=r"2 times in `a.txt` \(lines 1, 3\)"):
        skill.edit(project, "a.txt", "x", "z")
    assert skill.edit(project, "a.txt", "x", "z\nz", replace_all=True).lines == [1, 4]
    assert (project.root / "a.txt").read_text() == "z\nz\ny\nz\nz\n"


def test_edit_shows_the_closest_place_when_the_text_is_not_there(project, skill):
    with pytest.raises(ToolError) as error:
        skill.edit(project, "src/main.py", "def main():\n  print('hello')", "pass")
    assert "begins on line 4" in str(error.value)
    assert "Only blanks or indentation differ" in str(error.value)
    assert "    print('hello')" in str(error.value)


def test_edit_keeps_windows_line_ends_and_byte_order_marks(project, skill):
    (project.root / "win.txt").write_bytes("\ufeffone\r\ntwo\r\nthree\r\n".encode("utf-8"))
    skill.edit(project, "win.txt", "one\ntwo", "1\n2")
    assert (project.root / "win.txt").read_bytes() == "\ufeff1\r\n2\r\nthree\r\n".encode("utf-8")
    (project.root / "be.txt").write_bytes(b"\xfe\xff" + "aé".encode("utf-16-be"))
    skill.edit(project, "be.txt", "é", "è")
    assert (project.root / "be.txt").read_bytes() == b"\xfe\xff" + "aè".encode("utf-16-be")


def test_edit_leaves_alone_what_it_cannot_decode(project, skill):
    (project.root / "old.txt").write_bytes(b"k\xe4se\n")
    with pytest.raises(ToolError, match="was left alone"):
        skill.edit(project, "old.txt", "k", "K")
    assert (project.root / "old.txt").read_bytes() == b"k\xe4se\n"


def test_a_change_by_somebody_else_is_not_overwritten(project, helper):
    replacing = helper("_replace")
    with safe_paths.place(project.root, "README.md") as here:
        before = replacing.look(here)
        (project.root / "README.md").write_text("someone was faster\n")
        with pytest.raises(ToolError, match="changed by somebody else"):
            replacing.replace(here, b"mine\n", before)
    assert (project.root / "README.md").read_text() == "someone was faster\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_write_protected_file_is_not_replaced(project, skill):
    (project.root / "README.md").chmod(0o444)
    with pytest.raises(ToolError, match="write-protected"):
        skill.write(project, "README.md", "x", mode="overwrite")


def test_a_long_walk_reports_progress(ctx, skill):
    for number in range(2500):
        (ctx.root / f"{number}.txt").touch()
    skill.find(ctx, "*.txt")
    assert ctx.reported[0][0] == 2000
