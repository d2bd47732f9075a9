"""How many windows to remember in an engine, and what it costs: ``python -m benchmarks.history``.

A recording is played as an engine would: each window is a call of the plug-ins, and the map that the call returns is
judged on the window after it. The figure is the mean over calls and layers of heaviest over mean rank load, with a 95 %
interval by bootstrap over the calls. A line a recording goes to ``results/history.jsonl``, the page ``history.md`` is
made of these and those of ``results/half_life.jsonl`` (with ``--page`` of those that are there already, with
``--half-lives`` the latter alone are made again).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from eplb_opt import POLICIES, Instance, Objective, Placement
from eplb_opt.plugins.history import DEFAULT, History
from eplb_opt.plugins.past import Past
from eplb_opt.plugins.planning import plan
from eplb_opt.problem.pool import Floats

from .environment import environment
from .foresight import GPT_OSS, MIXED, SEED, V2_LITE, halves, in_tens, interval, mixed
from .options import PAGE_ONLY, chosen
from .store import publish, read_lines, write_lines

RESULTS = Path(__file__).parent / "results" / "history.jsonl"
HALF_LIFE_RESULTS = Path(__file__).parent / "results" / "half_life.jsonl"
PAGE = Path(__file__).parent / "history.md"
SIZES = (0, 2, 4, 8, 16, 32)  # windows remembered
HALF_LIVES = (0, 2, 4, 8, 16)  # windows
WEIGHED = 16  # windows remembered, where these are compared
FIRST = 8  # calls before it are not judged
POLICY = POLICIES["refined"]

TEXT = """# What a plug-in remembers

*Written by `python -m benchmarks.history`: commit {commit}, {date}, {cpu}, {cores} cores, seed {seed}.*

Each window of a recording is a call of the plug-ins, whose map is judged on the next window: heaviest over mean rank
load, the mean over calls (without the first {first}) and layers, in brackets the middle 95 % of a bootstrap over calls.
The columns are values of `EPLB_OPT_HISTORY`; with 0 `refined` plans for the loads of the call. The default is
{default}.

{table}

Windows that count less the older they are: 2^(-age / half-life), with a ring of {weighed}. The columns are values of
`EPLB_OPT_HALF_LIFE`; with 0, the default, all count the same.

{weighted}

A short half-life gains where traffic drifts and loses where it jumps between kinds or is mixed, so none is the default.

Milliseconds a layer of a call with the ring as full as it gets, all that the plug-in does, the median over calls:

