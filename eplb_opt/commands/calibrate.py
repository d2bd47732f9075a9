"""``eplb-opt calibrate``: what experts cost on this machine's GPU, measured."""

from __future__ import annotations

import argparse
import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from .common import add_command
from .files import check_files, save
from .output import print_lines, print_table
from .parser import integer
from .progress import shown_progress

if TYPE_CHECKING:
    from ..calibration.run import Calibration
    from ..calibration.shape import ExpertShape

ARGUMENT = re.compile(r"^(hidden|intermediate|experts|dtype)=")  # of `ExpertShape`


EXAMPLES = """
eplb-opt calibrate --hidden 7168 --intermediate 2048 \\
    --experts 10 -o cost.json
"""


def add_parser(commands: Any) -> None:
    """The command's options."""
    parser = add_command(
        commands,
        "calibrate",
        "measure what experts cost on this machine's GPU",
        EXAMPLES,
        usage="-o FILE [options]",
    )
    parser.add_argument(
        "--hidden", type=integer, required=True, metavar="H", help="width of a token"
    )
    parser.add_argument(
        "--intermediate",
        type=integer,
        required=True,
        metavar="I",
        help="width of an expert between its two matrix products",
    )
    parser.add_argument(
        "--experts",
        type=integer,
        required=True,
        metavar="S",
        help="experts (slots) of a rank, at most; ranks with fewer are measured, too",
    )
    parser.add_argument(
        "--dtype",
        default="bf16",
        help="bf16 or fp8, of weights and tokens; default: %(default)s",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the cost, JSON, as --cost takes it",
    )
    parser.add_argument(
        "--seed",
        type=integer,
        default=0,
        metavar="N",
        help="of the measured steps; default: 0",
    )
    parser.set_defaults(run=_calibrate)


def _calibrate(options: argparse.Namespace) -> None:
    from ..calibration.cost_file import cost_content
    from ..formats import write_json

    shape = _shape(options)
    check_files({"--output": options.output})
    calibration = _measured(shape, options.seed)
    content = cost_content(calibration, _made_by())
    save(options.output, lambda file: write_json(file, content))
    _print(content, options.output)


def _shape(options: argparse.Namespace) -> ExpertShape:
    """The experts that the options state; what is wrong with them is said of the options."""
    from ..calibration.shape import ExpertShape

    if options.seed < 0:
        raise OptionError(f"--seed {options.seed}: give an integer >= 0")
    try:
        return ExpertShape(
            options.hidden, options.intermediate, options.experts, options.dtype
        )
    except OptionError as error:
        raise OptionError(ARGUMENT.sub(r"--\1 ", str(error))) from error


def _measured(shape: ExpertShape, seed: int) -> Calibration:
    from ..calibration.device import gpu_clock
    from ..calibration.run import calibrated

    measure = gpu_clock(shape)
    with shown_progress("calibrate", "measurements") as progress:
        return calibrated(shape, measure, seed=seed, progress=progress)


def _made_by() -> dict[str, Any]:
    """Card, versions, commit and date."""
    from ..calibration.device import describe_gpu
    from ..installed import installed_commit
    from ..version import PACKAGE, __version__

    made_by = describe_gpu()
    made_by["versions"][PACKAGE] = __version__
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return {**made_by, "commit": installed_commit(), "date": today.isoformat()}


def _print(content: Mapping[str, Any], path: Path) -> None:
    """The cost, and how far it is from steps that it was not fitted to."""
    from ..report.cost import cost_table, held_out_lines, measured_lines

    print_lines(measured_lines(content))
    print_table(cost_table(content))
    print_lines(held_out_lines(content))
    print_lines([f"written: {path}"])
