# mypy: disable-error-code="arg-type,union-attr,return-value"
"""What the Triton kernels are given beside the loads: constants they are compiled for, and tables on the device."""

from __future__ import annotations

import functools
from typing import TypeAlias

import torch
import triton

from .crowded import CLOSE, HOT, SETTLED
from .differences import HIGH, LOW
from .exchange import rank_bits
from .replicas import SCALE, UNIT, candidates, expert_bits
from .splits import EXCHANGED, FULL_SPLITS, splits

MAGIC = 6755399441055744.0  # 1.5 * 2^52: adding and subtracting it rounds to the nearest integer, ties to even

Steps: TypeAlias = "tuple[tuple[int, int, int], ...]"  # of `exchange.Schedule`


def constants_and_tables(
    loads: torch.Tensor,
    slots: int,
    ranks: int,
    max_count: int,
    schedule: Steps,
) -> tuple[dict[str, int | float | bool], tuple[torch.Tensor, ...]]:
    """The constants of a kernel, and its tables."""
    experts = loads.shape[1]
    each = slots // ranks
    device = loads.device
    position, copies, tie = _candidates(experts, slots - experts, max_count, device)
    weights, order = _split_tables(each, device)
    constants = {
        "E": experts, "E2": triton.next_power_of_2(experts), "X": slots - experts, "N": len(tie),
        "N2": triton.next_power_of_2(len(tie)), "TIE_BITS": len(tie).bit_length(), "P": slots,
        "P2": triton.next_power_of_2(slots), "R": ranks, "R2": max(16, triton.next_power_of_2(ranks)), "S": each,
        "S2": max(16, triton.next_power_of_2(each)), "K": len(weights), "SPLITS": order.shape[1],
        "SPLITS2": weights.shape[1], "BITS": expert_bits(experts), "RANK_BITS": rank_bits(ranks),
        "FULL": each <= FULL_SPLITS, "ROLL": EXCHANGED if each > EXCHANGED + 1 else 0,
        "AREA": triton.next_power_of_2(max(slots + 1, experts)),
        "ROUND": MAGIC, "SCALE_": SCALE, "UNIT_": UNIT, "LOW_": LOW, "HIGH_": HIGH, "CLOSE_": CLOSE, "HOT_": HOT,
        "SETTLED_": SETTLED,
    }  # fmt: skip
    steps = _schedule(schedule, device)
    return constants, (position, copies, tie, weights, order, steps)


@functools.cache
def _candidates(
    experts: int, extra: int, max_count: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    if not extra:
        nothing = torch.zeros(1, dtype=torch.int64, device=device)
        return nothing, torch.ones(1, dtype=torch.float64, device=device), nothing
    position, copies, tie, *_ = candidates(experts, extra, max_count, 1, device)
    return position, copies, tie


@functools.cache
def _schedule(schedule: Steps, device: torch.device) -> torch.Tensor:
    return torch.tensor(schedule or [(1, 1, 0)], dtype=torch.int32, device=device)


@functools.cache
def _split_tables(
    slots: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the slots of a pair count for the difference after each split, padded; and their order afterwards.

    Rows are the slots of the heavy rank, then those of the light one; or, where slots are exchanged one for one, the
    slots of the heavy rank less those of the light one.
    """
    swap = splits(slots, torch.device("cpu")).swap
    if slots <= FULL_SPLITS:
        order = swap
    else:
        straight = torch.arange(2 * slots)[:, None]
        crossed = torch.cat((straight[slots:], straight[:slots]))
        order = torch.where(torch.cat((swap, swap)) != 0, crossed, straight)
    # Of places after the split.
    is_heavy_side = torch.arange(2 * slots)[:, None] < slots
    side = torch.where(is_heavy_side, 1.0, -1.0).expand(order.shape)
    weights = torch.empty(order.shape).scatter_(0, order.to(torch.int64), side)
    if slots > FULL_SPLITS:
        weights = weights[:slots]
    return _padded(weights).to(device), order.to(torch.int32).contiguous().to(device)


def _padded(matrix: torch.Tensor) -> torch.Tensor:
    """With zeros, to powers of two of at least 16, which a product of Triton takes."""
    rows, columns = matrix.shape
    more_rows = max(16, triton.next_power_of_2(rows))
    more_columns = max(16, triton.next_power_of_2(columns))
    padded = torch.zeros((more_rows, more_columns))
    padded[:rows, :columns] = matrix
    return padded
