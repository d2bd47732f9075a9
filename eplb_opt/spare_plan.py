"""Spare replicas as `solve` takes them: the map with them, what is proven of it, and the time for both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .certificates.layer import LayerCertificate
from .errors import SolverError
from .limits import Limits
from .next_from import NextFrom
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.spare import require_spare, spare_faults
from .spare.maps import SpareMaps, best_bound
from .spare.near import near


@dataclass(frozen=True)
class SparePlan:
    """What is to be spare, and how long that may take.

    Attributes
    ----------
    maps : SpareMaps
    limits : Limits
    deadline : float or None
        ``time.monotonic()`` at which the search for a proof ends.
    proves : bool
        Small models are solved, so that their optimum is known.
    """

    maps: SpareMaps
    limits: Limits
    deadline: float | None = None
    proves: bool = False

    @classmethod
    def of(cls, instance: Instance, spare: str, limits: Limits) -> SparePlan:
        """That of an instance; raises as `problem.spare.require_spare`."""
        require_spare(instance, spare)
        return cls(SpareMaps(instance, spare), limits)

    def fresh(self, placement: Placement) -> tuple[Placement, list[float]]:
        """The lightest map with spare replicas that is found from a method's, and each layer's bound by a search."""
        found = self.maps.fresh(placement, self.limits, self.deadline)
        if self.proves:
            return self.maps.exact(found, self.limits, self.deadline)
        return found, [-math.inf] * len(found.phy2log)

    def near(
        self, chosen: Placement, fresh: Placement, next_from: NextFrom
    ) -> Placement:
        """The map that comes next from the one in use, with spare replicas."""
        previous = next_from.previous
        failed = next_from.failed_ranks
        return near(self.maps, chosen, fresh, previous, next_from.rule, failed)

    def certified(
        self,
        placement: Placement,
        certificates: Sequence[LayerCertificate],
        proven: Sequence[float],
    ) -> tuple[LayerCertificate, ...]:
        """The layers' certificates with the bounds of maps with spare replicas, those of `fresh` among them.

        Raises
        ------
        SolverError
            A fault of ours: the map is none.
        """
        spare = self.maps.spare
        faults = spare_faults(placement, self.maps.instance, spare)
        if faults:
            raise SolverError(
                f"internal error, please report: the map is not spare ({faults[0]})"
            )
        result = []
        for layer, of_counts, of_model in zip(
            certificates, self.maps.bounds(), proven, strict=True
        ):
            of_all = (layer.lower_bound, layer.bound_method)
            bound, name = best_bound(of_all, of_counts, of_model, layer.objective)
            result.append(replace(layer, spare_bound=bound, spare_bound_method=name))
        return tuple(result)
