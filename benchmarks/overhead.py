"""What journals, shards and a cluster cost, and what that comes to in large jobs: ``python -m benchmarks.overhead``.

It measures on this machine, which has to do nothing else, and predicts from that alone: many models, each for many
topologies, on many machines. What it measures goes to ``results/overhead.jsonl``, what follows from that into
docs/how-to/long-jobs.md and RELIABILITY.md (`benchmarks.reliability`); with ``--page`` of what is there already.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt import Instance, Journal, Limits, solve
from eplb_opt.journal.store import Store
from eplb_opt.merging.merge import merged
from eplb_opt.packages import is_usable
from eplb_opt.synthetic import synthetic_load

from .environment import environment, origin
from .options import PAGE_ONLY, chosen
from .store import read_lines, write_lines
from .table import HOW_TO, replace

RESULTS = Path(__file__).parent / "results" / "overhead.jsonl"
TIMES = 200  # entries written
MODELS, TOPOLOGIES, LAYERS = 1000, 100, 58
MACHINES, CORES = 100, 32
REPLICAS, RANKS = 288, 32


@dataclass(frozen=True)
class Costs:
    """Seconds on one core."""

    entry: float  # of a journal
    start: float  # of a command, up to the work and after it
    layer: float  # of the work
    merge: float  # of a layer, joined
    ray: float | None  # of a task on a cluster; None without Ray


def median_seconds(call: Callable[[int], object], times: int) -> float:
    seconds = []
    for number in range(times):
        start = time.perf_counter()
        call(number)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measured(folder: Path) -> Costs:
    load = synthetic_load("deepseek-v3-decode", windows=1, seed=0)
    np.savez(folder / "loads.npz", load=load)
    instance = Instance(load, REPLICAS, num_ranks=RANKS)
    limits = Limits(seconds=None, work=1.0, gap=1e-3)
    solve(instance.select([0]), "optimal", limits)
    start = time.perf_counter()
    with Journal(folder / "job.sqlite") as journal:
        solve(instance, "optimal", limits, journal=journal)
    layer = (time.perf_counter() - start) / len(load[0])
    store = Store(folder / "job.sqlite")
    typical = next(iter(store.entries("layer").values()))
    entry = median_seconds(lambda number: store.put("timed", {(number,): typical}, 0.0), TIMES)
    store.close()
    join = median_seconds(lambda _: merged([folder / "job.sqlite"]), 3) / len(load[0])
    command = [
        sys.executable,
        "-m",
        "eplb_opt",
        "solve",
        "loads.npz",
        "--replicas",
        str(REPLICAS),
        "--ranks",
        str(RANKS),
    ]
    greedy = [*command, "--method", "greedy", "-q"]
    begin = median_seconds(lambda _: subprocess.run(greedy, cwd=folder, check=True), 3)
    return Costs(entry, begin, layer, join, ray_seconds() if is_usable("ray") else None)


def ray_seconds() -> float:
    """Of an empty task on a cluster of this machine, with a task's pool sent to it."""
    import ray

    ray.init(num_cpus=1, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    sent = np.zeros((RANKS, REPLICAS // RANKS))
    task = ray.remote(lambda pool: pool)
    ray.get(task.remote(sent))
    seconds = median_seconds(lambda _: ray.get(task.remote(sent)), TIMES)
    ray.shutdown()
    return seconds


def core_hours(costs: Costs) -> dict[str, float]:
    """What the parts of all jobs take, with a command a job."""
    jobs = MODELS * TOPOLOGIES
    tasks = jobs * LAYERS
    seconds = {
        "work": tasks * costs.layer,
        "journals": tasks * costs.entry,
        "commands, one a job": jobs * costs.start,
        "merges": tasks * costs.merge,
    }
    return {name: value / 3600 for name, value in seconds.items()}


def lines(costs: Costs) -> Iterator[str]:
    """What was measured, and what follows from it."""
    yield f"a layer of work {costs.layer * 1e3:.1f} ms, an entry of a journal {costs.entry * 1e3:.2f} ms"
    yield f"a command {costs.start:.2f} s, a merged layer {costs.merge * 1e3:.3f} ms"
    if costs.ray is not None:
        yield f"a task on a Ray cluster of this machine {costs.ray * 1e3:.2f} ms"
    tasks = MODELS * TOPOLOGIES * LAYERS
    yield f"{MODELS} models x {TOPOLOGIES} topologies x {LAYERS} layers: {tasks:,} tasks; core hours:"
    hours = core_hours(costs)
    for name, value in hours.items():
        yield f"  {name}: {value:,.1f}"
    if costs.ray is not None:
        yield f"  a cluster's calls instead, from one process: {tasks * costs.ray / 3600:,.1f}"
    yield from shards(hours, costs)
    if costs.ray is not None:
        most = costs.layer / costs.ray
        yield f"  one process keeps {most:,.0f} cores of a cluster busy with layers as these"


def shards(hours: dict[str, float], costs: Costs) -> Iterator[str]:
    """What shards on many machines take, and what most of it is."""
    cores = MACHINES * CORES
    before = {name: value for name, value in hours.items() if name != "merges"}
    each = sum(before.values()) / cores
    merges = hours["merges"]
    yield f"shards on {MACHINES} machines of {CORES} cores: {each:.2f} hours, and {merges:.1f} of merges on one core"
    bottleneck = max(before, key=before.__getitem__)
    share = before[bottleneck] / sum(before.values())
    yield f"  the bottleneck: {bottleneck}, {share:.0%} of what the shards do"
    in_sweeps = hours["work"] + hours["journals"] + hours["commands, one a job"] / TOPOLOGIES
    yield f"  with a command a model, which sweeps its topologies: {in_sweeps / cores:.2f} hours"
    alone = hours["work"] / sum(before.values())
    yield f"  of each core-hour {alone:.0%} is work; in sweeps {hours['work'] / in_sweeps:.0%}"
    rate = cores / (costs.layer + costs.entry)
    yield f"  the folder takes {rate:,.0f} entries a second at most, each in a file of one machine"


def told(line: dict[str, Any]) -> str:
    """A line of the results, for people."""
    return "\n".join(lines(Costs(**line["seconds"])))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, predict, say it."""
    if chosen(__doc__, {"page": PAGE_ONLY}, arguments) is None:
        with tempfile.TemporaryDirectory() as folder:
            costs = measured(Path(folder))
        write_lines(RESULTS, [{"seconds": asdict(costs), **environment(0)}])
    (line,) = read_lines(RESULTS)
    text = told(line)
    print(text)
    replace(HOW_TO / "long-jobs.md", "overhead", f"```text\n{text}\n```\n\n{origin(line)}")


if __name__ == "__main__":
    main()
