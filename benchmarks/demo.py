"""The recording that comes with the package, planned on one half, judged on the other: ``python -m benchmarks.demo``.

The first day is planned on and the second judged; of the windows of each kind of text the first half and the second. As
in `foresight`, whose methods and figures these are. A line a split goes to ``results/demo.jsonl``, and the page
``demo.md`` is made of these (with ``--page`` of those that are there already). README.md shows what ``eplb-opt demo``
prints (with ``--readme`` nothing else is done).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt import demo_recording
from eplb_opt.problem.pool import Floats
from eplb_opt.report.layout import text_lines

from . import foresight
from .environment import ROOT, environment, origin
from .foresight import SECONDS, SEED, Split
from .options import PAGE_ONLY, chosen
from .store import publish
from .table import replace

RESULTS = Path(__file__).parent / "results" / "demo.jsonl"
PAGE = Path(__file__).parent / "demo.md"
SLOTS = ((72, 8), (80, 16), (96, 32))  # replicas, ranks

TEXT = """# The package's own recording: planned on the past, judged on what came

*Written by `python -m benchmarks.demo`: {origin}*

[A small model's real routes](../eplb_opt/recordings/README.md), 16 layers x 64 experts. *days*: planned on the first
day's windows, judged on the second's, in which the kinds of text have other shares. *kinds*: planned on the first half
of each kind's windows, judged on the second half. Heaviest over mean rank load, the mean over unseen windows and
layers, in brackets the middle 95 % of a bootstrap over the unseen windows. The columns are those of
[foresight](foresight.md); `optimal` with {seconds} s and 2 workers.

{table}
"""


def splits() -> Iterator[Split]:
    """Both recordings with every number of slots."""
    for name, halves in (("days", by_day()), ("kinds", by_kind())):
        for replicas, ranks in SLOTS:
            yield Split(name, *halves, replicas, ranks)


def by_day() -> tuple[Floats, Floats]:
    """The first day and the second, [windows, layers, experts] each."""
    load = demo_recording("days").load.astype(np.float64)
    middle = len(load) // 2
    return load[:middle], load[middle:]


def by_kind() -> tuple[Floats, Floats]:
    """Of each kind of text the first and the second half of its windows."""
    loads = demo_recording("kinds")
    load = loads.load.astype(np.float64)
    labels = np.array(loads.windows)
    is_first = np.zeros(len(labels), dtype=bool)
    for label in dict.fromkeys(labels):
        rows = np.flatnonzero(labels == label)
        is_first[rows[: len(rows) // 2]] = True
    return load[is_first], load[~is_first]


def measured(split: Split) -> dict[str, Any]:
    """The line of a split, without times: the machine may do other work."""
    line: dict[str, Any] = foresight.measured(split)
    for found in line["methods"].values():
        found.pop("ms a layer", None)
    return line


def page(lines: list[dict[str, Any]]) -> str:
    """The page about the results."""
    return TEXT.format(
        origin=origin(lines[0]),
        seconds=f"{SECONDS:.0f}",
        table="\n".join(foresight.table(lines)),
    )


def shown() -> str:
    """What the command prints on a terminal, and on which machine."""
    command = [sys.executable, "-m", "eplb_opt.cli", "demo", "--workers", "2"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [part for line in run.stdout.splitlines() for part in text_lines(line, 80)]
    return "```text\n" + "\n".join(lines) + f"\n```\n\n{origin(environment(0) | {'workers': 2})}"


def main() -> None:
    """Measure and write, or write the page or README.md's part alone."""
    asked = chosen(__doc__, {"page": PAGE_ONLY, "readme": "write README.md's part alone"})
    if asked != "readme":
        made_by = environment(SEED)
        lines = None if asked == "page" else [made_by | measured(split) for split in splits()]
        publish(RESULTS, PAGE, page, lines)
    if asked != "page":
        replace(ROOT / "README.md", "demo", shown())


if __name__ == "__main__":
    main()
