"""`replay`: a trace through policies side by side, each judged on windows that it had not seen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ..checker.digest import loads_digest
from ..errors import InstanceError, OptionError, shown
from ..journal.journal import Journal, opened
from ..problem.instance import Instance
from ..sampling import copies_of
from ..warmup import warm_up
from .advice import Advice, advise
from .game import Game, game_of
from .judge import Outcome
from .kept import KeptPlans
from .parts import Parts, parts_of, sampling_of
from .players import NAMES, OWN, Player, chosen_players
from .result import Replay, ReplayInterrupted, Shown
from .rounds import OwnRounds, Rounds
from .trace import Trace, as_trace

Progress = Callable[[int, int], None]


@runtime_checkable
class Audience(Protocol):
    """A ``progress`` that is told who plays, too."""

    def plays(self, name: str) -> None:
        """Take the name of the policy that plays now."""


AnyRounds = Rounds | OwnRounds


def replay(
    trace: Any,
    num_replicas: int | Sequence[int],
    *,
    num_ranks: int,
    num_groups: int = 1,
    num_nodes: int = 1,
    distinct: bool = False,
    window: int = 1,
    history: int | None = None,
    interval: int | None = None,
    policies: Sequence[str] = NAMES,
    train: Sequence[str] = (),
    test: Sequence[str] = (),
    tokens_per_step: int | None = None,
    top_k: int = 1,
    workers: int = 1,
    progress: Progress | None = None,
    journal: Journal | str | Path | None = None,
) -> Replay:
    """Play recorded windows through policies: each plans on the past, and is judged on what came.

    At window t a plan sees the windows [t - history, t) and serves [t, t + interval). Windows before the first full
    history are a warm-up that nobody is judged on. With ``train`` and ``test`` there is one plan, of the windows of
    some labels, judged on those of others. Everything but the planning times is the same in every run.

    Parameters
    ----------
    trace : array [windows, layers, experts], `formats.Loads`, or path
        Routed tokens, in the order of time.
    num_replicas : int or sequence of int
        Slots a layer; several numbers are compared with each other.
    num_ranks, num_groups, num_nodes, distinct : int, int, int, bool
        As for `Instance`.
    window : int, default 1
        Recorded windows that are put together into one.
    history : int, optional
        Windows that a plan sees; by default a quarter of the trace, at most 16.
    interval : int, optional
        Windows between plans. By default powers of two are tried. That the first plan serves to the end is always
        tried.
    policies : sequence of str
        Of ``contiguous``, ``greedy``, ``refined``, ``refined-windows`` (``Objective("mean")``), ``optimal``, ``own``
        (each window's own plan, the floor) or ``package.module:Name`` of a policy from outside; all of this package by
        default. Those of this package that plan well start from the map that they left, as in an engine.
    train, test : sequence of str, optional
        Labels of windows to plan on and to judge on, instead of time.
    tokens_per_step : int, optional
        Tokens of a step before routing: the imbalance is then taken apart into the map's, drift's and sampling's.
    top_k : int, default 1
        Routed copies of a token, taken as independent. With 1, sampling's upper bound holds however the experts of
        one token depend on each other.
    workers : int, default 1
        Processes of ``optimal``, threads of ``refined-windows``.
    progress : callable, optional
        Called with (policies that have played, all of them); if it has a method `plays`, that is told who plays now.
    journal : Journal or path, optional
        Keeps every plan when it is made; the same replay goes on from there, whatever ended it.

    Returns
    -------
    Replay
        ``outcomes``, ``advice`` and ``to_dict()``.

    Raises
    ------
    OptionError
        A number or a name is none of these, or the trace is too short for them.
    InstanceError
        The loads cannot be placed on that topology.
    FormatError
        The trace cannot be read.
    PolicyError
        A policy from outside cannot be loaded, or fails.
    MissingPackageError
        A policy needs a package that is not installed.
    JournalError
        The journal is of another replay.
    ReplayInterrupted
        Ctrl-C (a `KeyboardInterrupt`), with what had played; before anything has, the interrupt comes as it is.

    Examples
    --------
    Two kinds of traffic take turns. Their sum is even, and does not tell which experts are hot together.

    >>> from eplb_opt import replay
    >>> loads = [[[9, 1, 9, 1]], [[1, 9, 1, 9]]] * 4
    >>> names = ["greedy", "refined-windows"]
    >>> found = replay(loads, 4, num_ranks=2, history=2, policies=names)
    >>> found.advice.policy, found.advice.interval, found.advice.imbalance
    ('refined-windows', None, 1.0)
    """
    _check_positive(
        {
            "window": window,
            "history": history,
            "interval": interval,
            "top_k": top_k,
            "workers": workers,
        }
    )
    copies = None if tokens_per_step is None else copies_of(tokens_per_step, top_k)
    played = as_trace(trace).joined(window)
    game = game_of(played, history, interval, train, test)
    players = chosen_players(policies, workers)
    topology = {
        "num_ranks": num_ranks,
        "num_groups": num_groups,
        "num_nodes": num_nodes,
        "distinct": distinct,
    }
    instances = _instances(played, num_replicas, topology)
    asked = {
        "loads_sha256": loads_digest(played.load),
        "replicas": [instance.num_replicas for instance in instances],
        **topology,
        "window": window,
        "history": game.history,
        "intervals": list(game.turns),
        "policies": list(policies),
        "train": list(train),
        "test": list(test),
    }
    with _opened(journal) as own_journal:
        kept = KeptPlans(own_journal)
        kept.begin(asked)
        rounds = _all_rounds(instances, players, OWN in policies, kept)
        outcomes = _play(rounds, game, progress)
        if len(outcomes) == len(rounds):
            kept.end()
    is_interrupted = len(outcomes) < len(rounds)
    rounds = rounds[: len(outcomes)]
    advice = advise([outcome for each in outcomes for outcome in each])
    settings = {
        "window": window,
        "windows": len(played),
        "history": game.history,
        "train": list(train),
        "test": list(test),
        "tokens_per_step": tokens_per_step,
        "top_k": None if tokens_per_step is None else top_k,
    }
    results = _all_shown(rounds, outcomes, game, advice, copies)
    notes = tuple(game.notes(players))
    found = Replay(
        instances[0], results, advice, game.served, settings, notes, is_interrupted
    )
    if is_interrupted:
        raise ReplayInterrupted(found)
    return found


def _opened(
    journal: Journal | str | Path | None,
) -> contextlib.AbstractContextManager[Journal | None]:
    return contextlib.nullcontext() if journal is None else opened(journal)


def _check_positive(values: Mapping[str, int | None]) -> None:
    """Raise `OptionError` for what is neither left out nor a positive integer."""
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise OptionError(f"{name}={shown(value)}: give an integer >= 1")


def _instances(
    trace: Trace, num_replicas: int | Sequence[int], topology: dict[str, Any]
) -> list[Instance]:
    """The trace with each number of replicas, the fewest first."""
    numbers = num_replicas if isinstance(num_replicas, Sequence) else [num_replicas]
    if not numbers or isinstance(numbers, str):
        raise InstanceError(
            f"num_replicas={shown(num_replicas)}: give a number of slots, or several"
        )
    instances = [
        Instance(trace.load, number, layer_ids=trace.layer_ids, **topology)
        for number in dict.fromkeys(numbers)
    ]
    return sorted(instances, key=lambda instance: instance.num_replicas)


def _all_rounds(
    instances: Sequence[Instance],
    players: Sequence[Player],
    with_own: bool,
    kept: KeptPlans,
) -> list[AnyRounds]:
    """Everybody's rounds, with what numba compiles compiled before any clock."""
    warm_up("refined", windows=any(player.over_windows for player in players))
    if any(player.is_slow for player in players):
        warm_up("optimal", windows=True)
    rounds: list[AnyRounds] = []
    for instance in instances:
        rounds += [Rounds(player, instance, kept) for player in players]
        if with_own:
            rounds.append(OwnRounds(instance, kept))
    return rounds


def _play(
    rounds: Sequence[AnyRounds], game: Game, progress: Progress | None
) -> list[list[Outcome]]:
    """The outcomes of each, one an interval; after an interrupt of those that had played, if one had."""
    outcomes: list[list[Outcome]] = []
    try:
        for number, one in enumerate(rounds):
            if isinstance(progress, Audience):
                progress.plays(_called(one, rounds))
            outcomes.append(_outcomes(one, game))
            if progress is not None:
                progress(number + 1, len(rounds))
    except KeyboardInterrupt:
        if not outcomes:
            raise
    return outcomes


def _called(one: AnyRounds, rounds: Sequence[AnyRounds]) -> str:
    """Who plays, with its slots where there are several numbers of them."""
    slots = one.instance.num_replicas
    are_alike = all(other.instance.num_replicas == slots for other in rounds)
    return one.name if are_alike else f"{one.name} with {slots} replicas"


def _outcomes(one: AnyRounds, game: Game) -> list[Outcome]:
    return [
        one.outcome(game.turns[interval], interval)
        for interval in game.intervals(one.is_slow)
    ]


def _all_shown(
    rounds: Sequence[AnyRounds],
    outcomes: Sequence[Sequence[Outcome]],
    game: Game,
    advice: Advice,
    copies: int | None,
) -> tuple[Shown, ...]:
    """The outcomes of all, in their order."""
    pairs = zip(rounds, outcomes, strict=True)
    results = [_shown(one, each, game, advice, copies) for one, each in pairs]
    return tuple(result for each in results for result in each)


def _shown(
    rounds: AnyRounds,
    outcomes: Sequence[Outcome],
    game: Game,
    advice: Advice,
    copies: int | None,
) -> list[Shown]:
    """The outcomes, of which one is shown, with its parts where a step's routed tokens are given."""
    interval = game.shown_interval(rounds.is_slow, advice.interval)
    shown_ones = []
    for outcome in outcomes:
        is_shown = outcome.interval == interval
        parts = None
        if is_shown and copies is not None:
            parts = _parts(rounds, outcome, game, copies)
        shown_ones.append(Shown(outcome, is_shown, parts))
    return shown_ones


def _parts(rounds: AnyRounds, outcome: Outcome, game: Game, copies: int) -> Parts:
    turns = game.turns[outcome.interval]
    sampling = sampling_of(
        lambda window: rounds.placement_at(window, turns),
        rounds.instance,
        game.served,
        copies,
    )
    return parts_of(outcome.seen, outcome.mean, sampling)
