"""Train the model and record its routes: ``python -m benchmarks.recording.train TOKENS OUT [--seconds N]``.

The clock ends it: the rate of learning follows the share of the time that is over. The log (loss on what is trained on
and held out, tokens a second, balance of the routers) goes to OUT/train.jsonl; routes are recorded at half time, too,
so that a run that is cut off leaves some. The weights go to WEIGHTS, if that is given, from time to time.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from .model import Shape, SmallMoe, by_expert
from .record import recorded
from .text import Text

SEED = 20
RATE = 1e-3
LAST_RATE = 0.05  # of it
WARM_UP = 0.03  # of the time
DECAY = 0.1
BALANCE = 0.01
CLIP = 1.0
LOG = 20  # steps
SAVE = 120.0  # seconds
HELD_OUT = 32  # sequences of a kind, for the loss on them


class Training:
    """A model on its way."""

    def __init__(self, text: Text, shape: Shape, sequences: int, seconds: float) -> None:
        torch.manual_seed(SEED)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.text = text
        self.sequences = sequences
        self.seconds = seconds
        self.model = SmallMoe(shape).to(self.device)
        self.optimizer = torch.optim.AdamW(self.groups(), lr=RATE, betas=(0.9, 0.95), fused=self.device.type == "cuda")
        self.step = 0
        self.start = time.monotonic()

    def groups(self) -> list[dict[str, object]]:
        """Matrices decay, norms do not."""
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        return [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]

    @property
    def done(self) -> float:
        """The share of the time that is over."""
        return min(1.0, (time.monotonic() - self.start) / self.seconds)

    def losses(self, batch: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of next tokens, of the routers' balance, and max over mean load of experts [layers]."""
        tokens = torch.from_numpy(batch).to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            hidden, routed = self.model(tokens[:, :-1])
            logits = self.model.head(hidden)
        loss = cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
        balance = torch.stack([of_layer.balance for of_layer in routed]).mean()
        experts = self.model.shape.experts
        counts = torch.stack([by_expert(each.experts, experts)[1] for each in routed])
        return loss, balance, counts.amax(dim=1) / counts.float().mean(dim=1)

    def take_step(self) -> dict[str, torch.Tensor]:
        """One batch."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.done)
        batch = self.text.batch(self.step, self.sequences, SEED)
        loss, balance, skew = self.losses(batch)
        (loss + BALANCE * balance).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return {"loss": loss.detach(), "balance": balance.detach(), "skew": skew.detach().mean()}

    def held_out(self) -> dict[str, float]:
        """The loss on held-out text of each kind."""
        found = {}
        for kind, sequences in self.text.held_out.items():
            with torch.inference_mode():
                loss, _, _ = self.losses(sequences[:HELD_OUT].astype(np.int64))
            found[kind] = round(loss.item(), 4)
        return found

    def run(self) -> Iterator[dict[str, object]]:
        """Train until the time is over, a line of the log at a time."""
        last = time.monotonic()
        steps = 0
        while self.done < 1:
            found = self.take_step()
            steps += 1
            if steps == LOG or self.done >= 1:
                values = {name: round(value.item(), 4) for name, value in found.items()}
                now = time.monotonic()
                tokens = steps * self.sequences * self.text.length
                yield {
                    "step": self.step, "seconds": round(now - self.start, 1), "rate": round(rate(self.done), 6),
                    **values, "tokens_per_second": round(tokens / (now - last)),
                }  # fmt: skip
                last = time.monotonic()
                steps = 0


def rate(done: float) -> float:
    """The rate of learning: up, then down along a cosine."""
    if done < WARM_UP:
        return RATE * max(done, WARM_UP / 50) / WARM_UP
    angle = math.pi * (done - WARM_UP) / (1 - WARM_UP)
    return RATE * (LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(angle)) / 2)


def about(training: Training, last: dict[str, object]) -> dict[str, object]:
    """What the recordings say of the model that made them."""
    device = training.device.type
    return {
        "shape": asdict(training.model.shape),
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "trained_tokens": training.step * training.sequences * training.text.length,
        "last": last,
        "held_out": training.held_out(),
        "card": torch.cuda.get_device_name() if device == "cuda" else device,
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "seed": SEED,
    }


def options() -> argparse.Namespace:
    """Of the command line; small sizes try the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seconds", type=float, default=450.0)
    parser.add_argument("--sequences", type=int, default=64)
    parser.add_argument("--layers", type=int, default=Shape.layers)
    parser.add_argument("--width", type=int, default=Shape.width)
    return parser.parse_args()


def main() -> None:
    """Train, log, save and record."""
    given = options()
    shape = Shape(layers=given.layers, width=given.width)
    text = Text(given.tokens, shape)
    training = Training(text, shape, given.sequences, given.seconds)
    given.out.mkdir(parents=True, exist_ok=True)
    saved = training.start
    is_half = False
    with (given.out / "train.jsonl").open("w") as log:
        for line in training.run():
            print(json.dumps(line), file=log, flush=True)
            print(line, flush=True)
            if given.weights and time.monotonic() - saved > SAVE:
                torch.save(training.model.state_dict(), given.weights)
                saved = time.monotonic()
            if training.done > 0.5 and not is_half:
                recorded(training.model, text, given.out, SEED, about(training, line))
                is_half = True
        found = about(training, line)
        print(json.dumps(found), file=log)
        print(found)
    recorded(training.model, text, given.out, SEED, found)


if __name__ == "__main__":
    main()
