"""Run the Python of ../how-to/notebook.md: ``python docs/pictures/figures.py`` makes its picture and what it prints."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "how-to" / "notebook.md"
FENCE = re.compile(r"```python\n(.*?)```\n", re.DOTALL)
PRINTED = re.compile(
    r"(<!-- printed-by-python:begin -->\n).*?(<!-- printed-by-python:end -->)",
    re.DOTALL,
)


def main() -> None:
    """Run the page's code in this folder, and write what it prints below it."""
    text = PAGE.read_text()
    os.chdir(HERE)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(FENCE.findall(text)[0], {})
    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    block = "\n".join(["```text", *lines, "```", ""])
    PAGE.write_text(PRINTED.sub(lambda found: found[1] + block + found[2], text))


if __name__ == "__main__":
    main()
