"""The experts of a rank as this machine's torch computes them: two grouped matrix products with a gate between."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError, OptionError
from .shape import ExpertShape
from .steps import Step

if TYPE_CHECKING:
    import torch

LEAST_WEIGHTS = 4  # times the L2 cache: what a step read is gone when it comes again
MOST_COPIES = 64
Run = Callable[[int], Any]  # a step with that copy of the weights


class FeedForward:
    """Random weights of a rank's experts, in several copies, and the tokens that go through them.

    Parameters
    ----------
    shape : ExpertShape
    most_tokens : int
        Of a step.
    device : str
        As torch names it.
    cache_bytes : int, default 0
        Size of the device's last cache; there are as many copies of the weights as make them several times as large.

    Raises
    ------
    DeviceError
        This torch has no grouped matrix product of that kind.
    """

    def __init__(
        self, shape: ExpertShape, most_tokens: int, device: str, cache_bytes: int = 0
    ) -> None:
        import torch

        self.shape = shape
        self.device = device
        self.copies = copies_for(shape, cache_bytes)
        self.random = torch.Generator(device).manual_seed(0)
        both = 2 * shape.intermediate  # gate and up side by side
        most_scales = max(most_tokens, shape.experts * max(both, shape.hidden))
        self.product = _product(shape.dtype, most_scales, device)
        # As checkpoints have them: outputs first, inputs last.
        self.up = self._weights(both, shape.hidden)
        self.down = self._weights(shape.hidden, shape.intermediate)
        self.tokens = self._normal(most_tokens, shape.hidden)

    def step(self, tokens: Step) -> Run:
        """A step in which each of the first experts gets so many tokens, ready to run."""
        import torch

        held = len(tokens)
        if held > self.shape.experts:
            raise OptionError(
                f"a step of {held} experts on a rank of {self.shape.experts}: give at most as many"
            )
        ends = torch.tensor(tokens, device=self.device).cumsum(0).to(torch.int32)
        inputs = self.tokens[: sum(tokens)]

        def run(copy: int) -> Any:
            both = self.product(inputs, self.up[copy][:held], ends)
            gated = torch.nn.functional.glu(both)
            gated = gated.to(inputs.dtype)
            return self.product(gated, self.down[copy][:held], ends)

        return run

    def _weights(self, outputs: int, inputs: int) -> list[torch.Tensor]:
        """Copies of the weights of all experts, [experts, outputs, inputs] each."""
        experts = self.shape.experts
        return [self._normal(experts, outputs, inputs) for _ in range(self.copies)]

    def _normal(self, *sizes: int) -> torch.Tensor:
        """Normal numbers in the shape's format, over the root of the last size as a model's weights are."""
        import torch

        number = torch.bfloat16 if self.shape.dtype == "bf16" else torch.float8_e4m3fn
        made = torch.empty(sizes, dtype=number, device=self.device)
        wide = torch.empty(sizes[1:], dtype=torch.bfloat16, device=self.device)
        # Part by part, as wider numbers of all may not fit.
        for part in made:
            part.copy_(wide.normal_(0.0, sizes[-1] ** -0.5, generator=self.random))
        return made


def copies_for(shape: ExpertShape, cache_bytes: int) -> int:
    """How many copies of the weights are so large that a cache holds none of them when its turn comes again.

    Examples
    --------
    >>> copies_for(ExpertShape(7168, 2048, 8), 50 * 2**20), copies_for(ExpertShape(1024, 512, 1), 50 * 2**20)
    (3, 64)
    """
    wanted = LEAST_WEIGHTS * cache_bytes
    held = shape.bytes_per_expert
    return max(2, min(MOST_COPIES, math.ceil(wanted / held)))


def _product(dtype: str, most_scales: int, device: str) -> Callable[..., Any]:
    """The grouped product of tokens [tokens, inputs] and weights [experts, outputs, inputs], by the groups' ends."""
    import torch

    name = "_grouped_mm" if dtype == "bf16" else "_scaled_grouped_mm"
    product = getattr(torch, name, None)
    if product is None:
        raise DeviceError(
            f"torch {torch.__version__} has no grouped matrix product in {dtype}: install torch 2.8 or newer"
        )
    if dtype == "bf16":
        return _in_bf16(product)
    return _in_fp8(product, torch.ones(most_scales, device=device))


def _in_bf16(product: Any) -> Callable[..., Any]:
    def run(tokens: torch.Tensor, weights: torch.Tensor, ends: torch.Tensor) -> Any:
        return product(tokens, weights.transpose(1, 2), offs=ends)

    return run


def _in_fp8(product: Any, ones: torch.Tensor) -> Callable[..., Any]:
    """With a scale for each token and each output; all ones, which take the same time."""
    import torch

    def run(tokens: torch.Tensor, weights: torch.Tensor, ends: torch.Tensor) -> Any:
        outputs = weights.shape[:2]
        return product(
            tokens,
            weights.transpose(1, 2),
            ones[: len(tokens)],
            ones[: outputs.numel()].view(outputs),
            offs=ends,
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )

    return run
