"""Damaged files of every format, in memory's file system: what is read is right, the rest is refused in a line."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from ..formats import mangled, mutations
from .part import Part, Tally, raised

KINDS = (*mangled.KINDS, *mutations.KINDS)
MEMORY = "/dev/shm"


def run(seed: int, number: int, count: int) -> Tally:
    """So many files, of every kind in turn."""
    pick = random.Random(f"{seed} {number}")
    faults: list[str] = []
    figures: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as name:
        for turn in range(count):
            kind = KINDS[turn % len(KINDS)]
            folder = Path(name, str(turn))
            folder.mkdir()
            try:
                was_read = kind(pick, folder)
            except Exception as error:
                faults.append(f"file {turn}, {kind.__name__}: {raised(error)}")
            else:
                figures["read" if was_read else "refused"] += 1
            shutil.rmtree(folder)
    return Tally(count, tuple(faults), figures)


PART = Part("files", "damaged files of every format", 100_000, 500, run)
