"""Tokens of every kind: batches to train on, and sequences that were held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .model import Shape


class Text:
    """The tokens of ``tokens.npz``.

    Attributes
    ----------
    kinds : list of str
    held_out : dict
        From the kind to its sequences, [sequences, length], which never were trained on.
    """

    def __init__(self, path: Path, shape: Shape) -> None:
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive}
        self.kinds = [name.removesuffix(".train") for name in arrays if name.endswith(".train")]
        self.to_train_on = np.concatenate([arrays[f"{kind}.train"] for kind in self.kinds])
        self.length = shape.length
        self.held_out = {kind: self._sequences(arrays[f"{kind}.held_out"]) for kind in self.kinds}

    def _sequences(self, tokens: np.ndarray) -> np.ndarray:
        whole = len(tokens) // self.length
        return tokens[: whole * self.length].reshape(whole, self.length)

    def batch(self, step: int, sequences: int, seed: int) -> np.ndarray:
        """Random stretches to train on, [sequences, length + 1]."""
        random = np.random.default_rng([seed, step])
        starts = random.integers(0, len(self.to_train_on) - self.length - 1, sequences)
        places = starts[:, None] + np.arange(self.length + 1)
        return self.to_train_on[places].astype(np.int64)
