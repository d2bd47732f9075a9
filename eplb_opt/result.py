"""Result: a placement with one certificate a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .certificates.layer import LayerCertificate, totals_of
from .claims.consistency import OF_INSTANCE, of_ranks
from .claims.digest import loads_digest
from .claims.schema import SCHEMA
from .installed import installed_commit
from .limits import Limits
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.pool import Floats, Ints
from .problem.status import Status, StopReason
from .problem.value import mean_times
from .step_times import StepTime
from .version import PACKAGE, __version__

LIMITS_SAID = ("seconds", "work", "gap", "workers")


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
    limits : Limits
        When the method was to stop.
    previous : dict or None
        What the report says of the map in use and of how much may change; None without such a map.
    spare : {"rank", "node"} or None
        Of which any one may fail, and every expert still has a replica; None if that was not asked for.
    step_times : tuple of StepTime or None, one a layer
        Expected times of steps of a finite batch, by simulation; None without a cost and the tokens of a step.

    Examples
    --------
    >>> from eplb_opt import Instance, solve
    >>> result = solve(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2), "greedy")
    >>> result
    Result(method='greedy', layers=1, optimal=0, imbalance=1.1667, gap=0.1667)
    >>> result.placement.phy2log.shape  # [layers, replicas]
    (1, 4)
    >>> print(result.status[0])
    FEASIBLE
    """

    placement: Placement
    certificates: tuple[LayerCertificate, ...]
    instance: Instance
    method: str
    seconds: float
    compile_seconds: float = 0.0
    limits: Limits = field(default_factory=Limits)
    previous: dict[str, Any] | None = None
    spare: str | None = None
    step_times: tuple[StepTime, ...] | None = None

    def __repr__(self) -> str:
        """The method and the totals; imbalance and gap are means over layers."""
        totals = self.totals()
        figures = (
            f"imbalance={totals['imbalance_mean']:.4f}, gap={totals['gap_mean']:.4g}"
        )
        return f"Result(method={self.method!r}, layers={totals['layers']}, optimal={totals['optimal']}, {figures})"

    @property
    def objective(self) -> Floats:
        """What the instance's `Objective` makes of the placement, [layers]: by default the heaviest rank's tokens."""
        return np.array([c.objective for c in self.certificates])

    @property
    def lower_bound(self) -> Floats:
        """Proven lower bound of the objective, [layers], in its unit."""
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
    def window_imbalance(self) -> Floats:
        """Heaviest over mean rank load of the map in each recorded window, [windows, layers]."""
        return self.placement.window_imbalance(self.instance)

    @property
    def moves(self) -> Ints | None:
        """Replicas on a rank that does not hold their expert in the map in use, [layers]; None without such a map."""
        moves = [c.moves for c in self.certificates]
        return None if None in moves else np.array(moves, dtype=np.int64)

    @property
    def moves_bound(self) -> Ints | None:
        """Moves that a map as good, or as good as was asked for, is proven to take at least, [layers], or None."""
        bounds = [c.moves_bound for c in self.certificates]
        return None if None in bounds else np.array(bounds, dtype=np.int64)

    @property
    def spare_bound(self) -> Floats | None:
        """Proven lower bound of the objective of maps with spare replicas, [layers]; None if none were asked for."""
        bounds = [c.spare_bound for c in self.certificates]
        return None if None in bounds else np.array(bounds, dtype=np.float64)

    @property
    def status(self) -> tuple[Status, ...]:
        """OPTIMAL or FEASIBLE, one a layer."""
        return tuple(c.status for c in self.certificates)

    def totals(self) -> dict[str, Any]:
        """Mean and worst figures over layers, for reports."""
        return totals_of(self.certificates, self.seconds, self.compile_seconds)

    def _repr_html_(self) -> str:
        """A small table, for notebooks."""
        from .views.notebook import table_html

        return table_html(self.method, self.certificates, self.totals())

    def to_frame(self) -> Any:
        """The certificates as a table.

        Returns
        -------
        pandas.DataFrame, or dict from a column to an array [layers] where pandas is not installed
            Columns are names of `LayerCertificate`, of which a frame has ``layer_id`` as its index. Moves are left out
            where no map was in use.

        Examples
        --------
        >>> from eplb_opt import Instance, solve
        >>> table = solve(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2), "greedy").to_frame()
        >>> [float(value) for value in table["imbalance"]]
        [1.1666666666666667]
        """
        from .views.frame import frame_of

        return frame_of(self.certificates)

    def plot_layers(self, ax: Any = None) -> Any:
        """Draw each layer's imbalance and its proven bound.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Default: those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        MissingPackageError
            matplotlib is not installed.
        """
        from .views.plots import axes_of, draw_layers

        axes = axes_of(ax, "Result.plot_layers")
        bound = self.imbalance / (1 + self.gap)
        draw_layers(axes, self._layer_ids, self.imbalance, bound, self.method)
        return axes

    def plot_ranks(self, ax: Any = None) -> Any:
        """Draw the load of every rank in every layer, over the layer's mean, as a heat map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Default: those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        MissingPackageError
            matplotlib is not installed.
        """
        from .views.plots import axes_of, draw_ranks

        axes = axes_of(ax, "Result.plot_ranks")
        loads = self.placement.rank_loads(self.instance)
        mean = mean_times(loads, self.instance.unequal)[:, None]
        relative = np.divide(loads, mean, out=np.ones_like(loads), where=mean > 0)
        draw_ranks(axes, self._layer_ids, relative)
        return axes

    def plot_windows(self, ax: Any = None) -> Any:
        """Draw the imbalance of the map in each recorded window.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Default: those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        MissingPackageError
            matplotlib is not installed.
        """
        from .views.plots import axes_of, draw_windows

        axes = axes_of(ax, "Result.plot_windows")
        draw_windows(axes, self.window_imbalance, self.method)
        return axes

    @property
    def _layer_ids(self) -> tuple[int, ...]:
        return tuple(self.instance.layer_ids or ())

    def to_dict(self) -> dict[str, Any]:
        """The report: everything a person sees, as JSON types; an infinite gap is null.

        Returns
        -------
        dict
            The keys of `claims.schema`, but those that only the command writes.

        Examples
        --------
        >>> from eplb_opt import Instance, solve
        >>> report = solve(Instance([[3, 1]], 4, num_ranks=2), "greedy").to_dict()
        >>> report["schema"], report["num_ranks"], report["objective"], report["layers"][0]["objective"]
        ('eplb_opt.report/1', 2, {'across': 'sum', 'level': None, 'weights': None}, 2.0)
        """
        instance = self.instance
        limits = self.limits
        return {
            "schema": SCHEMA,
            "package": PACKAGE,
            "version": __version__,
            "commit": installed_commit(),
            "loads_sha256": loads_digest(instance.load),
            "method": self.method,
            **{name: getattr(instance, name) for name in OF_INSTANCE},
            **of_ranks(instance),
            "objective": instance.objective.to_dict(),
            "limits": {name: getattr(limits, name) for name in LIMITS_SAID},
            "previous": self.previous,
            "spare": self.spare,
            "seed": limits.seed,
            "layers": layer_rows(self.certificates, self.step_times),
            "totals": plain_values(self.totals()),
        }


