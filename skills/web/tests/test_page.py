"""What a page says once its markup is gone."""

from __future__ import annotations

import pytest


@pytest.fixture
def readable(helper):
    def read(html, links=False):
        return helper("_page").parse(html, "https://example.org/dir/page").readable(links=links)

    return read


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>A</h1><p>one\n two</p><h3>B</h3>", "# A\n\none two\n\n### B"),
        ("plain", "plain"),
        ("<p>a<p>b", "a\n\nb"),
        ("<p>a<br>b</p>", "a\nb"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>", "- a\n- b\n  - c"),
        ("<ol start=3><li>a</li><li>b</li></ol>", "3. a\n4. b"),
        ("<p>x <b>bold </b>and <i>it</i>, <code>a  b</code></p>", "x **bold** and *it*, `a b`"),
        ("<pre><code class='language-py'>if x:\n    y\n</code></pre>", "```py\nif x:\n    y\n```"),
        ("<pre>a ``` b</pre>", "````\na ``` b\n````"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
        ("<table><tr><th>a<th>b<tr><td>1<td>x|y</table>", "| a | b |\n| --- | --- |\n| 1 | x\\|y |"),
        ("<table><tr><td>only</td></tr><tr><td>cells</td></tr></table>", "only\ncells"),
        ("<dl><dt>term<dd>meaning</dl>", "term\n\n  meaning"),
        ("<p>a &lt;b&gt; &amp; c&nbsp;d &#8212;</p>", "a <b> & c d —"),
        ("<p>a</p><script>evil()</script><style>x{}</style><!-- c --><p>b</p>", "a\n\nb"),
        ("<nav>menu</nav><header>top</header><p>text</p><footer>end</footer>", "text"),
        ("<p hidden>a</p><p style='display: none'>b</p><p aria-hidden=true>c</p><p>d</p>", "d"),
        ("<img alt='a cat' src=x><img src=y>", "[image: a cat]"),
        ("<a href='/x'><h2>Linked</h2><p>text</p></a>", "## Linked\n\ntext"),
        ("<div>one<div>two</div>three</div>", "one\n\ntwo\n\nthree"),
        ("<form><p>asp</p><input value=no></form>", "asp"),
        ("</p></div><p>late", "late"),
        ("<p>a</p><hr><p>b</p>", "a\n\n---\n\nb"),
        ("", ""),
    ],
)
def test_markup_becomes_text(readable, html, text):
    assert readable(html) == text


def test_links_are_kept_when_asked_for(readable):
    html = "<p>See <a href='../up?q=1'>up</a>, <a href='#here'>here</a> and <a href='javascript:x()'>no</a>.</p>"
    assert readable(html) == "See up, here and no."
    assert readable(html, links=True) == "See [up](https://example.org/up?q=1), here and no."


def test_the_main_part_is_taken_when_the_page_marks_it(readable):
    text = "The story. " * 30
    page = f"<div>before</div><main><nav>toc</nav><header><h1>Title</h1></header><p>{text}</p></main><div>after</div>"
    assert readable(page) == f"# Title\n\n{text.strip()}"
    assert readable(f"<div>before</div><article><p>{text}</p></article>") == text.strip()
    assert readable("<div>before</div><main></main>") == "before"


def test_title_and_links_of_a_page(helper):
    page = helper("_page").parse(
        "<base href='/other/'><title> The\n title </title><a href='a'>A</a><a href='a'>again</a>"
        "<a href='mailto:x@y.z'><img alt='Mail'></a><a href='http://[bad'>bad</a><a>none</a>",
        "https://example.org/dir/",
    )
    assert page.title == "The title"
    assert page.links() == [("A", "https://example.org/other/a"), ("Mail", "mailto:x@y.z")]


def test_a_page_nested_without_end_is_no_crash(readable):
    for tag in ("div", "blockquote", "ul><li", "b", "span", "table><tr><td"):
        assert "deep" in readable(f"<{tag}>" * 5_000 + "deep")


def test_a_page_of_broken_tags_is_read_as_far_as_it_goes(readable):
    assert "text" in readable("<p text <b <i>text</b></i><table><p>x</td></tr></ul>")
    assert readable("<p>a &notanentity; &#xFFFFFFFF; b")
