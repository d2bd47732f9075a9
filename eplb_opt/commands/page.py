"""``--report``: what a command found as one HTML page; shared by the commands that write one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import save

if TYPE_CHECKING:
    from ..formats import Loads
    from ..pages.content import Page
    from ..problem.placement import Placement
    from ..result import Result


def add_page(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write a page with figures (HTML, one file that needs no network)",
    )


def save_page(path: Path | None, make: Callable[[], Page]) -> list[str]:
    """Write the page that an option asks for.

    Parameters
    ----------
    path : Path or None
        Of the option; None: no page is made.
    make : callable
        Makes the page.

    Returns
    -------
    list of str
        What to say of it.
    """
    if path is None:
        return []
    from ..pages.html import write_page

    page = make()
    save(path, lambda file: write_page(file, page))
    return [f"page: {path} (open it in a browser)"]


def page_of_result(
    report: Mapping[str, Any],
    result: Result,
    loads: Loads,
    previous: Placement | None,
) -> Page:
    """The page about a map that was found.

    Parameters
    ----------
    report : mapping
        What ``--json`` writes of it.
    result : Result
    loads : Loads
        For the labels of windows.
    previous : Placement or None
        The map in use.
    """
    from ..pages.of_maps import page_of_maps
    from ..pages.studies import study_of_report

    study = study_of_report(
        report, result.instance, result.placement, previous, loads.windows
    )
    return page_of_maps(study)
