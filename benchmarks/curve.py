"""`refined` at other work limits, as policies for ``--policy``: the curve of imbalance against time.

``benchmarks.curve:steps_4`` is the default policy with 4 steps; ``benchmarks.curve:plain_4`` leaves out the comparison
with the greedy where a layer ends within 0.1 % of its bound.
"""

from __future__ import annotations

from eplb_opt.policies import RefinedPolicy, configure

NUMBERS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)


def __getattr__(name: str) -> type[RefinedPolicy]:
    kind, _, number = name.partition("_")
    if kind in ("steps", "plain") and number.isdigit() and int(number) in NUMBERS:
        options = {} if kind == "steps" else {"greedy_check": 1e-3}
        return configure(RefinedPolicy, steps=int(number), **options)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
