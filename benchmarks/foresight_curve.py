"""Unseen imbalance against the time of a plan over windows: ``python -m benchmarks.foresight_curve [--layers N]``.

The instances are those of `benchmarks.foresight`, and a model of 58 layers with 256 experts whose 40 windows have a few
of the same 16 topics each. Each is planned with more and more proposals and judged on the windows that were left out. A
line an instance goes to ``results/foresight_curve.jsonl``, the page ``foresight_curve.md`` is made of these (with
``--page`` of those that are there already). With ``--layers N`` only the first N layers of each are planned, to try it,
and nothing is written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eplb_opt import Objective
from eplb_opt.foresight.plan import MOVES, plan_windows
from eplb_opt.problem.pool import Floats

from .environment import environment
from .foresight import SEED, Split, cell, interval, splits
from .options import page_or_layers
from .store import publish

RESULTS = Path(__file__).parent / "results" / "foresight_curve.jsonl"
PAGE = Path(__file__).parent / "foresight_curve.md"
PROPOSALS = (0, 1_000, 5_000, 20_000, 100_000, 500_000)  # a layer
LARGE = "synthetic, a few of the same topics in every window"
RECORDINGS = ("V2-Lite", "gpt-oss, single prompts", "gpt-oss, 10 prompts a window")
LAYERS, EXPERTS, WINDOWS = 58, 256, 40
TOPICS = 16
FEW = 0.3  # of the Dirichlet distribution of a window's topics: small is few
CALLS = 3  # of a plan, of whose times the median is taken
MOST_TIMED = 20_000  # proposals, beyond which it is timed once

TEXT = """# Unseen imbalance against time

*Written by `python -m benchmarks.foresight_curve`: commit {commit}, {date}, {cpu}, {cores} cores, seed {seed}.*

Planned over the windows of one half with so many proposals a layer (`plan_windows(moves=)`, the objective is the mean
imbalance, one thread), judged on those of the other: heaviest over mean rank load, the mean over unseen windows and
layers, in brackets the middle 95 % of a bootstrap over the unseen windows. With 0 it is the better of `refined` for the
windows' mix and the greedy for their sum. The default is {moves} proposals.

{table}

Milliseconds a layer, all that a plan does, the median of {calls} calls (one call beyond {timed} proposals):

{times}
"""


def homogeneous(seed: int) -> Floats:
    """Windows of a large model, each a few of the same topics: in which experts are hot together is what they share."""
    topics = np.random.default_rng(0).lognormal(0, 1, (TOPICS, LAYERS, EXPERTS))
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(TOPICS, FEW), WINDOWS)
    noise = random.lognormal(0, 0.2, (WINDOWS, LAYERS, EXPERTS))
    return np.rint(1000 * np.tensordot(shares, topics, axes=1) * noise)


def instances() -> Iterator[Split]:
    """The large model, then the recordings' halves."""
    yield Split(LARGE, homogeneous(SEED), homogeneous(SEED + 1), 288, 32)
    yield from (split for split in splits() if split.name in RECORDINGS)


def measured(split: Split, layers: int | None = None) -> dict[str, object]:
    """The line of an instance, or of its first layers."""
    seen = split.instance(split.seen[:, :layers], Objective("mean"))
    unseen = split.instance(split.unseen[:, :layers], Objective("mean"))
    plan_windows(seen.select([0]), moves=PROPOSALS[1])  # what is compiled, and caches
    points = []
    for moves in PROPOSALS:
        times = []
        for _ in range(CALLS if moves <= MOST_TIMED else 1):
            start = time.perf_counter()
            placement = plan_windows(seen, moves=moves)
            times.append(time.perf_counter() - start)
        imbalance = placement.window_imbalance(unseen)
        points.append({
            "moves": moves, "seen": float(placement.window_imbalance(seen).mean()),
            "unseen": float(imbalance.mean()), "interval": interval(imbalance),
            "ms a layer": float(np.median(times)) * 1e3 / seen.num_layers,
        })  # fmt: skip
    return {
        "recording": split.name, "replicas": split.replicas, "ranks": split.ranks, "layers": seen.num_layers,
        "experts": seen.num_experts, "windows": seen.num_windows, "points": points,
    }  # fmt: skip


def head(lines: list[dict[str, object]]) -> Iterator[str]:
    """The first two lines of a table in Markdown."""
    names = " | ".join(f"{point['moves']:,}" for point in lines[0]["points"])  # type: ignore[attr-defined]
    yield f"| recording | windows | layers x experts, replicas/ranks | {names} |"
    yield "|---|---|---|" + "---|" * len(PROPOSALS)


def row(line: dict[str, object], cells: list[str]) -> str:
    shape = f"{line['layers']} x {line['experts']}, {line['replicas']}/{line['ranks']}"
    return f"| {line['recording']} | {line['windows']} | {shape} | " + " | ".join(cells) + " |"


def table(lines: list[dict[str, object]]) -> Iterator[str]:
    """Unseen imbalances by proposals, in Markdown."""
    yield from head(lines)
    for line in lines:
        yield row(line, [cell(point) for point in line["points"]])  # type: ignore[attr-defined]


def times(lines: list[dict[str, object]]) -> Iterator[str]:
    """Milliseconds a layer by proposals, in Markdown."""
    yield from head(lines)
    for line in lines:
        yield row(line, [f"{point['ms a layer']:.2f}" for point in line["points"]])  # type: ignore[attr-defined]


def page(lines: list[dict[str, object]]) -> str:
    """The page about the results."""
    return TEXT.format(
        **{name: lines[0][name] for name in ("commit", "date", "cpu", "cores", "seed")},
        moves=f"{MOVES:,}",
        calls=CALLS,
        timed=f"{MOST_TIMED:,}",
        table="\n".join(table(lines)),
        times="\n".join(times(lines)),
    )


def main() -> None:
    """Measure and write, write the page alone, or try a few layers."""
    options = page_or_layers(__doc__)
    if options.layers is not None:
        for split in instances():
            print(json.dumps(measured(split, options.layers)))
        return
    lines = None
    if not options.page:
        made_by = environment(SEED)
        lines = [made_by | measured(split) for split in instances()]
    publish(RESULTS, PAGE, page, lines)


if __name__ == "__main__":
    main()
