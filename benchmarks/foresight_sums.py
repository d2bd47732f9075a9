"""Planned on a sum alone: ``python -m benchmarks.foresight_sums``.

An engine's policy, and many a file, hold one load for each expert, and no windows. The recordings are those of
`benchmarks.foresight`; the windows of one half are added before anything is planned, and the maps judged on the windows
of the other half, both ways round. A line a recording and half goes to ``results/foresight_sums.jsonl``, the page
``foresight_sums.md`` is made of these (with ``--page`` of those that are there already).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eplb_opt import Instance, Limits, Objective, Placement, solve
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.heuristics.refine import refined
from eplb_opt.problem.pool import Floats

from .environment import environment
from .foresight import GPT_OSS, LOOSE, SEED, V2_LITE, Split, halves, in_tens
from .options import PAGE_ONLY, chosen
from .store import publish

RESULTS = Path(__file__).parent / "results" / "foresight_sums.jsonl"
PAGE = Path(__file__).parent / "foresight_sums.md"
LIMITS = Limits(workers=2, seed=SEED, gap=LOOSE)

TEXT = """# Planned on a sum alone

*Written by `python -m benchmarks.foresight_sums`: commit {commit}, {date}, {cpu}, {cores} cores, seed {seed}.*

The windows of one half are added, and a map is planned on that one load for each expert; judged on the windows of the
other half, and both ways round: heaviest over mean rank load, the mean over windows and layers, for the greedy, and by
how much the others are above it (below: -), with the standard error over layers. `policy`: what `POLICIES["refined"]`
returns; `refined` and `optimal`: `solve` with a gap of {gap:.1%}, {seconds:.0f} s, 2 workers. Repeats: replicas on a
rank that has another one of the same expert, a layer, of the greedy, the policy, `refined` and `optimal`.

{table}
"""


def recordings() -> Iterator[Split]:
    """Every recording and topology, both ways round."""
    for file, name, topologies in (
        (V2_LITE, "V2-Lite", ((72, 8), (80, 16))),
        (GPT_OSS, "gpt-oss, single prompts", ((40, 8), (64, 16))),
        (GPT_OSS, "gpt-oss, 10 prompts a window", ((40, 8), (64, 16))),
    ):
        together = in_tens if "10" in name else np.concatenate
        halved = [together(part) for part in halves(file)]
        for replicas, ranks in topologies:
            yield Split(f"{name}, first half", halved[0], halved[1], replicas, ranks)
            yield Split(f"{name}, second half", halved[1], halved[0], replicas, ranks)


def repeats(placement: Placement, ranks: int) -> float:
    """Replicas on a rank that has another one of their expert, a layer."""
    by_rank = np.sort(placement.phy2log.reshape(len(placement.phy2log), ranks, -1), axis=2)
    return float((by_rank[:, :, 1:] == by_rank[:, :, :-1]).sum() / len(by_rank))


def measured(split: Split) -> dict[str, object]:
    """The line of a recording and half."""
    summed = Instance(split.seen.sum(axis=0), split.replicas, num_ranks=split.ranks)
    unseen = split.instance(split.unseen, Objective("mean"))
    by_greedy = greedy(summed)
    maps = {
        "policy": refined(summed),
        "refined": solve(summed, "refined", LIMITS).placement,
        "optimal": solve(summed, "optimal", LIMITS).placement,
    }
    greedys = of_layers(by_greedy, unseen)
    above = {name: (of_layers(placement, unseen) - greedys) / greedys.mean() for name, placement in maps.items()}
    return {
        "recording": split.name, "replicas": split.replicas, "ranks": split.ranks, "greedy": float(greedys.mean()),
        "above": {name: float(found.mean()) for name, found in above.items()},
        "error": {name: float(found.std(ddof=1) / len(found) ** 0.5) for name, found in above.items()},
        "repeats": [repeats(placement, split.ranks) for placement in (by_greedy, *maps.values())],
    }  # fmt: skip


def of_layers(placement: Placement, unseen: Instance) -> Floats:
    """Mean imbalance of each layer over unseen windows."""
    return placement.window_imbalance(unseen).mean(axis=0)


def table(lines: list[dict[str, object]]) -> Iterator[str]:
    """The lines as a table in Markdown, and the means of all."""
    names = list(lines[0]["above"])  # type: ignore[call-overload]
    yield "| planned on, replicas/ranks | greedy | " + " | ".join(names) + " | repeats |"
    yield "|---|---|" + "---|" * (len(names) + 1)
    for line in lines:
        above = line["above"]
        error = line["error"]
        cells = [f"{above[name]:+.2%} ± {error[name]:.2%}" for name in names]  # type: ignore[index]
        found = ", ".join(f"{number:.1f}" for number in line["repeats"])  # type: ignore[attr-defined]
        place = f"{line['recording']}, {line['replicas']}/{line['ranks']}"
        yield f"| {place} | {line['greedy']:.3f} | " + " | ".join(cells) + f" | {found} |"
    means = [np.mean([line["above"][name] for line in lines]) for name in names]  # type: ignore[index]
    yield "| mean | | " + " | ".join(f"{mean:+.2%}" for mean in means) + " | |"


def page(lines: list[dict[str, object]]) -> str:
    """The page about the results."""
    made_by = {name: lines[0][name] for name in ("commit", "date", "cpu", "cores", "seed")}
    return TEXT.format(**made_by, gap=LOOSE, seconds=LIMITS.seconds, table="\n".join(table(lines)))


def main() -> None:
    """Measure and write, or write the page alone."""
    lines = None
    if chosen(__doc__, {"page": PAGE_ONLY}) is None:
        made_by = environment(SEED)
        lines = [made_by | measured(split) for split in recordings()]
    publish(RESULTS, PAGE, page, lines)


if __name__ == "__main__":
    main()
