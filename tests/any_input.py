"""``python -m tests.any_input [INSTANCES [KIND]]``: loads of every type and memory order give the plain ones' map.

Random instances, one after the other; their loads are given as arrays and tensors of every real type, contiguous,
transposed, backwards, with steps, broadcast and in Fortran's order, to the policies and to the heuristics themselves.
Prints how many were tried; exit code 1 if one raises or has another map than the same numbers as contiguous float64.
``KIND`` is numpy, torch or cuda alone; cuda (where there is a GPU) is in torch's operations, as the kernels are
compiled for every shape: `tests.heuristics` has some of these.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from eplb_opt import POLICIES
from eplb_opt.heuristics import kernels
from eplb_opt.heuristics.arrays import to_numpy
from eplb_opt.heuristics.greedy import greedy_maps
from eplb_opt.heuristics.optional import optional
from eplb_opt.heuristics.refine import refine_maps

from .conftest import engine_instance

EXACT = {  # type -> integers up to here are exact in it
    "bool": 1, "int8": 127, "uint8": 255, "int16": 9000, "uint16": 9000, "int32": 10**6, "uint32": 10**6,
    "int64": 10**9, "uint64": 10**9, "float16": 2048, "bfloat16": 256, "float32": 2**24, "float64": 2**40,
    "longdouble": 2**40,
}  # fmt: skip
NUMPY_ONLY, TORCH_ONLY = ("longdouble",), ("bfloat16",)
TORCH_ONCE = ("uint16", "uint32", "uint64")  # torch has few operations for these


def _backwards(array: Any) -> Any:
    return array[::-1, :, ::-1].copy()[::-1, :, ::-1]


def _stepped(array: Any) -> Any:
    wide = np.zeros((array.shape[0], 2 * array.shape[1], 3 * array.shape[2]), dtype=array.dtype)
    wide[:, ::2, 1::3] = array
    return wide[:, ::2, 1::3]


def _permuted(*order: int) -> Callable[[Any], Any]:
    """Memory in another order of the axes, the same array."""
    return lambda array: np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "contiguous": lambda array: array,
    "Fortran": np.asfortranarray,
    "experts first": _permuted(2, 1, 0),
    "layers transposed": _permuted(0, 2, 1),
    "layers first": _permuted(1, 0, 2),
    "backwards": _backwards,
    "stepped": _stepped,
    "read-only": lambda array: np.broadcast_to(array, array.shape),
    "one layer broadcast": lambda array: np.broadcast_to(array[:, :1], array.shape),
    "one window broadcast": lambda array: np.broadcast_to(array[:1], array.shape),
    "one load broadcast": lambda array: np.broadcast_to(array[:1, :1, :1], array.shape),
}


def given(array: np.ndarray, dtype: str, layout: str, kind: str) -> Any:
    """Integers [windows, layers, experts] as an array or tensor of a type and memory order; the same numbers."""
    if kind == "numpy":
        return LAYOUTS[layout](array.astype(dtype))
    if dtype in TORCH_ONCE:
        return torch.from_numpy(array.astype(dtype))
    laid = LAYOUTS[layout](array)
    if any(stride < 0 for stride in laid.strides):  # torch has no such tensors
        laid = array
    strides = [s // laid.itemsize for s in laid.strides]
    size = 1 + sum((n - 1) * s for n, s in zip(laid.shape, strides, strict=True))
    memory = np.lib.stride_tricks.as_strided(laid, (size,), (laid.itemsize,)).copy()
    return torch.from_numpy(memory).to(getattr(torch, dtype)).as_strided(laid.shape, strides)


def cases(dtype: str) -> list[str]:
    """The libraries, and the device, that have the type."""
    kinds = [("numpy", TORCH_ONLY), ("torch", NUMPY_ONLY)]
    if torch.cuda.is_available():
        kinds.append(("cuda", NUMPY_ONLY))
    return [kind for kind, without in kinds if dtype not in without]


def check(random: np.random.Generator, dtype: str, layout: str, kind: str) -> None:
    """One instance; raises if anything differs."""
    nodes = int(random.choice([1, 1, 2, 4]))
    ranks = nodes * int(random.integers(1, 7))
    groups = nodes * int(random.integers(1, 4))
    experts = groups * int(random.integers(1, random.choice([5, 9, 40])))
    slots = ranks * (-(-experts // ranks) + int(random.integers(0, 4)))
    windows, layers = int(random.integers(1, 4)), int(random.integers(1, 6))
    integers = random.integers(0, EXACT[dtype] + 1, size=(windows, layers, experts))
    loads = given(integers, dtype, layout, kind)
    plain = np.array(loads if kind == "numpy" else loads.to(torch.float64).numpy(), dtype=np.float64, order="C")
    if kind == "cuda":
        loads = loads.cuda()
    sizes = (slots, groups, nodes, ranks)  # in the engines' order
    name = f"{kind} {dtype}, {layout}, {plain.shape}, slots, groups, nodes and ranks {sizes}"
    for policy in ("refined", "greedy"):
        expected = POLICIES[policy].rebalance_experts(plain, *sizes)
        found = POLICIES[policy].rebalance_experts(loads, *sizes)
        if not all(torch.equal(a, b.cpu()) for a, b in zip(expected, found, strict=True)):
            raise SystemExit(f"{policy}: another map of {name}")
    instance = engine_instance(plain[0], *sizes)
    for maps in (refine_maps, greedy_maps):
        got = maps(loads[0], slots, instance.topology)
        if not np.array_equal(to_numpy(got), maps(plain[0], slots, instance.topology)):
            raise SystemExit(f"{maps.__name__}: another map of {name}")


def main() -> None:
    """Run it."""
    instances = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    random = np.random.default_rng(0)
    wanted = sys.argv[2:] or ["numpy", "torch", "cuda"]
    tried = [(d, layout, kind) for d in EXACT for layout in LAYOUTS for kind in cases(d) if kind in wanted]
    kernels.optional = lambda name: None if name == "fused" else optional(name)
    start = time.monotonic()
    for number in range(instances):
        check(random, *tried[number % len(tried)])
    print(f"{instances} instances of {len(tried)} types and memory orders: the same maps; "
          f"{time.monotonic() - start:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
