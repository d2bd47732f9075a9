"""What a plug-in keeps of an engine's calls: the history that it plans on, the recording and the log that it writes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ..methods import METHODS
from ..methods.refined import REFINED, WORKERS, place
from ..packages import is_usable
from ..policies import AbstractEplbPolicy
from ..policies.windows import ACROSS_OPTION, LEVEL
from ..problem.instance import Instance
from ..problem.objective import Objective
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from ..replanning import compile_kernels as compile_moves
from ..replanning import replanned
from .call_log import LOG, CallLog
from .history import HALF_LIFE, HISTORY, OFF, History, Place, weights_by_age
from .loads import in_parts
from .recording import MOST_WINDOWS, RECORD, Recorder
from .said import say_once

WINDOWS = (
    "maps are planned for the last windows of loads, this call's and earlier ones: "
    "the objective is their %s (EPLB_OPT_HISTORY=0: this call's alone)"
)
ACROSS_WINDOWS = "mean"  # unless ``EPLB_OPT_ACROSS`` says otherwise
SUM = "maps are planned for the loads of a call: the objective is their heaviest rank (%s)"


class Past:
    """The history, the recorder and the log of a plug-in, or none of them.

    Parameters
    ----------
    history : History, optional
    recorder : Recorder, optional
    half_life : float, default 0
        As of `weights_by_age`.
    across, level
        As of `Objective`: what the windows are planned for.
    call_log : CallLog, optional
    """

    def __init__(
        self,
        history: History | None = None,
        recorder: Recorder | None = None,
        half_life: float = HALF_LIFE.default,
        across: str = ACROSS_WINDOWS,
        level: float = LEVEL.default,
        call_log: CallLog | None = None,
    ) -> None:
        self.call_log = call_log
        self.half_life = half_life
        self.across = across
        self.level = level
        self._history = history
        self._recorder = recorder

    def windows(self, weight: Any, place: Place) -> Floats | None:
        """Take in the loads of a call; the windows to plan for, if there are several.

        Parameters
        ----------
        weight : tensor [layers, experts] or [steps, layers, experts]
            Loads that can be planned for. Where all are 0, as when an engine profiles, nothing is done.
        place : Place

        Returns
        -------
        array [windows, layers, experts], float64; or None
        """
        if self._recorder is not None:
            recorded = in_parts(weight, MOST_WINDOWS)
            if len(recorded):
                self._recorder.record(recorded)
        if self._history is None:
            return None
        newest = in_parts(weight, self._history.windows_a_call)
        if not len(newest):
            return None
        windows = self._history.remember(newest, place)
        return None if windows is None or len(windows) < 2 else windows

    def instance(
        self, windows: Floats, place: Place, policy: type[AbstractEplbPolicy]
    ) -> Instance:
        """The instance of several windows [windows, layers, experts], for which the policy plans."""
        weights = weights_by_age(len(windows), self.half_life)
        objective = Objective(self.across, level=self.level, weights=weights)
        say_once(("objective",), logging.INFO, WINDOWS, objective.describe())
        return Instance(
            windows,
            place.replicas,
            **asdict(place.topology),
            distinct=policy.distinct,
            objective=objective,
        )


def planned_over(
    instance: Instance, policy: type[AbstractEplbPolicy], old: Ints | None
) -> Ints:
    """The map [layers, replicas] that is best over windows, as `refined` plans it, or one near the map in use.

    Parameters
    ----------
    instance : Instance
        Of `Past.instance`.
    policy : type
        Whose options count: what may move, and those of `refined` where it has them.
    old : array [layers, slots], optional
        The map in use.
    """
    told = {
        option.name: getattr(policy, option.name, option.default)
        for option in REFINED.options
    }
    workers = told[WORKERS.name]

    def anew(part: Instance) -> Placement:
        return place(part, **told)

    if old is None:
        return np.array(anew(instance).phy2log)
    in_use = Placement(old, instance.num_experts)
    rule = policy.move_rule()
    placement = replanned(instance, anew, in_use, rule, workers=workers)
    return np.array(placement.phy2log)


def past_of(
    options: Mapping[str, Any],
    policy: type[AbstractEplbPolicy],
    ranks_may_join: Callable[[], bool],
    has_dense_rows: bool,
) -> Past:
    """What the options ask to be kept; what a plan over windows calls is compiled.

    Parameters
    ----------
    options : mapping
        As `options.read_options` returns them.
    policy : type
    ranks_may_join, has_dense_rows
        As of `History` and `Recorder`.
    """
    folder = options.get(RECORD.name, RECORD.default)
    recorder = Recorder(folder, has_dense_rows) if folder else None
    path = options.get(LOG.name, LOG.default)
    call_log = CallLog(path) if path else None
    most = options.get(HISTORY.name, HISTORY.default)
    reason = "EPLB_OPT_HISTORY=0" if most == OFF else _why_no_history(policy)
    if not reason:
        return Past(
            History(most, ranks_may_join),
            recorder,
            options.get(HALF_LIFE.name, HALF_LIFE.default),
            options.get(ACROSS_OPTION.name, ACROSS_WINDOWS),
            options.get(LEVEL.name, LEVEL.default),
            call_log,
        )
    is_asked_for = most != OFF and HISTORY.name in options
    level = logging.WARNING if is_asked_for else logging.INFO
    say_once(("objective", reason), level, SUM, reason)
    return Past(None, recorder, call_log=call_log)


def _why_no_history(policy: type[AbstractEplbPolicy]) -> str:
    """Why the policy cannot plan over windows here; empty if it can."""
    name = getattr(policy, "method", policy.__name__)
    if name != REFINED.name:
        return f"policy {name!r} remembers nothing, only {REFINED.name!r} plans over windows"
    if not is_usable("numba"):
        return "plans over windows need numba, which is not installed here"
    try:
        METHODS[name].compile_windows()
        compile_moves()
    # Whatever a compiler says that does not fit the versions beside it.
    except Exception as error:
        return f"numba does not work here ({type(error).__name__}: {error})"
    return ""
