"""``--report``: what a command found as one HTML page; shared by the commands that write one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .files import save

if TYPE_CHECKING:
    from ..pages.content import Page


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
