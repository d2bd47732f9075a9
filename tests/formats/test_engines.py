"""The engines' files: detection, reading, golden output, round trips, what a format cannot say, damaged files."""

from __future__ import annotations

import itertools
import json
import os

import numpy as np
import pytest
import torch
import yaml

from eplb_opt import FormatError, Placement
from eplb_opt.errors import FormatWarning
from eplb_opt.formats import ExpertMap, read_expert_map, read_loads, read_map, write_expert_map, write_loads, write_map

from .engine_files import HIDDEN, IDS, LOAD, LOADS, MAPS, SLOTS, lmdeploy_plan, sglang_pass, tensorrt_llm_folder

pytestmark = pytest.mark.filterwarnings("ignore:.*no token in 1 of the layers:eplb_opt.errors.FormatWarning")
PLACEMENT = Placement(SLOTS, 3, IDS)
FULL = ExpertMap(SLOTS, IDS, 3, 2, HIDDEN)
ENDING = {"sglang": "json", "vllm": "json", "vllm-ascend": "json", "tensorrt-llm": "yaml", "npz": "npz", "json": "json"}


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("forced", [False, True])
def test_recordings_are_detected_and_read(name, forced, tmp_path):
    write, input_format, windows, ids, hidden = LOADS[name]
    path = tmp_path / "recording"
    write(path)
    loads = read_loads(path, input_format if forced else None)
    assert loads.load.tolist() == (LOAD.sum(axis=0, keepdims=True) if len(windows) == 1 else LOAD).tolist()
    assert (loads.windows, loads.layer_ids, loads.hidden_layers) == (windows, ids, hidden)
    assert loads.select("-1").hidden_layers == hidden


def test_one_rank_of_a_recording_is_read(tmp_path):
    sglang_pass(tmp_path / "rank0.pt", 0)
    sglang_pass(tmp_path / "rank1.pt", 1)
    parts = [read_loads(tmp_path / f"rank{rank}.pt").load for rank in range(2)]
    assert (parts[0] + parts[1]).tolist() == LOAD.tolist()


def test_counts_beyond_int32_are_not_wrapped(tmp_path):
    slots = torch.tensor([[0, 0]])
    record = {
        "forward_pass_id": 0,
        "rank": 0,
        "global_physical_count": torch.full((1, 2), 2**31 - 1, dtype=torch.int32),
    }
    torch.save({"records": [record], "last_physical_to_logical_map": slots}, tmp_path / "dump.pt")
    assert read_loads(tmp_path / "dump.pt").load.tolist() == [[[2 * (2**31 - 1)]]]


def test_layers_name_what_a_file_does_not_say(tmp_path):
    LOADS["vllm"][0](tmp_path / "vllm")
    assert read_loads(tmp_path / "vllm", layers=[3, 7]).layer_ids == (3, 7)
    with pytest.raises(FormatError, match="2 layers without ids, but 3"):
        read_loads(tmp_path / "vllm", layers=[3, 4, 5])
    LOADS["sglang stat"][0](tmp_path / "sglang")
    assert read_loads(tmp_path / "sglang", layers=[2]).load.tolist() == LOAD[:, 1:].tolist()
    with pytest.raises(FormatError, match=r"any of the layers asked for \(4\), its layers are 1, 2"):
        read_loads(tmp_path / "sglang", layers=[4])


def test_layers_without_a_token_are_dense_unless_named(tmp_path):
    LOADS["sglang stat"][0](tmp_path / "dump.pt")
    with pytest.warns(FormatWarning, match=r"no token in 1 of the layers after the first recorded one \(3"):
        assert read_loads(tmp_path / "dump.pt").layer_ids == IDS
    loads = read_loads(tmp_path / "dump.pt", layers=[1, 2, 3])
    assert loads.layer_ids == (1, 2, 3)
    assert (loads.load[:, :2].tolist(), loads.load[:, 2].any()) == (LOAD.tolist(), False)
    with pytest.raises(FormatError, match="no token recorded in any of the layers asked for"):
        read_loads(tmp_path / "dump.pt", layers=[0, 3])


