"""Result: a placement with one certificate a layer."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .instance import Instance
from .outcome import Status, StopReason, relative_gap
from .placement import Placement
from .pool import Floats

MILESTONES = (1e-2, 1e-3, 1e-4)  # gaps whose time is recorded


@dataclass(frozen=True)
class LayerCertificate:
    """What is known about one layer.

    Attributes
    ----------
    layer_id : int
        Absolute layer index.
    objective, lower_bound : float
        Load of the heaviest rank, recomputed from the placement, and the proven least possible one, in tokens.
    gap : float
        ``objective / lower_bound - 1``.
    imbalance, balancedness : float
        Heaviest over mean rank load (1 is perfect), and its inverse (what vLLM logs).
    status, stop : Status, StopReason
        What is known, and why the method stopped.
    method, bound_method : str
        What found the placement, and what proved the bound.
    seconds : float
        Computing time spent on the layer, all processes together, without the shared greedy.
    note : str
        Cause of a fallback, if there was one.
    reached : tuple of float or None
        Seconds after the start of the call at which the gap was known to be at most 1 %, 0.1 % and 0.01 %.
    proofs : tuple of dict
        Certificates of pools' bounds beyond L0 (`bounds.certificate`), each with its node's ``groups``: what `verify`
        re-checks.
    """

    layer_id: int
    objective: float
    lower_bound: float
    gap: float
    imbalance: float
    balancedness: float
    status: Status
    stop: StopReason
    method: str
    bound_method: str
    seconds: float
    note: str = ""
    reached: tuple[float | None, ...] = (None,) * len(MILESTONES)
    proofs: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """Placement and certificates of an instance.

    Attributes
    ----------
    placement : Placement
    certificates : tuple of LayerCertificate, one a layer
    instance : Instance
    method : str
        The method that was asked for.
    seconds : float
        Wall-clock time of the whole call, without compiling.
    compile_seconds : float
        What compiling took before, 0.0 where numba's cache held everything.
    """

    placement: Placement
    certificates: tuple[LayerCertificate, ...]
    instance: Instance
    method: str
    seconds: float
    compile_seconds: float = 0.0

    @property
    def objective(self) -> Floats:
        """Load of the heaviest rank in tokens, [layers]."""
        return np.array([c.objective for c in self.certificates])

    @property
    def lower_bound(self) -> Floats:
        """Proven lower bound of the objective in tokens, [layers]."""
        return np.array([c.lower_bound for c in self.certificates])

    @property
    def gap(self) -> Floats:
        """``objective / lower_bound - 1``, [layers]."""
        return np.array([c.gap for c in self.certificates])

    @property
    def imbalance(self) -> Floats:
        """Heaviest over mean rank load, [layers]."""
        return np.array([c.imbalance for c in self.certificates])

    @property
    def status(self) -> tuple[Status, ...]:
        """OPTIMAL or FEASIBLE, one a layer."""
        return tuple(c.status for c in self.certificates)

    def totals(self) -> dict[str, Any]:
        """Mean and worst figures over layers, for reports."""
        certificates = self.certificates
        return {
            "layers": len(certificates),
            "optimal": sum(c.status is Status.OPTIMAL for c in certificates),
            "imbalance_mean": float(self.imbalance.mean()),
            "imbalance_max": float(self.imbalance.max()),
            "balancedness_mean": float(np.mean([c.balancedness for c in certificates])),
            "gap_mean": float(self.gap.mean()),
            "gap_max": float(self.gap.max()),
            "seconds": self.seconds,
            "compile_seconds": self.compile_seconds,
            "reached": [self._reached(i) for i in range(len(MILESTONES))],
        }

    def _reached(self, i: int) -> dict[str, Any]:
        """How many layers came within a milestone's gap, and when the last of them did."""
        times = [t for c in self.certificates if (t := c.reached[i]) is not None]
        return {"gap": MILESTONES[i], "layers": len(times), "seconds": max(times, default=None)}

    def to_dict(self) -> dict[str, Any]:
        """Everything a person sees, as JSON types; an infinite gap is null."""
        instance = self.instance
        layers = [{k: _plain(v) for k, v in asdict(c).items()} for c in self.certificates]
        return {
            "method": self.method,
            "mode": instance.mode,
            "num_replicas": instance.num_replicas,
            "num_ranks": instance.num_ranks,
            "num_nodes": instance.num_nodes,
            "num_groups": instance.num_groups,
            "distinct": instance.distinct,
            "layers": layers,
            "totals": {k: _plain(v) for k, v in self.totals().items()},
        }


def certify(
    instance: Instance, layer: int, objective: float, lower_bound: float, gap_limit: float, *, stop: StopReason,
    method: str, bound_method: str, seconds: float, note: str = "",
    reached: tuple[float | None, ...] = (None,) * len(MILESTONES), proofs: tuple[dict[str, Any], ...] = (),
) -> LayerCertificate:  # fmt: skip
    """The certificate of a layer from its recomputed objective and its proven bound."""
    lower = min(lower_bound, objective)  # rounding in the objective must not put the bound above it
    gap = relative_gap(objective, lower)
    mean = float(instance.mean[layer])
    imbalance = objective / mean if mean > 0 else 1.0
    status = Status.OPTIMAL if gap <= gap_limit else Status.FEASIBLE
    return LayerCertificate(
        (instance.layer_ids or ())[layer], objective, lower, gap, imbalance, 1 / imbalance, status,
        StopReason.GAP if status is Status.OPTIMAL else stop, method, bound_method, seconds, note,
        reached, proofs,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, (Status, StopReason)):
        return value.value
    return None if isinstance(value, float) and not math.isfinite(value) else value
