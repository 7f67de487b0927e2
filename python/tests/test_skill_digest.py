"""Which files make up a skill's digest: what the server says of the same folders."""

import json
import os

import pytest

from omni.skill_digest import counts, read_skill

CONFORMANCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "conformance")
with open(os.path.join(CONFORMANCE, "skill-digest.json"), encoding="utf-8") as cases:
    CASES = json.load(cases)["cases"]


def lay_out(folder, case):
    """Make the folder that a case describes."""
    files = {path: text.encode() for path, text in case.get("files", {}).items()}
    files.update({path: b"#" * size for path, size in case.get("sizes", {}).items()})
    for inner, count in case.get("many", {}).items():
        files.update({f"{inner}/m{number:04}.py": b"" for number in range(count)})
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    for path, target in case.get("links", {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, folder / path)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_digest_of_a_skill_is_what_both_languages_make_of_it(case, tmp_path):
    lay_out(tmp_path, case)
    digest, hashes = read_skill(str(tmp_path))
    wanted = case["digested"]
    assert (len(hashes) if isinstance(wanted, int) else list(hashes)) == wanted
    assert digest == case["digest"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_file_counts_later_by_the_same_rules(case, tmp_path):
    if case.get("many") or case.get("links"):
        pytest.skip("how many there are, and what a link is, cannot be told by the path of one")
    lay_out(tmp_path, case)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    named = {str(path.relative_to(tmp_path)): path.stat().st_size for path in files}
    assert sorted(path for path, size in named.items() if counts(path, size, 0)) == case["digested"]


def test_names_and_files_that_are_no_files_are_left_out(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "a.py").write_bytes(b"")
    before = read_skill(str(tmp_path))
    os.mkfifo(tmp_path / "scripts" / "pipe.py")
    (tmp_path / "scripts" / "folder.py").mkdir()
    try:
        open(os.fsencode(tmp_path) + b"/scripts/\xff.py", "wb").close()
    except OSError:
        pass  # a file system that takes no such names
    assert read_skill(str(tmp_path)) == before
    assert read_skill(str(tmp_path / "nowhere")) == read_skill(str(tmp_path / "scripts" / "folder.py"))
