"""Put a recording into the package: ``python -m benchmarks.recording.publish FOLDER RUN``.

FOLDER has ``corpus.jsonl.xz`` and ``tokens.npz``, RUN what `train` wrote. The recordings go to ``eplb_opt/recordings``,
what is known of them to ``benchmarks/results/recording.jsonl``, and the page beside the recordings is made of that
(without arguments of what is there already).
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt.recordings import FOLDER, MODEL, NAMES, demo_recording

from ..environment import ROOT
from ..options import folders
from ..store import publish, read_lines
from . import corpus
from .sources import KINDS, PARTS, SOURCES

RESULTS = ROOT / "benchmarks" / "results" / "recording.jsonl"
PAGE = FOLDER / "README.md"
TEMPLATE = Path(__file__).parent / "template.md"
SHOWN = 10  # lines of the log
Line = dict[str, Any]


def gathered(folder: Path, run: Path) -> list[Line]:
    """What is known of a run: its text, then its log."""
    content = lzma.decompress((folder / corpus.NAME).read_bytes())
    tokens = folder / "tokens.npz"
    with np.load(tokens) as archive:
        sizes = {name: len(archive[name]) for name in archive}
    text = {
        "commit": _commit(),
        "corpus_sha256": hashlib.sha256(content).hexdigest(),
        "tokens_sha256": hashlib.sha256(tokens.read_bytes()).hexdigest(),
        "tokens": sizes,
    }
    return [text, *read_lines(run / "train.jsonl")]


def _commit() -> str:
    """The last commit that changed what trains and records."""
    names = ("model", "record", "text", "train", "windows")
    paths = [f"benchmarks/recording/{name}.py" for name in names]
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%h", "--abbrev=12", "--", *paths]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def page(lines: list[Line]) -> str:
    """The page about the recordings."""
    text, *log, about = lines
    return TEMPLATE.read_text().format(
        **{key: about[key] for key in ("date", "card", "torch", "seed")},
        **about["shape"],
        **{key: text[key] for key in ("commit", "corpus_sha256", "tokens_sha256")},
        model=MODEL,
        days=len(demo_recording("days").windows),
        kinds=len(demo_recording("kinds").windows),
        parameters=f"{about['parameters'] / 1e6:.0f} million",
        seconds=f"{about['last']['seconds']:.0f}",
        trained=f"{about['trained_tokens'] / 1e6:.0f} million",
        held_out=f"{corpus.HELD_OUT * 100:.0f}",
        log=log_table(log),
        quality=quality_table(about),
        sources=sources_table(),
        text="\n".join(text_rows(text["tokens"])),
    )


def log_table(log: list[Line]) -> str:
    """Some lines of the log, the first and the last among them."""
    keys = ("step", "seconds", "loss", "balance", "skew", "tokens_per_second")
    places = np.linspace(0, len(log) - 1, SHOWN).round().astype(int)
    rows = [[str(log[place][key]) for key in keys] for place in places]
    return _table([[key.replace("_", " ") for key in keys], *rows])


def quality_table(about: Line) -> str:
    """Loss and skew of each kind."""
    loads = demo_recording("kinds")
    skew = (loads.load.max(axis=2) / loads.load.mean(axis=2)).mean(axis=1)
    labels = np.array(loads.windows)
    rows = [["kind", "loss", "skew"]]
    rows += [[kind, f"{about['held_out'][kind]:.2f}", f"{skew[labels == kind].mean():.2f}"] for kind in KINDS]
    return _table(rows)


def sources_table() -> str:
    """Archives, versions, licences and hashes."""
    rows = [["package", "version", "by", "licence of the text", "SHA-256 of the archive"]]
    rows += [[each.package, each.version, each.client, each.licence, f"`{each.sha256}`"] for each in SOURCES]
    return _table(rows)


def text_rows(sizes: dict[str, int]) -> list[str]:
    """A row a kind of text."""
    rows = []
    for kind in KINDS:
        taken = ", ".join(part.package for part in PARTS if part.kind == kind)
        rows.append(f"| {kind} | {taken} | {sizes[f'{kind}.train']:,} | {sizes[f'{kind}.held_out']:,} |")
    return rows


def _table(rows: list[list[str]]) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def main() -> None:
    """Copy, gather and write, or write the page alone."""
    lines = None
    given = folders(__doc__, "FOLDER", "RUN", or_none=True)
    if given:
        folder, run = given
        lines = gathered(folder, run)
        for name in (*NAMES, "tokens"):
            shutil.copy(run / f"{MODEL}-{name}.npz", FOLDER)
    publish(RESULTS, PAGE, page, lines)


if __name__ == "__main__":
    main()
