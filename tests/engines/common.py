"""What the engine tests share: the recording that they solve, and where the engines' sources lie."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from eplb_opt import POLICIES

SOURCES = Path(sys.prefix) / "src"
NAMES = [name for name in ("greedy", "refined", "optimal") if name in POLICIES]
HIDDEN, MOE, EXPERTS, REPLICAS, RANKS = 6, (2, 3, 5), 8, 12, 4


def recording(path: Path, seed: int = 0) -> torch.Tensor:
    """A dump of SGLang's recorder in mode stat; the counts [steps, hidden layers, experts] in it."""
    rng = np.random.default_rng(seed)
    count = np.zeros((2, HIDDEN, EXPERTS), dtype=np.int32)
    count[:, MOE] = rng.lognormal(4, 1, (2, len(MOE), EXPERTS)).astype(np.int32)
    tensor = torch.from_numpy(count)
    torch.save({"rank": 0, "logical_count": tensor, "average_utilization_rate_over_window": None}, path)
    return tensor


def solve(dump: Path, output: Path, name: str, *more: str) -> None:
    """``eplb-opt solve dump.pt --replicas 12 --ranks 4 --format NAME -o OUTPUT``, as a user types it."""
    command = [
        Path(sys.executable).parent / "eplb-opt",
        "solve",
        dump,
        "--replicas",
        str(REPLICAS),
        "--ranks",
        str(RANKS),
    ]
    subprocess.run([*map(str, command), "--format", name, "-o", str(output), *more], check=True, capture_output=True)
