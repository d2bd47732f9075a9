"""Maps that servers begin with: vLLM's proposals, TensorRT-LLM's options."""

from __future__ import annotations

import json
from contextlib import nullcontext

import numpy as np
import pytest

from eplb_opt import FormatError, Placement, cli
from eplb_opt.errors import FormatWarning
from eplb_opt.formats import holds_map, read_expert_map, read_loads, read_map, write_map

ROWS = [[0, 1, 2, 0], [2, 1, 0, 1]]
V2 = {"version": 2, "model_maps": {"Big": {"physical_to_logical_map": ROWS}}}
STAGES = {
    "version": 2,
    "model_maps": {
        "Big#pp_rank=1": {"physical_to_logical_map": ROWS[1:]},
        "Big#pp_rank=0": {"physical_to_logical_map": ROWS[:1]},
    },
}


@pytest.mark.parametrize(
    ("content", "name"), [(ROWS, "vllm-lists"), (ROWS, "plain"), (V2, None), (STAGES, None), (V2, "hygon")]
)
def test_maps_of_vllm_are_read(content, name, tmp_path):
    (tmp_path / "map.json").write_text(json.dumps(content))
    found = read_expert_map(tmp_path / "map.json", name)
    assert found.phy2log.tolist() == ROWS
    assert found.layer_ids is None
    assert read_map(tmp_path / "map.json", 3, [3, 4], name).layer_ids == (3, 4)


def test_one_map_for_all_layers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.json").write_text("[0, 1, 2, 0]")
    assert holds_map("map.json", "npz")
    assert read_map("map.json", 3, [3, 4, 5]).phy2log.tolist() == [[0, 1, 2, 0]] * 3
    assert cli.main(["convert", "map.json", "all.npz"]) == 2
    assert "one map for all (other) layers: name the layers with --layers" in capsys.readouterr().err
    assert cli.main(["convert", "map.json", "all.npz", "--layers", "3:6"]) == 0
    assert read_expert_map("all.npz").layer_ids == (3, 4, 5)


def test_lists_are_written_in_the_order_of_layers(tmp_path):
    write_map(tmp_path / "map.json", Placement(np.array(ROWS), 3, (7, 3)), "vllm-lists")
    assert json.loads((tmp_path / "map.json").read_text()) == ROWS[::-1]


def test_a_map_of_one_model_is_written(tmp_path):
    path = tmp_path / "DeepseekV3ForCausalLM.json"
    write_map(path, Placement(np.array(ROWS), 3, (7, 3)), "hygon")
    entry = {
        "record_kind": "proposal",
        "model_name": "DeepseekV3ForCausalLM",
        "model_class": "DeepseekV3ForCausalLM",
        "num_moe_layers": 2,
        "num_logical_experts": 3,
        "num_physical_experts": 4,
        "num_redundant_experts": 1,
        "physical_to_logical_map": ROWS[::-1],
    }
    assert json.loads(path.read_text()) == {
        "version": 2,
        "format": "vllm_offline_eplb_physical_to_logical_by_model",
        "model_maps": {"DeepseekV3ForCausalLM": entry},
    }
    assert read_expert_map(path).phy2log.tolist() == ROWS[::-1]


@pytest.mark.parametrize("name", ["map 1.json", "deepseek-v3.json", "3.json"])
def test_a_name_that_is_no_class_of_a_model_is_refused(name, tmp_path, monkeypatch, capsys):
    with pytest.raises(FormatError, match=r"such as DeepseekV3ForCausalLM\.json"):
        write_map(tmp_path / name, Placement(np.array(ROWS), 3, (3, 7)), "hygon")
    monkeypatch.chdir(tmp_path)
    np.savez("loads.npz", load=[[3, 2, 1], [1, 2, 3]], layer_ids=[3, 7])
    command = ["solve", "loads.npz", "--replicas", "4", "--ranks", "2", "--method", "greedy", "-o", name]
    assert cli.main([*command, "--format", "hygon"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["loads.npz"]


def test_the_map_of_the_next_tokens_is_left_out(tmp_path):
    maps = {**V2["model_maps"], "BigMTP": {"physical_to_logical_map": [[0, 1, 2, 2]]}}
    (tmp_path / "map.json").write_text(json.dumps(V2 | {"model_maps": maps}))
    with pytest.warns(FormatWarning, match="the map of Big is taken, that of BigMTP left out"):
        assert read_expert_map(tmp_path / "map.json").phy2log.tolist() == ROWS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model_maps": {}}, "maps of 0 models"),
        ({"model_maps": {"a": {}, "b": {}}}, r"maps of 2 models \(a, b\)"),
        ({"model_maps": {"a": {"x": 1}}}, "a has no 'physical_to_logical_map'"),
        ({"model_maps": {"a": 5}}, "a has no 'physical_to_logical_map'"),
        ({"model_maps": {"a#pp_rank=1": {"physical_to_logical_map": ROWS}}}, "without pipeline stage 0"),
        ({"model_maps": {"a": {"physical_to_logical_map": [[0, 1], [0]]}}}, "not rectangular"),
        ({"model_maps": {"a": {"physical_to_logical_map": [[0, 9]]}}}, "expert 9 in a map of 2 slots"),
        ([0, 9], "expert 9 in a map of 2 slots"),
    ],
)
def test_maps_that_are_refused(content, message, tmp_path):
    (tmp_path / "map.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match=message):
        read_expert_map(tmp_path / "map.json")


META = {"record_type": "eplb_load_meta", "version": 1, "model": "m", "num_ranks": 2, "num_groups": 1, "num_nodes": 1,
        "num_layers": 2, "num_redundant_experts": 1}  # fmt: skip
STATS = {"record_type": "eplb_load_stats", "version": 1, "step": 1, "expert_load": [[1, 2, 3, 4], [5, 6, 7, 8]],
         "p2l_map": ROWS}  # fmt: skip


def test_loads_of_vllm_behind_their_first_record(tmp_path):
    path = tmp_path / "stats.jsonl"
    path.write_text("\n".join(map(json.dumps, [META, STATS, STATS | {"step": 2}])))
    loads = read_loads(path)
    assert loads.load.tolist() == [[[5, 2, 3], [7, 14, 5]]] * 2
    assert loads.windows == ("1", "2")
    assert not holds_map(path, "npz")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([META, META, STATS], "2 records of type 'eplb_load_meta'"),
        ([META | {"version": 2}, STATS], "eplb_load_meta of version 2"),
        ([META | {"num_layers": 3}, STATS], "2 layers, 'eplb_load_meta' says 3"),
        ([META | {"num_redundant_experts": 0}, STATS], "3 experts in the maps, num_logical_experts is 4"),
        ([META], "no record of type 'eplb_load_stats'"),
    ],
)
def test_loads_of_vllm_that_are_refused(records, message, tmp_path):
    path = tmp_path / "stats.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    with pytest.raises(FormatError, match=message):
        read_loads(path, "vllm")


