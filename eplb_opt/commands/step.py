"""A step of finite size, and what it takes: options that commands share; and policies from the current folder."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import FormatError, OptionError
from .options import positive

ONE_COPY = 1  # of a token, whose bound of sampling holds for any routing


def add_step(parser: argparse.ArgumentParser) -> None:
    """The tokens of a step, and how often each is routed."""
    parser.add_argument(
        "--tokens-per-step",
        type=positive,
        metavar="N",
        help="tokens of a step before routing: say which part of the imbalance is sampling in steps of so many",
    )
    parser.add_argument(
        "--top-k",
        type=positive,
        metavar="K",
        help="experts of a token, taken as independent of each other; default: 1, with which the upper bound of "
        "sampling holds for any routing, and is too large for tokens with several experts; with --cost: 8",
    )


def add_cost(parser: argparse.ArgumentParser) -> None:
    """What a replica takes."""
    parser.add_argument(
        "--cost",
        type=Path,
        metavar="FILE",
        help="plan in time: what a replica takes for its tokens of a step, a file of calibrate or the name of one that "
        "ships with the package; with --tokens-per-step loads become shares of a step's tokens, and its expected time "
        "is said",
    )


def top_k_in(options: argparse.Namespace) -> int:
    """Experts of a token, as given or by default."""
    from ..problem.objective import TOP_K

    if options.top_k is not None:
        return int(options.top_k)
    return ONE_COPY if getattr(options, "cost", None) is None else TOP_K


def check_top_k(options: argparse.Namespace, num_experts: int) -> None:
    """Raise `OptionError` if a token is to go to more experts than there are."""
    top_k = getattr(options, "top_k", None)
    if top_k is not None and top_k > num_experts:
        raise OptionError(
            f"--top-k {top_k} of {num_experts} experts: a token goes to an expert once, give at most {num_experts}"
        )


def cost_in(options: argparse.Namespace) -> dict[str, Any]:
    """The cost and the step that the options state, as `Objective` takes them; empty without a cost.

    Raises
    ------
    FormatError
        The file cannot be read, or holds no cost.
    """
    from ..costs_measured import measured_names, measured_path
    from ..problem.cost import Cost

    if getattr(options, "cost", None) is None:
        return {}
    shipped = measured_path(str(options.cost))
    if shipped is None and not options.cost.exists():
        names = ", ".join(measured_names())
        raise FormatError(
            f"cannot read {options.cost}: No such file or directory; costs that ship with the package: {names}"
        )
    cost = Cost.load(shipped or options.cost)
    step = options.tokens_per_step
    return {"cost": cost, "tokens_per_step": step, "top_k": top_k_in(options)}


def copies_in(options: argparse.Namespace) -> int | None:
    """Routed tokens of a step; None where no step is given; too many are said of the options."""
    from ..sampling import MOST_COPIES, copies_of

    if options.tokens_per_step is None:
        return None
    top_k = top_k_in(options)
    if options.tokens_per_step * top_k > MOST_COPIES:
        raise OptionError(
            f"--tokens-per-step {options.tokens_per_step} times --top-k {top_k}: at most {MOST_COPIES} routed tokens "
            "a step"
        )
    return copies_of(options.tokens_per_step, top_k)


def look_in_current_folder(specs: Sequence[str]) -> None:
    """Let modules of policies also be found in the current folder, as `python -m` does."""
    here = os.getcwd()
    if any(":" in spec for spec in specs) and here not in sys.path:
        sys.path.insert(0, here)
