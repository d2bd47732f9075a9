"""What a campaign has done, a line a chunk: after any end it goes on with what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .crew import Done
from .part import LONGEST, SHOWN

NAME = "chunks.jsonl"


class OtherCampaignError(Exception):
    """The journal is of another commit or seed."""


class Journal:
    """A file of chunks that are done.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    origin : dict
        Commit, machine and seed of what is about to be done (`benchmarks.environment`).

    Raises
    ------
    OtherCampaignError
        What is in it was done at another commit, or with another seed.
    """

    def __init__(self, folder: Path, origin: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        self.origins = [origin]
        self.lines: dict[tuple[str, int], dict[str, Any]] = {}
        self.judged_by: dict[tuple[str, int], dict[str, Any]] = {}
        for line in self._kept():
            if "origin" in line:
                self._add_origin(line["origin"])
            else:
                self._hold(line)
        self._add_origin(origin)
        self._append({"origin": origin})

    def _kept(self) -> Iterator[dict[str, Any]]:
        """The lines of the file; one that was being written when it ended is none."""
        text = self.path.read_text() if self.path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self.path.write_text(whole)
        yield from (json.loads(line) for line in whole.splitlines())

    def _hold(self, line: dict[str, Any]) -> None:
        key = line["part"], line["chunk"]
        self.lines[key] = line
        self.judged_by[key] = self.origins[-1]

    def _add_origin(self, origin: dict[str, Any]) -> None:
        for key in ("commit", "seed"):
            now = self.origins[0][key]
            if origin[key] != now:
                raise OtherCampaignError(
                    f"{self.path} is of {key} {origin[key]}, not {now}: give another folder, or remove it"
                )
        self.origins.append(origin)

    def has(self, part: str, number: int) -> bool:
        """Whether a chunk is done."""
        return (part, number) in self.lines

    def put(self, done: Done) -> None:
        """Keep a chunk, at once."""
        tally = done.tally
        line = {
            "part": done.chunk.part.name,
            "chunk": done.chunk.number,
            "count": tally.count,
            "faults": len(tally.faults),
            "examples": [fault[:LONGEST] for fault in tally.faults[:SHOWN]],
            "seconds": round(done.seconds, 3),
            "figures": dict(tally.figures),
            "most": dict(tally.most),
            "measures": list(tally.measures),
        }
        self._hold(line)
        self._append(line)

    def of(self, part: str) -> list[dict[str, Any]]:
        """The chunks of a part that are done, in order."""
        found = [line for line in self.lines.values() if line["part"] == part]
        return sorted(found, key=lambda line: line["chunk"])

    def origins_of(self, part: str) -> list[dict[str, Any]]:
        """Where the chunks of a part were judged, in order."""
        return [self.judged_by[part, line["chunk"]] for line in self.of(part)]

    def _append(self, line: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
