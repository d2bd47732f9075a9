"""Planned on one half of a recording, judged on the other: ``python -m benchmarks.foresight``.

Of every data set or task the first half of the windows is for planning and the second for judging. The figure is
the mean over unseen windows and layers of heaviest over mean rank load, with a 95 % interval by bootstrap over the
unseen windows. A line a recording goes to ``results/foresight.jsonl``, the page ``foresight.md`` is made of these (with
``--page`` of those that are there already).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt import Instance, Limits, Objective, Placement, Result, Status, solve
from eplb_opt.foresight.plan import MOVES, plan_windows
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.heuristics.refine import refined
from eplb_opt.problem.pool import Floats

from .cases import data_folder
from .environment import environment
from .options import PAGE_ONLY, chosen
from .peers.adapters import ascend_flashlb_windows
from .store import publish

RESULTS = Path(__file__).parent / "results" / "foresight.jsonl"
PAGE = Path(__file__).parent / "foresight.md"
SEED = 1
RESAMPLES = 2000
SECONDS = 20.0  # of `optimal`
PROMPTS = 10  # a window, where prompts are put together
MIXED = 64  # prompts of any kind a window
MIXED_WINDOWS = 40
CALLS = 5
LOOSE = 1e-3  # gaps
CLOSE = 1e-4
LONG = ("optimal, 0.1 %", "optimal, 0.01 %", "optimal, windows")  # timed once
FLASHLB = "FlashLB, windows"
V2_LITE = "deepseek_v2_lite_windows"
GPT_OSS = "gpt_oss_20b_prompts"


TEXT = """# Planned on the past, judged on what came

*Written by `python -m benchmarks.foresight`: commit {commit}, {date}, {cpu}, {cores} cores, seed {seed}.*

Of every data set (task) the first half of the windows is planned on, the second is judged: heaviest over mean rank
load, the mean over unseen windows and layers, in brackets the middle 95 % of a bootstrap over the unseen windows.

- `greedy`: the published one, on the sum of the seen windows.
- `refined`, `optimal`: on the sum, too; `solve` with a gap of 0.1 % (0.01 %), {seconds} s, 2 workers. Of the maps
  within the gap they return one that the seen windows show to be even.
- `windows`: on the mean imbalance of the seen windows (`Objective("mean")`): `refined` with {moves} proposals a layer,
  `optimal` with {seconds} s and 2 workers.
- `FlashLB`: vllm-ascend's policy from its own package, with the same windows in one call and its default settings.
- The last column plans each unseen window on itself.

{table}

OPTIMAL: layers within the gap on the sum of the seen windows, of all.

{proven}

Milliseconds a layer, the median of some calls in one process (`optimal` once, with its workers):

