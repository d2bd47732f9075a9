"""From one map to the next, what moves and what the maps are worth: ``python -m benchmarks.moves``.

Each window of a trace is a call that plans; the map is judged on the windows that it was planned on and on the one
after them. A line a table and trace goes to ``results/moves.jsonl``, the page ``moves.md`` is made of these (with
``--page`` of those that are there already). ``--times`` measures times alone, and leaves the other lines as they are:
run it on a machine that does nothing else.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from eplb_opt import POLICIES
from eplb_opt.moves.rule import MoveRule
from eplb_opt.plugins.history import DEFAULT as HISTORY
from eplb_opt.policies.by_method import REFINED_SLACK
from eplb_opt.replanning import replanned
from eplb_opt.warmup import warm_up, warm_up_moves

from .environment import environment
from .foresight import SEED
from .history import Trace
from .moves_page import PAGE, RESULTS, page
from .moves_played import Plans, Step
from .moves_traces import drifting, kinds, recorded, slow, some_layers, steady
from .options import PAGE_ONLY, chosen
from .peers import REPLANNERS, PeerMissingError
from .store import publish, read_lines

FIRST = 7  # the first call that plans over windows
FRONTIER = (0, 8, 16, 32, 64, 128, None)
PARTS = {"64 of 288": 64 / 288, "32 of 288": 32 / 288}  # of the slots that may move
SLACKS = (0.002, 0.005, 0.01, 0.02, 0.05)
PRICES = (1e-4, 5e-4)
GAINS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05)
CALLS = 5
RULE = POLICIES["refined"].move_rule()

Line = dict[str, Any]


def line(table: str, plans: Plans, rows: dict[str, Step], play: Callable[[Step], Any]) -> Line:
    """The line of a trace in a table: every row's figures beside those of fresh plans."""
    trace = plans.trace
    fresh = play(plans.anew)
    return {
        "table": table, "trace": trace.name, "layers": trace.load.shape[1], "experts": trace.load.shape[2],
        "replicas": trace.replicas, "ranks": trace.ranks, "replans": len(plans.calls) - 1,
        "rows": {name: play(step).figures(fresh, trace.replicas) for name, step in rows.items()},
    }  # fmt: skip


def next_map(trace: Trace) -> Line:
    """Engines' greedy, fresh plans, peers that look at the map in use, and our policy as few replicas may move."""
    plans = Plans(trace)
    rows = {"greedy": plans.greedy, "fresh": plans.anew} | peers(plans)
    rows["default"] = plans.by(RULE)
    for name, part in PARTS.items():
        rows[name] = plans.by(MoveRule(max_moves=round(part * trace.replicas)))
    found = line("next", plans, rows, plans.along)
    apart = Plans(trace, distinct=True)
    figures = apart.along(apart.by(RULE)).figures(plans.along(plans.anew), trace.replicas)
    found["rows"]["default, distinct"] = figures
    return found


def peers(plans: Plans) -> dict[str, Step]:
    """Peers whose packages are here, each with a memory of its own."""
    found = {}
    for name, peer in REPLANNERS.items():
        try:
            found[name] = plans.of_peer(peer.load())
        except PeerMissingError as error:
            print(f"{name}: {error}", file=sys.stderr)
    return found


def frontier(trace: Trace) -> Line:
    """So many moves, from the fresh plan of the window before."""
    plans = Plans(trace)
    limits = [most for most in FRONTIER if most is None or most < trace.replicas]
    rows = {"all" if most is None else str(most): plans.by(MoveRule(max_moves=most)) for most in limits}
    return line("frontier", plans, rows, plans.one_step)


def over_windows(plans: Plans) -> Line:
    """Plans over windows, as plug-ins make them: by slack, and by the price of a move."""
    rows = {"fresh": plans.anew, "renamed": plans.by(MoveRule())}
    rows |= {f"slack {slack}": plans.by(MoveRule(slack=slack)) for slack in SLACKS}
    rows |= {f"price {price}": plans.by(MoveRule(move_price=price)) for price in PRICES}
    return line("windows", plans, rows, plans.along)


def gains(plans: Plans) -> Line:
    """The least gain for which a layer changes."""
    rows = {str(gain): plans.by(MoveRule(slack=REFINED_SLACK, min_gain=gain)) for gain in GAINS}
    table = "gain" if plans.history == 1 else "gain, windows"
    return line(table, plans, rows, plans.along)


def measured() -> Iterator[Line]:
    """All lines but the times."""
    for trace in [*drifting(), *recorded()]:
        yield next_map(trace)
    for trace in [*drifting(), *recorded()]:
        yield frontier(trace)
    walks = [kinds(), *slow()]
    past = [Plans(trace, HISTORY, FIRST) for trace in [*some_layers(recorded()), *walks]]
    yield from map(over_windows, past)
    for trace in [*recorded(), *walks, *steady()]:
        yield gains(Plans(trace))
    yield from map(gains, past)


def timed(plans: Plans) -> Line:
    """How long a plan takes with a map in use and without, in milliseconds a layer, the medians over calls."""
    anew = []
    moved = []
    old = plans.fresh[plans.calls[0]]
    for call in list(plans.calls[1:]) * CALLS:
        instances = plans.seen(call), plans.seen(call)  # what one has computed it keeps
        start = time.perf_counter()
        plans.plan(instances[0])
        middle = time.perf_counter()
        replanned(instances[1], plans.plan, old, RULE)
        anew.append(middle - start)
        moved.append(time.perf_counter() - middle)
    layers = plans.trace.load.shape[1]
    times = [float(np.median(seconds)) * 1e3 / layers for seconds in (anew, moved)]
    trace = plans.trace
    return {
        "table": "times", "trace": trace.name, "layers": layers, "experts": trace.load.shape[2],
        "replicas": trace.replicas, "ranks": trace.ranks, "history": plans.history, "anew": times[0], "moved": times[1],
    }  # fmt: skip


def times() -> Iterator[Line]:
    """Times of plans for a window's loads, and of plans over windows."""
    warm_up("refined", windows=True)
    warm_up_moves()
    for trace in [*drifting(), *recorded()]:
        yield timed(Plans(trace))
    for trace in [*some_layers(recorded()), kinds()]:
        yield timed(Plans(trace, HISTORY, len(trace.load) - 4))


def main() -> None:
    """Measure and write, or write the page alone."""
    part = chosen(__doc__, {"page": PAGE_ONLY, "times": "measure times only"})
    if part == "page":
        publish(RESULTS, PAGE, page, None)
        return
    only_times = part == "times"
    found = times() if only_times else measured()
    made_by = environment(SEED)
    lines = [made_by | each for each in found]
    before = read_lines(RESULTS) if RESULTS.exists() else []
    kept = [each for each in before if (each["table"] == "times") != only_times]
    publish(RESULTS, PAGE, page, [*kept, *lines] if only_times else [*lines, *kept])


if __name__ == "__main__":
    main()
