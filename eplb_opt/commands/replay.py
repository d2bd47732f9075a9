"""``eplb-opt replay``: recorded traffic through policies, each judged on what it had not seen."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InstanceError, OptionError
from .common import add_command
from .dry_run import add_dry_run, end_dry_run
from .files import check_files
from .idle import say_idle
from .journalled import add_journal_alone, journal_of, print_shard
from .messages import RESULTS, say
from .options import (
    add_json,
    add_loads,
    add_topology,
    positive,
)
from .output import (
    STANDARD_OUTPUT,
    exit_code_of,
    json_file,
    print_lines,
    print_table,
    save_json,
)
from .page import add_page, save_page
from .parser import expecting
from .progress import shown_progress
from .stated import (
    read_recorded,
    said_of_axes,
    said_of_options,
    say_no_effect,
    topology_of,
)
from .step import (
    add_step,
    check_top_k,
    copies_in,
    look_in_current_folder,
    top_k_in,
)

if TYPE_CHECKING:
    from ..journal.journal import Journal

# An argument of `replay` at the beginning of an error.
ARGUMENT = re.compile(r"^(window|history|interval|train|test|policies|policy)\b=?\s*")
OPTION_OF = {"policy": "--policies"}


EXAMPLES = """
eplb-opt replay windows.npz --replicas 72,80 --ranks 8
eplb-opt replay windows.npz --replicas 72 --ranks 8 \\
    --policies greedy,refined-windows --interval 4
eplb-opt replay windows.npz --replicas 72 --ranks 8 \\
    --train code,chat --test maths
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "replay",
        "play recorded windows through policies: who would have been best?",
        EXAMPLES,
        usage="FILE --replicas N --ranks N [options]",
    )
    add_loads(parser)
    add_topology(parser, _numbers, ", or several numbers to compare: 72,80")
    _add_time(parser)
    _add_labels(parser)
    parser.add_argument(
        "--policies",
        type=_names,
        metavar="NAMES",
        help="comma-separated, of contiguous, greedy, refined, refined-windows, optimal, own (each window's own plan, "
        "the floor), or MODULE:NAME of a policy of yours; default: all but yours",
    )
    add_step(parser)
    parser.add_argument(
        "--workers",
        type=positive,
        default=os.cpu_count() or 1,
        help="processes of optimal, threads of refined-windows; default: all cores",
    )
    add_json(parser)
    add_page(parser)
    add_dry_run(parser)
    add_journal_alone(parser)
    parser.set_defaults(run=_replay)


def _add_time(parser: argparse.ArgumentParser) -> None:
    """When plans are made, and of what."""
    parser.add_argument(
        "--window",
        type=positive,
        default=1,
        metavar="N",
        help="recorded windows put together into one; default: 1",
    )
    parser.add_argument(
        "--history",
        type=positive,
        metavar="N",
        help="windows that a plan sees, the last ones; default: a quarter of all, at most 16",
    )
    parser.add_argument(
        "--interval",
        type=positive,
        metavar="N",
        help="windows between plans; default: 1, 2, 4 and so on are tried, and planning once always",
    )


def _add_labels(parser: argparse.ArgumentParser) -> None:
    """Planning on some labels instead of the past."""
    parser.add_argument(
        "--train",
        type=_names,
        default=[],
        metavar="LABELS",
        help="plan once, on the windows of these labels, comma-separated; with --test",
    )
    parser.add_argument(
        "--test",
        type=_names,
        default=[],
        metavar="LABELS",
        help="judge on the windows of these labels; with --train",
    )


def _names(text: str) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


@expecting("numbers between commas")
def _numbers(text: str) -> list[int]:
    """Numbers between commas, at least one."""
    return [int(part) for part in text.split(",")]


def _replay(options: argparse.Namespace) -> int:
    outputs = {"--json": json_file(options.json), "--report": options.report}
    check_files(outputs, [options.loads])
    with journal_of(options, outputs, options.loads) as journal:
        return _replay_with(options, journal)


