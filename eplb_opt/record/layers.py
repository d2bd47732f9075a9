"""The MoE layers of a PyTorch model: where experts are called with the ids that the router chose.

In Transformers 5 every MoE block calls ``self.experts(hidden_states, top_k_index, top_k_weights)``, whatever its router
is called and returns. So experts are asked, not routers: an integer tensor [tokens, top k] among their arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..errors import OptionError

NAME = "experts"
NUMBER = re.compile(r"\.(\d+)\.")  # of a layer in a module's name
SIZES = ("num_experts", "num_local_experts", "n_routed_experts")
Modules = dict[int, torch.nn.Module]


def moe_layers(model: torch.nn.Module) -> Modules:
    """The experts of each MoE layer, by the layer's absolute index.

    Raises
    ------
    OptionError
        There are none, or two layers of one index, as of an encoder and a decoder.
    """
    found: Modules = {}
    for name, module in model.named_modules():
        if name.rpartition(".")[2] != NAME or isinstance(module, torch.nn.ModuleList):
            continue
        match = NUMBER.search(f".{name}.")
        layer = int(match[1]) if match else len(found)
        if layer in found:
            raise OptionError(
                f"two MoE layers of index {layer} in the model ({name}): give the part of it that has one stack"
            )
        found[layer] = module
    if not found:
        raise OptionError(
            f"no MoE layer in {type(model).__name__}: expected modules '{NAME}' that are called with ids of experts, "
            "as in transformers>=5"
        )
    return dict(sorted(found.items()))


def num_experts_of(experts: torch.nn.Module) -> int:
    """How many experts a layer has.

    Raises
    ------
    OptionError
        Neither an attribute nor the shape of the weights says it.
    """
    for name in SIZES:
        size = getattr(experts, name, None)
        if isinstance(size, int):
            return size
    stacked = [weight for weight in experts.parameters() if weight.ndim == 3]
    if stacked:
        return int(stacked[0].shape[0])
    raise OptionError(
        f"{type(experts).__name__} does not say how many experts it has ({', '.join(SIZES)})"
    )


def ids_of(args: Sequence[Any], named: Mapping[str, Any]) -> torch.Tensor | None:
    """The ids [tokens, top_k] among the arguments of experts; None: there are none."""
    for value in (*args, *named.values()):
        if _is_ids(value):
            found: torch.Tensor = value
            return found.reshape(-1, found.shape[-1])
    return None


def _is_ids(value: Any) -> bool:
    is_tensor = isinstance(value, torch.Tensor) and value.ndim >= 2
    return is_tensor and value.dtype in (torch.int64, torch.int32)
