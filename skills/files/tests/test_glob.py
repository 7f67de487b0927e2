"""Which paths a pattern means."""

from __future__ import annotations

import pytest

from omni import ToolError


@pytest.mark.parametrize(
    ("pattern", "path", "means"),
    [
        ("*.py", "a.py", True),
        ("*.py", "deep/down/a.py", True),
        ("*.py", "a.pyc", False),
        ("./*.py", "a.py", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/deep/a.py", False),
        ("src/*.py", "other/src/a.py", False),
        ("src/**/*.py", "src/a.py", True),
        ("src/**/*.py", "src/b/c/a.py", True),
        ("**/test_*.py", "test_a.py", True),
        ("**", "any/thing", True),
        ("src/**", "src/a/b", True),
        ("src/**", "lib/a", False),
        ("**/b/**/d", "a/b/c/d", True),
        ("**/b/**/d", "a/c/d", False),
        ("*.{ts,tsx}", "x.tsx", True),
        ("{src,lib}/{a,b}.rs", "lib/b.rs", True),
        ("{src,lib}/{a,b}.rs", "lib/c.rs", False),
        ("{a,{b,c}}.txt", "c.txt", True),
        ("{alone}.txt", "{alone}.txt", True),
        ("{open", "{open", True),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("?.txt", "ab.txt", False),
        ("a.b", "axb", False),
        ("docs/", "docs", True),
    ],
)
def test_a_pattern_means_a_path(helper, pattern, path, means):
    assert helper("_glob").Glob(pattern).matches(path) is means


def test_many_stars_do_not_take_for_ever(helper):
    glob = helper("_glob").Glob("**/" * 30 + "*a" * 30 + "b")
    assert not glob.matches("/".join(["a" * 200] * 30))


def test_too_many_alternatives_are_refused(helper):
    with pytest.raises(ToolError, match="more than 64"):
        helper("_glob").Glob("{a,b,c}" * 5)
