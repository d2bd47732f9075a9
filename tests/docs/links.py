"""The links of the documentation that lead elsewhere: ``python -m tests.docs.links`` lists them, without a network.

Links within the repository are checked where the site is built (`make docs`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from .pages import ANY_FENCE, ROOT

FOLDERS = ("docs", "models", "benchmarks", "eplb_opt")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
ADDRESS = re.compile(r"[a-z]+://[^\s<>\"'`\])]*[^\s<>\"'`\]).,;:]|\]\((?P<target>[a-z]+:[^)]*)\)")
HOST = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")
CODE = re.compile(r"`[^`\n]*`")


def links_in(text: str) -> Iterator[str]:
    """The addresses that a page leads to; what stands in code leads nowhere."""
    for match in ADDRESS.finditer(CODE.sub("", ANY_FENCE.sub("", text))):
        yield match["target"] or match[0]


def fault(link: str) -> str | None:
    """What is wrong with an address, as far as can be said without a network."""
    if any(character.isspace() for character in link):
        return "a blank"
    try:
        parts = urlsplit(link)
        host = parts.hostname or ""
    except ValueError as error:
        return str(error)
    if parts.scheme == "mailto":
        return None if "@" in parts.path else "no address"
    if parts.scheme != "https":
        return f"scheme {parts.scheme}, not https"
    if not HOST.fullmatch(host):
        return f"host {host!r}"
    if "//" in parts.path:
        return "an empty part in its path"
    return None


def found(pages: Sequence[Path]) -> dict[str, list[str]]:
    """The addresses, in order, and the pages that have each."""
    places: dict[str, list[str]] = {}
    for page in pages:
        for link in dict.fromkeys(links_in(page.read_text())):
            places.setdefault(link, []).append(str(page.relative_to(ROOT)))
    return dict(sorted(places.items()))


def main() -> None:
    """List the links, and fail if one of them cannot be right."""
    bad = 0
    for link, pages in found(PAGES).items():
        wrong = fault(link)
        bad += wrong is not None
        print(f"{link}  ({', '.join(pages)}){f'  WRONG: {wrong}' if wrong else ''}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
