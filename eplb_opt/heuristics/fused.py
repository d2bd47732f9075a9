# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call,arg-type,union-attr,return-value"
"""The production heuristic as two Triton kernels: a program a pool, the same bits as `pools.refine_pools`.

For pools with three or more slots a rank: one kernel for those of one variant (`variants.num_variants`), and one that
packs some pools again (`crowded`). Fused multiply-add must stay off: it would round once less.
"""

from __future__ import annotations

import torch

from .crowded import num_halvings, num_tried
from .fused_refine import refine_kernel
from .fused_relieve import relieve_kernel
from .fused_tables import Steps, constants_and_tables

MOST_RANKS = 128
MOST_SLOTS = 2048
WARPS = 8


def fits(slots: int, ranks: int, experts: int) -> bool:
    """Pools that the kernel takes."""
    return (
        slots // ranks >= 3
        and 1 < ranks <= MOST_RANKS
        and slots <= MOST_SLOTS
        and experts > 1
    )


def refine_pools_fused(
    loads: torch.Tensor,
    slots: int,
    ranks: int,
    max_count: int,
    schedule: Steps,
    goal: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Experts in the slots of each pool, [pools, slots] (int64), and which pools are packed again, [pools] (bool).

    Parameters
    ----------
    loads : tensor [pools, experts], float64, on CUDA
    schedule : for each step the heavy ranks, the partners of each, and the load above which packings turn their slots.
    goal : see `exchange.exchanges`.
    """
    pools = len(loads)
    constants, tables = constants_and_tables(loads, slots, ranks, max_count, schedule)
    states = 2 * slots
    work_areas = 2 * int(constants["AREA"])
    width = states + work_areas + 4 * ranks
    scratch = torch.empty((pools, width), dtype=torch.int64, device=loads.device)
    out = torch.empty((pools, slots), dtype=torch.int64, device=loads.device)
    again = torch.empty(pools, dtype=torch.bool, device=loads.device)
    refine_kernel[(pools,)](
        loads, scratch, out, again, *tables, len(schedule), goal, width, **constants,
        num_warps=WARPS, enable_fp_fusion=False,
    )  # fmt: skip
    return out, again


def relieve_fused(
    loads: torch.Tensor,
    again: torch.Tensor,
    placed: torch.Tensor,
    ranks: int,
    max_count: int,
    schedule: Steps,
) -> torch.Tensor:
    """The maps [pools, slots], in place, where the marked pools have the best of other counts if it is better.

    Parameters
    ----------
    loads : tensor [pools, experts], float64, on CUDA
    again : tensor [pools], bool
    schedule : as for `refine_pools_fused`, of more than five steps.
    """
    pools, slots = placed.shape
    constants, tables = constants_and_tables(loads, slots, ranks, max_count, schedule)
    experts = loads.shape[1]
    extra = slots - experts
    tried = num_tried(slots, ranks)
    states = 2 * tried * slots
    work_areas = 2 * int(constants["AREA"])
    width = states + work_areas + 4 * ranks + 3 * extra + experts + 64
    scratch = torch.empty((pools, width), dtype=torch.int64, device=loads.device)
    numbers = torch.empty(
        (pools, experts + tried), dtype=torch.float64, device=loads.device
    )
    relieve_kernel[(pools,)](
        loads, again, placed, scratch, numbers, *tables, len(schedule), max_count, width, **constants,
        TRIED_=tried, HALVINGS=num_halvings(extra), num_warps=WARPS, enable_fp_fusion=False,
    )  # fmt: skip
    return placed
