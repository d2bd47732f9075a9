"""A sweep as a page shows it: its cells by ranks, batch and slots, and steps in a unit that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..report.sweep import GIBI, MICRO, OFF, SECONDS, step_text

Report = Mapping[str, Any]
Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Swept:
    """What ``sweep --json`` writes, looked up by place.

    Parameters
    ----------
    report : mapping
        Of `eplb_opt.sweeping.sweep.sweep`; of an interrupted one, too.
    """

    report: Report

    @property
    def cells(self) -> Sequence[Cell]:
        """All cells that were made."""
        return list(self.report["cells"])

    @property
    def is_timed(self) -> bool:
        """Whether steps are times in seconds."""
        return bool(self.report["unit"] == SECONDS)

    @property
    def has_times(self) -> bool:
        """Whether plans are of times: over windows, and in reports of before plans were in time, of imbalances."""
        return any(cell.get("time") is not None for cell in self.cells)

    @property
    def unit(self) -> str:
        """What steps are in, for people."""
        if self.is_timed:
            return "us"
        return "heaviest over mean rank" if self.is_relative else self.report["unit"]

    @property
    def is_relative(self) -> bool:
        """Whether there is no cost: steps are the heaviest rank over the mean one."""
        return self.report["cost"] is None

    @property
    def ranks(self) -> list[int]:
        """Numbers of ranks, in order."""
        return sorted({cell["ranks"] for cell in self.cells})

    @property
    def batches(self) -> list[int]:
        """Tokens of a step, in order."""
        return sorted({cell["tokens_per_step"] for cell in self.cells})

    def at(self, ranks: int, tokens: int | None = None) -> list[Cell]:
        """The plans of so many ranks, and tokens if they are given, by their slots."""
        found = [
            cell
            for cell in self.cells
            if cell["map"] != OFF
            and cell["ranks"] == ranks
            and tokens in (None, cell["tokens_per_step"])
        ]
        return sorted(found, key=lambda cell: int(cell["replicas"]))

    def off(self, ranks: int, tokens: int) -> Cell | None:
        """Experts in their order; None where that is no map."""
        return next(
            (
                cell
                for cell in self.cells
                if cell["map"] == OFF
                and cell["ranks"] == ranks
                and cell["tokens_per_step"] == tokens
            ),
            None,
        )

    def advised(self, row: Mapping[str, Any]) -> Cell:
        """The cell that a row of the advice names."""
        same = ("map", "replicas", "ranks", "tokens_per_step")
        return next(
            cell for cell in self.cells if all(cell[name] == row[name] for name in same)
        )

    def advice_at(self, ranks: int, tokens: int) -> Mapping[str, Any] | None:
        """What to do at so many ranks and tokens; None while the sweep is not complete."""
        return next(
            (
                row
                for row in self.report["advice"]
                if row["ranks"] == ranks and row["tokens_per_step"] == tokens
            ),
            None,
        )

    def is_advised(self, cell: Cell) -> bool:
        """Whether a cell is what to do at its ranks and tokens."""
        row = self.advice_at(cell["ranks"], cell["tokens_per_step"])
        return row is not None and self.advised(row) is cell

    def value(self, step: float | None) -> float | None:
        """A step as figures show it."""
        if step is None or not self.is_timed:
            return step
        return step * MICRO

    def text(self, step: float) -> str:
        """A step in words."""
        return step_text(step, self.report, with_unit=True)


def gibi(cell: Cell) -> float:
    """What the slots of a rank take in all layers, GiB.

    Examples
    --------
    >>> gibi({"slots_bytes": 3 * 2**30})
    3.0
    """
    return float(cell["slots_bytes"]) / GIBI
