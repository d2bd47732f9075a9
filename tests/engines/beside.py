"""What pip installs with each engine, and what changes beside this package: ``python -m tests.engines.beside``.

All dependencies are resolved together, the package's and the engine's, of the versions in ``constraints.txt``. Nothing
is installed; the package index is asked, which takes a minute or two for each engine with a current pip.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONSTRAINTS = Path(__file__).parent / "constraints.txt"
PAGE = Path(__file__).parent / "BESIDE.md"
PACKAGE = "eplb-opt"
ENGINES = ("vllm", "sglang")
EXTRAS = ("", "[all]")
# What an engine compiles or computes with.
UNTOUCHED = ("torch", "numpy", "numba", "triton", "transformers")

Versions = dict[str, str]


def resolved(*requirements: str) -> Versions:
    """Each distribution that pip would install into an empty environment, and its version."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
        command = [sys.executable, "-m", "pip", "install", *options, *requirements]
        subprocess.run(command, check=True, capture_output=True)
        found = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    return {re.sub(r"[-_.]+", "-", item["name"]).lower(): item["version"] for item in found}


def difference(alone: Versions, beside: Versions) -> tuple[list[str], list[str]]:
    """What is added to an engine, and which versions of its own change."""
    added = [f"{name} {beside[name]}" for name in sorted(beside.keys() - alone.keys() - {PACKAGE})]
    other = [name for name in sorted(alone) if alone[name] != beside.get(name)]
    changed = [f"{name} {alone[name]} -> {beside.get(name)}" for name in other]
    return added, changed


def lines(engine: str) -> list[str]:
    """What is said of one engine.

    Raises
    ------
    AssertionError
        The package without extras changes the engine's environment, or its extras what the engine computes with.
    """
    required = re.search(rf"^{engine}==\S+$", CONSTRAINTS.read_text(), re.MULTILINE)[0]
    alone = resolved(required)
    said = [f"{required}: {', '.join(f'{name} {alone[name]}' for name in UNTOUCHED if name in alone)}"]
    for extra in EXTRAS:
        added, changed = difference(alone, resolved(required, f"{ROOT}{extra}"))
        said.append(f"with {PACKAGE}{extra}: adds {', '.join(added) or 'nothing else'}")
        said.append(f"with {PACKAGE}{extra}: changes {', '.join(changed) or 'nothing'}")
        assert extra or not (added or changed), said
        assert not [line for line in changed if line.split()[0] in UNTOUCHED], said
    return said


def main() -> None:
    """Write the page."""
    written = (
        "Written by `python -m tests.engines.beside`: what pip resolves for each engine, alone and with this package,"
    )
    where = f"all dependencies included. {date.today()}, Python {platform.python_version()}."
    head = f"# Beside the engines\n\n{written} {where}\n"
    parts = [head]
    for engine in ENGINES:
        said = lines(engine)
        print("\n".join(said), flush=True)
        parts.append("\n".join(f"- {line}" for line in said) + "\n")
    PAGE.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
