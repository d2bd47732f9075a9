"""Result: a placement with one certificate a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .bounds.mean import trivial_bound
from .instance import Instance
from .limits import Limits
from .outcome import Status, StopReason, exceeds, relative_gap
from .placement import Placement
from .pool import Floats, Pool

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
        Certificates of pools' bounds beyond L0 (`bounds.proofs`), each with its node's ``groups``: what `verify`
        re-checks.
    gap_limit : float
        The gap up to which the layer counts as OPTIMAL.
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
    gap_limit: float = Limits.gap


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
        return totals_of(self.certificates, self.seconds, self.compile_seconds)

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


def totals_of(
    certificates: Sequence[LayerCertificate], seconds: float, compile_seconds: float = 0.0
) -> dict[str, Any]:  # fmt: skip
    """Mean and worst figures over layers, and the wall-clock time of the call and of compiling before it.

    Parameters
    ----------
    certificates : sequence of LayerCertificate
        At least one.
    seconds, compile_seconds : float
    """
    imbalance = np.array([c.imbalance for c in certificates])
    gap = np.array([c.gap for c in certificates])
    return {
        "layers": len(certificates),
        "optimal": sum(c.status is Status.OPTIMAL for c in certificates),
        "imbalance_mean": float(imbalance.mean()),
        "imbalance_max": float(imbalance.max()),
        "balancedness_mean": float(np.mean([c.balancedness for c in certificates])),
        "gap_mean": float(gap.mean()),
        "gap_max": float(gap.max()),
        "seconds": seconds,
        "compile_seconds": compile_seconds,
        "reached": [_reached(certificates, i) for i in range(len(MILESTONES))],
    }


def _reached(certificates: Sequence[LayerCertificate], i: int) -> dict[str, Any]:
    """How many layers came within a milestone's gap, and when the last of them did."""
    times = [t for c in certificates if (t := c.reached[i]) is not None]
    return {"gap": MILESTONES[i], "layers": len(times), "seconds": max(times, default=None)}


def certify(
    instance: Instance, layer: int, objective: float, lower_bound: float, gap_limit: float, *, stop: StopReason,
    method: str, bound_method: str, seconds: float, note: str = "",
    reached: tuple[float | None, ...] = (None,) * len(MILESTONES), proofs: tuple[dict[str, Any], ...] = (),
) -> LayerCertificate:  # fmt: skip
    """The certificate of a layer from its recomputed objective and its proven bound.

    A bound above the objective by no more than rounding is the objective. One further above is wrong: the certificate
    is then that of L0 alone, which is computed here from the loads, and says so.

    Parameters
    ----------
    instance : Instance
    layer : int
        Row of the instance.
    objective, lower_bound : float
        In tokens; the objective is that of the placement.
    gap_limit : float
        The gap up to which the layer counts as OPTIMAL.
    stop, method, bound_method, seconds, note, reached, proofs
        As in `LayerCertificate`.
    """
    contradicted = exceeds(lower_bound, objective)
    if contradicted:
        note = f"{bound_method} claimed a bound of {lower_bound!r} above the objective {objective!r}"
        pool = Pool(instance.weight[layer], instance.num_replicas, instance.num_ranks)
        lower_bound, bound_method = trivial_bound(pool)
        proofs = ()
        reached = (None,) * len(MILESTONES)
    lower = min(lower_bound, objective)
    gap = relative_gap(objective, lower)
    status = Status.OPTIMAL if gap <= gap_limit else Status.FEASIBLE
    if contradicted:
        stop = StopReason.FAILED
    elif status is Status.OPTIMAL:
        stop = StopReason.GAP
    mean = float(instance.mean[layer])
    imbalance = objective / mean if objective > 0 and mean > 0 else 1.0
    # The best map may be another one than that which came within a gap first: the greedy's is kept as it is.
    reached = tuple(t if gap <= milestone else None for t, milestone in zip(reached, MILESTONES, strict=True))
    return LayerCertificate(
        (instance.layer_ids or ())[layer], objective, lower, gap, imbalance, 1 / imbalance, status, stop, method,
        bound_method, seconds, note, reached, proofs, gap_limit,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, (Status, StopReason)):
        return value.value
    return None if isinstance(value, float) and not math.isfinite(value) else value
