"""Links that lead elsewhere are well formed; whether somebody answers there is not asked."""

from __future__ import annotations

import pytest

from .links import PAGES, fault, found, links_in
from .pages import ROOT


def test_the_links_of_all_pages_are_well_formed():
    links = found(PAGES)
    assert ROOT / "README.md" in PAGES
    assert len(links) > 3
    assert {link: wrong for link in links if (wrong := fault(link))} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](https://a.org/b_c) and https://d.org/e.", ["https://a.org/b_c", "https://d.org/e"]),
        ("[a](docs/b.md), [c](#d)", []),
        ("`https://a.org`\n```\nhttps://b.org\n```\n", []),
        ("[a](mailto:me@b.org)", ["mailto:me@b.org"]),
    ],
)
def test_links_are_found(text, expected):
    assert list(links_in(text)) == expected


@pytest.mark.parametrize(
    "link",
    [
        "http://a.org",
        "https://a",
        "https://a.org/b c",
        "https://a..org",
        "https://a.org//b",
        "mailto:me",
        "https://[a/b",
    ],
)
def test_what_cannot_be_right_is_found(link):
    assert fault(link) is not None
