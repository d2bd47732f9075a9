"""An expert-parallel layer under several maps, on unseen windows: ``python -m benchmarks.expert_parallel`` with GPUs.

Every GPU is a rank. Maps are planned on the windows of one half of a recording; steps are sampled from windows of the
other one. ``--page`` makes the page of the results, without a GPU; ``--layers N`` and ``--windows N`` take fewer.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from eplb_opt import Instance, Limits, Objective, solve
from eplb_opt.calibration.device import describe_gpu
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.replayer.players import contiguous

from .environment import ROOT, environment
from .expert_parallel_layer import Layer, chosen_experts, seconds_of, slots_of
from .foresight import GPT_OSS, halves, in_tens
from .store import Store

RESULTS = ROOT / "benchmarks" / "results" / "expert_parallel.jsonl"
HIDDEN = 2880
INTERMEDIATE = 2880
TOP_K = 4
REPLICAS = (32, 40)
TOKENS = (4096, 32768, 65536)  # of a step, before routing, of all ranks
LAYERS = 6
WINDOWS = 8
REPEATS = 7
SEED = 0
EVEN = "even"  # every slot gets the same: what a step takes at least
ADDRESS = "tcp://127.0.0.1:29511"
KEY = ("ranks", "replicas", "map", "tokens")


def maps_of(load: np.ndarray, replicas: int, ranks: int) -> dict[str, np.ndarray]:
    """Maps [layers, replicas] by name, planned on windows [windows, layers, experts]."""
    summed = Instance(load.sum(axis=0), replicas, num_ranks=ranks)
    windows = Instance(load, replicas, num_ranks=ranks, objective=Objective("mean"))
    limits = Limits(seconds=None)
    placements = {
        "contiguous": contiguous(summed),
        "greedy": solve(summed, "greedy", limits).placement,
        "refined": solve(summed, "refined", limits).placement,
        "windows": plan_windows(windows),
    }
    return {name: placement.phy2log for name, placement in placements.items()}


def spread(number: int, most: int) -> np.ndarray:
    """So many numbers of those below ``most``, evenly."""
    return np.unique(np.linspace(0, most - 1, number).round().astype(np.int64))


def steps_of(tokens: int, unseen: np.ndarray, device: str) -> list[torch.Tensor]:
    """Experts of this rank's tokens, [tokens, top_k], for each window and layer; the same for every map."""
    own = tokens // dist.get_world_size()
    found = []
    for window, layers in enumerate(unseen):
        for layer, load in enumerate(layers):
            seed = (SEED, tokens, window, layer, dist.get_rank())
            found.append(chosen_experts(load, own, TOP_K, seed, device))
    return found


def measured(layer: Layer, phy2log: np.ndarray, steps: list[torch.Tensor], timed: Any) -> dict[str, Any]:
    """Seconds of each step, the slowest rank's median, and the copies that each slot got."""
    slots_a_rank = phy2log.shape[1] // dist.get_world_size()
    seconds = []
    loads = []
    for number, experts in enumerate(steps):
        row = phy2log[number % len(phy2log)]
        routing = layer.routing(slots_of(experts, row, dist.get_rank()), slots_a_rank)
        times = torch.tensor(timed(layer.run(routing), REPEATS), device=layer.device)
        dist.all_reduce(times, op=dist.ReduceOp.MAX)
        seconds.append(round(float(times.median()), 7))
        loads.append(routing.loads.tolist())
    return {"seconds": seconds, "copies": loads}


def even_step(tokens: int, replicas: int, device: str) -> tuple[np.ndarray, list[torch.Tensor]]:
    """A map of one layer whose slots are experts of their own, and experts that come in turn."""
    own = tokens // dist.get_world_size()
    turn = torch.arange(own * TOP_K, device=device) % replicas
    return np.arange(replicas)[None], [turn.reshape(own, TOP_K)]


def work(rank: int, ranks: int, maps: dict[int, Any], unseen: np.ndarray, output: Path) -> None:
    """What each rank's process does."""
    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", init_method=ADDRESS, rank=rank, world_size=ranks)
    made_by = environment(SEED) | describe_gpu() | {"repeats": REPEATS, "ranks": ranks}
    store = Store(output, KEY)
    for tokens in TOKENS:
        steps = steps_of(tokens, unseen, "cuda")
        for replicas, of_replicas in maps.items():
            layer = Layer(HIDDEN, INTERMEDIATE, replicas // ranks, TOP_K, tokens // ranks, "cuda")
            even_map, even_steps = even_step(tokens, replicas, "cuda")
            cells = {EVEN: (even_map, even_steps)} | {name: (rows, steps) for name, rows in of_replicas.items()}
            for name, (rows, some) in cells.items():
                found = measured(layer, rows, some, seconds_of)
                if rank == 0:
                    store.put(made_by | {"replicas": replicas, "map": name, "tokens": tokens} | found)
                    mean = 1e3 * np.mean(found["seconds"])
                    print(f"{ranks} ranks {replicas} slots {tokens:6} tokens {name:12} {mean:7.3f} ms", flush=True)
            del layer
    dist.destroy_process_group()


def main(arguments: list[str] | None = None) -> None:
    """Measure, or make the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--page", action="store_true", help="make the page of the results instead of measuring")
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--windows", type=int, default=WINDOWS)
    options = parser.parse_args(arguments)
    if options.page:
        from .expert_parallel_page import write_page

        write_page(options.output)
        return
    ranks = torch.cuda.device_count()
    first, second = halves(GPT_OSS)
    seen = in_tens(first)
    unseen = in_tens(second)
    layers = spread(options.layers, seen.shape[1])
    chosen = unseen[spread(options.windows, len(unseen))][:, layers]
    maps = {replicas: maps_of(seen[:, layers], replicas, ranks) for replicas in REPLICAS if replicas % ranks == 0}
    torch.multiprocessing.spawn(work, (ranks, maps, chosen, options.output), nprocs=ranks)


if __name__ == "__main__":
    main()
