"""Write what the shown commands print into the pages: ``python -m tests.docs.show``.

Between the marks of a `printed` block stands what the fence before it prints, on the inputs of `inputs`.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.environment import environment, origin

from .inputs import make_inputs
from .pages import PAGES, shown, words

BLOCK = re.compile(
    r"(```bash\n(?P<script>(?:(?!```).)*)```\n\n<!-- printed:begin -->\n).*?(<!-- printed:end -->)", re.DOTALL
)


def printed(script: str, folder: Path) -> str:
    """What the commands of a fence print, as on a terminal of 80 columns."""
    return "\n".join(line for command in shown(script) for line in on_a_terminal(words(command, folder), folder))


def on_a_terminal(given: list[str], folder: Path) -> list[str]:
    """The lines on standard output, without blanks at their ends; standard error, with its progress, is left out."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "eplb_opt.cli", *given],
        stdout=follower,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1"},
    ) as run:
        os.close(follower)
        text = read_all(leader)
    os.close(leader)
    if run.returncode:
        raise SystemExit(f"eplb-opt {shlex.join(given)} ended with {run.returncode}")
    return [line.rstrip() for line in text.splitlines()]


def read_all(leader: int) -> str:
    """What arrives at one end of a terminal until the other one is closed."""
    parts = []
    while True:
        try:
            part = os.read(leader, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def with_outputs(text: str, folder: Path) -> str:
    """A page with all its blocks written again."""

    def block(match: re.Match[str]) -> str:
        made_by = origin(environment(0))
        output = printed(match["script"], folder)
        return f"{match.group(1)}```text\n{output}\n```\n\n{made_by}\n{match.group(3)}"

    return BLOCK.sub(block, text)


def main() -> None:
    """Write the pages that have such blocks."""
    for page in PAGES:
        text = page.read_text()
        if BLOCK.search(text):
            with tempfile.TemporaryDirectory() as folder:
                make_inputs(text, Path(folder))
                page.write_text(with_outputs(text, Path(folder)))


if __name__ == "__main__":
    main()
