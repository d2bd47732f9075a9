"""Options that commands share: the loads, the topology and the limits."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..limits import Limits, expected_of
from ..problem.across import ACROSS
from .parser import expecting, integer, one_of, percent_or_real, real

OPTION_OF_LIMIT = {
    "seconds": "--time-limit",
    "work": "--work",
    "gap": "--gap",
    "workers": "--workers",
    "seed": "--seed",
}
# Within it there are maps that do little harm, and harmless ones are found fast; --gap 1e-4 asks for the proof.
USUAL_GAP = 1e-3


def add_input(parser: argparse.ArgumentParser, *, is_required: bool = True) -> None:
    """The loads and the topology to solve for."""
    add_loads(parser)
    _add_windows(parser)
    add_topology(parser, is_required=is_required)
    add_limits(parser, seconds=60.0)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Which windows of the loads are read."""
    parser.add_argument(
        "--windows",
        default="all",
        metavar="WHICH",
        help="index, range 0:16, label, or all (the default)",
    )


def _add_windows(parser: argparse.ArgumentParser) -> None:
    """The windows, and what counts of them."""
    add_selection(parser)
    parser.add_argument(
        "--across",
        type=one_of(ACROSS),
        choices=ACROSS,
        metavar="NAME",
        help="what counts of several windows: their sum, or heaviest over mean rank "
        "load in the mean, in the worst of them by --level (cvar) or in the worst "
        "one (max): sum, mean, cvar or max; default: mean, or sum in hierarchical mode with an exact method",
    )
    parser.add_argument(
        "--level",
        type=real,
        default=0.9,
        metavar="X",
        help="of cvar: the worst 1 - X of the windows count; default: %(default)s",
    )


def add_topology(
    parser: argparse.ArgumentParser,
    replicas: Callable[[str], Any] = integer,
    more: str = "",
    *,
    is_required: bool = True,
) -> None:
    """Slots, ranks, nodes and groups; how the slots are read, and what else their help says."""
    parser.add_argument(
        "--replicas",
        type=replicas,
        required=is_required,
        metavar="N",
        help=f"physical experts (slots) a layer{more}",
    )
    parser.add_argument(
        "--ranks", type=integer, required=is_required, metavar="N", help="GPUs"
    )
    add_mode(parser)


def add_mode(parser: argparse.ArgumentParser) -> None:
    """Nodes and groups, and whether replicas of an expert may share a rank."""
    parser.add_argument(
        "--nodes", type=integer, default=1, metavar="N", help="default: 1"
    )
    parser.add_argument(
        "--groups",
        type=integer,
        default=1,
        metavar="N",
        help="expert groups of the router; default: 1",
    )
    parser.add_argument(
        "--distinct",
        action="store_true",
        help="no two replicas of one expert on one rank",
    )


