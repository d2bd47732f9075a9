"""The page about maps of the same loads."""

from __future__ import annotations

from .content import Page, Section
from .expert_figures import expert_section
from .layer_figures import layer_section
from .move_figures import move_section
from .part_figures import part_section
from .proof_tables import proof_section
from .rank_figures import rank_section
from .study import Study
from .summary import cards, sentences
from .window_figures import window_section

TITLE = "Expert placement"


def page_of_maps(study: Study) -> Page:
    """Who waits for whom, how good every map is, and what is proven of it.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Page
        Sections for which something is missing (loads, windows, a map in use) are left out.
    """
    sections: list[Section | None] = [
        rank_section(study),
        layer_section(study),
        expert_section(study),
        window_section(study),
        part_section(study),
        move_section(study),
        proof_section(study),
    ]
    return Page(
        TITLE,
        study.description,
        cards(study),
        list(sentences(study)),
        [section for section in sections if section is not None],
        study.notes,
    )
