"""Experts of tokens: read of every layout, counted in windows, and what is wrong with them refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eplb_opt import FormatError, Instance, Limits, Objective, cli, solve
from eplb_opt.errors import FormatWarning
from eplb_opt.formats import Routing, read_loads, routing

from .routing_files import COUNTS, HIDDEN, IDS, ROUTING, SLOTS, TOKENS, WITHOUT_DENSE, npy_bytes, without_shape


@pytest.mark.parametrize("name", ROUTING)
def test_layouts_are_read(name, tmp_path):
    write, input_format = ROUTING[name]
    write(tmp_path / "recording")
    loads = read_loads(tmp_path / "recording", input_format, tokens_per_window=2)
    assert loads.load.tolist() == COUNTS
    hidden = None if name.startswith(WITHOUT_DENSE) else HIDDEN
    assert (loads.layer_ids, loads.windows, loads.hidden_layers) == (IDS, ("0", "1"), hidden)


@pytest.mark.parametrize("name", [name for name in ROUTING if name != "sglang per_token"])
def test_without_windows_there_is_one(name, tmp_path):
    write, input_format = ROUTING[name]
    write(tmp_path / "recording")
    loads = read_loads(tmp_path / "recording", input_format)
    assert loads.load.tolist() == np.sum(COUNTS, axis=0, keepdims=True).tolist()


def test_passes_are_windows_where_no_other_are_asked_for(tmp_path):
    ROUTING["sglang per_token"][0](tmp_path / "dump.pt")
    assert read_loads(tmp_path / "dump.pt").windows == ("7", "8")


def test_windows_count_what_a_loop_counts():
    rng = np.random.default_rng(0)
    experts = np.argsort(rng.random((50, 3, 9)), axis=2)[:, :, :4]
    load = Routing(experts).loads("x", 10, 11).load
    assert load.shape == (5, 3, 11)
    for window, layer, expert in np.ndindex(*load.shape):
        tokens = experts[10 * window : 10 * window + 10, layer]
        assert load[window, layer, expert] == np.count_nonzero(tokens == expert)


def test_counting_in_parts_is_the_same(monkeypatch):
    whole = Routing(TOKENS, has_dense_layers=True).loads("x").load.tolist()
    monkeypatch.setattr(routing, "CHUNK", 7)
    assert Routing(TOKENS, has_dense_layers=True).loads("x").load.tolist() == whole


def test_a_window_that_is_not_whole_is_left_out():
    with pytest.warns(FormatWarning, match="4 tokens make 1 windows of 3; the last 1 are left out"):
        loads = Routing(TOKENS, has_dense_layers=True).loads("x", 3)
    assert loads.load.sum() == 3 * 2 * 2
    with pytest.raises(FormatError, match="4 tokens, fewer than one window of 5"):
        Routing(TOKENS, has_dense_layers=True).loads("x", 5)


def test_experts_that_no_token_went_to():
    tokens = TOKENS[:2, 1:]  # experts 0..3
    assert Routing(tokens).loads("x", num_experts=6).load.shape == (1, 2, 6)
    assert Routing(tokens, num_experts=8).loads("x").load.shape == (1, 2, 8)
    with pytest.raises(FormatError, match="expert 3, of 3 experts: correct --experts"):
        Routing(tokens).loads("x", num_experts=3)
    with pytest.raises(FormatError, match="has 8 experts, --experts says 6"):
        Routing(tokens, num_experts=8).loads("x", num_experts=6)
    with pytest.raises(FormatError, match="no model has more"):
        Routing(tokens).loads("x", num_experts=10**9)


def test_padding_is_no_expert():
    padded = TOKENS.copy()
    padded[3, 1] = -1
    load = Routing(padded, has_dense_layers=True).loads("x").load
    assert load[0].sum(axis=1).tolist() == [6, 8]
    with pytest.raises(FormatError, match="no token with an expert"):
        Routing(np.full((2, 2, 2), -1)).loads("x")


def test_a_token_that_was_not_recorded_is_left_out():
    lost = TOKENS.copy()
    lost[3, 1] = 0
    with pytest.warns(FormatWarning, match=r"1 of 12 pairs of token and layer .* \(token 3, layer row 1\)"):
        load = Routing(lost, has_dense_layers=True).loads("x").load
    assert load[0].sum(axis=1).tolist() == [6, 8]


@pytest.mark.parametrize("axes", [(1, 0, 2), (0, 2, 1), (2, 1, 0)])
def test_other_orders_of_axes_are_refused(axes, tmp_path):
    rng = np.random.default_rng(1)
    experts = np.argsort(rng.random((40, 6, 8)), axis=2)[:, :, :4]
    (tmp_path / "x.npy").write_bytes(npy_bytes(experts.transpose(axes)))
    if axes == (1, 0, 2):  # it may be so: 6 tokens of a model of 40 layers
        with pytest.warns(FormatWarning, match="6 tokens of 40 layers"):
            assert read_loads(tmp_path / "x.npy", "routed-experts").load.shape == (1, 40, 8)
        return
    with pytest.raises(FormatError, match="goes to one expert twice"):
        read_loads(tmp_path / "x.npy", "routed-experts")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (TOKENS[0], "expected integers"),
        (TOKENS.astype(float), "expected integers"),
        (TOKENS[:0], "expected integers"),
        (TOKENS + (1 << 20), "no model has more"),
        (TOKENS > 0, "expected integers"),
        (np.zeros((2, 2000, 2), int), "no model has more"),
    ],
)
def test_what_is_no_array_of_experts(array, message, tmp_path):
    (tmp_path / "x.npy").write_bytes(npy_bytes(array))
    with pytest.raises(FormatError, match=message):
        read_loads(tmp_path / "x.npy", "routed-experts")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ({"routed_experts": "k05VTVBZ####"}, "no base64"),
        ({"routed_experts": "k05VTVBZAAAA"}, "no npy file in base64"),
        ({"routed_experts": without_shape(TOKENS)}, "without a shape"),
        ({"routed_experts": without_shape(TOKENS), "prompt_tokens": 3, "completion_tokens": 5}, "no multiple of 7"),
        ({"routed_experts": without_shape(TOKENS), "prompt_tokens": -3, "completion_tokens": 5}, "without a shape"),
        ({"routed_experts": "AAAA", "prompt_tokens": 1, "completion_tokens": 0}, "no multiple of 0"),
        ({"routed_experts": [[[1, 2], [3]]]}, "not rectangular"),
        ({"routed_experts": 5}, "expected integers"),
        ([{"routed_experts": [[[1, 2]]]}, {"routed_experts": [[[1, 2, 3]]]}], "of one model"),
    ],
)
def test_replies_that_are_refused(reply, message, tmp_path):
    (tmp_path / "reply.json").write_text(json.dumps(reply))
    with pytest.raises(FormatError, match=message):
        read_loads(tmp_path / "reply.json")


def test_counts_have_no_windows_of_tokens(tmp_path):
    (tmp_path / "loads.json").write_text('{"load": [[1, 2]]}')
    with pytest.raises(FormatError, match="no experts of tokens, which --tokens-per-window counts"):
        read_loads(tmp_path / "loads.json", tokens_per_window=5)
    with pytest.raises(FormatError, match="input format 'vllm' holds no experts of tokens: use sglang or"):
        read_loads(tmp_path / "loads.json", "vllm", tokens_per_window=5)


def test_dumps_that_say_no_tokens(tmp_path):
    import torch

    record = {"forward_pass_id": 1, "rank": 0, "global_physical_count": torch.ones(3, 5).int()}
    torch.save({"records": [record], "last_physical_to_logical_map": torch.tensor(SLOTS)}, tmp_path / "dump.pt")
    with pytest.raises(FormatError, match="record in mode per_token"):
        read_loads(tmp_path / "dump.pt", "sglang", tokens_per_window=2)


def test_experts_are_added_to_counts_too(tmp_path):
    (tmp_path / "loads.json").write_text('{"load": [[1, 2]]}')
    assert read_loads(tmp_path / "loads.json", experts=4).load.tolist() == [[[1, 2, 0, 0]]]
    with pytest.raises(FormatError, match="it has 2 experts, --experts says 1"):
        read_loads(tmp_path / "loads.json", experts=1)


def test_the_last_layer_of_a_batch_may_have_its_last_token_only(tmp_path):
    rows = ["layer_id,expert_ids", "3,0 1", "3,2 0", "4,1 3", "3,1 2", "4,0 2"]  # a batch of 2 tokens, one of 1
    (tmp_path / "trace.csv").write_text("\n".join(rows))
    with pytest.warns(FormatWarning, match="left out"):
        loads = read_loads(tmp_path / "trace.csv", tokens_per_window=2)
    assert loads.layer_ids == (3, 4)
    assert loads.load.tolist() == [[[2, 1, 1, 0], [0, 1, 0, 1]]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,expert\n", "without rows"),
        ("layer,expert\n3,x\n", "damaged or in no known format"),
        ("layer,expert\n3,1,2\n3\n", "damaged or in no known format"),
        ("layer,expert\n3,1.5\n", "damaged or in no known format"),
        ("layer,expert\n-3,1\n", "layers -3..-3"),
        ("layer,expert\n3,-1\n", "experts -1..-1"),
        ("layer,expert\n3,99999999\n", "experts 99999999"),
        ("layer_id,expert_ids\n3\n", "without experts"),
        ("layer_id,expert_ids\n3,1 2\n3,1\n", "damaged or in no known format"),
        ("layer_id,expert_ids\n3,1 1\n4,1 0", "goes to one expert twice"),
        ("call,phase,row,layer,expert\n0,p,0,3,1\n0,p,0,3,2\n0,p,1,3,1\n", "other numbers of rows"),
    ],
)
@pytest.mark.filterwarnings("ignore::eplb_opt.errors.FormatWarning")
def test_traces_that_are_refused(text, message, tmp_path):
    (tmp_path / "trace.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_loads(tmp_path / "trace.csv")


def test_traces_of_megatron_that_are_refused_or_in_part(tmp_path):
    ROUTING["megatron"][0](tmp_path / "x")
    path = tmp_path / "x" / "router_trace_rank1.jsonl"
    good = [json.loads(line) for line in path.read_text().splitlines()]

    def write(*records):
        path.write_text("".join(json.dumps(record) + "\n" for record in records))

    for records, message in (
        ([good[0], good[0]], "step 0, layer 1 of rank 1 is there twice"),
        ([good[0], good[1] | {"num_tokens": 3}], r"shape \(2, 2\) and dtype int64 for 3 tokens"),
        ([good[0], good[1] | {"top_indices": [[1, 2], [3]]}], "not rectangular"),
        ([good[0], good[1] | {"layer": "x"}], "step, rank and layer 0, 1, x"),
        ([good[0], {"layer": 1}], "not what Megatron's tracer writes"),
        ([good[0], good[1] | {"num_tokens": 1, "top_indices": [[1, 2]]}], "in step 0 of rank 1"),
    ):
        write(*records)
        with pytest.raises(FormatError, match=message):
            read_loads(tmp_path / "x")
    write(*good, good[0] | {"block": "mtp", "mtp_idx": 0})
    with pytest.warns(FormatWarning, match="1 records of multi-token prediction are left out"):
        assert read_loads(tmp_path / "x").load.tolist() == np.sum(COUNTS, axis=0, keepdims=True).tolist()
    write(*good, good[0] | {"step": 1})
    with pytest.warns(FormatWarning, match="1 steps of ranks lack layers"):
        assert read_loads(tmp_path / "x").load.sum() == 16


def test_files_of_esft_that_are_refused(tmp_path):
    ROUTING["esft"][0](tmp_path / "x")
    path = tmp_path / "x" / "rank_1" / "expert_weights_2.txt"
    good = path.read_text()
    for text, message in {
        "": "is empty",
        "0\t1\t\t0.5\n": "expected experts and as many weights",
        "0 1 0.5 0.5\n": "expected experts and as many weights",
        "0\tx\t\t0.5\t0.5\n": "no experts of tokens",
        good + good: "expected all of one run, to its end",
    }.items():
        path.write_text(text)
        with pytest.raises(FormatError, match=message):
            read_loads(tmp_path / "x")
    path.unlink()
    with pytest.raises(FormatError, match="other layers than the ranks before"):
        read_loads(tmp_path / "x")
    with pytest.raises(FormatError, match="no folder with"):
        read_loads(tmp_path, "esft")


def test_layers_that_were_not_recorded(tmp_path):
    ROUTING["npz"][0](tmp_path / "x.npz")
    with pytest.warns(FormatWarning, match=r"layers 3 are not recorded \(it has 1, 2\)"):
        loads = read_loads(tmp_path / "x.npz", layers=[1, 2, 3])
    assert loads.layer_ids == (1, 2, 3)
    assert loads.hidden_layers == 4
    assert loads.load.tolist() == [[*np.sum(COUNTS, axis=0).tolist(), [0, 0, 0, 0]]]


@pytest.mark.parametrize("method", ["refined", "optimal"])
@pytest.mark.parametrize(("across", "objective"), [("sum", 0), ("mean", 1), ("max", 1)])
def test_a_layer_that_was_not_recorded_gets_a_valid_map(method, across, objective):
    load = np.zeros((3, 2, 8))
    load[:, 0] = np.arange(24).reshape(3, 8)
    instance = Instance(load, 12, num_ranks=4, layer_ids=(1, 9), objective=Objective(across))
    result = solve(instance, method, Limits(seconds=1, workers=1))
    result.placement.require_valid(instance)
    assert (result.objective[1], result.gap[1]) == (objective, 0)


@pytest.mark.filterwarnings("ignore:.*layers 3 are not recorded", "ignore:.*no token in 1 of 3 layers")
def test_the_command_takes_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ROUTING["npy"][0](tmp_path / "x.npy")
    reading = ["--input-format", "routed-experts", "--tokens-per-window", "2", "--experts", "6", "--layers", "1,2,3"]
    assert cli.main(["convert", "x.npy", "loads.npz", *reading]) == 0
    assert "2 windows x 3 layers x 6 experts" in capsys.readouterr().out
    assert read_loads(tmp_path / "loads.npz", layers=[1, 2]).load[:, :, :4].tolist() == COUNTS
    solve = ["solve", "x.npy", "--replicas", "8", "--ranks", "2", "--method", "greedy", "-o", "map.json"]
    assert cli.main([*solve, *reading, "--format", "tensorrt-llm"]) == 0
    assert "3: [" in (tmp_path / "map.json").read_text()
    assert cli.main(["convert", "x.npy", "loads.npz", "--tokens-per-window", "2"]) == 2
