"""The pages that show commands, and what they show: fences of bash, and what stands in a line of text."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```bash\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
ANY_FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(eplb-opt [^`]*)`")
ASSIGNMENT = re.compile(r"[a-z_]+=\S")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands_in(text: str) -> Iterator[list[str]]:
    """The commands that the fences of a page show, each after the variables that are set before it."""
    for fence in FENCE.finditer(text):
        yield from shown(fence.group(2))


def shown(script: str) -> Iterator[list[str]]:
    """Lines of bash: every `eplb-opt` of a fence, behind what sets variables; of engines' commands none."""
    variables = []
    for line in script.replace("\\\n", " ").splitlines():
        if ASSIGNMENT.match(line):
            variables.append(line)
        elif line.startswith("eplb-opt "):
            yield [*variables, line]


def words(lines: list[str], folder: Path) -> list[str]:
    """The words of a command as bash takes them in a folder, without `eplb-opt`."""
    *variables, command = lines
    script = "\n".join([*variables, f"printf '%s\\0' {command}"])
    run = subprocess.run(["bash", "-euc", script], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout.split("\0")[1:-1]


def inline_commands(text: str) -> list[str]:
    """What is shown in lines of text, with placeholders in capitals."""
    return INLINE.findall(ANY_FENCE.sub("", text))
