"""vLLM's `EplbState` on two gloo ranks: profile, then rounds of steps under changing loads; run as a module.

Real: the state, its windows, the all-reduce, the policy behind ``default`` with what it remembers and records, the
transfer of weights between the ranks, the commit of the maps. Stand-ins: the model (three layers whose weights say
which expert they are) and the groups (gloo); and for want of an accelerator ``torch.Event`` takes no time and memory
is not pinned.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import SimpleNamespace

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

WORLD, LAYERS, EXPERTS, REDUNDANT, WIDTH, STEPS, ROUNDS = 2, 3, 8, 4, 5, 4, 3
LOCAL = (EXPERTS + REDUNDANT) // WORLD


def value(layer: int, expert: int, tensor: int) -> float:
    return 1000.0 * tensor + 100 * layer + expert


class Layer:
    def __init__(self, index: int, rank: int, first_map: list[int]) -> None:
        local = first_map[rank * LOCAL : (rank + 1) * LOCAL]
        self.weights = [
            torch.tensor([[value(index, expert, tensor)] * WIDTH for expert in local]) for tensor in range(2)
        ]

    def get_expert_weights(self):
        return self.weights

    def set_eplb_state(self, moe_layer_idx, expert_load_view, logical_to_physical_map, logical_replica_count) -> None:
        self.load = expert_load_view[moe_layer_idx]
        self.replicas = logical_replica_count[moe_layer_idx]
        self.slots = logical_to_physical_map[moe_layer_idx]


def make_model(rank: int, first_map: list[int]):
    from vllm.model_executor.models.interfaces import MixtureOfExperts

    class Model(MixtureOfExperts):
        num_moe_layers, num_expert_groups, num_shared_experts = LAYERS, 1, 0
        num_logical_experts = num_routed_experts = EXPERTS
        num_redundant_experts, num_physical_experts, num_local_physical_experts = REDUNDANT, EXPERTS + REDUNDANT, LOCAL

        def __init__(self) -> None:
            self.moe_layers = [Layer(i, rank, first_map) for i in range(LAYERS)]

    return Model()


class NoEvent:
    """A timing event on a CPU."""

    def __init__(self, **_: object) -> None: ...

    def record(self) -> None: ...

    def synchronize(self) -> None: ...

    def elapsed_time(self, _: NoEvent) -> float:
        return 0.0


def make_state(rank: int):
    from vllm.config.parallel import EPLBConfig
    from vllm.distributed import parallel_state
    from vllm.distributed.eplb import eplb_state
    from vllm.plugins import load_general_plugins

    load_general_plugins()
    torch.Event = NoEvent
    group = SimpleNamespace(device_group=dist.group.WORLD, cpu_group=dist.group.WORLD, world_size=WORLD)
    eplb_state.get_ep_group = eplb_state.get_eplb_group = lambda: group
    parallel_state._EP = group
    eplb_state.get_node_count = lambda: 1
    eplb_state.PIN_MEMORY = False
    config = EPLBConfig(
        window_size=STEPS,
        step_interval=STEPS,
        num_redundant_experts=REDUNDANT,
        use_async=False,
        communicator="torch_nccl",
    )
    parallel = SimpleNamespace(eplb_config=config, enable_elastic_ep=False, num_ubatches=0)
    state = eplb_state.EplbState(parallel, torch.device("cpu"))
    first_map = state.build_initial_global_physical_to_logical_map(EXPERTS, REDUNDANT)
    state.add_model(make_model(rank, first_map), SimpleNamespace(model="stand-in", compute_hash=lambda: "stand-in"))
    return state, state.model_states["stand-in"]


def check(model_state, rank: int, what: str) -> None:
    """Both ranks have one map, and the weights in every slot are those of its expert."""
    from eplb_opt import Instance, Placement

    phy2log = model_state.physical_to_logical_map
    shown = [torch.empty_like(phy2log) for _ in range(WORLD)]
    dist.all_gather(shown, phy2log.contiguous())
    assert torch.equal(shown[0], shown[1]), "ranks disagree"
    instance = Instance(torch.ones(LAYERS, EXPERTS), EXPERTS + REDUNDANT, num_ranks=WORLD)
    assert Placement(phy2log.numpy(), EXPERTS).violations(instance) == []
    for index, layer in enumerate(model_state.model.moe_layers):
        local = phy2log[index, rank * LOCAL : (rank + 1) * LOCAL].tolist()
        for tensor, weights in enumerate(layer.weights):
            assert weights[:, 0].tolist() == [value(index, expert, tensor) for expert in local], (what, rank, index)
            assert (weights == weights[:, :1]).all()
        for expert in range(EXPERTS):
            slots = torch.nonzero(phy2log[index] == expert).flatten().tolist()
            assert layer.slots[expert][: len(slots)].tolist() == slots
            assert layer.replicas[expert] == len(slots)
    sys.stdout.write(f"rank {rank}: {what}: weights follow the map\n")  # one write: two processes share the pipe
    sys.stdout.flush()


def imbalance(phy2log: torch.Tensor, windows: torch.Tensor) -> float:
    """Heaviest / mean rank load, the mean over windows and layers."""
    from eplb_opt import Instance, Objective, Placement

    windows = windows.reshape(-1, LAYERS, EXPERTS)
    instance = Instance(windows, EXPERTS + REDUNDANT, num_ranks=WORLD, objective=Objective("mean"))
    return float(Placement(phy2log.numpy(), EXPERTS).objective(instance).mean())


def moved(new: torch.Tensor, old: torch.Tensor) -> int:
    """Replicas on a rank that did not hold their expert."""
    from eplb_opt import Instance, Placement
    from eplb_opt.moves.held import moves

    instance = Instance(torch.ones(LAYERS, EXPERTS), EXPERTS + REDUNDANT, num_ranks=WORLD)
    maps = (Placement(slots.numpy(), EXPERTS) for slots in (new, old))
    return int(moves(*maps, instance).sum())


class Ours:
    """What our policy plans and remembers, beside the state: each of its maps is compared with these."""

    def __init__(self, state) -> None:
        from eplb_opt.plugins import vllm as plugin
        from eplb_opt.plugins.options import read_options
        from eplb_opt.plugins.past import past_of

        assert state.policy.__name__ == "EplbOptPolicy"
        assert not plugin.ranks_may_join()
        name = read_options()["policy"]
        self.policy = state.policy.eplb_opt_policy
        self.remembers = name == "refined"
        self.past = past_of({"policy": name}, self.policy, lambda: False, has_dense_rows=False)
        self.windows: list[torch.Tensor] = []

    def check(self, new: torch.Tensor, old: torch.Tensor, seen: torch.Tensor) -> str:
        """The map is the policy's, and no worse than the greedy's and the map in use; what it is worth."""
        from eplb_opt import POLICIES
        from eplb_opt.plugins.planning import plan

        topology = (EXPERTS + REDUNDANT, 1, 1, WORLD)
        planned = plan(self.policy, seen, *topology, old, past=self.past)
        assert new.tolist() == planned.tolist(), "the map is not the policy's"
        self.windows = [*self.windows, seen] if self.remembers else [seen]
        judged = torch.stack(self.windows)
        greedy = torch.from_numpy(plan(POLICIES["greedy"], judged, *topology))
        before = imbalance(old, judged)
        after = imbalance(new, judged)
        assert after <= min(before, imbalance(greedy, judged)) * (1 + (self.policy.slack or 0)) + 1e-12
        # A policy that gives up nothing for fewer moves makes what its own plan takes.
        gives_up = self.policy.slack or self.policy is POLICIES["greedy"]
        fresh = greedy if gives_up else torch.from_numpy(plan(self.policy, judged, *topology))
        assert moved(new, old) <= moved(fresh, old)
        over = f"{len(self.windows)} window(s), " if self.remembers else ""
        return f"{over}mean imbalance {before:.4f} -> {after:.4f}, {moved(greedy, old)} moves by the greedy's own map, "


def serve(state, model_state, number: int) -> torch.Tensor:
    """Steps of a round, at whose end vLLM rearranges; the tokens [layers, experts] that its window held."""
    load = torch.from_numpy(_skewed(number))
    old = model_state.physical_to_logical_map.clone()
    state.expert_rearrangement_step = 0
    for _ in range(STEPS):
        per_slot = load / model_state.logical_replica_count
        model_state.expert_load_pass.copy_(per_slot.gather(1, model_state.physical_to_logical_map).round())
        state.step()
    seen = torch.zeros(LAYERS, EXPERTS, dtype=torch.long)
    of_slots = (load / _counts(old)).gather(1, old).round().long()
    return seen.scatter_add_(1, old, of_slots * STEPS * WORLD)  # on every rank the loads of all slots


def received(communicator) -> Callable[[], int]:
    """How many experts all ranks have received from others since the last answer."""
    experts: list[int] = []
    add_recv = communicator.add_recv

    def add(tensors, src_rank, expert_id):
        experts.append(expert_id)
        return add_recv(tensors, src_rank, expert_id=expert_id)

    def answer() -> int:
        total = torch.tensor(len(experts))
        dist.all_reduce(total)
        experts.clear()
        return int(total)

    communicator.add_recv = add
    return answer


def worker(rank: int, port: int) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    state, model_state = make_state(rank)
    ours = None if os.environ["EPLB_OPT_POLICY"] == "off" else Ours(state)
    transfers = received(model_state.communicator)
    before = model_state.physical_to_logical_map.clone()
    state.step(is_profile=True)
    if ours is not None:
        assert torch.equal(model_state.physical_to_logical_map, before)
        assert transfers() == 0
    check(model_state, rank, "after profiling with all-zero loads")
    transfers()
    for number in range(ROUNDS):
        old = model_state.physical_to_logical_map.clone()
        seen = serve(state, model_state, number)
        new = model_state.physical_to_logical_map
        found = "" if ours is None else ours.check(new, old, seen)
        experts = transfers()
        assert experts <= moved(new, old)  # a second replica on a rank is copied there
        weights = f"{moved(new, old)} of {new.numel()} replicas moved, {experts} received from another rank"
        check(model_state, rank, f"round {number}, {found}{weights}, imbalance of the round {imbalance(new, seen):.4f}")
    dist.barrier()
    dist.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # every check has passed; threads that gloo and the engine leave now and then abort a normal exit


def _counts(phy2log: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(phy2log, EXPERTS).sum(dim=1)


def _skewed(seed: int):
    import numpy as np

    return np.random.default_rng(seed).lognormal(5, 1, (LAYERS, EXPERTS)).round()


if __name__ == "__main__":
    mp.set_start_method("spawn")
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    free_port = store.port
    del store
    mp.spawn(worker, args=(free_port,), nprocs=WORLD)
