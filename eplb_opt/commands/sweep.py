"""``eplb-opt sweep``: how many redundant experts, on how many ranks, at which batch, and what that gains."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InstanceError, OptionError
from ..methods import METHODS
from ..methods.needs import require_method
from ..problem.across import ACROSS
from .common import add_command
from .files import check_files, save, written
from .idle import say_idle
from .journalled import add_journal, is_empty, journal_of, print_shard
from .messages import RESULTS
from .options import (
    add_limits,
    add_loads,
    add_mode,
    add_selection,
    limits_of,
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
from .parser import one_of
from .progress import shown_progress
from .stated import read_selected, said_of_options, say_no_effect
from .step import check_top_k
from .units import bytes_in

if TYPE_CHECKING:
    from ..journal.journal import Journal
    from ..sweeping.setting import Setting

EXAMPLES = """
eplb-opt sweep loads.npz --replicas 256:352:32 \\
    --ranks 16,32 --tokens-per-step 1024,16384
eplb-opt sweep loads.npz --replicas 256:352:32 \\
    --ranks 32 --tokens-per-step 1024:8193:1024 \\
    --cost h100-deepseek-v3 --bytes-per-expert 44MiB
"""
# An argument of `Setting` in an error.
ARGUMENT = re.compile(r"\b(replicas|ranks|tokens_per_step|top_k)=")
USUAL_SECONDS = 10.0
MOST_NUMBERS = 1000
LIST = "numbers a,b or first:end:step, the end excluded"


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "sweep",
        "how many redundant experts, on how many ranks, at which batch?",
        EXAMPLES,
        usage="FILE --replicas N --ranks N [options]",
    )
    add_loads(parser)
    _add_swept(parser)
    _add_map(parser)
    _add_step(parser)
    add_limits(parser, seconds=USUAL_SECONDS)
    add_page(parser)
    add_journal(parser)
    parser.set_defaults(run=_sweep)


def _add_swept(parser: argparse.ArgumentParser) -> None:
    """The numbers that are combined."""
    parser.add_argument(
        "--replicas",
        type=numbers,
        required=True,
        metavar="N",
        help=f"slots of a layer: {LIST}",
    )
    parser.add_argument(
        "--ranks", type=numbers, required=True, metavar="N", help=f"GPUs: {LIST}"
    )
    parser.add_argument(
        "--tokens-per-step",
        type=numbers,
        required=True,
        metavar="N",
        help=f"tokens of a step before routing: {LIST}",
    )


def _add_map(parser: argparse.ArgumentParser) -> None:
    """What kind of maps, and how they are planned."""
    add_mode(parser)
    add_selection(parser)
    parser.add_argument(
        "--across",
        type=one_of(ACROSS),
        choices=ACROSS,
        metavar="NAME",
        default="sum",
        help=f"what counts of several windows: {', '.join(ACROSS)}; default: %(default)s",
    )
    parser.add_argument(
        "--method",
        type=one_of(METHODS),
        choices=list(METHODS),
        metavar="NAME",
        default="optimal",
        help="that plans each number of slots and ranks, for --time-limit seconds at most, which with --cost the "
        f"numbers of tokens share: {', '.join(METHODS)}; default: %(default)s",
    )


def _add_step(parser: argparse.ArgumentParser) -> None:
    """How a step is judged."""
    from ..sweeping.setting import TOP_K

    parser.add_argument(
        "--cost",
        metavar="FILE",
        help="plan and judge in time: what a replica costs, of eplb-opt calibrate, or the name of one that ships with "
        "the package; default: ranks are judged by their tokens",
    )
    parser.add_argument(
        "--top-k",
        type=positive,
        default=TOP_K,
        metavar="K",
        help="experts of a token; default: %(default)s",
    )
    parser.add_argument(
        "--bytes-per-expert",
        type=bytes_in,
        metavar="SIZE",
        help="of one replica in one layer, such as 44MiB: say the memory of the slots",
    )


def numbers(text: str) -> list[int]:
    """Numbers as ``256,288``, ``256:352:32`` (the end is excluded), or both."""
    try:
        found = [number for part in text.split(",") for number in _range(part)]
    except ValueError:
        found = []
    if not found or min(found) < 1 or len(found) > MOST_NUMBERS:
        raise argparse.ArgumentTypeError(f"{text!r}: give {LIST}, all >= 1")
    return list(dict.fromkeys(found))


def _range(part: str) -> list[int]:
    """One number, or all of a range."""
    if ":" not in part:
        return [int(part)]
    first, end, step = (int(number) for number in part.split(":"))
    found = range(first, end, step)
    return list(found[: MOST_NUMBERS + 1])


def _sweep(options: argparse.Namespace) -> int:
    inputs = (
        [options.loads] if options.cost is None else [options.loads, Path(options.cost)]
    )
    outputs = {"--json": json_file(options.json), "--report": options.report}
    check_files(outputs, inputs)
    with journal_of(options, outputs, *inputs) as journal:
        return _sweep_with(options, journal)


def _sweep_with(options: argparse.Namespace, journal: Journal | None) -> int:
    from ..sweeping.cells import count_places

    setting = _setting(options)
    require_method(options.method, setting.limits)
    try:
        places, _ = setting.places()
        say_no_effect(options, places[0])
        say_idle(options, len(setting.load))
        count = count_places(setting)
        if is_empty(journal, count, "plans"):
            return 0
        report, interrupted = _swept(setting, journal, options.json)
    except InstanceError as error:
        raise InstanceError(said_of_options(str(error))) from error
    if journal is not None and not journal.shard.is_whole and not interrupted:
        print_shard(journal, count, interrupted, "plans")
        return 0
    saved = save_page(options.report, lambda: _page(report))
    if options.json == STANDARD_OUTPUT:
        save_json(options.json, report)
    else:
        print_sweep(report)
        print_lines(saved)
    return exit_code_of(interrupted, RESULTS)


def _swept(
    setting: Setting, journal: Journal | None, path: Path | None
) -> tuple[Mapping[str, Any], bool]:
    """The report, kept whenever cells were added to it; after an interrupt what there is, if there are cells."""
    from ..sweeping.sweep import sweep

    made: list[Mapping[str, Any]] = []

    def keep(so_far: Mapping[str, Any]) -> None:
        made[:] = [so_far]
        _keep(path, so_far)

    try:
        with shown_progress("sweep", "plans") as progress:
            report = sweep(setting, journal=journal, made=keep, progress=progress)
            return report, False
    except KeyboardInterrupt:
        if not made:
            raise
        return made[0], True


def _page(report: Mapping[str, Any]) -> Any:
    from ..pages.of_sweep import page_of_sweep

    return page_of_sweep(report)


def _keep(path: Path | None, report: Mapping[str, Any]) -> None:
    """Write the report so far, so that an interrupt costs one plan."""
    from ..formats import write_json

    if path is None or path == STANDARD_OUTPUT:
        return
    if path in written:
        write_json(path, report)
    else:
        save(path, lambda file: write_json(file, report))


def _setting(options: argparse.Namespace) -> Setting:
    """What the options state; what is wrong with them is said of the options."""
    from ..problem.objective import Objective
    from ..sweeping.setting import Setting

    limits = limits_of(options)
    cost = _cost(options.cost)
    loads = read_selected(options)
    check_top_k(options, loads.load.shape[-1])
    try:
        return Setting(
            loads.load,
            options.replicas,
            options.ranks,
            options.tokens_per_step,
            cost=cost,
            top_k=options.top_k,
            num_groups=options.groups,
            num_nodes=options.nodes,
            distinct=options.distinct,
            objective=Objective(options.across),
            layer_ids=loads.layer_ids,
            method=options.method,
            limits=limits,
            bytes_per_expert=options.bytes_per_expert,
        )
    except OptionError as error:
        raise OptionError(_of_option(str(error))) from error


def _cost(given: str | None) -> Any:
    """The cost that a file or a name states; None without one."""
    if given is None:
        return None
    from ..problem.cost import Cost

    return Cost.load(given)


def _of_option(message: str) -> str:
    """A message about arguments as one about the options."""
    return ARGUMENT.sub(lambda found: f"--{found[1].replace('_', '-')} ", message)


def print_sweep(report: Mapping[str, Any]) -> None:
    """A table for each number of ranks, then the advice."""
    from ..report import sweep as tables

    print_lines(tables.head_lines(report))
    for ranks in dict.fromkeys(cell["ranks"] for cell in report["cells"]):
        print_lines(["", f"{ranks} ranks"])
        print_table(tables.cell_table(report, ranks))
    print_lines(["", *tables.legend_lines(report)])
    print_lines(["", *tables.advice_lines(report)])
    print_lines(["", *tables.summary_lines(report)])
