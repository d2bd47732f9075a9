"""One call of `solve` as its arguments state it: what its result follows from, its shards, and its journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from .claims.consistency import OF_INSTANCE, of_ranks
from .claims.digest import loads_digest, map_digest
from .errors import OptionError
from .how import How
from .journal.journal import PARTS, Journal
from .limits import Limits
from .merging.results import JOB, keep_result, result_of
from .methods.needs import require_method
from .moves.rule import MoveRule
from .next_from import NextFrom
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.status import StopReason
from .result import Result, SolveInterrupted
from .solving import Solving
from .spare_plan import SparePlan
from .version import __version__


@dataclass(frozen=True, eq=False)
class Call:
    """The arguments of `solve`, whose types are checked."""

    instance: Instance
    method: str
    limits: Limits
    warm_start: Placement | None
    previous: Placement | None
    rule: MoveRule
    failed_ranks: Sequence[int]
    spare: str | None

    def check(self) -> None:
        """Say before the long work what does not fit."""
        if self.next_from is not None:
            self.next_from.warm_start()
        elif self.rule != MoveRule() or len(self.failed_ranks):
            raise OptionError(
                "max_moves, slack, move_price and failed_ranks are about moves from a map in use: "
                "give previous=Placement"
            )
        self._spares()
        require_method(self.method, self.limits)

    @cached_property
    def next_from(self) -> NextFrom | None:
        """The map in use and the rule; None without such a map."""
        if self.previous is None:
            return None
        return NextFrom(
            self.instance,
            self.previous,
            self.rule,
            self.method,
            self.limits,
            self.failed_ranks,
        )

    def _spares(self) -> SparePlan | None:
        if self.spare is None:
            return None
        return SparePlan.of(self.instance, self.spare, self.limits)

    def solved(self, how: How, journal: Journal | None = None) -> Result:
        """The result."""
        run = Solving(
            self.instance,
            self.method,
            self.limits,
            how,
            self.next_from,
            self._spares(),
            journal,
        )
        if journal is None:
            return self._run(run)
        with journal.timed(run.elapsed):
            return self._run(run)

    def _run(self, run: Solving) -> Result:
        try:
            run.improve(self.warm_start)
            run.choose_least_harm()
        except KeyboardInterrupt:
            raise SolveInterrupted(run.finish(StopReason.INTERRUPTED)) from None
        return run.finish(StopReason.NOT_TRIED)

    def solved_with(self, journal: Journal, how: How) -> Result:
        """The result of the journal's shard, which goes on where an earlier run of it ended.

        Raises
        ------
        OptionError
            No layer is left for the shard.
        JournalError
            The journal is of another call.
        """
        rows = journal.shard.parts(self.instance.num_layers)
        if not rows:
            raise OptionError(
                f"shard {journal.shard} of {self.instance.num_layers} layers has none: use as many shards at most"
            )
        asked = self.asked()
        journal.begin(asked)
        part = self if journal.shard.is_whole else self._of_layers(rows)
        found = result_of(journal, part.instance, self.method, self.limits)
        if found is not None:
            return found
        result = part.solved(how, journal)
        keep_result(journal, result, asked)
        return result

    def _of_layers(self, rows: list[int]) -> Call:
        """The same for some of the layers."""
        part = self.instance.select(rows)
        start = self.warm_start
        if start is not None:
            ids = tuple(part.layer_ids or ())
            start = Placement(start.phy2log[rows], start.num_experts, ids)
        return replace(self, instance=part, warm_start=start)

    def asked(self) -> dict[str, Any]:
        """What the result follows from, as JSON types: that of another number of workers is the same."""
        instance = self.instance
        limits = asdict(self.limits)
        limits.pop("workers")
        start = self.warm_start
        return {
            "job": JOB,
            PARTS: instance.num_layers,
            "loads_sha256": loads_digest(instance.load),
            **{name: getattr(instance, name) for name in OF_INSTANCE},
            **of_ranks(instance),
            "layer_ids": list(instance.layer_ids or ()),
            "objective": instance.objective.to_dict(),
            "method": self.method,
            **limits,
            "previous": None if self.next_from is None else self.next_from.to_dict(),
            "spare": self.spare,
            "warm_start_sha256": None if start is None else map_digest(start.phy2log),
            "version": __version__,
        }
