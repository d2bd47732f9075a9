"""Tables of a page about maps: methods side by side, layer by layer."""

from __future__ import annotations

from .content import Cell, Number, Table
from .study import ShownMap, Study


def map_table(study: Study) -> Table:
    """One row a map: imbalance, and how far it is from the bound."""
    columns = [
        "map",
        "mean imbalance",
        "worst imbalance",
        "in layer",
        "mean gap %",
        "largest gap %",
        "optimal layers",
        "seconds",
    ]
    rows = [_map_row(shown, study) for shown in study.maps]
    return Table("All layers together", columns, rows)


def _map_row(shown: ShownMap, study: Study) -> list[Cell]:
    gaps = study.gaps(shown)
    optimal = int((gaps <= study.gap_limit).sum())
    worst = int(shown.imbalance.argmax())
    return [
        shown.name,
        _figure(shown.imbalance.mean()),
        _figure(shown.imbalance.max()),
        study.layer_ids[worst],
        _figure(gaps.mean() * 100),
        _figure(gaps.max() * 100),
        Number(f"{optimal} of {len(gaps)}"),
        None if shown.seconds is None else Number(f"{shown.seconds:.2f}"),
    ]


def _figure(value: float) -> Number:
    return Number(f"{value:.4f}")


def layer_table(study: Study) -> Table:
    """One row a layer of the map to have, folded away."""
    after = study.map_named(study.after)
    shown = [after]
    if study.is_compared:
        shown.insert(0, study.map_named(study.before))
    columns: dict[str, list[Cell]] = {"layer": list(study.layer_ids)}
    for one in shown:
        columns[one.name] = [_figure(value) for value in one.imbalance]
    columns["bound"] = [_figure(value) for value in study.bound]
    columns["gap %"] = [_figure(value * 100) for value in study.gaps(after)]
    if study.moves is not None:
        columns["moves"] = list(study.moves)
    columns["proved by"] = list(study.proofs)
    rows = list(zip(*columns.values(), strict=True))
    return Table("Every layer in numbers", list(columns), rows, is_folded=True)