LIGHT = {"redundancy_expert_num": 1, "3": [0], "default": [3]}


def test_the_redundant_experts_of_lightllm(tmp_path, monkeypatch, capsys):
    """4 experts on 2 ranks: 0 and 1, 2 and 3, and on both what the file says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "light.json").write_text(json.dumps(LIGHT))
    placement = read_map("light.json", 4, [2, 3], num_ranks=2)
    assert placement.phy2log.tolist() == [[0, 1, 3, 2, 3, 3], [0, 1, 0, 2, 3, 0]]
    assert cli.main(["convert", "light.json", "all.npz", "--layers", "2,3"]) == 2
    assert "add --experts and --ranks" in capsys.readouterr().err
    sizes = ["--experts", "4", "--ranks", "2"]
    assert cli.main(["convert", "light.json", "all.npz", *sizes]) == 2
    assert "name the layers with --layers" in capsys.readouterr().err
    assert cli.main(["convert", "light.json", "all.npz", "--layers", "2,3", *sizes]) == 0
    assert read_map("all.npz", 4, [2, 3], num_ranks=2).phy2log.tolist() == placement.phy2log.tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LIGHT | {"redundancy_expert_num": 2}, "expected 2 integers"),
        (LIGHT | {"redundancy_expert_num": 0}, "expected a positive integer"),
        (LIGHT | {"default": [-1]}, "are none"),
        (LIGHT | {"default": [4]}, "4 experts on 2 ranks"),
        (LIGHT | {"03": [1]}, "a layer is there twice"),
        (LIGHT | {"x": [1]}, "expected layers"),
        ({"redundancy_expert_num": 1}, "no layer has redundant experts"),
        ({"redundancy_expert_num": 1, "3": [0]}, "no layer 2"),
    ],
)
def test_redundant_experts_that_are_refused(content, message, tmp_path):
    (tmp_path / "light.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match=message):
        read_map(tmp_path / "light.json", 4, [2, 3], num_ranks=2)


OWN = "num_slots: 4\ninitial_global_assignments:\n  1: [0, 1, 2, 0]\n  2: [2, 1, 0, 1]\n"
OPTIONS = "enable_attention_dp: true\nmoe_config:\n  backend: DEEPGEMM\n  load_balancer:\n"


def indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines())


STATIC = OWN + "layer_updates_per_iter: 0\n"


@pytest.mark.parametrize("text", [OWN, STATIC, OPTIONS + indented(OWN), OPTIONS + indented(STATIC)])
def test_maps_of_tensorrt_llm_are_read(text, tmp_path):
    (tmp_path / "map.yaml").write_text(text)
    is_whole = "layer_updates_per_iter" in text
    with nullcontext() if is_whole else pytest.warns(FormatWarning, match="see that these are all"):
        found = read_expert_map(tmp_path / "map.yaml")
    assert found.phy2log.tolist() == ROWS
    assert found.layer_ids == (1, 2)


def test_a_map_that_the_engine_changes_is_its_first_one(tmp_path):
    (tmp_path / "map.yaml").write_text(OWN + "layer_updates_per_iter: 2\n")
    with pytest.warns(FormatWarning, match="changes 2 layers in an iteration"):
        assert read_expert_map(tmp_path / "map.yaml").phy2log.tolist() == ROWS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("moe_config:\n  load_balancer: ./map.yaml\n", "'./map.yaml': give that file"),
        (OPTIONS + indented("num_slots: 4\n"), "no 'initial_global_assignments'"),
        (OWN + "layer_updates_per_iter: -1\n", "'-1', expected an integer >= 0"),
        (OWN + "layer_updates_per_iter: x\n", "'x', expected an integer >= 0"),
        (OWN + "more: 1\n", "unknown key 'more'"),
    ],
)
def test_maps_of_tensorrt_llm_that_are_refused(text, message, tmp_path):
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_expert_map(tmp_path / "map.yaml")
