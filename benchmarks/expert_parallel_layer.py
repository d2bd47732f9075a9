"""An expert-parallel layer on the GPUs of one machine: tokens to the ranks of their experts, products, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist

from eplb_opt.calibration.feed_forward import FeedForward
from eplb_opt.calibration.shape import ExpertShape

WARM_UP = 3  # runs of a step before those that count


@dataclass(frozen=True)
class Routing:
    """Where the tokens of this rank go, and what it receives.

    Attributes
    ----------
    order : tensor [copies], of a token's copies, those for the first slot first
    sent, received : list of int, copies for each rank, and from each
    grouped : tensor [received copies], those for the first slot first
    held : tuple of int, copies for each slot of this rank
    loads : array [ranks, slots a rank], copies for every slot
    """

    order: torch.Tensor
    sent: list[int]
    received: list[int]
    grouped: torch.Tensor
    held: tuple[int, ...]
    loads: np.ndarray


class Layer:
    """The experts that a rank holds, and its tokens.

    Parameters
    ----------
    hidden, intermediate, slots, top_k : int
        Slots are those of this rank.
    tokens : int
        Of this rank, before routing.
    device : str
        As torch names it.
    """

    def __init__(self, hidden: int, intermediate: int, slots: int, top_k: int, tokens: int, device: str) -> None:
        self.top_k = top_k
        self.device = device
        self.experts = FeedForward(ExpertShape(hidden, intermediate, slots), 1, device)
        random = torch.Generator(device).manual_seed(dist.get_rank())
        self.tokens = torch.randn((tokens, hidden), generator=random, device=device).to(torch.bfloat16)

    def routing(self, slots: torch.Tensor, slots_a_rank: int) -> Routing:
        """The routing of copies to slots of all ranks, [tokens * top_k]: tokens' copies lie side by side."""
        ranks = dist.get_world_size()
        here = dist.get_rank()
        counts = torch.bincount(slots, minlength=ranks * slots_a_rank)
        of_all = [torch.empty_like(counts) for _ in range(ranks)]
        dist.all_gather(of_all, counts)
        by_source = torch.stack(of_all).reshape(ranks, ranks, slots_a_rank)  # from, to, slot there
        mine = by_source[:, here]
        slot = torch.arange(slots_a_rank, device=self.device).repeat(ranks)
        arriving = slot.repeat_interleave(mine.reshape(-1))
        return Routing(
            order=slots.argsort(stable=True),
            sent=by_source[here].sum(dim=1).tolist(),
            received=mine.sum(dim=1).tolist(),
            grouped=arriving.argsort(stable=True),
            held=tuple(mine.sum(dim=0).tolist()),
            loads=by_source.sum(dim=0).cpu().numpy(),
        )

    def run(self, routing: Routing) -> Callable[[], torch.Tensor]:
        """The step, ready to run: dispatch, the experts, combine."""
        ends = torch.tensor(routing.held, device=self.device).cumsum(0).to(torch.int32)
        back = routing.grouped.argsort()
        home = routing.order.argsort()
        token_of = routing.order // self.top_k
        product = self.experts.product
        up = self.experts.up[0]
        down = self.experts.down[0]

        def step() -> torch.Tensor:
            arrived = _exchanged(self.tokens[token_of], routing.sent, routing.received)
            both = product(arrived[routing.grouped], up, ends)
            gated = torch.nn.functional.glu(both)
            computed = product(gated, down, ends)
            returned = _exchanged(computed[back], routing.received, routing.sent)
            return returned[home].reshape(len(self.tokens), self.top_k, -1).sum(dim=1)

        return step


def _exchanged(rows: torch.Tensor, sent: list[int], received: list[int]) -> torch.Tensor:
    """Rows from all ranks, of rows for each."""
    arrived = rows.new_empty((sum(received), rows.shape[1]))
    dist.all_to_all_single(arrived, rows, received, sent)
    return arrived


def chosen_experts(load: np.ndarray, tokens: int, top_k: int, seed: tuple[int, ...], device: str) -> torch.Tensor:
    """Different experts of each token, [tokens, top_k], drawn by their loads one after the other."""
    number = int(np.random.default_rng(seed).integers(2**62))
    random = torch.Generator(device).manual_seed(number)
    noise = torch.rand((tokens, len(load)), generator=random, device=device)
    shares = torch.as_tensor(load / load.sum(), device=device, dtype=torch.float32)
    # Exponential times of arrival: the first ones are a draw without replacement.
    arrivals = -noise.clamp_min(1e-12).log() / shares.clamp_min(1e-12)
    return arrivals.topk(top_k, dim=1, largest=False).indices


def slots_of(experts: torch.Tensor, phy2log: np.ndarray, first: int) -> torch.Tensor:
    """A slot of all ranks for every copy, [tokens * top_k]: an expert's replicas take turns."""
    counts = np.bincount(phy2log, minlength=int(phy2log.max()) + 1)
    table = np.zeros((len(counts), counts.max()), dtype=np.int64)
    for expert, count in enumerate(counts):
        table[expert, :count] = np.flatnonzero(phy2log == expert)
    flat = experts.reshape(-1)
    turn = torch.arange(len(flat), device=flat.device) // experts.shape[1] + first
    of_expert = torch.as_tensor(counts, device=flat.device)[flat]
    return torch.as_tensor(table, device=flat.device)[flat, turn % of_expert]


def seconds_of(step: Callable[[], torch.Tensor], repeats: int) -> list[float]:
    """Seconds of each run after those that warm up, on a GPU by its clock from when all ranks begin."""
    found = []
    signal = torch.zeros(1, device="cuda")
    for number in range(WARM_UP + repeats):
        dist.all_reduce(signal)  # in the stream: all ranks begin together
        start = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        start.record()
        step()
        end.record()
        torch.cuda.synchronize()
        if number >= WARM_UP:
            found.append(start.elapsed_time(end) * 1e-3)
    return found
