"""A page is one file: complete, without a network, of bounded size, and no text in it becomes markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import eplb_opt
from eplb_opt.pages.content import Card, Figure, Number, Page, Section, Table
from eplb_opt.pages.html import page_html, write_page

from .examples import PAGES

MOST_BYTES = 5_000_000
HOSTILE = "</script><script>alert(1)</script>"
VOID = {"meta", "link", "br"}


class Tags(HTMLParser):
    """Which tags open, with their attributes, and which stay open."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def figures_in(text):
    """What the page's script reads."""
    return json.loads(re.search(r'<script type="application/json" id="figures">(.*?)</script>', text)[1])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_complete_in_itself(name):
    text = page_html(PAGES[name]())
    assert len(text.encode()) < MOST_BYTES
    tags = Tags(text)
    assert tags.open == []
    for tag, attributes in tags.found:
        assert "src" not in attributes, tag
        assert attributes.get("href", "#").startswith(("#", "data:,")), tag
    assert "@import" not in text.partition("</style>")[0]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_sections_and_figures_are_described(name):
    tags = Tags(page_html(PAGES[name]())).found
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [attributes["href"][1:] for tag, attributes in tags if tag == "a"]
    assert set(targets) <= set(ids)
    plots = [attributes for _, attributes in tags if attributes.get("class") == "plot"]
    assert plots
    for attributes in plots:
        assert attributes["aria-describedby"] in ids
        assert attributes["aria-label"]
        assert attributes["tabindex"] == "0"


def test_texts_are_no_markup():
    plot = {"data": [{"name": HOSTILE}], "layout": {}}
    parts = [Figure("f", HOSTILE, HOSTILE, {HOSTILE: plot, "b": plot}), Table(HOSTILE, [HOSTILE], [[HOSTILE]])]
    section = Section(HOSTILE, [HOSTILE], parts)
    page = Page(HOSTILE, HOSTILE, [Card(HOSTILE, HOSTILE)], [HOSTILE], [section], [HOSTILE])
    text = page_html(page)
    assert "<script>alert" not in text
    assert figures_in(text)["f"]["plots"][HOSTILE] == plot


def test_numbers_stand_on_the_right():
    table = Table("t", ["name", "value"], [["a", Number("1.0")], ["b", None], ["c", 3]])
    text = page_html(Page("p", "", [], [], [Section("s", [], [table])]))
    assert '<td>a</td><td class="number">1.0</td>' in text
    assert '<td>b</td><td class="number">-</td>' in text
    assert '<td>c</td><td class="number">3</td>' in text
    assert '<th scope="col" class="number">value</th>' in text


def test_the_library_is_the_one_that_the_notice_names():
    root = Path(eplb_opt.__file__).parent
    notice = (root.parent / "NOTICE").read_text()
    head = (root / "pages" / "assets" / "plotly-cartesian.min.js").read_text()[:200]
    version = re.search(r"v([\d.]+)", head)[1]
    assert f"plotly.js {version}," in notice
    assert "MIT" in head


def test_a_page_is_the_same_each_time(tmp_path):
    for name in ("a.html", "b.html"):
        write_page(tmp_path / name, PAGES["moves"]())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