{times}
"""


@dataclass(frozen=True)
class Split:
    """Windows for planning and for judging, [windows, layers, experts] each."""

    name: str
    seen: Floats
    unseen: Floats
    replicas: int
    ranks: int

    def instance(self, load: Floats, objective: Objective) -> Instance:
        """The instance of some of the windows."""
        return Instance(load, self.replicas, num_ranks=self.ranks, objective=objective)


def data_set(label: str) -> str:
    """The data set of a label, which names a part of it, too (``gpqa_main``)."""
    name, _, part = label.partition("_")
    return "mmlu_pro" if label.startswith("mmlu_pro") else name if part else label


def halves(file: str) -> tuple[list[Floats], list[Floats]]:
    """Of each data set the first and the second half of its windows, [windows, layers, experts] each."""
    with np.load(data_folder() / f"{file}.npz") as archive:
        load = archive["load"].astype(np.float64)
        labels = np.array([data_set(str(label)) for label in archive["window"]])
    first = []
    second = []
    for label in dict.fromkeys(labels):
        rows = load[labels == label]
        middle = len(rows) // 2
        first.append(rows[:middle])
        second.append(rows[middle:])
    return first, second


def in_tens(parts: list[Floats]) -> Floats:
    """Windows of `PROMPTS` prompts of one label, in order; what is left over is left out."""
    windows = [
        part[start : start + PROMPTS].sum(axis=0)
        for part in parts
        for start in range(0, len(part) - PROMPTS + 1, PROMPTS)
    ]
    return np.stack(windows)


def mixed(parts: list[Floats], seed: int) -> Floats:
    """Windows of `MIXED` random prompts of all data sets."""
    prompts = np.concatenate(parts)
    random = np.random.default_rng(seed)
    chosen = [random.choice(len(prompts), MIXED, replace=False) for _ in range(MIXED_WINDOWS)]
    return np.stack([prompts[rows].sum(axis=0) for rows in chosen])


def synthetic(seed: int) -> Floats:
    """Forty windows of a large model, ten of each of four kinds of traffic, which are the same for every seed."""
    kinds = np.random.default_rng(0).lognormal(0, 1, (4, 6, 256))
    noise = np.random.default_rng(seed).lognormal(0, 0.4, (40, 6, 256))
    return np.rint(1000 * kinds[np.arange(40) % 4] * noise)


def splits() -> Iterator[Split]:
    """Every recording and topology."""
    first, second = halves(V2_LITE)
    for replicas, ranks in ((72, 8), (80, 16)):
        yield Split("V2-Lite", np.concatenate(first), np.concatenate(second), replicas, ranks)
    first, second = halves(GPT_OSS)
    for replicas, ranks in ((40, 8), (64, 16)):
        yield Split("gpt-oss, single prompts", np.concatenate(first), np.concatenate(second), replicas, ranks)
    for replicas, ranks in ((40, 8), (64, 16)):
        yield Split("gpt-oss, 10 prompts a window", in_tens(first), in_tens(second), replicas, ranks)
    yield Split("synthetic, four kinds of traffic", synthetic(SEED), synthetic(SEED + 1), 288, 32)
    yield Split("gpt-oss, 64 random prompts a window", mixed(first, SEED), mixed(second, SEED + 1), 64, 16)


def own_plans(split: Split) -> Floats:
    """Imbalance of each unseen window, planned on itself, [windows, layers]."""
    rows = []
    for window in split.unseen:
        instance = split.instance(window, Objective())
        rows.append(refined(instance).window_imbalance(instance)[0])
    return np.stack(rows)


def interval(imbalance: Floats) -> tuple[float, float]:
    """The middle 95 % of the means of `RESAMPLES` draws of the windows, of imbalances [windows, layers]."""
    of_window = imbalance.mean(axis=1)
    random = np.random.default_rng(SEED)
    drawn = random.integers(0, len(of_window), (RESAMPLES, len(of_window)))
    low, high = np.percentile(of_window[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def planners(split: Split) -> dict[str, Callable[[], Placement | Result]]:
    """What plans on the seen windows, by name."""
    added = split.instance(split.seen, Objective())
    windows = split.instance(split.seen, Objective("mean"))
    limits = Limits(seconds=SECONDS, workers=2, seed=SEED, gap=LOOSE)
    close = replace(limits, gap=CLOSE)
    found: dict[str, Callable[[], Placement | Result]] = {
        "greedy": lambda: greedy(added),
        "refined": lambda: solve(added, "refined", limits),
        LONG[0]: lambda: solve(added, "optimal", limits),
        LONG[1]: lambda: solve(added, "optimal", close),
        "refined, windows": lambda: plan_windows(windows),
        LONG[2]: lambda: solve(windows, "optimal", limits),
    }
    with contextlib.suppress(ImportError):
        flashlb = ascend_flashlb_windows()
        found[FLASHLB] = lambda: Placement(flashlb(split.seen, split.replicas, split.ranks), added.num_experts)
    return found


def measured(split: Split) -> dict[str, object]:
    """The line of a recording."""
    unseen = split.instance(split.unseen, Objective("mean"))
    found = {name: figures(name, plan, unseen) for name, plan in planners(split).items()}
    own = own_plans(split)
    found["each window's own plan"] = {"unseen": float(own.mean()), "interval": interval(own)}
    return {
        "recording": split.name, "replicas": split.replicas, "ranks": split.ranks, "layers": unseen.num_layers,
        "seen": len(split.seen), "unseen": len(split.unseen), "methods": found,
    }  # fmt: skip


def figures(name: str, plan: Callable[[], Placement | Result], unseen: Instance) -> dict[str, object]:
    """What a planner's map does on unseen windows, and its time."""
    is_long = name in LONG
    if not is_long:
        plan()  # what is compiled, and caches
    times = []
    for _ in range(1 if is_long else CALLS):
        start = time.perf_counter()
        made = plan()
        times.append(time.perf_counter() - start)
    placement = made.placement if isinstance(made, Result) else made
    imbalance = placement.window_imbalance(unseen)
    milliseconds = float(np.median(times)) * 1e3 / unseen.num_layers
    found = {"unseen": float(imbalance.mean()), "interval": interval(imbalance), "ms a layer": milliseconds}
    if isinstance(made, Result):
        found["optimal"] = sum(c.status is Status.OPTIMAL for c in made.certificates)
    return found


