"""With the default cost nothing changes: ``python -m benchmarks.default_cost [CASE ...]``.

Each recorded case as it is and with ``cost=Cost.tokens()``: `refined`, and `optimal` within work limits on the first
layers, must give the same maps, bounds and certificates, bit by bit. Then `refined` is called in turns as it is, with
the cost, and as it is again: the ratio of the last median of processor time to the first is noise, and that of the
second should be within it. Both are printed with intervals of 95 % (bootstrap over the turns). Ends with 1 if any map
or proof differs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from eplb_opt import Cost, Instance
from eplb_opt.heuristics.refine import refined

from .cases import registry
from .environment import environment, origin
from .same import digest, solved
from .weak import milliseconds

SEED = 0
WORK = 0.02  # of `optimal`, a pool
LAYERS = 3  # of each case, that `optimal` does
RESAMPLES = 2000
ENDS = (2.5, 97.5)  # percent
MODELS = ("ds3", "gptoss")  # beginnings of the cases' names


def with_tokens(instance: Instance) -> Instance:
    """The same instance, with the default cost in words."""
    objective = replace(instance.objective, cost=Cost.tokens())
    return replace(instance, objective=objective)


def digests(instance: Instance) -> list[str]:
    """Of the maps of `refined`, and of maps, bounds and certificates of `optimal`."""
    fast = digest(refined(instance).phy2log)
    first = instance.select(range(min(LAYERS, instance.num_layers)))
    return [fast, solved(first, "optimal", WORK)]


def interval(above: Sequence[float], below: Sequence[float]) -> tuple[float, float, float]:
    """The ratio of two medians, and its interval by bootstrap."""
    random = np.random.default_rng(SEED)
    medians = [np.median(random.choice(np.array(times), (RESAMPLES, len(times))), axis=1) for times in (above, below)]
    low, high = np.percentile(medians[0] / medians[1], ENDS)
    return float(np.median(above) / np.median(below)), float(low), float(high)


def line(name: str, instance: Instance) -> tuple[str, bool]:
    """What is said of a case, and whether nothing changes."""
    other = with_tokens(instance)
    is_same = digests(instance) == digests(other)
    calls = [partial(refined, one) for one in (instance, other, instance)]
    plain, tokens, again = milliseconds(calls)
    parts = [
        f"{name:22} {'same' if is_same else 'DIFFERENT'} maps and proofs, {np.median(plain):.2f} ms",
        f"with the cost x {_shown(interval(tokens, plain))}",
        f"noise x {_shown(interval(again, plain))}",
    ]
    return "; ".join(parts), is_same


def _shown(found: tuple[float, float, float]) -> str:
    ratio, low, high = found
    return f"{ratio:.3f} ({low:.3f} to {high:.3f})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a case; 1 if any map or proof differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="only these; default: all of DeepSeek-V3 and gpt-oss")
    options = parser.parse_args(arguments)
    cases = registry()
    names = options.cases or [name for name in cases if name.partition("-")[0] in MODELS]
    print(origin(environment(SEED)))
    differing = 0
    for name in names:
        said, is_same = line(name, cases[name]())
        differing += not is_same
        print(said, flush=True)
    print(f"{len(names)} cases, {differing} with other maps or proofs")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
