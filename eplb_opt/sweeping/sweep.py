"""A sweep: its cells, made or known, and what they come to, as the report that ``eplb-opt sweep --json`` writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..claims.digest import loads_digest
from ..journal.journal import Journal
from ..report.sweep_schema import SCHEMA
from .advice import advise, with_frontier
from .cells import Cells
from .judge import DRAWS
from .kept import Cell, KeptCells
from .setting import Setting

TOKENS = "tokens"  # the unit of a step without a cost, over the mean rank's
IN_TIME = "maps are planned in time, one for each number of tokens"
WITHOUT_COST = "without --cost a rank is as slow as it has tokens: that more experts have to be read is not seen"
Report = dict[str, Any]
Progress = Callable[[int, int], None]


def sweep(
    setting: Setting,
    *,
    journal: Journal | None = None,
    made: Callable[[Report], object] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Plan and judge all cells, and say which to take.

    Parameters
    ----------
    setting : Setting
    journal : Journal, optional
        Keeps the cells, of its shard's places only: those of an earlier run are not made again.
    made : callable, optional
        Called with the report so far whenever cells were added to it.
    progress : callable, optional
        Called with (plans made, plans).

    Returns
    -------
    dict
        JSON types, of schema ``eplb_opt.sweep/1``.

    Raises
    ------
    JournalError
        The journal is not one of the same loads and settings.
    InstanceError
        No number of slots fits any number of ranks.

    Examples
    --------
    >>> import numpy as np
    >>> from eplb_opt.limits import Limits
    >>> load = np.array([[[9.0, 1.0, 1.0, 1.0]]])
    >>> setting = Setting(load, [4, 8], [2], [4096], method="greedy", limits=Limits(seconds=None))
    >>> advice = sweep(setting)["advice"][0]
    >>> advice["map"], advice["redundant"]
    ('planned', 4)
    """
    head = _head(setting)
    kept = KeptCells(journal)
    cells = Cells(setting, kept)
    report = head | {"left_out": cells.left_out, "notes": _notes(setting)}
    kept.begin(report, cells.count())
    found: list[Cell] = []
    for number, added in enumerate(cells.make(kept.parts), 1):
        found += added
        missing = cells.count() - number
        report = so_far(report, found, setting.num_experts, missing)
        if made is not None:
            made(report)
        if progress is not None:
            progress(number, len(kept.parts))
    kept.end()
    return report


def so_far(
    head: Report, cells: Sequence[Cell], num_experts: int, missing: int
) -> Report:
    """The report of some cells and, when all are there, advice.

    Parameters
    ----------
    head : dict
        What is said of all cells.
    cells : sequence of dict
    num_experts : int
    missing : int
        Places without cells yet.
    """
    if missing:
        return head | {"complete": False, "cells": list(cells), "advice": []}
    advice = advise(cells, num_experts)
    return head | {"complete": True, "cells": with_frontier(cells), "advice": advice}


def _head(setting: Setting) -> Report:
    """What was asked: two reports with the same head have cells that agree."""
    limits = setting.limits
    cost = setting.cost
    return {
        "schema": SCHEMA,
        "loads_sha256": loads_digest(setting.load),
        "windows": int(setting.load.shape[0]),
        "layers": setting.num_layers,
        "experts": setting.num_experts,
        "num_groups": setting.num_groups,
        "num_nodes": setting.num_nodes,
        "distinct": setting.distinct,
        "objective": setting.objective.to_dict(),
        "method": setting.method,
        "limits": {"seconds": limits.seconds, "work": limits.work, "gap": limits.gap},
        "seed": limits.seed,
        "top_k": setting.top_k,
        "draws": DRAWS,
        "cost": None if cost is None else cost.to_dict(),
        "unit": TOKENS if cost is None else cost.unit,
        "bytes_per_expert": setting.bytes_per_expert,
    }


def _notes(setting: Setting) -> list[str]:
    return [WITHOUT_COST if setting.cost is None else IN_TIME]
