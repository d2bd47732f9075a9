"""Results files: JSON lines, one a key (the newest), kept in the order of their first appearance."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

from eplb_opt.formats import atomic_write


class Store:
    """A results file.

    Parameters
    ----------
    path : Path
        Need not exist yet; its folder is made.
    key : fields that name a line
    same : fields that must agree for a line to count as already there; every field if the run is to be resumed
    """

    def __init__(self, path: Path, key: tuple[str, ...]) -> None:
        self.path, self.key = path, key
        self.lines: dict[Hashable, dict[str, Any]] = {}
        for line in read_lines(path) if path.exists() else ():
            self.lines[self._name(line)] = line

    def _name(self, line: dict[str, Any]) -> Hashable:
        return tuple(str(line.get(field)) for field in self.key)

    def get(self, **fields: Any) -> dict[str, Any] | None:
        """The line of that key."""
        return self.lines.get(self._name(fields))

    def has(self, line: dict[str, Any], same: tuple[str, ...]) -> bool:
        """Whether the line of that key agrees in these fields: it need not be computed again."""
        found = self.lines.get(self._name(line))
        return found is not None and all(found.get(field) == line.get(field) for field in same)

    def put(self, line: dict[str, Any]) -> None:
        """Add or replace a line and write the file, whole or not at all: an interrupted run loses nothing."""
        self.lines[self._name(line)] = line
        content = "".join(json.dumps(row, allow_nan=False) + "\n" for row in self.lines.values())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(self.path, lambda file: file.write(content.encode()))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.lines.values())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a results file."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """Write a results file anew."""
    content = "".join(json.dumps(line) + "\n" for line in lines)
    atomic_write(path, lambda file: file.write(content.encode()))


def publish(
    results: Path, page: Path, text_of: Callable[[list[dict[str, Any]]], str], lines: list[dict[str, Any]] | None
) -> None:
    """Write results, if there are new ones, and the page that is made of them; show it."""
    if lines is not None:
        write_lines(results, lines)
    text = text_of(read_lines(results))
    atomic_write(page, lambda file: file.write(text.encode()))
    print(text)
