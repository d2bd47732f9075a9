"""A machine without a GPU that takes a known time for a step."""

from __future__ import annotations

import numpy as np

READING = 4e-5  # seconds of an expert's weights
TOKEN = 1.3e-7  # seconds of a token, beyond those that hide behind the reading
RANK = 6e-6


def true_seconds(step):
    return RANK + sum(max(READING, TOKEN * tokens) for tokens in step if tokens)


def noisy_clock(relative, seed=0):
    """Times that are off by a normal share, as a machine's are."""
    random = np.random.default_rng(seed)
    return lambda step: true_seconds(step) * (1 + relative * random.standard_normal())
