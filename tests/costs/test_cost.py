"""Costs: their values by hand, their files, and what is refused."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch

from eplb_opt import Cost, FormatError, Instance, Objective, OptionError, Placement

COSTS = {
    "tokens": Cost.tokens(),
    "roofline": Cost.roofline(4e-5, 1.3e-7, 2e-5),
    "tiles": Cost.tiles(128, 1e-5),
    "table": Cost.table([1, 128, 1024], [4e-5, 4.5e-5, 1.4e-4], 1e-6),
    "idle slots cost": Cost.table([0, 64], [1e-6, 2e-6]),
    "one point": Cost.table([0], [3.0]),
}


def line(tokens, seconds, n):
    """A table's value in fractions."""
    points = list(zip(map(Fraction, tokens), map(Fraction, seconds), strict=True))
    if points[0][0] > 0:
        points.insert(0, (Fraction(0), Fraction(0)))
    for (x, y), (later, value) in pairwise(points):
        if x <= n <= later or later == points[-1][0]:
            return y + (value - y) / (later - x) * (n - x)
    return points[-1][1]


def test_values_by_hand():
    assert Cost.tokens()([0, 2.5]).tolist() == [0, 2.5]
    assert Cost.roofline(40, 0.5)([0, 1, 80, 100]).tolist() == [0, 40, 40, 50]
    assert Cost.tiles(4, 3)([0, 0.1, 4, 4.5, 12]).tolist() == [0, 3, 3, 6, 9]
    assert Cost.table([2, 4], [10, 14])([0, 1, 2, 3, 4, 6]).tolist() == [0, 5, 10, 12, 14, 18]
    assert Cost.table([0, 4], [6, 8])([0, 2, 8]).tolist() == [6, 7, 10]
    assert Cost.table([8], [4])([2, 8, 16]).tolist() == [1, 4, 8]
    assert Cost.table([0], [3])([0, 9]).tolist() == [3, 3]


def test_rounding_begins_no_tile():
    """Six equal shares of 168 tokens are 28 each, and one ulp above in floats."""
    objective = Objective(cost=Cost.tiles(28, 1.0), tokens_per_step=21)
    instance = Instance([[25.0] * 6], 6, num_ranks=6, objective=objective)
    assert instance.step_weight.max() > 28
    assert Placement([range(6)], 6).objective(instance).tolist() == [1.0]
    assert Cost.tiles(28, 1.0)([0.0, 1e-300, 28.001]).tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("seed", range(20))
def test_tables_are_lines_in_fractions_and_never_fall(seed):
    random = np.random.default_rng(seed)
    tokens = np.unique(random.integers(0, 50, 6)).tolist()
    seconds = np.sort(random.random(len(tokens))).tolist()
    cost = Cost.table(tokens, seconds)
    at = np.sort(random.random(200) * 80)
    values = cost(at)
    expected = [float(line(tokens, seconds, Fraction(float(n)))) for n in at]
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    assert (np.diff(values) >= 0).all()


def test_rounding_puts_no_value_above_the_next_point():
    random = np.random.default_rng(1)
    for _ in range(200):
        tokens = np.cumsum(random.random(5)).tolist()
        cost = Cost.table(tokens, np.sort(random.random(5)).tolist())
        below = cost(np.nextafter(tokens, 0.0))
        assert (below <= cost(tokens)).all()


@pytest.mark.parametrize("name", COSTS)
def test_shapes(name):
    cost = COSTS[name]
    many = np.arange(24.0).reshape(2, 3, 4)
    assert cost(many).shape == many.shape
    assert isinstance(cost(3), float)
    assert cost(many)[1, 2, 3] == cost(23)


@pytest.mark.parametrize("name", COSTS)
def test_files_keep_every_bit(name, tmp_path):
    cost = COSTS[name]
    path = tmp_path / "cost.json"
    cost.save(path)
    data = json.loads(path.read_text())
    assert data["schema"] == "eplb-opt/cost/1"
    assert data["kind"] == cost.curve.kind
    again = Cost.load(path)
    assert again == cost
    assert hash(again) == hash(cost)
    assert again.to_dict() == cost.to_dict()
    assert pickle.loads(pickle.dumps(cost)) == cost


def test_what_is_said_of_a_cost_is_kept_and_makes_no_other(tmp_path):
    said = {"card": "H100", "held_out_error": 0.02, "shape": {"hidden": 7168}}
    cost = Cost(Cost.tiles(128, 1.0).curve, unit="us", about=said)
    cost.save(tmp_path / "cost.json")
    again = Cost.load(tmp_path / "cost.json")
    assert again.about == said
    assert again.unit == "us"
    assert again == Cost(cost.curve, unit="us")