{times}
"""


@dataclass(frozen=True)
class Trace:
    """Loads of calls, [calls, layers, experts], and what they are placed on."""

    name: str
    load: Floats
    replicas: int
    ranks: int


def shuffled(load: Floats) -> Floats:
    """The windows in an order without drift."""
    return load[np.random.default_rng(SEED).permutation(len(load))]


def synthetic() -> Floats:
    """Forty calls of a large model, each of the mix of four kinds of traffic with other shares."""
    random = np.random.default_rng(SEED)
    kinds = random.lognormal(0, 1, (4, 6, 256))
    shares = random.dirichlet(np.ones(4), 40)
    noise = random.lognormal(0, 0.2, (40, 6, 256))
    return np.rint(1000 * np.tensordot(shares, kinds, axes=1) * noise)


def traces() -> Iterator[Trace]:
    """Traffic that drifts, traffic that jumps between kinds, and traffic that is mixed in every call."""
    tasks = np.concatenate([np.concatenate(halves_of) for halves_of in zip(*halves(V2_LITE), strict=True)])
    yield Trace("V2-Lite, tasks one after the other", tasks, 80, 16)
    yield Trace("V2-Lite, tasks in random order", shuffled(tasks), 80, 16)
    prompts = [np.concatenate(halves_of) for halves_of in zip(*halves(GPT_OSS), strict=True)]
    yield Trace("gpt-oss, 10 prompts a call, sets one after the other", in_tens(prompts), 64, 16)
    for replicas, ranks in ((40, 8), (64, 16)):
        yield Trace(f"gpt-oss, {MIXED} random prompts a call", mixed(prompts, SEED), replicas, ranks)
    yield Trace("synthetic, shares of four kinds of traffic", synthetic(), 288, 32)


def played(trace: Trace, size: int, half_life: float = 0.0) -> dict[str, object]:
    """A ring of that size and that half-life: imbalances of the next calls, and milliseconds a layer."""
    past = Past(History(size, lambda: False), half_life=half_life) if size else None
    rows = []
    times = []
    for number, load in enumerate(trace.load[:-1]):
        start = time.perf_counter()
        phy2log = plan(POLICY, torch.from_numpy(load), trace.replicas, 1, 1, trace.ranks, past=past)
        times.append(time.perf_counter() - start)
        if number >= FIRST:
            following = trace.load[number + 1 : number + 2]
            instance = Instance(following, trace.replicas, num_ranks=trace.ranks, objective=Objective("mean"))
            rows.append(Placement(phy2log, load.shape[-1]).window_imbalance(instance)[0])
    imbalance = np.stack(rows)
    full = times[min(size, len(times) - 1) :]
    milliseconds = float(np.median(full)) * 1e3 / load.shape[0]
    return {"next": float(imbalance.mean()), "interval": interval(imbalance), "ms a layer": milliseconds}


def measured(trace: Trace) -> dict[str, object]:
    """The line of a recording."""
    played(trace, FIRST)  # what is compiled, and caches
    return {
        "recording": trace.name, "replicas": trace.replicas, "ranks": trace.ranks, "calls": len(trace.load),
        "layers": trace.load.shape[1], "experts": trace.load.shape[2],
        "sizes": {str(size): played(trace, size) for size in SIZES},
    }  # fmt: skip


def weighted(trace: Trace) -> dict[str, object]:
    """The line of a recording with half-lives, whose times are those of a ring of the same size."""
    found = {str(half_life): played(trace, WEIGHED, half_life) for half_life in HALF_LIVES}
    for figures in found.values():
        figures.pop("ms a layer")
    return {
        "recording": trace.name, "replicas": trace.replicas, "ranks": trace.ranks, "calls": len(trace.load),
        "layers": trace.load.shape[1], "experts": trace.load.shape[2], "half-lives": found,
    }  # fmt: skip


def head(lines: list[dict[str, object]], columns: str = "sizes") -> Iterator[str]:
    names = list(lines[0][columns])  # type: ignore[call-overload]
    yield "| recording | layers x experts, replicas/ranks | calls | " + " | ".join(names) + " |"
    yield "|---|---|---|" + "---|" * len(names)


def row(line: dict[str, object], cells: list[str]) -> str:
    shape = f"{line['layers']} x {line['experts']}, {line['replicas']}/{line['ranks']}"
    return f"| {line['recording']} | {shape} | {line['calls']} | " + " | ".join(cells) + " |"


def table(lines: list[dict[str, object]], columns: str = "sizes") -> Iterator[str]:
    """Imbalances of the next calls, in Markdown."""
    yield from head(lines, columns)
    for line in lines:
        found = line[columns].values()  # type: ignore[attr-defined]
        yield row(line, [f"{f['next']:.3f} ({f['interval'][0]:.3f}-{f['interval'][1]:.3f})" for f in found])


def times(lines: list[dict[str, object]]) -> Iterator[str]:
    """Milliseconds a layer, in Markdown."""
    yield from head(lines)
    for line in lines:
        yield row(line, [f"{found['ms a layer']:.1f}" for found in line["sizes"].values()])  # type: ignore[attr-defined]


def page(lines: list[dict[str, object]]) -> str:
    """The page about the results."""
    return TEXT.format(
        **{name: lines[0][name] for name in ("commit", "date", "cpu", "cores", "seed")},
        first=FIRST,
        default=DEFAULT,
        weighed=WEIGHED,
        table="\n".join(table(lines)),
        weighted="\n".join(table(read_lines(HALF_LIFE_RESULTS), "half-lives")),
        times="\n".join(times(lines)),
    )


def main() -> None:
    """Measure and write, or write the page alone; ``--half-lives``: only these are measured, and nothing is timed."""
    part = chosen(__doc__, {"page": PAGE_ONLY, "half-lives": "measure half-lives only, and time nothing"})
    lines = None
    made_by = environment(SEED)
    if part != "page":
        write_lines(HALF_LIFE_RESULTS, [made_by | weighted(trace) for trace in traces()])
    if part is None:
        lines = [made_by | measured(trace) for trace in traces()]
    publish(RESULTS, PAGE, page, lines)


if __name__ == "__main__":
    main()
