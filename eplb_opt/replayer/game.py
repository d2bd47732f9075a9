"""A game: when plans are made in a trace, of which windows, and who plays at which interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import OptionError, shown
from .players import Player
from .trace import (
    Trace,
    Turn,
    length,
    turn_by_label,
    turns_by_time,
    usual_history,
    usual_intervals,
)

MOST_PLANS = 64  # of one player at the intervals that are tried
MOST_SLOW_PLANS = 6  # of a slow one


@dataclass(frozen=True)
class Game:
    """The turns of a trace at every interval.

    Attributes
    ----------
    turns : dict
        From the interval (None: planned once) to its turns; all serve the same windows.
    history : int or None
        Windows that a plan sees; None: those of some labels.
    asked : int or None
        The interval that was asked for.
    """

    turns: dict[int | None, list[Turn]]
    history: int | None
    asked: int | None = None

    @property
    def served(self) -> tuple[int, ...]:
        """The windows that are judged."""
        return self.turns[None][0].served

    def intervals(self, is_slow: bool) -> list[int | None]:
        """At which intervals somebody plays: unless asked for, who is slow makes few plans."""
        if not is_slow or self.asked is not None:
            return list(self.turns)
        return [
            interval
            for interval, turns in self.turns.items()
            if len(turns) <= MOST_SLOW_PLANS
        ]

    def shown_interval(self, is_slow: bool, advised: int | None) -> int | None:
        """The interval that tables show: the one asked for or advised, or the next longer one that is played."""
        wanted = advised if self.asked is None else self.asked
        at_least = length(wanted)
        played = self.intervals(is_slow)
        return min((i for i in played if length(i) >= at_least), key=length)

    def notes(self, players: Sequence[Player]) -> Iterator[str]:
        """What was left out."""
        for player in players:
            if len(self.intervals(player.is_slow)) < len(self.turns):
                yield (
                    f"{player.name} takes seconds a plan: at most {MOST_SLOW_PLANS} plans of it, so not at every "
                    "interval; --interval plays it at that one"
                )


def game_of(
    trace: Trace,
    history: int | None,
    interval: int | None,
    train: Sequence[str],
    test: Sequence[str],
) -> Game:
    """The game by label where there are labels to plan on or to judge on, otherwise by time.

    Raises
    ------
    OptionError
        The trace is too short; a label is not there or is in both; an option of time is given beside labels.
    """
    if train or test:
        return _by_label(trace, train, test, {"history": history, "interval": interval})
    return _by_time(trace, history, interval)


def _by_time(trace: Trace, history: int | None, interval: int | None) -> Game:
    """Plans of the last windows, one after the other."""
    windows = len(trace)
    if windows < 2:
        raise OptionError(
            "the trace has one window: nothing comes after the plan; give windows [windows, layers, experts]"
        )
    history = usual_history(windows) if history is None else history
    if history >= windows:
        raise OptionError(
            f"history={history}: the trace has {windows} windows, give at most {windows - 1} to have one to judge"
        )
    served = windows - history
    if interval is not None and interval > served:
        raise OptionError(
            f"interval={interval}: {served} windows are served after the history, give at most that"
        )
    intervals = usual_intervals(served, MOST_PLANS)
    if interval is not None:
        intervals = [None, interval]
    turns = {every: turns_by_time(windows, history, every) for every in intervals}
    return Game(turns, history, interval)


def _by_label(
    trace: Trace,
    train: Sequence[str],
    test: Sequence[str],
    of_time: Mapping[str, int | None],
) -> Game:
    """One plan, of the windows of some labels, for those of others."""
    for name, value in of_time.items():
        if value is not None:
            raise OptionError(
                f"{name}={shown(value)} with train and test: these are planned once, on all of train; leave one out"
            )
    return Game({None: [turn_by_label(trace.labels, train, test)]}, None)
