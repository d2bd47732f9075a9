"""What a page is made of: sentences, figures and tables, before any of it is HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Of plotly.js: ``data`` and ``layout``; ``narrow`` is the layout on a narrow page, where it is another one.
Plot = Mapping[str, Any]


class Number(str):
    """A number as a table shows it, aligned to the right.

    Examples
    --------
    >>> Number("3 of 8"), isinstance(Number("3 of 8"), str)
    ('3 of 8', True)
    """


Cell = str | int | None


@dataclass(frozen=True)
class Card:
    """A key number.

    Parameters
    ----------
    value : str
        As it is shown, with its unit.
    meaning : str
        What it is, in a few words.
    """

    value: str
    meaning: str


@dataclass(frozen=True)
class Figure:
    """A figure, or several of which one is shown.

    Parameters
    ----------
    name : str
        Unique on its page; pictures saved from it have it in their name.
    title : str
    caption : str
        How to read it.
    plots : mapping from a choice to its plot
        The first one is shown at the beginning; with one plot there is nothing to choose.
    choice : str
        What is chosen, as a label.
    shared : mapping from a name to lists
        What several plots have: where these say ``{"shared": name}``, the list of that name stands.
    """

    name: str
    title: str
    caption: str
    plots: Mapping[str, Plot]
    choice: str = "show"
    shared: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    title : str
    columns : sequence of str
    rows : sequence of sequences of cells
        Texts are aligned to the left, numbers to the right; None, a number that is not known, is shown as a dash.
    is_folded : bool
        Shown when its title is clicked.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    is_folded: bool = False


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading.

    Parameters
    ----------
    title : str
    words : sequence of str
        Sentences, a paragraph each.
    parts : sequence of Figure or Table
    """

    title: str
    words: Sequence[str]
    parts: Sequence[Figure | Table]


@dataclass(frozen=True)
class Page:
    """A page.

    Parameters
    ----------
    title : str
    subtitle : str
        What it is of, in a line.
    cards : sequence of Card
    summary : sequence of str
        What to know, a sentence or two each; the first is the most important.
    sections : sequence of Section
    notes : sequence of str
        What was said of options and files.
    """

    title: str
    subtitle: str
    cards: Sequence[Card]
    summary: Sequence[str]
    sections: Sequence[Section]
    notes: Sequence[str] = ()

    @property
    def figures(self) -> list[Figure]:
        """All figures, in order."""
        parts = [part for section in self.sections for part in section.parts]
        return [part for part in parts if isinstance(part, Figure)]
