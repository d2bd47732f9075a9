"""Experts that a token goes to in a layer: different ones, by which their number can be told."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

MOST_TOP_K = 64  # of a router


def repeated(experts: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether an expert is there twice among the last axis, [..., top_k] -> [...]; none is no expert."""
    in_order = np.sort(experts, axis=-1)
    is_same = in_order[..., 1:] == in_order[..., :-1]
    return np.asarray((is_same & (in_order[..., 1:] >= 0)).any(axis=-1))


def top_k_of(rows: npt.NDArray[np.integer]) -> int:
    """Experts that a token goes to in a layer, of rows [tokens, layers * top_k].

    A token goes to different experts. So top k is the largest divisor with which none goes to one twice: with a larger
    one the experts of two layers would be mixed, and of many tokens some go to the same one in both. Layers without
    a record are the same id all over.
    """
    width = rows.shape[1]
    for top_k in range(min(width, MOST_TOP_K), 1, -1):
        if width % top_k == 0 and not _has_repeats(rows.reshape(-1, top_k)):
            return top_k
    return 1


def _has_repeats(experts: npt.NDArray[np.integer]) -> bool:
    """Whether a row [top_k] has an expert twice, unless it is the same all over."""
    is_constant = (experts == experts[:, :1]).all(axis=1)
    return bool((repeated(experts) & ~is_constant).any())
