"""What must follow from a report's own figures: gaps, imbalances, status and totals, from objectives and bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..certificates.layer import MILESTONES, LayerCertificate, totals_of
from ..errors import FormatError
from ..problem.status import Status, StopReason, agrees, relative_gap
from ..strict import shown
from .claims import Fields


def derived_faults(mean: float, fields: Fields) -> list[str]:
    """What does not follow from the report's own objective and bound."""
    objective, bound = fields["objective"], fields["lower_bound"]
    gap = relative_gap(objective, bound)
    imbalance = objective / mean if objective > 0 and mean > 0 else 1.0
    faults = []
    if not _same_gap(fields.get("gap", gap), gap):
        faults.append(f"gap {fields['gap']} instead of {gap}")
    if not agrees(fields.get("imbalance", imbalance), imbalance):
        faults.append(f"imbalance {fields['imbalance']} instead of {imbalance}")
    if not agrees(fields.get("balancedness", 1 / imbalance), 1 / imbalance):
        faults.append(f"balancedness {fields['balancedness']} instead of {1 / imbalance}")
    return faults + _status_faults(fields.get("gap", gap), fields)


def _status_faults(gap: float, fields: Fields) -> list[str]:
    """What status, stop and times say against the gap."""
    faults = []
    status = fields.get("status")
    if status is not None:
        limit = fields.get("gap_limit")
        if limit is None:
            raise FormatError(f"layer {fields['layer_id']}: a status, but no 'gap_limit' that it is meant for")
        true = Status.OPTIMAL if gap <= limit else Status.FEASIBLE
        if status is not true:
            faults.append(f"status {status} at a gap of {gap}, limit {limit}, instead of {true}")
        if status is Status.OPTIMAL and fields.get("stop", StopReason.GAP) not in (StopReason.GAP, StopReason.FAILED):
            faults.append(f"OPTIMAL, but stopped by: {fields['stop']}")
    times = fields.get("reached", ())
    for milestone, time in zip(MILESTONES, times, strict=False):
        if time is not None and gap > milestone:
            faults.append(f"a gap of {milestone} reached after {time} s, but the gap is {gap}")
    known = [time for time in times if time is not None]
    if known != sorted(known) or None in times[: len(known)]:
        faults.append("a smaller gap reached before a larger one")
    return faults


def _same_gap(gap: float, other: float) -> bool:
    return math.isclose(gap, other, rel_tol=1e-9, abs_tol=1e-15)


def totals_faults(layers: Sequence[Fields], totals: Fields) -> list[str]:
    """What does not follow from the report's own layers."""
    names = LayerCertificate.__dataclass_fields__
    certificates = [LayerCertificate(**{name: fields[name] for name in names}) for fields in layers]
    true = totals_of(certificates, totals["seconds"], totals["compile_seconds"])
    faults = []
    for name, value in true.items():
        claimed = totals[name]
        same = agrees(claimed, value) if isinstance(value, float) and math.isfinite(value) else claimed == value
        if not same:
            faults.append(f"totals: {name} {shown(claimed)} instead of {shown(value)}")
    return faults
