"""The step times that a report states, simulated again."""

from __future__ import annotations

from collections.abc import Sequence

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.status import ROUNDING
from ..step_times import StepTime, step_times
from .reading import Fields

ERRORS = 8.0  # standard errors by which two simulations may differ: numpy's random numbers may change


def step_faults(
    instance: Instance, placement: Placement, layers: Sequence[Fields]
) -> list[str]:
    """Layers whose step time is none of the map's, or that state one of no step."""
    if placement.violations(instance):
        return []
    found = step_times(instance, placement)
    if found is None:
        stated = [fields["layer_id"] for fields in layers if "step_time" in fields]
        return [f"layer {i}: a step time, but of no tokens a step" for i in stated[:1]]
    return [
        f"layer {fields['layer_id']}: step time {fields['step_time']}, simulated {step.step_time}"
        for fields, step in zip(layers, found, strict=True)
        if "step_time" in fields and not _agree(fields, step)
    ]


def _agree(fields: Fields, step: StepTime) -> bool:
    room = ERRORS * step.step_time_error + ROUNDING * step.step_time
    return bool(abs(fields["step_time"] - step.step_time) <= room)
