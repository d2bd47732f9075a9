"""Calibrated synthetic loads, for benchmarks and trials of large models without recorded data.

Calibration: lognormal loads, one sigma a layer, drawn from the range measured on recorded loads of the model; windows
of one domain correlate with r = 0.8 (in log load). Sources of the recordings:
``benchmarks/README.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import OptionError


@dataclass(frozen=True)
class LoadModel:
    """A model's shape and skew: lognormal sigma a layer between ``sigma_low`` and ``sigma_high``."""

    layers: int
    experts: int
    sigma_low: float
    sigma_high: float
    first_layer: int = 0


MODELS = {
    "deepseek-v3-decode": LoadModel(58, 256, 0.47, 0.81, 3),
    "deepseek-v3-prefill": LoadModel(58, 256, 0.6, 1.0, 3),
    "gemma-4": LoadModel(30, 128, 1.4, 1.9),
}
WINDOW_CORRELATION = 0.8
TOKENS_PER_EXPERT = 100_000


def synthetic_load(
    model: str, *, windows: int = 1, seed: int = 0
) -> npt.NDArray[np.int64]:
    """Routed tokens of each expert, int64 [windows, layers, experts].

    Raises
    ------
    OptionError
        Unknown model.
    """
    if model not in MODELS:
        raise OptionError(f"no load model {model!r}: choose one of {', '.join(MODELS)}")
    shape = MODELS[model]
    random = np.random.default_rng(seed)
    sigma = random.uniform(shape.sigma_low, shape.sigma_high, (shape.layers, 1))
    common = random.standard_normal((1, shape.layers, shape.experts))
    own = random.standard_normal((windows, shape.layers, shape.experts))
    log_load = sigma * (
        np.sqrt(WINDOW_CORRELATION) * common + np.sqrt(1 - WINDOW_CORRELATION) * own
    )
    load = np.exp(log_load)
    return np.asarray(
        np.rint(load / load.mean(axis=2, keepdims=True) * TOKENS_PER_EXPERT),
        dtype=np.int64,
    )
