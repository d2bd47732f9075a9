"""Tokens of a call that are padding, as its attention mask says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch


def kept_of(args: Sequence[Any], named: Mapping[str, Any]) -> torch.Tensor | None:
    """Which tokens of a call are no padding, [batch * tokens]; None: all, as far as its mask says."""
    mask = named.get("attention_mask")
    tokens = _tokens_of(args, named)
    if not isinstance(mask, torch.Tensor) or mask.ndim != 2:
        return None
    if tokens is None or mask.shape[1] < tokens:
        return None
    # With a cache the mask is of earlier tokens, too, which come first.
    keep = mask[:, mask.shape[1] - tokens :].reshape(-1).bool()
    return None if bool(keep.all()) else keep


def _tokens_of(args: Sequence[Any], named: Mapping[str, Any]) -> int | None:
    """Tokens of each row of a call's batch."""
    first = args[0] if args else None
    for value in (first, named.get("input_ids"), named.get("inputs_embeds")):
        if isinstance(value, torch.Tensor) and value.ndim >= 2:
            return int(value.shape[1])
    return None
