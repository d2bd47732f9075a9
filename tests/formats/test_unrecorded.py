"""Layers beyond a recording, named by ``--layers``: a warning and a valid row, whatever the recording's format."""

from __future__ import annotations

import numpy as np
import pytest

from eplb_opt import FormatError, Instance, Limits, solve
from eplb_opt.errors import FormatWarning
from eplb_opt.formats import read_loads

from .count_files import COUNTS
from .engine_files import LOADS
from .routing_files import ROUTING

WRITERS = {name: (write, form) for name, (write, form, *_) in {**ROUTING, **LOADS}.items()}
WRITERS |= {name: (write, None) for name, (write, _) in COUNTS.items()}
# They do not say which layers theirs are.
UNNUMBERED = {"vllm", "lmdeploy", "counts", "by moe layer"}
BEYOND = 61

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no token in 1 of", "ignore:.*layers are taken to be:eplb_opt.errors.FormatWarning"
)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_layer_that_was_not_recorded_gets_a_valid_row(name, tmp_path):
    write, input_format = WRITERS[name]
    path = tmp_path / "recording"
    write(path)
    recorded = read_loads(path, input_format)
    ids = recorded.layer_ids or tuple(range(recorded.load.shape[1]))
    layers = (*ids, BEYOND)
    if name in UNNUMBERED:
        with pytest.raises(FormatError, match=rf"{len(ids)} layers without ids, but {len(layers)}"):
            read_loads(path, input_format, layers=layers)
        return
    with pytest.warns(FormatWarning, match=rf"layers {BEYOND} are not recorded"):
        loads = read_loads(path, input_format, layers=layers)
    assert loads.layer_ids == layers
    assert loads.load[:, :-1].tolist() == recorded.load.tolist()
    assert not loads.load[:, -1].any()
    experts = loads.load.shape[2]
    instance = Instance(loads.load, 2 * experts, num_ranks=2, layer_ids=layers)
    result = solve(instance, "refined", Limits(seconds=10, workers=1))
    result.placement.require_valid(instance)
    assert np.unique(result.placement.phy2log[-1]).size == experts
