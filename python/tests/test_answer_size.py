"""How large is an answer for a model, and what of it fits?"""

from __future__ import annotations

import pytest

from omni.answer_size import fitting, tokens


@pytest.mark.parametrize(
    ("text", "at_least", "at_most"),
    [
        ("", 0, 0),
        ("The quick brown fox jumps over the lazy dog. " * 100, 1000, 1500),
        ("x = {'a': [1, 2, 3]};\n" * 100, 700, 1500),
        ("日本語の文章" * 100, 600, 1200),
        ("Übergrößenträger " * 100, 400, 1000),
        ("🎉" * 100, 200, 300),
        ("8f3a" * 1000, 1500, 4000),
        ("\ud800" * 10, 10, 20),
    ],
)
def test_the_estimate_errs_on_the_safe_side(text, at_least, at_most):
    assert at_least <= tokens(text) <= at_most


@pytest.mark.parametrize("text", ["word " * 5000, "漢" * 5000, "a1;" * 5000, "🎉 ok " * 5000])
def test_what_fits_is_as_much_as_may_be(text):
    count = fitting(text, 1000)
    assert tokens(text[:count]) <= 1000 < tokens(text[: count + 4])


def test_a_short_text_fits_whole():
    assert fitting("short", 1000) == 5
    assert fitting("", 1000) == 0
