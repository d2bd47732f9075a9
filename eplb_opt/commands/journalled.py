"""``--journal`` and ``--shard``: long jobs that go on where they were, and jobs over several machines."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JournalError, OptionError
from .files import check_files, written
from .output import print_lines
from .parser import one_of
from .stated import said_of_options

if TYPE_CHECKING:
    from ..journal.journal import Journal

DONE = "the tasks done so far"  # what an interrupted job keeps in its journal
OF_OPTION = re.compile(r"\b(seconds|work|gap|seed|method|spare|distinct|top_k)=")
OPTION_OF = {"seconds": "time-limit", "top_k": "top-k"}


def add_journal(parser: argparse.ArgumentParser) -> None:
    """The options of a job that may be split."""
    add_journal_alone(parser)
    parser.add_argument(
        "--shard",
        metavar="I/N",
        help="do part I of N, from 1, each with a --journal of its own; eplb-opt merge joins them",
    )


def add_journal_alone(parser: argparse.ArgumentParser) -> None:
    """The option of a job that is done in one place."""
    parser.set_defaults(shard=None)
    parser.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help="keep here what is done: the same command goes on from there, whatever ended it",
    )


def add_executor(parser: argparse.ArgumentParser) -> None:
    """Where tasks run."""
    from ..executors.registry import EXECUTORS, LOCAL

    parser.add_argument(
        "--executor",
        type=one_of(EXECUTORS),
        choices=EXECUTORS,
        metavar="NAME",
        default=LOCAL,
        help="where --workers tasks run at a time: local, or ray, the cluster that RAY_ADDRESS names; "
        "default: %(default)s",
    )


def check_journal(
    options: argparse.Namespace, outputs: Mapping[str, Path | None]
) -> None:
    """Before any work: a shard has a journal, and what all layers have to be there for is not asked of it.

    Parameters
    ----------
    options : namespace
    outputs : mapping from option to path, or None where it is not given
    """
    from ..journal.shard import Shard

    if options.shard is None:
        return
    try:
        Shard.parse(options.shard)
    except OptionError as error:
        raise OptionError(f"--{error}") from error
    if options.journal is None:
        raise OptionError(
            f"--shard {options.shard} keeps its part in a file: give --journal FILE"
        )
    given = [name for name, path in outputs.items() if path is not None]
    if given:
        raise OptionError(
            f"{given[0]} is for all shards: leave it out, eplb-opt merge writes it"
        )


@contextlib.contextmanager
def journal_of(
    options: argparse.Namespace, outputs: Mapping[str, Path | None], *inputs: Path
) -> Iterator[Journal | None]:
    """The journal that the options name, open; None without one, or where nothing is to be done."""
    from ..journal.journal import Journal

    check_journal(options, outputs)
    if options.journal is None or getattr(options, "dry_run", False):
        yield None
        return
    check_files({**outputs, "--journal": options.journal}, inputs)
    try:
        with Journal(options.journal, options.shard or "1/1") as journal:
            yield journal
    except JournalError as error:
        raise JournalError(_of_options(str(error))) from error


def _of_options(message: str) -> str:
    """A message that names arguments as one that names options."""
    named = OF_OPTION.sub(
        lambda found: f"--{OPTION_OF.get(found[1], found[1])} ", message
    )
    return said_of_options(named)


def is_empty(journal: Journal | None, parts: int, what: str = "layers") -> bool:
    """Whether nothing is left for a shard, which is said: arrays of jobs are not counted so exactly."""
    if journal is None or journal.shard.parts(parts):
        return False
    print_lines([f"shard {journal.shard} has none of the {parts} {what}"])
    return True


def print_shard(
    journal: Journal | None, parts: int, interrupted: bool, what: str = "layers"
) -> None:
    """Where the part of a shard is."""
    if journal is None:
        return
    if interrupted:
        written.append(journal.path)
    elif not journal.shard.is_whole:
        own = f"{len(journal.shard.parts(parts))} of {parts} {what}"
        line = f"shard {journal.shard}: {own} in {journal.path}"
        print_lines([f"{line} (eplb-opt merge joins the shards)"])


def said_of(
    options: argparse.Namespace, instance: Any, loads: Any, notes: list[str]
) -> dict[str, Any]:
    """What the command that joins the shards has to know beside their results."""
    from .baseline import baseline_of

    return {
        "windows": options.windows,
        "notes": notes,
        "description": instance.describe(),
        "baseline": baseline_of(instance),
        "hidden_layers": loads.hidden_layers,
        "is_numbered": loads.layer_ids is not None,
    }


def begun_gap(journal: Journal | None) -> Journal | None:
    """The journal of a gap, begun: its methods are jobs in sections of it."""
    if journal is not None:
        journal.begin({"job": "gap"})
    return journal