def add_loads(parser: argparse.ArgumentParser) -> None:
    """The loads, and what their file does not say."""
    parser.add_argument(
        "loads",
        type=Path,
        help="recorded loads: npz, npy, json, csv, torch .pt, or an engine's dump; a file, or a folder with one a rank",
    )
    add_reading(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How to read the input, and which layers it has."""
    from ..formats import input_formats

    names = ", ".join(input_formats())
    parser.add_argument(
        "--input-format",
        metavar="NAME",
        help=f"{names}; default: detected from the content",
    )
    parser.add_argument(
        "--layers",
        type=layer_ids,
        metavar="IDS",
        help="absolute layer ids (3:61 or 1,3,5): a choice, or, where the "
        "input numbers only its MoE layers, what they are; unrecorded ones get a valid "
        "map",
    )
    parser.add_argument(
        "--tokens-per-window",
        type=positive,
        metavar="N",
        help="tokens of a window, where the input holds the experts of each token "
        "(default: all in one window)",
    )
    parser.add_argument(
        "--experts",
        type=positive,
        metavar="N",
        help="experts of the model, where the input does not show the last ones",
    )


def reading_of(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say of the loads, as `read_loads` takes it."""
    return {
        "input_format": options.input_format,
        "layers": options.layers,
        "tokens_per_window": options.tokens_per_window,
        "experts": options.experts,
    }


def add_output(parser: argparse.ArgumentParser) -> None:
    """The format to write, and what it asks for."""
    from ..formats import output_formats

    names = ", ".join(output_formats())
    parser.add_argument(
        "--format",
        metavar="NAME",
        help=f"{names}; default: {_endings()} by the file's ending",
    )
    option = "--hidden-layers"
    parser.add_argument(
        option,
        type=positive,
        metavar="N",
        help="layers of the model, dense ones too, where the format "
        f"needs them ({formats_needing(option)}) and the input does not say{_further_uses(option)}",
    )


def formats_needing(option: str) -> str:
    """Names of the formats that need an option, for its help."""
    from ..formats import Need, formats_that_need

    return ", ".join(formats_that_need(Need(option)))


def _endings() -> str:
    """Names of the formats that a file's ending chooses."""
    from ..formats import format_named, output_formats

    return " or ".join(name for name in output_formats() if format_named(name).endings)


def _further_uses(option: str) -> str:
    """What an option does for formats beside what it is needed for."""
    from ..formats import Need, format_named, input_formats

    taken = [format_named(name).takes for name in input_formats()]
    uses = [use[Need(option)] for use in taken if Need(option) in use]
    return "".join(f"; {use}" for use in uses)


@expecting("an integer >= 1")
def positive(text: str) -> int:
    """An integer >= 1."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


@expecting("different numbers, such as 3:61 (the end is excluded) or 1,3,5")
def layer_ids(text: str) -> list[int]:
    """Layer ids as ``3:61`` (the end is excluded), ``1,3,5``, or both."""
    ids = [layer for part in text.split(",") for layer in _range(part)]
    if not ids or len(set(ids)) != len(ids) or min(ids) < 0:
        raise ValueError(text)
    return ids


def _range(part: str) -> Sequence[int]:
    """One id, or all of a range."""
    from ..formats import MOST_LAYERS

    first, colon, end = part.partition(":")
    if not colon:
        return [int(first)]
    if int(end) - int(first) > MOST_LAYERS:
        raise ValueError(part)
    return range(int(first), int(end))


def add_limits(parser: argparse.ArgumentParser, seconds: float) -> None:
    """Time or work, gap, workers, seed, and the file that takes everything shown."""
    parser.set_defaults(usual_seconds=seconds)
    _add_spending(parser, seconds)
    parser.add_argument(
        "--gap",
        type=percent_or_real,
        default=USUAL_GAP,
        metavar="X",
        help="gap at which a layer is OPTIMAL; of the maps within it, one that other "
        "loads hurt least is taken; default: %(default)s",
    )
    parser.add_argument(
        "--workers",
        type=integer,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes; default: all cores",
    )
    parser.add_argument(
        "--seed", type=integer, default=0, metavar="N", help="default: 0"
    )
    add_json(parser)


def _add_spending(parser: argparse.ArgumentParser, seconds: float) -> None:
    """The time or the work that a command may take."""
    parser.add_argument(
        "--time-limit",
        type=real,
        metavar="SECONDS",
        help=f"default: {seconds}; with --work: none",
    )
    parser.add_argument(
        "--work",
        type=real,
        metavar="N",
        help="limit of what is computed for each pool, in roughly seconds of one core, "
        "instead of the time: the same loads give the same map in every run",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """The file that takes everything shown."""
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write everything shown here; - is standard output, which then has nothing else",
    )


def limits_of(options: argparse.Namespace) -> Limits:
    """The limits that the options state; a limit on work puts the usual clock away.

    Raises
    ------
    OptionError
        A value is out of range, said of the option.
    """
    for field, option in OPTION_OF_LIMIT.items():
        value = getattr(options, option.removeprefix("--").replace("-", "_"))
        expected = "" if value is None else expected_of(field, value)
        if expected:
            raise OptionError(f"{option} {value}: give {expected}")
    seconds = options.time_limit
    if seconds is None and options.work is None:
        seconds = options.usual_seconds
    return Limits(
        seconds=seconds,
        work=options.work,
        gap=options.gap,
        workers=options.workers,
        seed=options.seed,
    )
