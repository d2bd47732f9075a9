"""Two slots a rank: which copy to move, by prices of replicas of every load, many pools at once.

At an aim T a heavy replica of load a needs a partner of at most T - a. With D(x) = (replicas above T - x) - (replicas
of at most x), the load above the aim summed over all ranks is the integral of max(D, 0) over x in [0, T / 2]
(``models/README.md``, N2). A heavy replica adds one to D from T - a on, a light one takes one away from a on; so to
first order they cost or save the integral of a price from there on, which is 1 where D > 0 and halves with every
replica that is to spare.
"""

from __future__ import annotations

import torch

ONE = 1 << 12  # the price where replicas are short


def num_bins(slots: int) -> int:
    """Bins of [0, T / 2]: a power of two, about half as many as slots."""
    return 1 << max(6, min(10, (slots - 1).bit_length() - 1))


def prices(loads: torch.Tensor, aim: torch.Tensor, bins: int) -> torch.Tensor:
    """What a heavy replica costs by its bin, counted from T / 2 down, [packings, bins] (float64, integers).

    Parameters
    ----------
    loads : tensor [packings, slots], int32
    aim : tensor [packings, 1], int32
    """
    position, heavy = _position(loads, aim, bins)
    sign = heavy.to(torch.int32).mul_(2).sub_(1)
    here = torch.zeros((len(loads), bins), dtype=torch.int32, device=loads.device)
    here.scatter_add_(1, _bin(position, bins), sign)
    spare = here.cumsum(1, dtype=torch.int32).sub_(here).sub_(sign.sum(1, keepdim=True, dtype=torch.int32) - 1)
    price = torch.full_like(spare, ONE).bitwise_right_shift_(spare.clamp_(0, 31))
    return price.cumsum(1, dtype=torch.int32).to(torch.float64)


def cost(table: torch.Tensor, loads: torch.Tensor, count: torch.Tensor, aim: torch.Tensor) -> torch.Tensor:
    """What ``count`` replicas of these loads cost, float64 integers [packings, any]; negative where they save."""
    bins = table.shape[1]
    position, heavy = _position(loads, aim, bins)
    each = table.gather(1, _bin(position, bins)).add_(position.sub_(bins).clamp_(min=0).mul_(ONE).floor_())
    return torch.where(heavy, each, -each).mul_(count)


def _position(loads: torch.Tensor, aim: torch.Tensor, bins: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Distance of a load from T / 2 in bins, float64, and whether it is the larger."""
    away = loads.mul(2).sub_(aim)
    heavy = away > 0
    return away.abs_().to(torch.float64).mul_(bins / aim.to(torch.float64)), heavy


def _bin(position: torch.Tensor, bins: int) -> torch.Tensor:
    return position.to(torch.int64).clamp_(max=bins - 1)
