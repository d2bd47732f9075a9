"""Counts by layer, of plumb and of FastDeploy: their right value, and what is wrong with them refused."""

from __future__ import annotations

import json

import pytest

from eplb_opt import FormatError
from eplb_opt.errors import FormatWarning
from eplb_opt.formats import holds_map, read_expert_map, read_loads

from .count_files import COUNTS, FASTDEPLOY_MAP, MATRIX, SNAPSHOT


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_read(name, tmp_path):
    write, ids = COUNTS[name]
    write(tmp_path / "counts")
    loads = read_loads(tmp_path / "counts")
    assert loads.load.tolist() == [MATRIX]
    assert loads.layer_ids == ids
    assert holds_map(tmp_path / "counts", "npz") == (name == "fastdeploy map")


def test_the_layers_of_moe_layers_are_named(tmp_path):
    COUNTS["by moe layer"][0](tmp_path / "counts")
    assert read_loads(tmp_path / "counts", layers=[3, 4]).layer_ids == (3, 4)
    with pytest.raises(FormatError, match="2 layers without ids, but 3"):
        read_loads(tmp_path / "counts", layers=[3, 4, 5])


def test_experts_that_no_layer_shows(tmp_path):
    COUNTS["by layer and expert"][0](tmp_path / "counts")
    assert read_loads(tmp_path / "counts", experts=5).load.shape == (1, 2, 5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"1": [1, 2], "2": [3]}, "layers of 1 and of 2 experts"),
        ({"1": [1, 2], "01": [3, 4]}, "is no layer, or is there twice"),
        ({"1": {"0": 1, "00": 2}}, "an expert is there twice"),
        ({"1": {"x": 1}, "2": {"0": 3}}, "'x' is no expert"),
        ({"1": {"99999999": 1}, "2": {"0": 3}}, "'99999999' is no expert"),
        ({"1": {"0": "many"}, "2": {"0": 3}}, "'many' is no number"),
        ({"1": {"0": True}, "2": {"0": 3}}, "'True' is no number"),
        ({"1": [[1, 2]], "2": [[1, 2]]}, "is no number"),
        ({"1": [True, 2], "2": [1, 2]}, "'True' is no number"),
        ({"1": [], "2": []}, "without experts"),
        ({"counts": {"1": "x"}}, "expected numbers"),
        ({"20000": [1], "2": [1]}, "no model has more"),
        ({"code": 1, "msg": "redundant expert is disabled", "data": None}, "redundant expert is disabled"),
        ({"code": 0, "msg": "ok", "data": [[[0, 0]]]}, "no routed token recorded"),
        ({"code": 0, "msg": "ok", "data": [[1, 2], [3]]}, "not rectangular"),
        (SNAPSHOT | {"expert_counts": {"1": 2}}, "expected layer:expert"),
        (SNAPSHOT | {"expert_counts": {}}, "without counts"),
        (SNAPSHOT | {"expert_counts": [1]}, "no mapping"),
        ({"layers": [{"layer_id": 1}], "total_forward_passes": 1}, "malformed"),
    ],
)
def test_counts_that_are_refused(content, message, tmp_path):
    (tmp_path / "counts.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match=message):
        read_loads(tmp_path / "counts.json")


def test_a_session_of_plumb_that_is_full(tmp_path):
    full = {"0:0": 5000, "0:1": 5000, "0:2": 17}
    (tmp_path / "x.json").write_text(json.dumps(SNAPSHOT | {"expert_counts": full}))
    with pytest.warns(FormatWarning, match="2 counts stop at 5000"):
        read_loads(tmp_path / "x.json")


def test_the_map_of_fastdeploy(tmp_path):
    COUNTS["fastdeploy map"][0](tmp_path / "x.json")
    found = read_expert_map(tmp_path / "x.json")
    assert found.phy2log.tolist() == FASTDEPLOY_MAP["ep_rank_to_expert_id_list"]
    assert (found.num_experts, found.hidden_layers, found.layer_ids) == (3, 3, (0, 1, 2))
    wrong = FASTDEPLOY_MAP | {"expert_in_rank_num_list": [[2, 1, 1], [1, 2, 1], [1, 2, 1]]}
    (tmp_path / "x.json").write_text(json.dumps(wrong))
    with pytest.raises(FormatError, match="not of the replicas"):
        read_expert_map(tmp_path / "x.json")
