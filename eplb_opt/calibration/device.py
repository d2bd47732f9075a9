"""The GPU's clock: medians of events, with weights that no cache holds; and what the GPU is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from ..errors import DeviceError
from .feed_forward import FeedForward, Run
from .shape import ExpertShape
from .steps import MOST_TOKENS, Step

WARM_UP = 3  # runs of a step before those that count
REPEATS = 15
# The GPU waits before a step's runs for as long as it takes to ask for them, so that none of them waits to be asked
# for: so many cycles a run, about 0.2 ms.
CYCLES_A_RUN = 400_000
LEAST_CAPABILITY = {"bf16": (8, 0), "fp8": (9, 0)}

Measure = Callable[[Step], float]  # seconds of a step


def require_gpu(dtype: str) -> None:
    """Raise `DeviceError` unless torch sees a GPU that computes in that number format."""
    import torch

    if not torch.cuda.is_available():
        raise DeviceError(
            "no GPU to measure: torch sees no CUDA device, run this on the machine that serves the model"
        )
    have = torch.cuda.get_device_capability()
    if have < LEAST_CAPABILITY[dtype]:
        card = torch.cuda.get_device_name()
        raise DeviceError(
            f"{card} has no grouped products in {dtype}: use another dtype"
        )


def gpu_clock(
    shape: ExpertShape, most_tokens: int = MOST_TOKENS, repeats: int = REPEATS
) -> Measure:
    """A clock of steps on this machine's GPU.

    Parameters
    ----------
    shape : ExpertShape
    most_tokens : int
        Of a step.
    repeats : int
        Runs that count; the median of their times is the step's.

    Raises
    ------
    DeviceError
        There is no GPU that can do this, or its memory is too small.
    """
    import torch

    require_gpu(shape.dtype)
    cache = int(torch.cuda.get_device_properties(0).L2_cache_size)
    with _enough_memory(shape):
        layer = FeedForward(shape, most_tokens, "cuda", cache)

    def measure(tokens: Step) -> float:
        with _enough_memory(shape):
            return _seconds(layer.step(tokens), layer.copies, repeats)

    return measure


@contextlib.contextmanager
def _enough_memory(shape: ExpertShape) -> Iterator[None]:
    """Say what to do where the GPU's memory is too small."""
    import torch

    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise DeviceError(
            f"the GPU's memory does not take {shape.experts} experts of {shape.bytes_per_expert} bytes in copies that "
            "no cache holds: give fewer experts"
        ) from None


def _seconds(run: Run, copies: int, repeats: int) -> float:
    """The median of a step's times, by events around each run."""
    import torch

    runs = WARM_UP + repeats
    torch.cuda._sleep(CYCLES_A_RUN * runs)  # type: ignore[no-untyped-call]
    events = [_events_around(run, number % copies) for number in range(runs)]
    torch.cuda.synchronize()
    times = [start.elapsed_time(end) for start, end in events[WARM_UP:]]
    return float(median(times)) * 1e-3


def _events_around(run: Run, copy: int) -> tuple[Any, Any]:
    """Events before and after a run."""
    start = _event()
    end = _event()
    start.record()
    run(copy)
    end.record()
    return start, end


def _event() -> Any:
    import torch

    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def describe_gpu() -> dict[str, Any]:
    """Card and versions, as a cost's file says them."""
    import torch

    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    return {"card": torch.cuda.get_device_name(), "versions": versions}
