"""What was found of a report: the verdict, and what it rests on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ..problem.status import exceeds

SCHEMA = "eplb_opt.verify/1"  # of ReportCheck.to_dict


@dataclass(frozen=True)
class LayerCheck:
    """What was re-checked of one layer.

    Attributes
    ----------
    layer_id : int
    objective, claimed_objective : float
        Recomputed from the map (NaN: the map is not valid), and the report's, in tokens.
    bound, claimed_bound : float
        Re-proven here, and the report's, in tokens.
    bound_method : str
        What proved the bound, as the report says.
    gap : float
        Of the recomputed objective to the re-proven bound.
    faults : tuple of str
        What contradicts the report; empty if nothing does.
    claimed_optimal : bool
        The report calls it OPTIMAL.
    spare_proven : bool
        So is its bound of maps with spare replicas, if it has one.
    """

    layer_id: int
    objective: float
    claimed_objective: float
    bound: float
    claimed_bound: float
    bound_method: str
    gap: float
    faults: tuple[str, ...]
    claimed_optimal: bool = False
    spare_proven: bool = True

    @property
    def bound_proven(self) -> bool:
        """The report's bound was re-proven, not only one below it; and that of maps with spare replicas."""
        return self.spare_proven and not exceeds(self.claimed_bound, self.bound)

    def to_dict(self) -> dict[str, Any]:
        """JSON types; what is not finite is null."""
        values = asdict(self)
        for name, value in values.items():
            if isinstance(value, float) and not math.isfinite(value):
                values[name] = None
        faults = list(self.faults)
        return {**values, "faults": faults, "bound_proven": self.bound_proven}


@dataclass(frozen=True)
class ReportCheck:
    """What was re-checked of a report.

    Attributes
    ----------
    layers : tuple of LayerCheck
    faults : tuple of str
        What contradicts the report's head and totals; empty if nothing does.
    unknown : tuple of str
        Keys that this version does not know; nothing was checked of them.
    gap_limit : float
        What it means by that: the largest gap limit of a layer.
    """

    layers: tuple[LayerCheck, ...]
    faults: tuple[str, ...]
    unknown: tuple[str, ...]
    gap_limit: float

    @property
    def map_valid(self) -> bool:
        """Whether every layer has an objective."""
        return not any(math.isnan(layer.objective) for layer in self.layers)

    @property
    def with_faults(self) -> int:
        """Layers with faults."""
        return sum(bool(layer.faults) for layer in self.layers)

    @property
    def claimed_optimal(self) -> int:
        """Layers that the report calls OPTIMAL."""
        return sum(layer.claimed_optimal for layer in self.layers)

    @property
    def optimal(self) -> int:
        """Those of them that no fault concerns: one in the head or the totals concerns all."""
        if self.faults:
            return 0
        return sum(layer.claimed_optimal and not layer.faults for layer in self.layers)

    @property
    def proven(self) -> int:
        """Layers without faults whose bound is re-proven in full."""
        return sum(layer.bound_proven and not layer.faults for layer in self.layers)

    @property
    def exit_code(self) -> int:
        """0: all is re-proven; 1: something contradicts the report; 3: sound, but not every bound is re-proven."""
        if self.faults or self.with_faults:
            return 1
        is_proven = all(layer.bound_proven for layer in self.layers)
        return 0 if is_proven else 3

    def to_dict(self) -> dict[str, Any]:
        """Everything that ``verify`` prints, as JSON types; what is not finite is null."""
        return {
            "schema": SCHEMA,
            "exit_code": self.exit_code,
            "map_valid": self.map_valid,
            "faults": list(self.faults),
            "unknown": list(self.unknown),
            "claimed_optimal": self.claimed_optimal,
            "optimal": self.optimal,
            "gap_limit": self.gap_limit,
            "with_faults": self.with_faults,
            "bounds_proven": self.proven,
            "layers": [layer.to_dict() for layer in self.layers],
        }
