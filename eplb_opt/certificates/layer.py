"""The certificate of a layer: what is known about it, and how that follows from an objective and a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..limits import Limits
from ..problem.instance import Instance
from ..problem.status import Status, StopReason, exceeds, relative_gap
from .mean import trivial_bound

MILESTONES = (1e-2, 1e-3, 1e-4)  # gaps whose time is recorded
NOT_REACHED: tuple[float | None, ...] = (None,) * len(MILESTONES)


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
        Certificates of pools' bounds beyond L0 (`Certificate.to_dict`), each with its node's ``groups``: what
        `verify` re-checks.
    gap_limit : float
        The gap up to which the layer counts as OPTIMAL.
    moves : int or None
        Replicas on a rank that does not hold their expert in the map in use; None if none was given.
    moves_bound : int or None
        No map with an objective as good, or as good as was asked for, moves fewer; None without a map in use.
    spare_bound : float or None
        The proven least objective of a map with spare replicas, in the same unit; None if these were not asked for.
    spare_bound_method : str or None
        What proved it.

    Examples
    --------
    >>> from eplb_opt import Instance, solve
    >>> (layer,) = solve(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2), "greedy").certificates
    >>> layer.objective, layer.lower_bound, layer.bound_method
    (7.0, 6.0, 'L0a mean')
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
    reached: tuple[float | None, ...] = NOT_REACHED
    proofs: tuple[dict[str, Any], ...] = ()
    gap_limit: float = Limits.gap
    moves: int | None = None
    moves_bound: int | None = None
    spare_bound: float | None = None
    spare_bound_method: str | None = None


def totals_of(
    certificates: Sequence[LayerCertificate],
    seconds: float,
    compile_seconds: float = 0.0,
) -> dict[str, Any]:
    """Mean and worst figures over layers, and the wall-clock time of the call and of compiling before it.

    Parameters
    ----------
    certificates : sequence of LayerCertificate
        At least one.
    seconds, compile_seconds : float
    """
    imbalance = np.array([c.imbalance for c in certificates])
    balancedness = np.array([c.balancedness for c in certificates])
    gap = np.array([c.gap for c in certificates])
    return {
        "layers": len(certificates),
        "optimal": sum(c.status is Status.OPTIMAL for c in certificates),
        "imbalance_mean": float(imbalance.mean()),
        "imbalance_max": float(imbalance.max()),
        "balancedness_mean": float(balancedness.mean()),
        "gap_mean": float(gap.mean()),
        "gap_max": float(gap.max()),
        "seconds": seconds,
        "compile_seconds": compile_seconds,
        "moves": _all_moves(certificates),
        "reached": [_reached(certificates, i) for i in range(len(MILESTONES))],
    }


def _all_moves(certificates: Sequence[LayerCertificate]) -> int | None:
    """Replicas that move in all layers; None without a map in use."""
    moves = [c.moves for c in certificates if c.moves is not None]
    return sum(moves) if len(moves) == len(certificates) else None


def _reached(certificates: Sequence[LayerCertificate], i: int) -> dict[str, Any]:
    """How many layers came within a milestone's gap, and when the last of them did."""
    every_time = [certificate.reached[i] for certificate in certificates]
    times = [time for time in every_time if time is not None]
    return {
        "gap": MILESTONES[i],
        "layers": len(times),
        "seconds": max(times, default=None),
    }


@dataclass(frozen=True)
class Findings:
    """What was found of a layer, before the objective is recomputed from its map.

    Attributes
    ----------
    lower_bound : float
        In tokens.
    bound_method, method, stop, seconds, note, reached, proofs
        As in `LayerCertificate`.
    """

    lower_bound: float
    bound_method: str
    method: str
    stop: StopReason
    seconds: float
    note: str = ""
    reached: tuple[float | None, ...] = NOT_REACHED
    proofs: tuple[dict[str, Any], ...] = ()


def certify(
    instance: Instance,
    layer: int,
    objective: float,
    found: Findings,
    gap_limit: float,
    mean: float | None = None,
) -> LayerCertificate:
    """The certificate of a layer from its recomputed objective and its proven bound.

    A bound above the objective by no more than rounding is the objective. One further above is wrong: the certificate
    is then that of L0 alone, which is computed here from the loads, and says so.

    Parameters
    ----------
    instance : Instance
    layer : int
        Row of the instance.
    objective : float
        That of the placement, in tokens.
    found : Findings
    gap_limit : float
        The gap up to which the layer counts as OPTIMAL.
    mean : float, optional
        Of the placement's rank loads or times; by default the instance's, which all placements have in tokens.
    """
    is_contradicted = exceeds(found.lower_bound, objective)
    if is_contradicted:
        found = _contradicted(instance, layer, objective, found)
    lower_bound = min(found.lower_bound, objective)
    gap = relative_gap(objective, lower_bound)
    status = Status.OPTIMAL if gap <= gap_limit else Status.FEASIBLE
    if status is Status.OPTIMAL and not is_contradicted:
        found = replace(found, stop=StopReason.GAP)
    mean = float(instance.mean[layer]) if mean is None else mean
    imbalance = objective / mean if objective > 0 and mean > 0 else 1.0
    return LayerCertificate(
        layer_id=(instance.layer_ids or ())[layer],
        objective=objective,
        lower_bound=lower_bound,
        gap=gap,
        imbalance=imbalance,
        balancedness=1 / imbalance,
        status=status,
        stop=found.stop,
        method=found.method,
        bound_method=found.bound_method,
        seconds=found.seconds,
        note=found.note,
        reached=_times_of(gap, found.reached),
        proofs=found.proofs,
        gap_limit=gap_limit,
    )


def _contradicted(
    instance: Instance, layer: int, objective: float, found: Findings
) -> Findings:
    """What is left where the map shows that the bound is wrong: L0."""
    claim = f"{found.bound_method} claimed a bound of {found.lower_bound!r}"
    pool = instance.whole_pool(layer)
    lower_bound, bound_method = trivial_bound(pool)
    return Findings(
        lower_bound,
        bound_method,
        found.method,
        StopReason.FAILED,
        found.seconds,
        note=f"{claim} above the objective {objective!r}",
    )


def _times_of(
    gap: float, reached: tuple[float | None, ...]
) -> tuple[float | None, ...]:
    """Times of the milestones that the map which is kept has reached.

    It may be another one than that which came within a gap first: the greedy's is kept as it is.
    """
    times = zip(reached, MILESTONES, strict=True)
    return tuple(time if gap <= milestone else None for time, milestone in times)
