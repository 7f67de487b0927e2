"""What does a page say to a reader? HTML becomes Markdown-like text without menus, scripts and decoration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Optional, Union
from urllib.parse import urljoin

# Deeper elements are put into the last one that is shown, so that no page can exhaust the stack.
DEPTH_MAX = 120
NODES_MAX = 300_000

_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_DROPPED = frozenset(
    "nav script style noscript template svg canvas iframe object embed head button select textarea input dialog "
    "math".split()
)
_DROPPED_ROLES = frozenset("navigation search menu menubar dialog alertdialog".split())
# What surrounds the text of a page, when the page has no element that says where the text is.
_AROUND = frozenset("header footer aside".split())
_AROUND_ROLES = frozenset("banner contentinfo complementary".split())
_BLOCKS = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer h1 h2 h3 h4 "
    "h5 h6 header hgroup hr html li main menu nav ol p pre section summary table tbody td tfoot th thead tr ul".split()
)
# An opening tag on the left ends an open element on the right, which people leave unclosed.
_ENDS = {
    "li": frozenset({"li"}), "dt": frozenset({"dt", "dd"}), "dd": frozenset({"dt", "dd"}),
    "tr": frozenset({"tr", "td", "th"}), "td": frozenset({"td", "th"}), "th": frozenset({"td", "th"}),
    "option": frozenset({"option"}), "tbody": frozenset({"thead", "tbody", "tr", "td", "th"}),
}  # fmt: skip
# …but not through one of these.
_FENCES = frozenset({"ul", "ol", "dl", "table", "html"})
# A page whose marked main part has less text than this is read whole.
_MAIN_CHARS_MIN = 200


@dataclass
class Element:
    """An element with what is in it."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Union[Element, str]] = field(default_factory=list)

    def each(self, *tags: str) -> Iterator[Element]:
        """Yield the elements of these names beneath this one, in the order of the page."""
        todo: list[Union[Element, str]] = [self]
        while todo:
            element = todo.pop()
            if isinstance(element, str):
                continue
            if element.tag in tags:
                yield element
            todo.extend(reversed(element.children))

    def text(self) -> str:
        """Return all text in it, blanks joined."""
        parts: list[str] = []
        todo: list[Union[Element, str]] = [self]
        while todo:
            element = todo.pop()
            if isinstance(element, str):
                parts.append(element)
            elif element.tag == "img":
                parts.append(element.attributes.get("alt", ""))
            elif element.tag not in ("script", "style", "template", "svg", "noscript"):
                todo.extend(reversed(element.children))
        return " ".join("".join(parts).split())


@dataclass
class Page:
    """A parsed page."""

    root: Element
    base: str

    @property
    def title(self) -> str:
        """The page's title, else its first heading, else nothing."""
        for element in self.root.each("title", "h1"):
            text = element.text()
            if text:
                return text[:300]
        return ""

    def readable(self, *, links: bool) -> str:
        """Return the text of the page as Markdown-like text.

        Args:
            links: Keep where links lead.
        """
        main = self._main()
        writer = _Writer(self.base, links, drop_around=main is None)
        writer.blocks(main or self.root, "")
        return writer.text()

    def links(self) -> list[tuple[str, str]]:
        """Return text and absolute address of each link, in order, each address once."""
        found: dict[str, str] = {}
        for element in self.root.each("a", "area"):
            address = _absolute(self.base, element.attributes.get("href"))
            if address is not None:
                text = element.text() or element.attributes.get("aria-label") or element.attributes.get("title") or ""
                found[address] = found.get(address) or text[:200]
        return [(text, address) for address, text in found.items()]

    def _main(self) -> Optional[Element]:
        """Return the element that holds the text proper, when the page marks one."""
        mains = list(self.root.each("main")) or [
            e for e in self.root.each("div", "section", "article") if e.attributes.get("role") == "main"
        ]
        articles = list(self.root.each("article"))
        for candidates in (mains, articles if len(articles) == 1 else []):
            best = max(candidates, key=lambda e: len(e.text()), default=None)
            if best is not None and len(best.text()) >= _MAIN_CHARS_MIN:
                return best
        return None


def parse(html: str, url: str) -> Page:
    """Parse a page, however badly it is written.

    Args:
        html: The page.
        url: Where it came from, for relative links.
    """
    builder = _Builder()
    builder.feed(html)
    builder.close()
    base = next((e.attributes["href"] for e in builder.root.each("base") if e.attributes.get("href")), "")
    try:
        return Page(builder.root, urljoin(url, base))
    except ValueError:
        return Page(builder.root, url)