def test_only_tokens_count_tokens():
    assert [name for name, cost in COSTS.items() if cost.counts_tokens] == ["tokens"]
    assert not Cost(Cost.tokens().curve, per_rank=1.0).counts_tokens


WRONG = {
    "negative": (lambda: Cost.roofline(-1, 0), "per_expert=-1"),
    "infinite": (lambda: Cost.roofline(1, float("inf")), "per_token=inf"),
    "nan": (lambda: Cost.tiles(1, float("nan")), "seconds=nan"),
    "no rows": (lambda: Cost.tiles(0, 1), "rows=0"),
    "text": (lambda: Cost.roofline("4", 1), "per_expert='4'"),
    "a boolean": (lambda: Cost.roofline(True, 1), "per_expert=True"),
    "per rank": (lambda: Cost.roofline(1, 1, -2), "per_rank=-2"),
    "falls": (lambda: Cost.table([1, 2], [3, 2]), r"seconds\[1\]=2.0 after 3.0"),
    "unordered": (lambda: Cost.table([2, 2], [3, 4]), r"tokens\[1\]=2.0 after 2.0"),
    "not as many": (lambda: Cost.table([1, 2], [3]), "2 tokens and 1 seconds"),
    "empty": (lambda: Cost.table([], []), "give one number"),
    "no list": (lambda: Cost.table(3, 4), "tokens=3"),
    "steep": (lambda: Cost.table([1e-300, 2e-300], [0, 1e100]), "slope overflows"),
    "no curve": (lambda: Cost(3), "curve is 3"),
    "no unit": (lambda: Cost(Cost.tokens().curve, unit=""), "unit=''"),
    "about": (lambda: Cost(Cost.tokens().curve, about=3), "about=3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named(name):
    make, message = WRONG[name]
    with pytest.raises(OptionError, match=message):
        make()


GOOD = {"schema": "eplb-opt/cost/1", "kind": "table", "tokens": [1], "seconds": [2]}
BAD_FILES = {
    "no mapping": ([1], "expected keys and values"),
    "no schema": ({"kind": "table"}, "schema None, a cost has eplb-opt/cost/1"),
    "another schema": ({**GOOD, "schema": "eplb-opt/cost/2"}, "schema 'eplb-opt/cost/2', a cost has"),
    "another kind": ({**GOOD, "kind": "square"}, "of kind 'square', known are tokens"),
    "kind of no text": ({**GOOD, "kind": [1]}, "of kind"),
    "missing": ({key: GOOD[key] for key in ("schema", "kind", "tokens")}, "no 'seconds'"),
    "unknown": ({**GOOD, "rows": 3}, "'rows' is no key"),
    "value": ({**GOOD, "seconds": [-1]}, r"seconds\[0\]=-1"),
    "no list": ({**GOOD, "seconds": {}}, "seconds={}"),
    "per rank": ({**GOOD, "per_rank": None}, "per_rank=None"),
    "about": ({**GOOD, "about": "me"}, "about='me'"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_wrong_file_is_refused_with_its_name(name, tmp_path):
    data, message = BAD_FILES[name]
    path = tmp_path / "cost.json"
    path.write_text(json.dumps(data))
    with pytest.raises(FormatError, match=message) as error:
        Cost.load(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_no_json(tmp_path):
    path = tmp_path / "cost.json"
    for content in (b"{", b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=r"cost\.json"):
            Cost.load(path)
    with pytest.raises(FormatError, match="cannot read"):
        Cost.load(tmp_path)


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "cost.json"
    Cost.tokens().save(path)
    with pytest.raises(FormatError, match="'about' is not JSON"):
        Cost(Cost.tokens().curve, about={"card": {1}}).save(path)
    assert Cost.load(path) == Cost.tokens()
    with pytest.raises(FormatError, match="there is no folder"):
        Cost.tokens().save(tmp_path / "none" / "cost.json")


@pytest.mark.parametrize("tokens", [-1.0, float("nan"), float("inf"), [1.0, -2.0]])
def test_no_cost_of_what_is_no_number_of_tokens(tokens):
    with pytest.raises(OptionError, match="tokens: give finite numbers >= 0"):
        Cost.roofline(1.0, 2.0)(tokens)


def test_tables_are_made_of_any_arrays():
    expected = Cost.table([0, 1], [0.0, 2.0])
    assert Cost.table(torch.tensor([0, 1]), torch.tensor([0.0, 2.0])) == expected
    assert Cost.table(np.array([0, 1]), (0.0, 2.0)) == expected
