"""The result of `solve` as journals keep it, layer by layer, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..certificates.layer import LayerCertificate, totals_of
from ..errors import JournalError
from ..journal.journal import Journal
from ..journal.outcomes import certificate_of, certificate_to_dict
from ..limits import Limits
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..result import Result, layer_rows, plain_values
from ..step_times import StepTime

JOB = "solve"
LAYER = "layer"
OF_LAYERS = ("layers", "totals")  # of a report: what its layers say
OF_ALL = ("loads_sha256", "previous")  # of a report: what a shard knows of all layers
Entry = dict[str, Any]


def keep_result(journal: Journal, result: Result, asked: Mapping[str, Any]) -> None:
    """Keep a finished result.

    Parameters
    ----------
    journal : Journal
    result : Result
        Of the job, or of the layers of its shard.
    asked : mapping
        What the whole job was asked.
    """
    steps = result.step_times or [None] * len(result.certificates)
    layers = zip(result.placement.phy2log, result.certificates, steps, strict=True)
    entries = {
        (certificate.layer_id,): {
            "row": row.tolist(),
            "certificate": certificate_to_dict(certificate),
            "step_time": None if step is None else asdict(step),
        }
        for row, certificate, step in layers
    }
    report = result.to_dict()
    head = {name: value for name, value in report.items() if name not in OF_LAYERS}
    said = {
        "report": head | {name: asked[name] for name in OF_ALL},
        "seconds": result.seconds,
        "compile_seconds": result.compile_seconds,
    }
    journal.finish(LAYER, dict(entries), said)


@dataclass(frozen=True)
class KeptLayers:
    """Layers that are finished, of one journal or of several.

    Attributes
    ----------
    rows : list of list of int
        The maps, [layers, replicas].
    certificates : tuple of LayerCertificate
    step_times : tuple of StepTime, or None
    """

    rows: list[list[int]]
    certificates: tuple[LayerCertificate, ...]
    step_times: tuple[StepTime, ...] | None

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> KeptLayers:
        """Those of a journal's entries.

        Raises
        ------
        KeyError, TypeError, ValueError
            An entry is none of a layer.
        """
        layers = list(entries)
        steps = [layer["step_time"] for layer in layers if layer["step_time"]]
        return cls(
            [layer["row"] for layer in layers],
            tuple(certificate_of(layer["certificate"]) for layer in layers),
            tuple(StepTime(**step) for step in steps) if steps else None,
        )

    def placement(self, num_experts: int) -> Placement:
        """The map."""
        ids = tuple(certificate.layer_id for certificate in self.certificates)
        return Placement(np.array(self.rows, dtype=np.int64), num_experts, ids)

    def report(self, said: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The report of all these layers.

        Parameters
        ----------
        said : iterable of mapping
            What each of the journals says of its part; times are added.
        """
        first, *others = said
        parts = [first, *others]
        totals = totals_of(
            self.certificates,
            sum(part["seconds"] for part in parts),
            sum(part["compile_seconds"] for part in parts),
        )
        return {
            **first["report"],
            "layers": layer_rows(self.certificates, self.step_times),
            "totals": plain_values(totals),
        }


def result_of(
    journal: Journal, instance: Instance, method: str, limits: Limits
) -> Result | None:
    """The finished result of a journal, with nothing computed again; None if the job has not finished.

    Parameters
    ----------
    journal : Journal
    instance : Instance
        Of the journal's layers.
    method : str
    limits : Limits

    Raises
    ------
    JournalError
        It has finished, and does not hold all layers.
    """
    said = journal.finished
    if said is None:
        return None
    known = journal.known(LAYER)
    ids = instance.layer_ids or ()
    missing = [layer for layer in ids if (layer,) not in known]
    if missing:
        raise JournalError(
            f"the journal {journal.path} is damaged, without layer {missing[0]}: remove it and run the job again"
        )
    layers = KeptLayers.of(known[layer,] for layer in ids)
    return Result(
        layers.placement(instance.num_experts),
        layers.certificates,
        instance,
        method,
        said["seconds"],
        said["compile_seconds"],
        limits,
        said["report"]["previous"],
        said["report"]["spare"],
        layers.step_times,
    )
