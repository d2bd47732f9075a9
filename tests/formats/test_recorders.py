"""What recorders write: layers without ids, one rank's file, dumps to add up, snapshots; and maps with their ranks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from eplb_opt import FormatError, Placement
from eplb_opt.cli import main
from eplb_opt.errors import FormatWarning
from eplb_opt.formats import ExpertMap, holds_map, read_expert_map, read_loads, read_map, write_expert_map, write_map

from .engine_files import IDS, LOAD, SLOTS, lmdeploy_record, tensorrt_llm_folder, vllm_records

INPUTS = Path(os.environ.get("EPLB_OPT_INPUTS", Path(__file__).resolve().parents[3] / "shared" / "inputs"))
SOLVE = ["--replicas", "4", "--ranks", "2", "--method", "greedy"]
RNG = np.random.default_rng(0)


@pytest.mark.filterwarnings("ignore:.*are taken for the last:eplb_opt.errors.FormatWarning")
@pytest.mark.parametrize("options", [["--hidden-layers", "5"], ["--layers", "3:5"]])
def test_lmdeploy_records_moe_layers_only_and_options_number_them(options, tmp_path):
    lmdeploy_record(tmp_path / "record.pt")
    assert main(["convert", str(tmp_path / "record.pt"), str(tmp_path / "loads.npz"), *options]) == 0
    loads = read_loads(tmp_path / "loads.npz")
    assert (loads.load.tolist(), loads.layer_ids) == ([LOAD.sum(axis=0).tolist()], (3, 4))
    out = tmp_path / "map.yaml"
    arguments = ["solve", str(tmp_path / "record.pt"), *SOLVE, *options, "--format", "tensorrt-llm", "-o", str(out)]
    assert main(arguments) == 0
    assert read_expert_map(out).layer_ids == (3, 4)


def test_lmdeploy_layers_are_not_numbered_by_guess_without_a_word(tmp_path):
    lmdeploy_record(tmp_path / "record.pt")
    loads = read_loads(tmp_path / "record.pt")
    assert (loads.layer_ids, loads.hidden_layers) == (None, None)
    with pytest.warns(FormatWarning, match=r"its 2 layers are taken for the last of 5, 3\.\.4"):
        assert loads.with_hidden_layers(5, "record").layer_ids == (3, 4)
    assert loads.with_hidden_layers(2, "record").layer_ids is None
    vllm_records(tmp_path / "stats.jsonl")  # not so of others: dense layers may lie between
    with pytest.raises(FormatError, match="say with --layers"):
        read_loads(tmp_path / "stats.jsonl").with_hidden_layers(5, "stats")


def test_hidden_layers_are_honoured_for_tensorrt_llm(tmp_path, capsys):
    tensorrt_llm_folder(tmp_path / "folder")
    assert main(["solve", str(tmp_path / "folder"), *SOLVE, "--hidden-layers", "2"]) == 2
    assert "layer 2 is beyond 2 hidden layers" in capsys.readouterr().err
    assert main(["solve", str(tmp_path / "folder"), *SOLVE, "--hidden-layers", "2", "--layers", "1"]) == 0


def test_a_recording_of_few_experts_is_doubted_in_every_format(tmp_path):
    load = np.zeros((2, 5, 16), dtype=np.int64)
    load[:, 3:, :2] = [[10, 30], [20, 7]]
    torch.save({"rank": 0, "logical_count": torch.from_numpy(load)}, tmp_path / "dump.pt")
    np.savez(tmp_path / "loads.npz", load=load[:, 3:])
    (tmp_path / "loads.csv").write_text("\n".join(",".join(map(str, row)) for row in load[0, 3:].tolist()))
    for name in ("dump.pt", "loads.npz", "loads.csv"):
        with pytest.warns(FormatWarning, match=r"most experts \(14 of 16\) have no token in any layer and window: one"):
            assert read_loads(tmp_path / name).load[0].tolist() == load[0, 3:].tolist()


def rank_dump(rank, size=2, **changes):
    counts = torch.from_numpy(np.random.default_rng(rank).integers(1, 9, (4, 3, 8)))
    slots = torch.arange(8).repeat(3, 1)
    return {"ep_rank": rank, "ep_size": size, "physical_count": counts, "logical_count": counts,
            "physical_to_logical_map": slots} | changes  # fmt: skip


def test_dumps_of_ranks_add_up(tmp_path):
    for rank in range(2):
        torch.save(rank_dump(rank), tmp_path / f"p-TP{rank}.expert-load.pt")
    expected = rank_dump(0)["logical_count"] + rank_dump(1)["logical_count"]
    assert read_loads(tmp_path).load.tolist() == expected.tolist()
    with pytest.warns(FormatWarning, match="the dump of rank 1 of 2: tokens of one rank only"):
        found = read_loads(tmp_path / "p-TP1.expert-load.pt")
    assert found.load.tolist() == rank_dump(1)["logical_count"].tolist()


@pytest.mark.parametrize(
    ("dumps", "message"),
    [
        ([rank_dump(0, 3), rank_dump(2, 3)], "the dump of rank 1 is missing"),
        ([rank_dump(0), rank_dump(0)], "twice"),
        ([rank_dump(0), rank_dump(1, 3)], "among others"),
        ([rank_dump(0), {"logical_count": torch.ones(4, 3, 8)}], "already summed"),
        ([rank_dump(0), {"records": []}], "unlike the dumps beside it"),
        ([rank_dump(0), rank_dump(1, logical_count=torch.ones(1, 3, 8))], "other shapes"),
        ([rank_dump(0), rank_dump(1, physical_to_logical_map=torch.zeros(3, 8).int())], "another map"),
        ([rank_dump(5)], "no rank of so many"),
        ([rank_dump(0, "two")], "no rank of so many"),
    ],
)
def test_dumps_that_do_not_add_up_are_refused(dumps, message, tmp_path):
    for i, dump in enumerate(dumps):
        torch.save(dump, tmp_path / f"{i}.pt")
    with pytest.raises(FormatError, match=message):
        read_loads(tmp_path)


def per_token(ids, slots=((0, 1, 2, 0),) * 2):
    record = {"forward_pass_id": 7, "rank": 0, "gatherer_key": "primary", "topk_ids_of_layer": torch.tensor(ids)}
    return {"records": [record], "last_physical_to_logical_map": torch.tensor(slots)}


def test_older_per_token_records_are_counted(tmp_path):
    ids = [[[0, 3], [1, -1], [-1, -1]], [[2, 1], [1, 0], [-1, -1]]]  # slots; 0 and 3 hold expert 0
    torch.save(per_token(ids), tmp_path / "dump.pt")
    loads = read_loads(tmp_path / "dump.pt")
    assert loads.load.tolist() == [[[2, 1, 0], [1, 2, 1]]]
    assert (loads.layer_ids, loads.windows, loads.hidden_layers) == ((0, 1), ("7",), 2)
    for wrong in ([[[4]], [[0]]], [[[-2]], [[0]]], [[[0]]], [[0], [1]], [[[0.5]], [[1.0]]]):
        torch.save(per_token(wrong), tmp_path / "dump.pt")
        with pytest.raises(FormatError, match="topk_ids_of_layer"):
            read_loads(tmp_path / "dump.pt")


def snapshot(step=100, **changes):
    slots = [[0, 1, 2, 3, 0, 1]] * 2
    load = [[40, 30, 20, 10, 12, 8], [5, 50, 25, 20, 3, 1]]
    return {"step": step, "window_expert_load": load, "latest_expert_load": [[0] * 6] * 2,
            "physical_to_logical_map": slots} | changes  # fmt: skip


def test_snapshots_of_vllm(tmp_path):
    expected = [[52, 38, 20, 10], [8, 51, 25, 20]]
    other = snapshot(200, physical_to_logical_map=[[3, 2, 1, 0, 0, -1]] * 2,
                     window_expert_load=[[1, 2, 3, 4, 5, 0]] * 2)  # fmt: skip
    head = {"model_name": "m", "world_size": 2, "num_logical_experts": 4}
    texts = [json.dumps(head | {"snapshots": [snapshot(), other]}, indent=1),
             "\n".join(json.dumps(head | item) for item in (snapshot(), other))]  # fmt: skip
    for text in texts:
        (tmp_path / "m_expert_load.json").write_text(text)
        loads = read_loads(tmp_path / "m_expert_load.json")
        assert loads.load.tolist() == [expected, [[9, 3, 2, 1]] * 2]
        assert (loads.windows, loads.layer_ids) == (("100", "200"), None)
        assert not holds_map(tmp_path / "m_expert_load.json", "npz")
        assert read_loads(tmp_path / "m_expert_load.json", "vllm", [3, 4]).layer_ids == (3, 4)
    (tmp_path / "one.json").write_text(json.dumps(snapshot()))
    assert read_loads(tmp_path / "one.json").load.tolist() == [expected]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"snapshots": [snapshot(), snapshot()]}, "recorded twice"),
        ({"snapshots": [snapshot(physical_to_logical_map=None)]}, "p2l_map of shape"),
        ({"snapshots": [snapshot(physical_to_logical_map=[[0, 1]] * 2)]}, "expected one shape"),
        ({"snapshots": [snapshot()], "num_logical_experts": 5}, "num_logical_experts is 5"),
        ({"snapshots": []}, "one layer|no array|expected numbers"),
        ({"snapshots": [{"step": 1}]}, "expected numbers"),
    ],
)
def test_malformed_snapshots(content, message, tmp_path):
    (tmp_path / "loads.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match=message):
        read_loads(tmp_path / "loads.json")


@pytest.mark.parametrize("ending", ["npy", "json", "pt"])
def test_a_bare_map_is_no_load_matrix(ending, tmp_path, capsys):
    path, save = tmp_path / f"bare.{ending}", {"npy": np.save, "pt": lambda p, a: torch.save(torch.from_numpy(a), p)}
    save.get(ending, lambda p, a: p.write_text(json.dumps(a.tolist())))(path, SLOTS)
    assert main(["convert", str(path), str(tmp_path / "out.npz")]) == 0
    assert "map: 2 layers x 4 replicas" in capsys.readouterr().out
    assert read_expert_map(tmp_path / "out.npz").phy2log.tolist() == SLOTS.tolist()
    assert main(["convert", str(path), str(tmp_path / "o"), "--format", "lmdeploy", "--hidden-layers", "2"]) == 2
    assert "looks like a map" in capsys.readouterr().err
    with pytest.warns(FormatWarning, match="read as loads, and looks like a map"):
        read_loads(path)
    (tmp_path / "bare.csv").write_text("\n".join(",".join(map(str, row)) for row in SLOTS.tolist()))
    assert main(["convert", str(tmp_path / "bare.csv"), str(tmp_path / "o.npz")]) == 2
    np.save(tmp_path / "loads.npy", SLOTS + 1)
    assert main(["convert", str(tmp_path / "loads.npy"), str(tmp_path / "out.npz")]) == 0
    assert "loads: 1 windows x 2 layers" in capsys.readouterr().out


def test_layers_without_a_token_are_named_in_plain_files(tmp_path):
    rows = [[1, 2, 3, 4], [0, 0, 0, 0], [5, 6, 7, 8], [0, 0, 0, 0]]
    np.save(tmp_path / "loads.npy", rows)
    (tmp_path / "loads.csv").write_text("layer,e0,e1,e2,e3\n" + "".join(f"{i + 3},{str(r)[1:-1]}\n"
                                                                         for i, r in enumerate(rows)))  # fmt: skip
    for name, ids, said in (("loads.npy", None, "1, 3"), ("loads.csv", (3, 4, 5, 6), "4, 6")):
        with pytest.warns(
            FormatWarning, match=rf"no token in 2 of 4 layers \({said}\): any map of them counts as perf"
        ):
            loads = read_loads(tmp_path / name)
        assert (loads.load.tolist(), loads.layer_ids) == ([rows], ids)
    assert read_loads(tmp_path / "loads.csv", layers=[3, 5]).load.tolist() == [rows[::2]]


@pytest.mark.parametrize(("name", "ending"), [("npz", "npz"), ("json", "json"), ("vllm-ascend", "json")])
def test_a_map_of_other_ranks_is_refused(name, ending, tmp_path, capsys):
    rows = np.tile(np.arange(32) % 16, (2, 1))
    path = tmp_path / f"map.{ending}"
    write_map(path, Placement(rows, 16, IDS), name, num_ranks=16, hidden_layers=4)
    assert read_map(path, 16, IDS, num_ranks=16).phy2log.tolist() == rows.tolist()
    with pytest.raises(FormatError, match="a map for 16 ranks, not 32"):
        read_map(path, 16, IDS, num_ranks=32)
    np.savez(tmp_path / "loads.npz", load=RNG.integers(1, 99, (2, 16)), layer_ids=IDS)
    gap = ["gap", str(tmp_path / "loads.npz"), "--replicas", "32", "--methods", "greedy", "--map", str(path), "--ranks"]
    assert main([*gap, "16"]) == 0
    assert main([*gap, "32"]) == 2
    assert "a map for 16 ranks, not 32" in capsys.readouterr().err
    write_expert_map(tmp_path / "plain.npz", ExpertMap(rows, IDS), "npz")  # says nothing of ranks
    assert read_map(tmp_path / "plain.npz", 16, IDS, num_ranks=32).phy2log.tolist() == rows.tolist()


def test_solve_writes_the_ranks_and_verify_reads_them(tmp_path, capsys):
    np.savez(tmp_path / "loads.npz", load=RNG.integers(1, 99, (2, 8)))
    names = [str(tmp_path / name) for name in ("map.npz", "report.json", "loads.npz")]
    assert main(["solve", names[2], *SOLVE[2:], "--replicas", "12", "-o", names[0], "--json", names[1]]) == 0
    assert read_expert_map(names[0]).num_ranks == 2
    assert main(["verify", *names]) in (0, 3)
    report = json.loads(Path(names[1]).read_text())
    Path(names[1]).write_text(json.dumps(report | {"num_ranks": 4}))
    assert main(["verify", *names]) in (1, 2)
    assert "ranks" in capsys.readouterr().err


@pytest.mark.skipif(not INPUTS.exists(), reason="the small inputs are not here")
def test_the_small_inputs(tmp_path):
    two = [[[40, 30, 20, 10], [5, 50, 25, 20]]]
    for name in ("wide_layer_index", "pandas_index", "long"):
        loads = read_loads(INPUTS / f"{name}.csv")
        assert (loads.load.tolist(), loads.layer_ids) == (two, (0, 1))
    assert read_loads(INPUTS / "vllm_snapshots_expert_load.json").load.shape == (1, 2, 4)
