"""Tokens of a layer's experts, counted in windows as they come, on the device where the ids are."""

from __future__ import annotations

import torch


class Counter:
    """Tokens of each expert of a layer.

    Parameters
    ----------
    num_experts : int
    tokens_per_window : int or None
        None: one window.

    Attributes
    ----------
    tokens : int
        Tokens seen so far.
    windows : list of tensors [num_experts]
        Counts; those of the last window may be of fewer tokens.
    """

    def __init__(self, num_experts: int, tokens_per_window: int | None) -> None:
        self.num_experts = num_experts
        self.tokens_per_window = tokens_per_window
        self.tokens = 0
        self.windows: list[torch.Tensor] = []

    def add(self, ids: torch.Tensor) -> None:
        """Count tokens [tokens, top_k], one window after the other."""
        while len(ids):
            room = self._room(len(ids))
            if self._is_at_start():
                shape = (self.num_experts + 1,)
                self.windows.append(ids.new_zeros(shape, dtype=torch.int64))
            self._count(ids[:room])
            self.tokens += room
            ids = ids[room:]

    def _room(self, tokens: int) -> int:
        """How many of so many tokens the open window still takes."""
        if self.tokens_per_window is None:
            return tokens
        left = self.tokens_per_window - self.tokens % self.tokens_per_window
        return min(left, tokens)

    def _is_at_start(self) -> bool:
        if self.tokens_per_window is None:
            return not self.windows
        return self.tokens % self.tokens_per_window == 0

    def _count(self, ids: torch.Tensor) -> None:
        """Add to the open window; what is none of this process's experts counts in a place of its own at the end."""
        flat = ids.reshape(-1).long()
        is_expert = (flat >= 0) & (flat < self.num_experts)
        places = torch.where(is_expert, flat, self.num_experts)
        self.windows[-1].index_add_(0, places, torch.ones_like(places))

    def counts(self) -> torch.Tensor:
        """The counts [windows, num_experts], on the CPU; of whole windows only."""
        whole = len(self.windows)
        if self.tokens_per_window is not None:
            whole = self.tokens // self.tokens_per_window
        rows = [window[:-1].cpu() for window in self.windows[:whole]]
        return torch.stack(rows) if rows else torch.zeros(0, self.num_experts)
