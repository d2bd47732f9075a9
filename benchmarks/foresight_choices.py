"""How sharp, and over how long windows, to plan: ``python -m benchmarks.foresight_choices [--layers N]``.

The recordings are those of `benchmarks.foresight`. Each is planned over its seen windows with soft maxima of several
sharpnesses, and over windows of which several are added, and judged on the unseen windows. A line a recording goes to
``results/foresight_choices.jsonl``, the page ``foresight_choices.md`` is made of these (with ``--page`` of those that
are there already). With ``--layers N`` only the first N layers of each are planned, to try it, and nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eplb_opt import Instance, Objective, Placement
from eplb_opt.foresight.annealing import annealed
from eplb_opt.foresight.plan import MOVES
from eplb_opt.foresight.tables import SHARPNESS
from eplb_opt.heuristics.refine import refined
from eplb_opt.problem.pool import Floats

from .environment import environment
from .foresight import SEED, Split, cell, interval, splits
from .options import page_or_layers
from .store import publish

RESULTS = Path(__file__).parent / "results" / "foresight_choices.jsonl"
PAGE = Path(__file__).parent / "foresight_choices.md"
SHARPNESSES = (4.0, 8.0, SHARPNESS, 20.0, 40.0)
ADDED = (2, 4)  # windows put together, as they follow each other

TEXT = """# How sharp, and over how long windows, to plan

*Written by `python -m benchmarks.foresight_choices`: commit {commit}, {date}, {cpu}, {cores} cores, seed {seed}.*

Planned over the windows of one half ({moves} proposals a layer), judged on those of the other: heaviest over mean rank
load, the mean over unseen windows and layers, in brackets the middle 95 % of a bootstrap over the unseen windows. First
the recorded windows with soft maxima of that sharpness, then windows of which so many are added, with the usual one.

{table}

Between 8 and 20 the sharpness hardly matters, and windows put together never helped: so both stand as they are, and
nothing is chosen by windows left out but whether to plan over windows at all.
"""


def added(windows: Floats, number: int) -> Floats:
    """Windows put together, so many each, [windows, layers, experts]; what is left over is left out."""
    whole = len(windows) // number * number
    return windows[:whole].reshape(-1, number, *windows.shape[1:]).sum(axis=1)


def planned(instance: Instance, sharpness: float) -> Placement:
    """A map annealed over the windows with a soft maximum of that sharpness."""
    start = refined(instance)
    rows = []
    for layer, row in enumerate(start.phy2log):
        slots = annealed(
            instance.normalised_layer(layer),
            instance.shares[:, layer],
            row.reshape(instance.num_ranks, -1),
            pool_ranks=instance.ranks_per_pool,
            distinct=False,
            moves=MOVES,
            sharpness=sharpness,
        )
        rows.append(slots.ravel())
    return Placement(np.stack(rows), instance.num_experts)


def choices(split: Split) -> Iterator[tuple[str, Instance, float]]:
    """Name, what is planned on, and the sharpness."""
    instance = split.instance(split.seen, Objective("mean"))
    for sharpness in SHARPNESSES:
        yield f"sharpness {sharpness:g}", instance, sharpness
    for number in ADDED:
        together = split.instance(added(split.seen, number), Objective("mean"))
        yield f"{number} added", together, SHARPNESS


def measured(split: Split) -> dict[str, object]:
    """The line of a recording."""
    unseen = split.instance(split.unseen, Objective("mean"))
    found = {}
    for name, instance, sharpness in choices(split):
        imbalance = planned(instance, sharpness).window_imbalance(unseen)
        found[name] = {"unseen": float(imbalance.mean()), "interval": interval(imbalance)}
    return {
        "recording": split.name, "replicas": split.replicas, "ranks": split.ranks, "layers": unseen.num_layers,
        "choices": found,
    }  # fmt: skip


def table(lines: list[dict[str, object]]) -> Iterator[str]:
    """The lines as a table in Markdown."""
    names = list(lines[0]["choices"])  # type: ignore[call-overload]
    yield "| recording, replicas/ranks | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for line in lines:
        cells = [cell(line["choices"][name]) for name in names]  # type: ignore[index]
        yield f"| {line['recording']}, {line['replicas']}/{line['ranks']} | " + " | ".join(cells) + " |"


def page(lines: list[dict[str, object]]) -> str:
    """The page about the results."""
    made_by = {name: lines[0][name] for name in ("commit", "date", "cpu", "cores", "seed")}
    return TEXT.format(**made_by, moves=f"{MOVES:,}", table="\n".join(table(lines)))


def main() -> None:
    """Measure and write, or write the page alone."""
    options = page_or_layers(__doc__)
    if options.layers is not None:
        for split in splits():
            part = Split(split.name, split.seen[:, : options.layers], split.unseen[:, : options.layers],
                         split.replicas, split.ranks)  # fmt: skip
            print(json.dumps(measured(part)))
        return
    lines = None
    if not options.page:
        made_by = environment(SEED)
        lines = [made_by | measured(split) for split in splits()]
    publish(RESULTS, PAGE, page, lines)


if __name__ == "__main__":
    main()
