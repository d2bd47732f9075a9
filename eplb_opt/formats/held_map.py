"""A map as a file holds it, in the one form between all formats, with its layer ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .layers import rows_of


@dataclass(frozen=True, eq=False)
class ExpertMap:
    """A map as a file holds it: the one form between all formats.

    Attributes
    ----------
    phy2log : array [layers, replicas]
        Logical expert of each slot.
    layer_ids : tuple of int, or None
        Absolute layer index of each row; None if the file does not say.
    num_experts, num_ranks, hidden_layers : int, or None
        Logical experts, ranks, and layers of the model with the dense ones, where the file says so.
    dense_layers_unknown : bool
        There is a row for every hidden layer, and nothing says which of them are dense.
    default : array [replicas], or None
        The row of every layer that has none of its own; without ids, of every layer.
    is_beside_own : bool
        The rows are what each rank holds beside its own experts (see `placed`).
    rank_slots : sequence of int, or None
        Slots of each rank, in order, where these are not as many.

    Examples
    --------
    >>> from eplb_opt.formats import ExpertMap
    >>> expert_map = ExpertMap(np.array([[0, 1, 0], [1, 0, 1]]), layer_ids=(3, 4))
    >>> expert_map.with_layers([4], "the map").phy2log.tolist()
    [[1, 0, 1]]
    """

    phy2log: npt.NDArray[Any]
    layer_ids: tuple[int, ...] | None = None
    num_experts: int | None = None
    num_ranks: int | None = None
    hidden_layers: int | None = None
    dense_layers_unknown: bool = False
    default: npt.NDArray[Any] | None = None
    is_beside_own: bool = False
    rank_slots: Sequence[int] | None = None

    def with_layers(self, ids: Sequence[int] | None, source: str) -> ExpertMap:
        """The layers of these absolute ids; a file without ids holds just these (see `Loads.with_layers`)."""
        if ids is None:
            return self
        return replace(
            self,
            phy2log=self._rows_of(ids, source),
            layer_ids=tuple(ids),
            dense_layers_unknown=False,
            default=None,
        )

    def _rows_of(self, ids: Sequence[int], source: str) -> npt.NDArray[Any]:
        """The rows of these layers."""
        if self.default is None:
            return self.phy2log[rows_of(ids, self.layer_ids, len(self.phy2log), source)]
        own = dict(zip(self.layer_ids or (), self.phy2log, strict=False))
        return np.stack([own.get(layer, self.default) for layer in ids])

    def placed(
        self, num_experts: int | None, num_ranks: int | None, source: str
    ) -> ExpertMap:
        """The whole map where its file says only what ranks hold beside their own experts; any other as it is.

        Raises
        ------
        FormatError
            Nobody says how many experts and ranks there are, or experts are no multiple of ranks or fewer than the
            file has.
        """
        if not self.is_beside_own:
            return self
        if num_experts is None or num_ranks is None:
            raise FormatError(
                f"{source}: it says what ranks hold beside their own experts: add --experts and --ranks"
            )
        largest = max(
            int(row.max()) for row in (self.phy2log, self.default) if row is not None
        )
        if num_experts % num_ranks or largest >= num_experts:
            raise FormatError(
                f"{source}: {num_experts} experts on {num_ranks} ranks: expected a multiple of the ranks, and more "
                f"than {largest}"
            )
        own = np.arange(num_experts).reshape(num_ranks, -1)
        return replace(
            self,
            phy2log=np.stack([_beside(own, row) for row in self.phy2log]),
            default=None if self.default is None else _beside(own, self.default),
            num_experts=num_experts,
            num_ranks=num_ranks,
            is_beside_own=False,
        )


def _beside(own: npt.NDArray[Any], row: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The slots of all ranks, each with its own experts and those of a row."""
    more = np.broadcast_to(row, (len(own), len(row)))
    return np.concatenate((own, more), axis=1).reshape(-1)


def experts_of(expert_map: ExpertMap) -> int:
    """Logical experts of a map; where its file does not say, the largest is the last one."""
    return expert_map.num_experts or int(expert_map.phy2log.max()) + 1


def in_order_of_layers(expert_map: ExpertMap) -> npt.NDArray[Any]:
    """The rows [layers, slots] in the order of the layers' ids; as they are where these are not known."""
    if expert_map.layer_ids is None:
        return expert_map.phy2log
    return expert_map.phy2log[np.argsort(expert_map.layer_ids)]
