"""What a step of finite size is: options that ``gap`` and ``replay`` share; and policies from the current folder."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .options import positive


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
        default=1,
        metavar="K",
        help="experts of a token, taken as independent of each other; default: 1, with which the upper bound of "
        "sampling holds for any routing, and is too large for tokens with several experts",
    )


def copies_in(options: argparse.Namespace) -> int | None:
    """Routed tokens of a step; None where no step is given."""
    from ..sampling import copies_of

    if options.tokens_per_step is None:
        return None
    return copies_of(options.tokens_per_step, options.top_k)


def look_in_current_folder(specs: Sequence[str]) -> None:
    """Let modules of policies also be found in the current folder, as `python -m` does."""
    here = os.getcwd()
    if any(":" in spec for spec in specs) and here not in sys.path:
        sys.path.insert(0, here)