def cell(found: dict[str, Any]) -> str:
    """An unseen imbalance with its interval."""
    low, high = found["interval"]
    return f"{found['unseen']:.3f} ({low:.3f}-{high:.3f})"


def table(lines: list[dict[str, object]]) -> Iterator[str]:
    """The lines as a table in Markdown."""
    names = list(lines[0]["methods"])  # type: ignore[call-overload]
    yield "| recording, replicas/ranks | windows seen, unseen | " + " | ".join(names) + " |"
    yield "|---|---|" + "---|" * len(names)
    for line in lines:
        cells = [cell(line["methods"][name]) for name in names]  # type: ignore[index]
        place = f"{line['recording']}, {line['replicas']}/{line['ranks']}"
        yield f"| {place} | {line['seen']}, {line['unseen']} | " + " | ".join(cells) + " |"


def proven(lines: list[dict[str, object]]) -> Iterator[str]:
    """Layers that are OPTIMAL, as a table in Markdown."""
    names = ("refined", *LONG[:2])
    yield "| recording, replicas/ranks | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for line in lines:
        cells = [f"{line['methods'][name]['optimal']} of {line['layers']}" for name in names]  # type: ignore[index]
        yield f"| {line['recording']}, {line['replicas']}/{line['ranks']} | " + " | ".join(cells) + " |"


def times(lines: list[dict[str, object]]) -> Iterator[str]:
    """Milliseconds a layer of what was timed, as a table in Markdown."""
    names = [name for name, found in lines[0]["methods"].items() if "ms a layer" in found]  # type: ignore[attr-defined]
    yield "| recording, replicas/ranks | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for line in lines:
        cells = [f"{line['methods'][name]['ms a layer']:.1f}" for name in names]  # type: ignore[index]
        yield f"| {line['recording']}, {line['replicas']}/{line['ranks']} | " + " | ".join(cells) + " |"


def page(lines: list[dict[str, object]]) -> str:
    """The page about the results."""
    return TEXT.format(
        **{name: lines[0][name] for name in ("commit", "date", "cpu", "cores", "seed")},
        seconds=f"{SECONDS:.0f}",
        moves=f"{MOVES:,}",
        table="\n".join(table(lines)),
        proven="\n".join(proven(lines)),
        times="\n".join(times(lines)),
    )


def main() -> None:
    """Measure and write, or write the page alone."""
    lines = None
    if chosen(__doc__, {"page": PAGE_ONLY}) is None:
        made_by = environment(SEED)
        lines = [made_by | measured(split) for split in splits()]
    publish(RESULTS, PAGE, page, lines)


if __name__ == "__main__":
    main()
