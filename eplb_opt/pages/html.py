"""A page as HTML: one text that needs no other file and no network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from ..formats import atomic_write
from ..version import __version__
from .content import Card, Cell, Figure, Number, Page, Section, Table

ASSETS = "assets"
LIBRARY = "plotly-cartesian.min.js"
SHORT = 10  # characters of a key number in large type
PERCENTAGE = re.compile(r"(?:below )?\d[\d.]*&nbsp;%")  # stands out in a summary


def write_page(path: Path, page: Page) -> None:
    """Write a page into a file, whole or not at all.

    Parameters
    ----------
    path : Path
    page : Page

    Raises
    ------
    FormatError
        The file cannot be written.
    """
    content = page_html(page).encode()
    atomic_write(path, lambda file: file.write(content))


def page_html(page: Page) -> str:
    """A page's text.

    Parameters
    ----------
    page : Page

    Returns
    -------
    str
        HTML with its style, its scripts and the library that draws, which is most of it: 1.5 MB.

    Examples
    --------
    >>> text = page_html(Page("A < B", "two maps", [], ["They differ by 3 %."], []))
    >>> "<title>A &lt; B</title>" in text, "They differ by <strong>3&nbsp;%</strong>." in text
    (True, True)
    """
    return Template(_asset("page.html")).substitute(
        title=escape(page.title),
        subtitle=escape(page.subtitle),
        style=_asset("page.css"),
        cards=_joined(_card(card) for card in page.cards),
        summary=_joined(f"<li>{_emphasised(text)}</li>" for text in page.summary),
        contents=_joined(_link(section) for section in page.sections),
        sections=_joined(_section(section) for section in page.sections),
        notes=_notes(page.notes),
        version=escape(__version__),
        figures=_figures_json(page.figures),
        library=_asset(LIBRARY),
        script=_asset("page.js"),
    )


def _asset(name: str) -> str:
    return (files(__package__) / ASSETS / name).read_text(encoding="utf-8")


def _joined(parts: Iterator[str]) -> str:
    return "\n".join(parts)


def _text(text: str) -> str:
    """A sentence; a number and its percent sign stay on one line."""
    return escape(text).replace(" %", "&nbsp;%")


def _emphasised(text: str) -> str:
    return PERCENTAGE.sub(r"<strong>\g<0></strong>", _text(text))


def _card(card: Card) -> str:
    kind = "value" if len(card.value) <= SHORT else "value long"
    value = f'<span class="{kind}">{_text(card.value)}</span>'
    return f'<li>{value} <span class="meaning">{_text(card.meaning)}</span></li>'


def _anchor(section: Section) -> str:
    return re.sub(r"\W+", "-", section.title.lower()).strip("-")


def _link(section: Section) -> str:
    return f'<a href="#{_anchor(section)}">{escape(section.title)}</a>'


def _section(section: Section) -> str:
    words = _joined(f"<p>{_text(text)}</p>" for text in section.words)
    parts = _joined(_part(part) for part in section.parts)
    heading = f"<h2>{escape(section.title)}</h2>"
    return f'<section id="{_anchor(section)}">{heading}\n{words}\n{parts}</section>'


def _part(part: Figure | Table) -> str:
    return _figure(part) if isinstance(part, Figure) else _table(part)


def _figure(figure: Figure) -> str:
    name = escape(figure.name)
    title = escape(figure.title)
    return (
        f'<figure data-figure="{name}"><h3>{title}</h3>'
        f'<div class="controls">{_choices(figure)}'
        '<button type="button" data-save="svg">Save SVG</button>'
        '<button type="button" data-save="png">Save PNG</button></div>'
        f'<div class="plot" tabindex="0" role="img" aria-label="{title}" aria-describedby="{name}-caption"></div>'
        f'<output aria-live="polite"></output>'
        f'<figcaption id="{name}-caption">{_text(figure.caption)}</figcaption></figure>'
    )


def _choices(figure: Figure) -> str:
    """What may be shown of a figure, if there is a choice."""
    if len(figure.plots) == 1:
        return ""
    options = "".join(f"<option>{escape(choice)}</option>" for choice in figure.plots)
    return f"<label>{escape(figure.choice)} <select>{options}</select></label>"


def _table(table: Table) -> str:
    """A table that is scrolled where the page is too narrow for it."""
    last = table.rows[0] if table.rows else [""] * len(table.columns)
    pairs = zip(table.columns, last, strict=True)
    head = "".join(
        f'<th scope="col"{_aligned(cell)}>{escape(name)}</th>' for name, cell in pairs
    )
    rows = _joined(f"<tr>{_cells(row)}</tr>" for row in table.rows)
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    title = escape(table.title)
    wide = f'<div class="wide" tabindex="0" role="region" aria-label="{title}">{body}</div>'
    if table.is_folded:
        return f"<details><summary>{title}</summary>\n{wide}\n</details>"
    return f"<h3>{title}</h3>\n{wide}"


def _aligned(cell: Cell) -> str:
    """The class of a number's cell."""
    is_text = isinstance(cell, str) and not isinstance(cell, Number)
    return "" if is_text else ' class="number"'


def _cells(row: Sequence[Cell]) -> str:
    return "".join(
        f"<td{_aligned(cell)}>{escape('-' if cell is None else str(cell))}</td>"
        for cell in row
    )


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>' if notes else ""


def _figures_json(figures: Sequence[Figure]) -> str:
    """The figures as the page's script reads them; no text in them can end the script."""
    plots: dict[str, Any] = {
        figure.name: {"plots": figure.plots, "shared": figure.shared}
        for figure in figures
    }
    text = json.dumps(plots, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