def test_steps_that_a_rank_lacks_are_left_out(tmp_path):
    sglang_pass(tmp_path / "rank0.pt", 0)
    sglang_pass(tmp_path / "rank1.pt", 1)
    dump = torch.load(tmp_path / "rank1.pt", weights_only=True)
    torch.save(dump | {"records": dump["records"][:1]}, tmp_path / "rank1.pt")
    with pytest.warns(FormatWarning, match="pass 11 is not recorded by all ranks in all layers: 1 of 2 left out"):
        loads = read_loads(tmp_path)
    assert (loads.load.tolist(), loads.windows) == (LOAD[:1].tolist(), ("10",))
    torch.save(dump | {"records": [record | {"forward_pass_id": 99} for record in dump["records"][:1]]},
               tmp_path / "rank1.pt")  # fmt: skip
    with pytest.raises(FormatError, match="no pass that all ranks recorded"):
        read_loads(tmp_path)


def test_parts_of_a_pass_add_up(tmp_path):
    sglang_pass(tmp_path / "dump.pt", 0)
    dump = torch.load(tmp_path / "dump.pt", weights_only=True)
    whole = read_loads(tmp_path / "dump.pt").load
    again = [record | {"gatherer_key": "child_a"} for record in dump["records"]]
    torch.save(dump | {"records": dump["records"] + again}, tmp_path / "dump.pt")
    assert read_loads(tmp_path / "dump.pt").load.tolist() == (2 * whole).tolist()


def test_the_file_lmdeploy_plans_from(tmp_path):
    lmdeploy_plan(tmp_path / "plan.json")
    loads = read_loads(tmp_path / "plan.json", "lmdeploy")
    assert loads.layer_ids == IDS
    write_loads(tmp_path / "again.json", loads, "lmdeploy")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads((tmp_path / "plan.json").read_text())
    LOADS["tensorrt-llm"][0](tmp_path / "folder")
    with pytest.raises(FormatError, match="--hidden-layers"):
        write_loads(tmp_path / "again.json", read_loads(tmp_path / "folder"), "lmdeploy")


@pytest.mark.parametrize("name", MAPS)
def test_golden_maps(name, tmp_path):
    ending, text = MAPS[name]
    path = tmp_path / f"map{ending}"
    write_map(path, PLACEMENT, name, num_ranks=2, hidden_layers=HIDDEN)
    assert path.read_text() == text
    for input_format in (None, name):
        again = read_map(path, 3, IDS, input_format)
        assert again.phy2log.tolist() == SLOTS.tolist()
        assert again.layer_ids == IDS
    assert read_map(path, 3, [2]).phy2log.tolist() == SLOTS[1:].tolist()


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(ENDING, 2)))
def test_conversion_between_all(first, second, tmp_path):
    one, two, back = (tmp_path / f"{i}.{ENDING[name]}" for i, name in enumerate([first, second, first]))
    write_expert_map(one, FULL, first)

    def move(source, target, name):
        found = read_expert_map(source).with_layers(IDS, str(source))
        sizes = ExpertMap(found.phy2log, found.layer_ids, found.num_experts, 2, HIDDEN)
        write_expert_map(target, sizes, name)

    move(one, two, second)
    move(two, back, first)
    again = read_expert_map(back).with_layers(IDS, "back")
    assert again.phy2log.tolist() == SLOTS.tolist()
    assert again.layer_ids == IDS


def test_sglang_as_pt(tmp_path):
    write_map(tmp_path / "map.pt", PLACEMENT, "sglang", hidden_layers=HIDDEN)
    content = torch.load(tmp_path / "map.pt", weights_only=True)
    assert set(content) == {"physical_to_logical_map"}
    assert content["physical_to_logical_map"].tolist() == json.loads(MAPS["sglang"][1])["physical_to_logical_map"]
    assert read_map(tmp_path / "map.pt", 3, IDS).phy2log.tolist() == SLOTS.tolist()


def test_dense_layers_get_a_valid_row(tmp_path):
    write_map(tmp_path / "map.json", PLACEMENT, "sglang", hidden_layers=HIDDEN)
    rows = np.array(json.loads((tmp_path / "map.json").read_text())["physical_to_logical_map"])
    assert rows.shape == (HIDDEN, 4)
    assert all(set(row) == {0, 1, 2} for row in rows.tolist())


def test_the_engines_own_ascend_recording_has_unknown_ids(tmp_path):
    content = json.loads(MAPS["vllm-ascend"][1])
    for i, layer in enumerate(content["layer_list"]):
        layer["layer_id"] = i
    (tmp_path / "map.json").write_text(json.dumps(content))
    assert read_expert_map(tmp_path / "map.json").layer_ids is None
    assert read_map(tmp_path / "map.json", 3, [5, 8]).layer_ids == (5, 8)


