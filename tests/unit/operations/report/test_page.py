"""The page of the report: what it says, what it never contains, and hostile content."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from evercert.operations.overview import Row
from evercert.operations.report.page import Report, render
from evercert.operations.report.style import POLICY, STYLE
from tests.unit.operations.test_overview import NOW, row

ATTRIBUTES = {
    "html": {"lang"}, "meta": {"charset", "http-equiv", "content", "name"}, "link": {"rel", "href"}, "time": {"datetime"},
    "p": {"class"}, "span": {"class"}, "div": {"class", "role", "aria-labelledby", "tabindex", "aria-hidden"},
    "h2": {"id"}, "table": {"class"}, "th": {"scope"}, "ul": {"class"},
    "svg": {"class", "viewbox", "preserveaspectratio", "role", "aria-label", "aria-hidden"},
    "line": {"class", "x1", "x2", "y1", "y2"}, "rect": {"class", "x", "y", "width", "height"},
}  # fmt: skip
PLAIN = {
    "head", "title", "style", "body", "header", "main", "section", "h1", "h3", "bdi", "strong", "caption", "thead",
    "tbody", "tr", "td", "figure", "figcaption", "li", "g",
}  # fmt: skip
VOID = {"meta", "link"}
HOSTILE = [
    "<script>alert(1)</script>", "</td></table><h1>owned", '"><img src=x onerror=alert(1)>', "' onmouseover='x", "&lt;b&gt;",
    "</title><script>", "</style><style>*{display:none}", "<!--", "]]>", "{{7*7}}", "\x1b[31mred", "a\nb\r\nc", "\x00", "\x7f",
    "\u202egpj.exe", "\u2066x", "\u200frtl", "שלום", "\u2028", "\ufeff", "\ud800", "\udfff", "\U000e0041", "ü", "\U0001f600",
    "x" * 2_000, "&", "&#x3c;script&#x3e;", "javascript:alert(1)", "%3Cscript%3E",
]  # fmt: skip


class Page(HTMLParser):
    """The elements, attributes and text of a page; fails on an element that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.cells: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"style", "title"}.isdisjoint(self._open[-1:]):
            self.text += data
        if {"td", "th"} & set(self._open):
            self.cells[-1][-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def html(rows: Sequence[Row], **values: Any) -> str:
    return "".join(render(Report(**{"stack": "evercert", "region": "eu-central-1", "at": NOW, "rows": rows} | values)))


def test_page_shows_states_weeks_and_every_certificate() -> None:
    rows = [
        row("api", ends=timedelta(days=10), issuer="main"), row("old", ends=-timedelta(days=2)), row("new", "new", None),
        row("mail", "failing", timedelta(days=3), error="no route to the CA", next_steps=["fix the error"]),
    ]  # fmt: skip
    page = Page(html(rows))
    assert ["failing", "1"] in page.cells
    assert ["2026-11-29", "1", "1"] in page.cells
    assert ["2026-12-06", "1", "0"] in page.cells
    assert ["api", "ready", "main", "2026-12-09 15:30 (in 10d)", "2026-11-30 15:30 (in 1d)", ""] in page.cells
    assert ["new", "new", "", "", "2026-11-30 15:30 (in 1d)", ""] in page.cells
    assert [cells[0] for cells in page.cells[-4:]] == ["api", "old", "new", "mail"]
    for text in (
        "Generated 2026-11-29 15:30 UTC by\nevercert", "eu-central-1", "Total: 4", "Problem: no route to the CA",
        "Next step: fix the error", "Not shown: 1 expired, 1 without a certificate",
    ):  # fmt: skip
        assert text in page.text, text


def test_attention_is_in_the_order_of_urgency() -> None:
    rows = [row("fine"), row("failing", "failing"), row("gone", ends=-timedelta(days=1))]
    text = Page(html(rows)).text
    first = text[text.index("Needs attention first") : text.index("Ends in the next")]
    assert first.index("gone") < first.index("failing")
    assert "fine" not in first


def test_page_of_an_empty_stack() -> None:
    text = Page(html([])).text
    assert "Total: 0" in text and "Nothing." in text and "No certificate ends in this time." in text


def test_page_names_pauses_and_selection() -> None:
    text = Page(html([], pauses=["the stack is paused (<i>migration)"], selection="web-* --label team=<b>")).text
    assert "the stack is paused (<i>migration)" in text
    assert "Only certificates that match: web-* --label team=<b>" in text
    assert "Only certificates" not in Page(html([])).text


def require_harmless(text: str) -> Page:
    """Assert that the page has our own elements and attributes only, and is text that every program shows alike."""
    assert text.isascii()
    assert all(c.isprintable() or c == "\n" for c in text)
    page = Page(text)
    assert page.tags.keys() <= PLAIN | ATTRIBUTES.keys()
    for tag, name, value in page.attributes:
        assert name in ATTRIBUTES.get(tag, set()), (tag, name, value)
    assert {value for _, name, value in page.attributes if name in ("href", "src")} == {"data:,"}
    assert page.tags["style"] == 1
    assert all(c.isprintable() or c == "\n" for c in page.text)
    return page


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:24])
def test_hostile_content_is_shown_harmless(text: str) -> None:
    known = require_harmless(html([row("web", "failing", error="e", next_steps=["s"], issuer="i")], pauses=["p"])).tags
    hostile = row(text, "failing", error=text, next_steps=[text], issuer=text)
    page = require_harmless(html([hostile], stack=text, region=text, pauses=[text]))
    assert page.tags == known
    states = require_harmless(html([row(text, text, issuer=text)], selection=text))
    assert states.tags["tr"] == known["tr"]


def test_policy_precedes_the_style_and_has_its_hash() -> None:
    text = html([])
    page = Page(text)
    policies = [value for tag, name, value in page.attributes if (tag, name) == ("meta", "content")]
    assert policies[0] == POLICY
    begin = text.index("<style>") + len("<style>")
    assert text[begin : text.index("</style>")] == STYLE
    assert text.index("Content-Security-Policy") < text.index("<link") < begin


def test_tables_have_captions_and_scopes() -> None:
    page = Page(html([row("web")]))
    assert page.tags["caption"] == page.tags["table"] == 3
    scopes = Counter(value for tag, name, value in page.attributes if (tag, name) == ("th", "scope"))
    assert scopes["col"] == 2 + 3 + 6
    assert scopes["row"] == page.tags["th"] - scopes["col"]
    assert ("html", "lang", "en") in page.attributes


def test_large_stack_needs_little_memory() -> None:
    rows = [row(f"web-{number:05}.example.com", issuer="main", error="x" * 100) for number in range(10_000)]
    report = Report("evercert", "eu-central-1", NOW, rows)
    tracemalloc.start()
    try:
        length = sum(map(len, render(report)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 2_000_000 < length < 8_000_000
    assert peak < 10_000_000
