"""The methods: one file each, and one line here. The command, the policies, tests and benchmarks read this list."""

from __future__ import annotations

from .cpsat import CPSAT
from .greedy import GREEDY
from .method import Method
from .milp import MILP
from .optimal import OPTIMAL
from .refined import REFINED

_LISTED = (
    GREEDY,
    REFINED,
    MILP,
    CPSAT,
    OPTIMAL,
)
METHODS: dict[str, Method] = {method.name: method for method in _LISTED}