def layer_rows(
    certificates: Sequence[LayerCertificate], step_times: Sequence[StepTime] | None
) -> list[dict[str, Any]]:
    """What a report says of each layer, as JSON types.

    Parameters
    ----------
    certificates : sequence of LayerCertificate
    step_times : sequence of StepTime, optional
        One a layer.
    """
    layers = [plain_values(asdict(c)) for c in certificates]
    if step_times is None:
        return layers
    steps = [asdict(step) for step in step_times]
    return [layer | step for layer, step in zip(layers, steps, strict=True)]


def plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """Values as JSON types: an infinite one is None."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, (Status, StopReason)):
        return value.value
    return None if isinstance(value, float) and not math.isfinite(value) else value


class SolveInterrupted(KeyboardInterrupt):
    """Ctrl-C while `solve` was at work; what it had found is kept.

    A `KeyboardInterrupt`, so that programs which expect one stop as ever.

    Attributes
    ----------
    result : Result
        The best map so far, valid, with the certificates that were proven so far.

    Examples
    --------
    >>> from eplb_opt import Instance, SolveInterrupted, solve
    >>> try:
    ...     result = solve(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2), "greedy")
    ... except SolveInterrupted as interrupt:
    ...     result = interrupt.result
    >>> result.placement.violations(result.instance)
    []
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__("interrupted: the best map so far is kept")