class _Builder(HTMLParser):
    """Builds elements from tags, closing what was left open."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("html")
        self._open = [self.root]
        self._nodes = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Optional[str]]]) -> None:
        self._close_implied(tag)
        self._nodes += 1
        if self._nodes > NODES_MAX:
            return
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID and len(self._open) < DEPTH_MAX:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, Optional[str]]]) -> None:
        # HTML knows `<br/>` but no `<div/>`: that one stays open.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        for at in range(len(self._open) - 1, 0, -1):
            if self._open[at].tag == tag:
                del self._open[at:]
                return

    def handle_data(self, data: str) -> None:
        if self._nodes <= NODES_MAX:
            self._nodes += 1
            self._open[-1].children.append(data)

    def _close_implied(self, tag: str) -> None:
        if tag in _BLOCKS and self._open[-1].tag == "p":
            self._open.pop()
        ends = _ENDS.get(tag)
        if ends is None:
            return
        for at in range(len(self._open) - 1, 0, -1):
            if self._open[at].tag in _FENCES:
                return
            if self._open[at].tag in ends:
                # A row ends the cell in it, so the outermost counts.
                outermost = at
                while outermost > 1 and self._open[outermost - 1].tag in ends:
                    outermost -= 1
                del self._open[outermost:]
                return


class _Writer:
    """Writes elements as blocks of text."""

    def __init__(self, base: str, links: bool, drop_around: bool) -> None:
        self._base = base
        self._links = links
        self._drop_around = drop_around
        self._lines: list[str] = []

    def text(self) -> str:
        """Return what was written, without more than one empty line in a row."""
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self._lines)).strip("\n")

    def blocks(self, element: Element, indent: str) -> None:
        """Write what is in an element: running text as paragraphs, blocks as what they are."""
        running: list[Union[Element, str]] = []
        for child in element.children:
            if isinstance(child, Element) and self._dropped(child):
                continue
            if isinstance(child, Element) and (child.tag in _BLOCKS or _holds_block(child)):
                self._paragraph(running, indent)
                running = []
                self._block(child, indent)
            else:
                running.append(child)
        self._paragraph(running, indent)

    def _block(self, element: Element, indent: str) -> None:
        tag = element.tag
        if re.fullmatch(r"h[1-6]", tag):
            text = self._inline(element.children)
            if text:
                self._put("", f"{indent}{'#' * int(tag[1])} {text}", "")
        elif tag == "pre":
            self._code(element, indent)
        elif tag in ("ul", "ol", "menu"):
            self._list(element, indent)
        elif tag == "table":
            self._table(element, indent)
        elif tag == "blockquote":
            inner = _Writer(self._base, self._links, self._drop_around)
            inner.blocks(element, "")
            text = inner.text()
            if text:
                self._put("", *[f"{indent}> {line}".rstrip() for line in text.split("\n")], "")
        elif tag == "hr":
            self._put("", f"{indent}---", "")
        elif tag == "dd":
            self.blocks(element, indent + "  ")
        else:
            self.blocks(element, indent)

    def _paragraph(self, running: list[Union[Element, str]], indent: str) -> None:
        text = self._inline(running)
        if text:
            self._put("", *[indent + line for line in text.split("\n")], "")

    def _list(self, element: Element, indent: str) -> None:
        self._put("")
        number = int(element.attributes["start"]) if element.attributes.get("start", "").isdecimal() else 1
        for child in element.children:
            if child.isspace() if isinstance(child, str) else self._dropped(child):
                continue
            mark = f"{number}. " if element.tag == "ol" else "- "
            number += 1
            inner = _Writer(self._base, self._links, self._drop_around)
            # Text right in a list is no HTML, but it is text.
            inner.blocks(Element("li", {}, [child]) if isinstance(child, str) else child, "")
            # Items of one paragraph and a list stay close together.
            lines = re.sub(r"\n\n(?=\s*(?:- |\d+\. ))", "\n", inner.text()).split("\n")
            if lines != [""]:
                rest = [(indent + " " * len(mark) + line).rstrip() for line in lines[1:]]
                self._put(indent + mark + lines[0], *rest)
        self._put("")

    def _code(self, element: Element, indent: str) -> None:
        language = ""
        for inner in (element, *element.each("code")):
            found = re.search(r"\b(?:language|lang|highlight-source)-([\w+#-]+)", inner.attributes.get("class", ""))
            language = language or (found.group(1) if found else "")
        code = _raw(element).strip("\n")
        fence = "```"
        while fence in code:
            fence += "`"
        self._put(
            "",
            f"{indent}{fence}{language}",
            *[indent + line for line in code.split("\n")],
            indent + fence,
            "",
        )

    def _table(self, element: Element, indent: str) -> None:
        rows = []
        for row in element.each("tr"):
            cells = [c for c in row.children if isinstance(c, Element) and c.tag in ("td", "th")]
            if any(next(cell.each("table"), None) for cell in cells):
                # A table that only arranges the page.
                self.blocks(element, indent)
                return
            texts = [self._inline(cell.children).replace("\n", " ").replace("|", "\\|") for cell in cells]
            if any(texts):
                rows.append((texts, all(cell.tag == "th" for cell in cells)))
        if not rows:
            self.blocks(element, indent)
            return
        if max(len(texts) for texts, _ in rows) == 1:
            self._put("", *[indent + texts[0] for texts, _ in rows if texts[0]], "")
            return
        self._put("")
        for number, (texts, _) in enumerate(rows):
            self._put(f"{indent}| {' | '.join(texts)} |")
            if number == 0:
                self._put(indent + "|" + " --- |" * len(texts))
        self._put("")

    def _inline(self, children: list[Union[Element, str]]) -> str:
        parts: list[str] = []
        self._inline_parts(children, parts)
        text = "".join(parts)
        # Blanks join, but a `<br>` stays a line end.
        lines = [" ".join(line.split()) for line in text.split("\0")]
        return "\n".join(lines).strip("\n")

    def _inline_parts(self, children: list[Union[Element, str]], parts: list[str]) -> None:
        for child in children:
            if isinstance(child, str):
                parts.append(child.replace("\0", ""))
            elif self._dropped(child):
                continue
            elif child.tag == "br":
                parts.append("\0")
            elif child.tag == "img":
                alt = " ".join(child.attributes.get("alt", "").split())
                parts.append(f"[image: {alt}]" if alt else "")
            elif child.tag in ("code", "kbd", "samp", "tt"):
                code = " ".join(_raw(child).split())
                parts.append(f"`{code}`" if code else "")
            elif child.tag == "a":
                self._link(child, parts)
            elif child.tag in ("strong", "b", "em", "i"):
                text = self._inline(child.children)
                mark = "**" if child.tag in ("strong", "b") else "*"
                parts.append(f"{_edge(child, 0)}{mark}{text}{mark}{_edge(child, -1)}" if text else " ")
            else:
                self._inline_parts(child.children, parts)

    def _link(self, element: Element, parts: list[str]) -> None:
        text = self._inline(element.children).replace("\n", " ")
        address = _absolute(self._base, element.attributes.get("href")) if self._links else None
        if text:
            parts.append(f"[{text}]({address})" if address is not None else text)

    def _dropped(self, element: Element) -> bool:
        attributes = element.attributes
        if element.tag in _DROPPED or "hidden" in attributes or attributes.get("aria-hidden") == "true":
            return True
        if attributes.get("role") in _DROPPED_ROLES:
            return True
        if re.search(r"display\s*:\s*none", attributes.get("style", ""), re.IGNORECASE):
            return True
        return self._drop_around and (element.tag in _AROUND or attributes.get("role") in _AROUND_ROLES)

    def _put(self, *lines: str) -> None:
        self._lines.extend(lines)


def _holds_block(element: Element) -> bool:
    """Return whether an inline element, such as a link around a heading, has a block in it."""
    return next(element.each(*_BLOCKS), None) is not None


def _raw(element: Element) -> str:
    parts: list[str] = []
    todo: list[Union[Element, str]] = [element]
    while todo:
        child = todo.pop()
        if isinstance(child, str):
            parts.append(child)
        elif child.tag == "br":
            parts.append("\n")
        elif child.tag not in ("script", "style", "button"):
            todo.extend(reversed(child.children))
    return "".join(parts)


def _edge(element: Element, at: int) -> str:
    """Return a blank when an emphasised text begins or ends with one: it belongs outside the marks."""
    child = element.children[at] if element.children else ""
    return " " if isinstance(child, str) and child and child[at].isspace() else ""


def _absolute(base: str, href: Optional[str]) -> Optional[str]:
    """Return the address that a link leads to, or `None` when that is no page."""
    if not href or href.strip().startswith("#"):
        return None
    try:
        address = urljoin(base, href.strip())
    except ValueError:
        return None
    return address if re.match(r"(https?|mailto|ftp):", address) else None
