"""Pages that the tests look at: small ones, and one as large as models get."""

from __future__ import annotations

import functools

import numpy as np

from eplb_opt import Cost, Instance, Limits, Objective, Placement, replay, solve
from eplb_opt.pages.of_maps import page_of_maps
from eplb_opt.pages.of_replay import page_of_replay
from eplb_opt.pages.of_sweep import page_of_sweep
from eplb_opt.pages.studies import study_of_report
from eplb_opt.sweeping.setting import Setting
from eplb_opt.sweeping.sweep import sweep

from ..conftest import TWO_LAYERS

LIMITS = Limits(seconds=None, work=0.1, workers=1)
IN_USE = Placement(np.array([[*range(12), 0, 1, 2, 3]] * 2), 12, (5, 8))
LABELS = ("<b>day</b>", "night", "</script>")


def two_layers(windows: int = 1, **options) -> Instance:
    """Loads of two layers, in every further window with the experts in another order."""
    load = [np.roll(TWO_LAYERS, window, axis=1) for window in range(windows)]
    return Instance(np.array(load), 16, num_ranks=8, layer_ids=[5, 8], **options)


@functools.cache
def moved_study():
    """A map that comes after one in use."""
    instance = two_layers()
    result = solve(instance, "greedy", LIMITS, previous=IN_USE)
    return study_of_report(result.to_dict(), instance, result.placement, IN_USE)


@functools.cache
def windows_study():
    """A map for several windows, whose labels are no names."""
    instance = two_layers(3, objective=Objective("mean"))
    result = solve(instance, "refined", LIMITS)
    return study_of_report(result.to_dict(), instance, result.placement, windows=LABELS)


@functools.cache
def replay_report():
    load = np.array([np.roll(TWO_LAYERS, window, axis=1) for window in range(6)])
    policies = ["contiguous", "greedy", "refined", "own"]
    return replay(load, [16, 24], num_ranks=8, history=2, policies=policies, tokens_per_step=64).to_dict()


@functools.cache
def largest_study():
    """94 layers x 320 ranks of two slots, beside a map in use."""
    load = np.random.default_rng(0).lognormal(0, 0.8, (94, 256))
    instance = Instance(np.rint(load * 1e5), 640, num_ranks=320)
    slots = np.tile(np.arange(640) % 256, (94, 1))
    result = solve(instance, "greedy", LIMITS)
    return study_of_report(result.to_dict(), instance, result.placement, Placement(slots[:, ::-1], 256))


@functools.cache
def sweep_report():
    """Two numbers of ranks, of which one does not fit one number of slots, with memory and a cost."""
    setting = Setting(
        two_layers().load, [12, 16, 24], [4, 8], [16, 4096],
        cost=Cost.roofline(4e-5, 1e-7), bytes_per_expert=2**30, method="greedy", limits=LIMITS,
    )  # fmt: skip
    return sweep(setting)


PAGES = {
    "moves": lambda: page_of_maps(moved_study()),
    "windows": lambda: page_of_maps(windows_study()),
    "replay": lambda: page_of_replay(replay_report()),
    "sweep": lambda: page_of_sweep(sweep_report()),
    "largest": lambda: page_of_maps(largest_study()),
}
