"""A small Mixture-of-Experts language model in plain PyTorch, of the shape of Qwen3-MoE.

Pre-norm attention with normalised queries and keys, then experts (SwiGLU) behind a softmax router, whose chosen weights
are normalised; every layer has experts. The load-balancing loss is the usual one, over the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, silu, softmax

ROWS = 16  # to which each expert's rows are filled up: what the grouped product wants


@dataclass(frozen=True)
class Shape:
    """The model's sizes."""

    vocabulary: int = 8192
    layers: int = 16
    width: int = 512
    heads: int = 8
    experts: int = 64
    top_k: int = 8
    hidden: int = 256
    length: int = 512


@dataclass
class Routed:
    """What a layer's router did: experts of each token [tokens, top-k], and the load-balancing loss."""

    experts: Tensor
    balance: Tensor


class Attention(nn.Module):
    """Causal attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.of_head = shape.width // shape.heads
        self.to_qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.to_out = nn.Linear(shape.width, shape.width, bias=False)
        self.norm_q = nn.RMSNorm(self.of_head)
        self.norm_k = nn.RMSNorm(self.of_head)

    def forward(self, x: Tensor, turns: Tensor) -> Tensor:
        """What is added to the stream, [batch, length, width]."""
        batch, length, width = x.shape
        qkv = self.to_qkv(x).view(batch, length, 3, self.heads, self.of_head)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        q = turned(self.norm_q(q), turns)
        k = turned(self.norm_k(k), turns)
        mixed = scaled_dot_product_attention(q, k, v.to(q.dtype), is_causal=True)
        return self.to_out(mixed.transpose(1, 2).reshape(batch, length, width))


def turns_of(shape: Shape) -> Tensor:
    """Cosines and sines of the rotary positions, [2, length, half a head]."""
    half = shape.width // shape.heads // 2
    frequency = 10000.0 ** (-torch.arange(half) / half)
    angle = torch.arange(shape.length)[:, None] * frequency
    return torch.stack([angle.cos(), angle.sin()])


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """Queries or keys, turned by their positions."""
    cos, sin = turns[:, : x.shape[-2]].to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Experts(nn.Module):
    """A router and the experts that it sends each token to."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.router = nn.Linear(shape.width, shape.experts, bias=False)
        self.up = nn.Parameter(torch.randn(shape.experts, shape.width, 2 * shape.hidden) * 0.02)
        self.down = nn.Parameter(torch.randn(shape.experts, shape.hidden, shape.width) * 0.02)

    def forward(self, x: Tensor) -> tuple[Tensor, Routed]:
        """What is added to the stream, [batch, length, width], and which experts did it."""
        tokens = x.reshape(-1, x.shape[-1])
        with torch.autocast(x.device.type, enabled=False):
            score = softmax(linear(tokens.float(), self.router.weight), dim=-1)
        weight, chosen = score.topk(self.shape.top_k, dim=-1)
        weight = weight / weight.sum(dim=-1, keepdim=True)
        order, count = by_expert(chosen, self.shape.experts)
        out = self.mixed(tokens, weight, places(order, count))
        share = count / chosen.numel()
        balance = self.shape.experts * (share * score.mean(dim=0)).sum()
        return out.view_as(x), Routed(chosen, balance)

    def mixed(self, tokens: Tensor, weight: Tensor, places: Places) -> Tensor:
        """The experts' outputs, weighted: tokens are sorted by expert, so that each weight matrix meets its own."""
        dtype = torch.bfloat16 if tokens.is_cuda else torch.float32
        copies = tokens.to(dtype)[:, None].expand(-1, self.shape.top_k, -1).flatten(0, 1)
        rows = copies.new_zeros(places.rows, copies.shape[-1]).index_copy(0, places.row, copies)
        gate, up = torch._grouped_mm(rows, self.up.to(dtype), offs=places.ends).chunk(2, dim=-1)
        out = torch._grouped_mm(silu(gate) * up, self.down.to(dtype), offs=places.ends)
        back = Taken.apply(out, places.row).view(*weight.shape, -1)
        return torch.einsum("tkd,tk->td", back, weight.to(dtype))


class Places(NamedTuple):
    """Where routed tokens lie among rows that are sorted by expert: the row of each, where each expert's rows end."""

    row: Tensor
    ends: Tensor
    rows: int


def by_expert(chosen: Tensor, experts: int) -> tuple[Tensor, Tensor]:
    """The order of routed tokens by expert, and how many each has."""
    expert, order = chosen.flatten().sort(stable=True)
    bounds = torch.arange(experts + 1, device=chosen.device)
    return order, torch.searchsorted(expert, bounds).diff()


def places(order: Tensor, count: Tensor) -> Places:
    """Each expert's rows are filled up to a multiple of `ROWS`; those at the end are the last one's."""
    filled = (count + ROWS - 1) // ROWS * ROWS
    ends = filled.cumsum(0)
    shift = ends - filled - (count.cumsum(0) - count)
    rows = (len(order) + ROWS * len(count)) // ROWS * ROWS
    number = torch.arange(len(order), device=order.device)
    expert = torch.searchsorted(count.cumsum(0), number, right=True)
    row = torch.empty_like(order).scatter(0, order, number + shift[expert])
    ends = torch.cat([ends[:-1], ends.new_full((1,), rows)])
    return Places(row, ends.int(), rows)


class Taken(torch.autograd.Function):
    """Rows, each taken once at most, so that gradients are put back without adding."""

    @staticmethod
    def forward(context: Any, rows: Tensor, row: Tensor) -> Tensor:
        """The rows of these numbers."""
        context.save_for_backward(row)
        context.shape = rows.shape
        return rows[row]

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gradients where the rows were, 0 elsewhere."""
        (row,) = context.saved_tensors
        return gradient.new_zeros(context.shape).index_copy(0, row, gradient), None


class Layer(nn.Module):
    """Attention, then experts."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.experts = Experts(shape)
        self.norm_attention = nn.RMSNorm(shape.width)
        self.norm_experts = nn.RMSNorm(shape.width)

    def forward(self, x: Tensor, turns: Tensor) -> tuple[Tensor, Routed]:
        """The stream behind the layer, and which experts were chosen."""
        x = x + self.attention(self.norm_attention(x), turns)
        out, routed = self.experts(self.norm_experts(x))
        return x + out, routed


class SmallMoe(nn.Module):
    """The model: tokens [batch, length] to hidden states, and what every router did."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width)
        self.head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        self.register_buffer("turns", turns_of(shape), persistent=False)
        self._start()

    def _start(self) -> None:
        """Small weights; those that add to the stream smaller, as there are many layers."""
        nn.init.normal_(self.embedding.weight, std=0.02)
        for layer in self.layers:
            for matrix in (layer.attention.to_qkv, layer.attention.to_out, layer.experts.router):
                nn.init.normal_(matrix.weight, std=0.02)
            scale = (2 * len(self.layers)) ** -0.5
            layer.attention.to_out.weight.data.mul_(scale)
            layer.experts.down.data.mul_(scale)
        nn.init.normal_(self.head.weight, std=0.02)

    def forward(self, tokens: Tensor) -> tuple[Tensor, list[Routed]]:
        """The stream behind the last layer, [batch, length, width], and what each router did."""
        x = self.embedding(tokens)
        routed = []
        for layer in self.layers:
            x, of_layer = layer(x, self.turns)
            routed.append(of_layer)
        return self.norm(x), routed
