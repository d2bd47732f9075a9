"""The steps that are measured, and the experts that compute them."""

from __future__ import annotations

import numpy as np
import pytest

from eplb_opt.calibration.feed_forward import FeedForward
from eplb_opt.calibration.shape import ExpertShape
from eplb_opt.calibration.steps import MOST_TOKENS, held_counts, steps_to_fit, steps_to_judge
from eplb_opt.errors import DeviceError, OptionError

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("experts", [1, 2, 7, 12, 40])
def test_steps_fit_the_rank(experts):
    for steps in (steps_to_fit(experts), steps_to_judge(experts)):
        assert len(steps) == len(set(steps)) > 5
        assert {len(step) for step in steps} <= set(held_counts(experts))
        assert all(0 < sum(step) <= MOST_TOKENS for step in steps)
    assert not set(steps_to_fit(experts)) & set(steps_to_judge(experts))


def test_steps_are_equal_unequal_and_idle_and_the_same_every_time():
    steps = steps_to_fit(8)
    assert (64,) * 8 in steps
    assert any(len(set(step)) > 4 for step in steps)
    assert any(0 in step for step in steps)
    assert steps == steps_to_fit(8) != steps_to_fit(8, seed=1)


def by_expert(layer, step, copy):
    """What experts make of their tokens, one after the other."""
    made, first = [], 0
    for expert, tokens in enumerate(step):
        inputs = layer.tokens[first : first + tokens].double()
        first += tokens
        both = inputs @ layer.up[copy][expert].double().T
        made.append(torch.nn.functional.glu(both) @ layer.down[copy][expert].double().T)
    return torch.cat(made)


@pytest.mark.skipif(not hasattr(torch, "_grouped_mm"), reason="this torch has no grouped products")
@pytest.mark.parametrize("step", [(3, 0, 5), (0, 0, 1), (64,), (7, 20)])
def test_grouped_products_are_those_of_the_experts(step):
    layer = FeedForward(ExpertShape(32, 16, 3), 64, "cpu")
    expected = by_expert(layer, step, 1)
    error = (layer.step(step)(1).double() - expected).norm() / expected.norm()
    assert error < 0.01
    assert not np.allclose(layer.up[0].float(), layer.up[1].float())


def test_a_step_of_more_experts_is_refused():
    layer = FeedForward(ExpertShape(16, 16, 2), 8, "cpu")
    with pytest.raises(OptionError, match="3 experts on a rank of 2"):
        layer.step((1, 1, 1))


def test_a_torch_without_the_product_is_named(monkeypatch):
    monkeypatch.delattr(torch, "_grouped_mm", raising=False)
    with pytest.raises(DeviceError, match=r"torch .* has no grouped matrix product in bf16"):
        FeedForward(ExpertShape(16, 16, 2), 8, "cpu")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hidden": 100}, "hidden=100: give a multiple of 16"),
        ({"intermediate": 0}, "intermediate=0: give a multiple of 16"),
        ({"experts": 0}, "experts=0: give an integer >= 1"),
        ({"experts": True}, "experts=True: give an integer >= 1"),
        ({"dtype": "int4"}, "dtype='int4': choose one of bf16, fp8"),
    ],
)
def test_sizes_are_checked(given, said):
    with pytest.raises(OptionError) as error:
        ExpertShape(**{"hidden": 64, "intermediate": 32, "experts": 4} | given)
    assert str(error.value) == said