@pytest.mark.parametrize(
    ("name", "found", "path", "message"),
    [
        ("sglang", ExpertMap(SLOTS, IDS), "map.json", "--hidden-layers"),
        ("sglang", ExpertMap(SLOTS, IDS, hidden_layers=2), "map.json", "layer 2 is beyond 2 hidden layers"),
        ("sglang", FULL, "map.txt", "ends in .json or .pt"),
        ("vllm-ascend", ExpertMap(SLOTS, IDS), "map.json", "--ranks"),
        ("vllm-ascend", ExpertMap(SLOTS, IDS, num_ranks=3), "map.json", "--ranks"),
        ("vllm-ascend", ExpertMap(SLOTS, IDS, num_ranks=1), "map.json", "layer 1, device 0 holds an expert twice"),
        ("vllm-ascend", FULL, "map.jsonl", "ends in .json"),
        ("lmdeploy", FULL, "map.json", "holds no maps"),
        ("vllm", ExpertMap(SLOTS, IDS, dense_layers_unknown=True), "map.json", "--layers"),
        ("tensorrt-llm", ExpertMap(SLOTS, (1, 1)), "map.yaml", "different integers"),
        ("json", ExpertMap(SLOTS, IDS, 2), "map.json", "outside 0..1"),
        ("npz", ExpertMap(SLOTS, IDS, 4), "map.npz", "expert 3 has no replica"),
    ],
)
def test_what_a_format_cannot_say_is_an_error(name, found, path, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        write_expert_map(tmp_path / path, found, name)
    assert list(tmp_path.iterdir()) == []


def test_loads_are_no_map_and_maps_no_loads(tmp_path):
    LOADS["sglang stat"][0](tmp_path / "dump.pt")
    with pytest.raises(FormatError, match=r"dump.pt is recorded loads, not a map"):
        read_expert_map(tmp_path / "dump.pt")
    with pytest.raises(FormatError, match="holds maps, no loads"):
        write_loads(tmp_path / "out.json", read_loads(tmp_path / "dump.pt"), "sglang")
    for name, (ending, text) in MAPS.items():
        path = tmp_path / f"{name}{ending}"
        path.write_text(text)
        with pytest.raises(FormatError):
            read_loads(path)
    with pytest.raises(FormatError, match="holds no loads: use"):
        read_loads(tmp_path / "dump.pt", "vllm-ascend")
    with pytest.raises(FormatError, match="holds no maps: use"):
        read_map(tmp_path / "dump.pt", 3, input_format="lmdeploy")


@pytest.mark.parametrize("name", MAPS)
def test_truncated_maps(name, tmp_path):
    ending, text = MAPS[name]
    path = tmp_path / f"map{ending}"
    for size in range(len(text) - 2):
        path.write_text(text[:size])
        with pytest.raises((FormatError, FormatWarning), match=str(path)) as caught:
            read_map(path, 3, IDS)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", LOADS)
def test_truncated_recordings(name, tmp_path):
    write, _, _, _, _ = LOADS[name]
    path = tmp_path / "recording"
    write(path)
    victims = [path] if path.is_file() else [p for p in path.iterdir() if "raw" not in p.name]
    for victim in victims:
        data = victim.read_bytes()
        for size in (0, 1, 7, len(data) // 3, len(data) // 2 - 5, len(data) - 9):
            victim.write_bytes(data[:size])
            with pytest.raises(FormatError):
                read_loads(path)
        victim.write_bytes(data)
    read_loads(path)


STATIC, TABLE = "layer_updates_per_iter: 0\n", "num_slots: 2\ninitial_global_assignments:\n"
ONE_LAYER = torch.zeros(1, 2).int()
MALFORMED = {
    "sglang empty": ({"logical_count": torch.zeros(2, 3, 4)}, "no routed token"),
    "sglang shape": ({"logical_count": torch.zeros(4)}, "expected numbers"),
    "sglang text": ({"logical_count": "many"}, "expected numbers"),
    "sglang no passes": ({"records": [], "last_physical_to_logical_map": torch.zeros(1, 2).int()}, "no forward pass"),
    "sglang no map": ({"records": [], "other": 1}, "last_physical_to_logical_map"),
    "sglang record": ({"records": [{"rank": 0}], "last_physical_to_logical_map": torch.zeros(1, 2).int()}, "a record"),
    "sglang pass": (
        {
            "records": [{"rank": 0, "forward_pass_id": float("inf")}],
            "last_physical_to_logical_map": torch.zeros(1, 2).int(),
        },
        "a record",
    ),
    "sglang tensor": (
        {"records": [torch.zeros(3)], "last_physical_to_logical_map": torch.zeros(1, 2).int()},
        "malformed",
    ),
    "sglang expert": (
        {"records": [], "last_physical_to_logical_map": torch.tensor([[0, 2**40]])},
        "in a map of 2 slots",
    ),
    "sparse": ({"logical_count": torch.ones(2, 3, 4).to_sparse()}, "damaged or in no known format"),
    "no memory": ({"logical_count": torch.ones(2, 3, 4, device="meta")}, "damaged or in no known format"),
    "sglang records": ({"records": [3], "last_physical_to_logical_map": torch.zeros(1, 2).int()}, "a record"),
    "lmdeploy": ({"counts": torch.ones(2), "balancedness": 1.0}, "expected numbers"),
    "lmdeploy windows": (
        {"counts": torch.ones(2, 3, 4), "balancedness": 1.0, "step": 1},
        "window labels|hidden layers",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_torch_recordings(name, tmp_path):
    content, message = MALFORMED[name]
    torch.save(content, tmp_path / "dump.pt")
    with pytest.raises(FormatError, match=message):
        read_loads(tmp_path / "dump.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2"),
        ({"p2l_map": [[0, 1, 2]]}, "expected one shape"),
        ({"p2l_map": [[0, 1, 2, -1], [2, 1, 0, 1]]}, "says is empty"),
        ({"expert_load": [[1, 2], [3]]}, "rectangular"),
        ({"expert_load": None}, "expected numbers"),
        ({"p2l_map": [[2**44, 1, 2, 0], [2, 1, 0, 1]]}, "in a map of 4 slots"),
        ({"p2l_map": [[-1] * 4] * 2, "expert_load": [[0] * 4] * 2}, "all slots are empty"),
    ],
)
def test_malformed_vllm_recordings(change, message, tmp_path):
    record = {"record_type": "eplb_load_stats", "version": 1, "step": 1, "num_ranks": 2,
              "expert_load": [[1, 1, 1, 1]] * 2, "p2l_map": SLOTS.tolist()} | change  # fmt: skip
    (tmp_path / "stats.jsonl").write_text(json.dumps(record))
    with pytest.raises(FormatError, match=message):
        read_loads(tmp_path / "stats.jsonl")


def test_malformed_tensorrt_llm_recordings(tmp_path):
    from safetensors.numpy import save_file

    def broken(message, act):
        folder = tmp_path / message.replace(" ", "-").replace("'", "")
        tensorrt_llm_folder(folder)
        act(folder)
        with pytest.raises(FormatError, match=message):
            read_loads(folder)

    broken("cannot read", lambda folder: (folder / "meta_info.json").unlink())
    broken("num_experts is None", lambda folder: (folder / "meta_info.json").write_text('{"experts": 3}'))
    broken("expected iteration_layer", lambda f: save_file({"10": np.ones(3, dtype=int)}, f / "rank2.safetensors"))
    broken("expected 3 integers", lambda f: save_file({"10_1": np.ones(4, dtype=int)}, f / "rank2.safetensors"))
    broken("no iteration that all ranks", lambda f: save_file({"12_1": np.ones(3, dtype=int)}, f / "rank2.safetensors"))
    broken("rank 1 without rank 0", lambda f: (f / "rank0.safetensors").unlink())
    broken("nothing recorded", lambda f: save_file({}, f / "rank2.safetensors"))
    broken("no rank", lambda folder: [p.unlink() for p in folder.glob("rank*")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"moe_layer_count": 1, "layer_list": []}', "moe_layer_count is 1 for 0"),
        ('{"moe_layer_count": 1, "layer_list": [{"layer_id": 0}]}', "device_list"),
        ('{"moe_layer_count": 1, "layer_list": [{"layer_id": 0, "device_count": 1, "device_list": [{"device_id": 0, '
         '"device_expert": [0]}, {"device_id": 1, "device_expert": [0]}]}]}', "different sizes"),
        ("num_slots: 3\ninitial_global_assignments:\n  1: [0, 1]\n" + STATIC, "num_slots is 3"),
        (TABLE + "  a: [0, 1]\n" + STATIC, "no different layers"),
        (TABLE + "  1: [0, x]\n" + STATIC, "expected integers"),
        (TABLE + "  .inf: [0, 1]\n" + STATIC, "no different layers"),
        (TABLE + "  1.7: [0, 1]\n" + STATIC, "no different layers"),
        (TABLE + "  1: [0, 1]\n  '1': [1, 0]\n" + STATIC, "no different layers"),
        (TABLE + "  1: [0, 1]\n  01: [1, 0]\n" + STATIC, "a key is there twice"),
        (TABLE + "  1: &a [*a, *a]\n" + STATIC, "alias"),
        (TABLE + "  1: [0, 1]\nother: 5\n" + STATIC, "unknown key 'other'"),
        ('{"moe_layer_count": 1, "layer_list": [{"layer_id": 0, "device_count": 1, "device_list": [{"device_id": 0, '
         '"device_expert": 5}]}]}', "cannot be read"),
        ('{"moe_layer_count": 1, "layer_list": [{"layer_id": Infinity, "device_count": 1, "device_list": []}]}',
         "cannot be read"),
        ('{"physical_to_logical_map": [[1000000000000, 0]]}', "expert 1000000000000 in a map of 2 slots"),
        ('{"physical_to_logical_map": [[0, 1]], "physical_to_logical_map": [[1, 0]]}', "a key is there twice"),
        ("num_slots: [2\n", "YAML"),
        ("num_slots: !!python/object/apply:os.mkdir [hostile-was-run]\n", "YAML"),
        ('{"record_type": "eplb_initial_mapping", "version": 1, "num_redundant_experts": 9, "num_slots": 2, '
         '"initial_global_assignments": {"0": [0, 1]}}', "num_redundant_experts is 9"),
        ('{"record_type": "eplb_initial_mapping", "version": 1, "num_redundant_experts": 0, "num_slots": 2, '
         '"initial_global_assignments": {"1": [0, 1]}}', r"expected 0\.\.0"),
        ('{"record_type": "something"}', "expected integers"),
        ('{"physical_to_logical_map": [[0, 0.5]]}', "expected integers"),
        ('{"physical_to_logical_map": [[0, 1]], "num_ranks": "two"}', "num_ranks is two"),
    ],
)  # fmt: skip
def test_malformed_maps(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_map(tmp_path / "map", 2)
    assert os.listdir(tmp_path) == ["map"]


def test_folders_of_nothing_are_refused(tmp_path):
    for read in (read_loads, lambda path: read_loads(path, "sglang"), read_expert_map):
        with pytest.raises(FormatError):
            read(tmp_path)


def test_several_recordings_in_a_folder_are_refused(tmp_path):
    LOADS["sglang stat"][0](tmp_path / "a.pt")
    LOADS["sglang stat"][0](tmp_path / "b.pt")
    with pytest.raises(FormatError, match="give one file"):
        read_loads(tmp_path)
    sglang_pass(tmp_path / "a.pt", 0)
    sglang_pass(tmp_path / "b.pt", 0)
    with pytest.raises(FormatError, match="twice"):
        read_loads(tmp_path)


class Hostile:
    def __reduce__(self):
        return (os.mkdir, ("hostile-was-run",))


@pytest.mark.parametrize("content", [
    {"logical_count": Hostile()}, {"records": [{"rank": Hostile()}], "last_physical_to_logical_map": torch.zeros(1, 1)},
    {"counts": Hostile(), "step": 1}, {"physical_to_logical_map": Hostile()},
])  # fmt: skip
@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_pickles_run_nothing(content, zipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(content, "dump.pt", _use_new_zipfile_serialization=zipped)
    for read in (read_loads, read_expert_map):
        with pytest.raises(FormatError):
            read("dump.pt")
    assert os.listdir(tmp_path) == ["dump.pt"]


def test_the_yaml_is_what_a_yaml_reader_sees(tmp_path):
    write_map(tmp_path / "map.yaml", PLACEMENT, "tensorrt-llm")
    content = yaml.safe_load((tmp_path / "map.yaml").read_text())
    assert content == {"num_slots": 4, "initial_global_assignments": {1: [0, 1, 2, 0], 2: [2, 1, 0, 1]},
                       "layer_updates_per_iter": 0}  # fmt: skip