def _replay_with(options: argparse.Namespace, journal: Journal | None) -> int:
    _check_labels(options)
    copies_in(options)
    notes = say_no_effect(options, topology_of(options))
    notes += say_idle(options, windows=0)
    look_in_current_folder(_policies(options))
    loads = read_recorded(options)
    said_of_axes(options, loads)
    check_top_k(options, loads.load.shape[-1])
    if options.dry_run:
        plan = list(_plan(options, loads))
        return end_dry_run(options, loads, options.replicas[0], notes, plan)
    report = _played(options, loads, journal)
    print_shard(journal, 0, bool(report["interrupted"]))
    for note in report["notes"]:
        say("note", note)
    report["notes"] = notes + report["notes"]
    save_json(options.json, report)
    saved = save_page(options.report, lambda: _page(report))
    if options.json != STANDARD_OUTPUT:
        _print(report)
        print_lines(saved)
    return exit_code_of(bool(report["interrupted"]), RESULTS)


def _check_labels(options: argparse.Namespace) -> None:
    """Raise `OptionError` for labels to plan on without labels to judge on, or the other way round."""
    for given, missing in (("train", "test"), ("test", "train")):
        labels = getattr(options, given)
        if labels and not getattr(options, missing):
            raise OptionError(
                f"--{given} {','.join(labels)} goes with --{missing}: give both"
            )


def _policies(options: argparse.Namespace) -> list[str]:
    """The policies asked for, by default all of this package."""
    from ..replayer.players import NAMES

    return list(NAMES) if options.policies is None else options.policies


def _plan(options: argparse.Namespace, loads: Any) -> Iterator[str]:
    """What would be played."""
    from ..replayer.game import game_of
    from ..replayer.players import chosen_players
    from ..replayer.trace import as_trace

    policies = _policies(options)
    with _said_of_options():
        chosen_players(policies, options.workers)
        trace = as_trace(loads).joined(options.window)
        game = game_of(
            trace, options.history, options.interval, options.train, options.test
        )
    slots = " and ".join(str(number) for number in options.replicas)
    yield f"would play {', '.join(policies)} with {slots} replicas"
    seen = len(game.turns[None][0].seen)
    yield f"{len(trace)} windows: a plan sees {seen}, {len(game.served)} are judged"
    intervals = ["never" if every is None else str(every) for every in game.turns]
    yield f"re-planned every: {', '.join(intervals)}"


def _played(
    options: argparse.Namespace, loads: Any, journal: Journal | None
) -> dict[str, Any]:
    """The report of the replay that the options state; what is wrong with them is said of the options."""
    from ..replayer.play import replay
    from ..replayer.result import ReplayInterrupted

    policies = _policies(options)
    try:
        with (
            _said_of_options(),
            shown_progress("replay", "policies have played") as progress,
        ):
            return replay(
                loads,
                options.replicas,
                num_ranks=options.ranks,
                num_groups=options.groups,
                num_nodes=options.nodes,
                distinct=options.distinct,
                window=options.window,
                history=options.history,
                interval=options.interval,
                policies=policies,
                train=options.train,
                test=options.test,
                tokens_per_step=options.tokens_per_step,
                top_k=top_k_in(options),
                workers=options.workers,
                progress=progress,
                journal=journal,
            ).to_dict()
    except ReplayInterrupted as stopped:
        return stopped.result.to_dict()


@contextlib.contextmanager
def _said_of_options() -> Iterator[None]:
    """What is wrong with an argument is said of the option."""
    try:
        yield
    except InstanceError as error:
        raise InstanceError(said_of_options(str(error))) from error
    except OptionError as error:
        raise OptionError(_of_option(str(error))) from error


def _of_option(message: str) -> str:
    """A message that begins with an argument as one that begins with the option."""
    found = ARGUMENT.match(message)
    if found is None:
        return message
    name = found[1]
    option = OPTION_OF.get(name, f"--{name}")
    return f"{option} {message[found.end() :]}"


def _page(report: Mapping[str, Any]) -> Any:
    """The page that ``--report`` writes."""
    from ..pages.of_replay import page_of_replay

    return page_of_replay(report)


def _print(report: Mapping[str, Any]) -> None:
    """Tables, then the advice."""
    from ..report import replay as tables

    print_lines(tables.head_lines(report))
    print_table(tables.outcome_table(report))
    moves = tables.moves_table(report)
    if moves:
        print_lines(["", tables.moves_line()])
        print_table(moves)
    intervals = tables.interval_table(report)
    if len(intervals[0].cells) > 1:
        print_lines(["", tables.interval_line(report)])
        print_table(intervals)
    parts = tables.parts_table(report)
    if parts:
        print_lines(["", *tables.parts_lines(report)])
        print_table(parts)
    print_lines(["", *tables.advice_lines(report)])
    evidence = tables.evidence_table(report)
    if evidence[0].cells:
        print_table(evidence)
