"""The trained model routes held-out text, and what it chose is counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from .model import SmallMoe
from .text import Text
from .windows import Pile, Window, by_kind, days

TOKENS_OF_KIND = 2048  # whose routes are kept one by one


def routes(model: SmallMoe, sequences: np.ndarray) -> np.ndarray:
    """The experts of each token, [tokens, layers, top-k], the strongest first."""
    device = model.head.weight.device
    tokens = torch.from_numpy(sequences.astype(np.int64)).to(device)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        _, routed = model(tokens)
    chosen = torch.stack([of_layer.experts for of_layer in routed], dim=1)
    return chosen.to(torch.uint8).cpu().numpy()


def counted(model: SmallMoe, text: Text, windows: list[Window]) -> np.ndarray:
    """Routed tokens of every expert, [windows, layers, experts]."""
    rows = []
    for window in windows:
        sequences = np.stack([text.held_out[kind][number] for kind, number in window])
        rows.append(counts(routes(model, sequences), model.shape.experts))
    return np.stack(rows)


def counts(chosen: np.ndarray, experts: int) -> np.ndarray:
    """Of routes [tokens, layers, top-k] the tokens of each expert, [layers, experts]."""
    layers = chosen.shape[1]
    flat = chosen.astype(np.int64) + experts * np.arange(layers)[:, None]
    return np.bincount(flat.ravel(), minlength=layers * experts).reshape(layers, experts)


def recorded(model: SmallMoe, text: Text, out: Path, seed: int, about: dict[str, object]) -> None:
    """Write the three files of `eplb_opt/recordings`."""
    model.eval()
    pile = Pile({kind: len(text.held_out[kind]) for kind in text.kinds}, seed)
    layer_ids = np.arange(model.shape.layers)
    note = np.array(json.dumps(about))
    for name, (labels, windows) in (("kinds", by_kind(pile)), ("days", days(pile, seed))):
        load = counted(model, text, windows)
        shares = np.array([[sum(kind == of for of, _ in window) for kind in text.kinds] for window in windows])
        np.savez_compressed(
            out / f"small-moe-{name}.npz", load=load, layer_ids=layer_ids, window=np.array(labels),
            kinds=np.array(text.kinds), sequences_of_kind=shares, about=note,
        )  # fmt: skip
    tokens = {kind: _first_routes(model, text, pile, kind) for kind in text.kinds}
    np.savez_compressed(
        out / "small-moe-tokens.npz",
        routed_experts=np.concatenate(list(tokens.values())),
        layer_ids=layer_ids,
        kind=np.repeat(text.kinds, TOKENS_OF_KIND),
        about=note,
    )
    model.train()


def _first_routes(model: SmallMoe, text: Text, pile: Pile, kind: str) -> np.ndarray:
    window = pile.take(kind, -(-TOKENS_OF_KIND // text.length))
    sequences = np.stack([text.held_out[kind][number] for _, number in window])
    return routes(model, sequences)[:TOKENS_OF_KIND]
