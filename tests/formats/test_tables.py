"""Tables of loads: the layouts that people write are read by their header; what a header does not say is refused."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from eplb_opt import FormatError
from eplb_opt.errors import FormatWarning
from eplb_opt.formats import read_loads

LOAD = [[40, 30, 20, 10], [5, 50, 25, 20]]  # [layers, experts]


def table(header, rows, sign=",", end=""):
    return "".join(sign.join(map(str, row)) + end + "\n" for row in ([header] if header else []) + list(rows))


def wide(ids=(0, 1)):
    return [[layer, *row] for layer, row in zip(ids, LOAD, strict=True)]


def long(ids=(0, 1)):
    return [[layer, e, load] for layer, row in zip(ids, LOAD, strict=True) for e, load in enumerate(row)]


def read(tmp_path, text, name="loads.csv"):
    (tmp_path / name).write_text(text)
    return read_loads(tmp_path / name)


EXPERTS = {
    "expert_0": [f"expert_{i}" for i in range(4)],
    "Expert 0": [f"Expert {i}" for i in range(4)],
    "e0": [f"e{i}" for i in range(4)],
    "expert-id-0": [f"expert-id-{i}" for i in range(4)],
    "quoted": [f'"expert[{i}]"' for i in range(4)],
    "sign": [f"Expert#{i}" for i in range(4)],
    "tokens": [f"tokens_expert_{i}" for i in range(4)],
    "counts": [f"expert_{i}_count" for i in range(4)],
    "numbers": list("0123"),
}
LAYERS = [
    "layer", "layers", "layer_id", "layer_idx", "layer_index", "LayerIdx", "Layer ID", "layer-no", '"layer"', "",
    "Unnamed: 0", "index",
]  # fmt: skip


@pytest.mark.parametrize("experts", EXPERTS)
@pytest.mark.parametrize("layer", LAYERS)
def test_one_row_a_layer(layer, experts, tmp_path):
    loads = read(tmp_path, table([layer, *EXPERTS[experts]], wide((3, 9))))
    assert loads.load.tolist() == [LOAD]
    assert loads.layer_ids == (3, 9)


@pytest.mark.parametrize("experts", EXPERTS)
def test_rows_without_a_layer_are_in_order(experts, tmp_path):
    loads = read(tmp_path, table(EXPERTS[experts], LOAD))
    assert (loads.load.tolist(), loads.layer_ids) == ([LOAD], None)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize(
    "names",
    [
        ("layer_idx", "expert_id", "activation_count"),
        ("layer_id", "expert_id", "count"),
        ("Layer", "Expert", "Tokens"),
        ("layer index", "logical_expert_id", "load"),
        ("block", "expert", "total_tokens"),
    ],
)
def test_one_row_a_count_in_any_order_of_columns(names, order, tmp_path):
    loads = read(tmp_path, table([names[i] for i in order], [[row[i] for i in order] for row in long((3, 9))]))
    assert (loads.load.tolist(), loads.layer_ids) == ([LOAD], (3, 9))


def test_counts_of_zero_may_be_left_out_and_rows_be_in_any_order(tmp_path):
    rows = [row for row in reversed(long((3, 9))) if row[2] not in (30, 5, 20)]
    loads = read(tmp_path, table(["layer_id", "expert_id", "count"], rows))
    assert loads.load.tolist() == [[[40, 0, 0, 10], [0, 50, 25, 0]]]
    assert loads.layer_ids == (3, 9)


def test_the_last_experts_may_be_left_out_with_their_zeros(tmp_path):
    with pytest.warns(FormatWarning, match="2 is the largest expert: taken for 3 experts"):
        loads = read(tmp_path, "layer_id,expert_id,count\n0,0,7\n0,2,5\n1,1,9\n")
    assert loads.load.tolist() == [[[7, 0, 5], [0, 9, 0]]]


@pytest.mark.parametrize(
    ("header", "labels"),
    [
        (["expert", "layer_3", "layer_9"], "0123"),
        (["expert_id", "3", "9"], "0123"),
        (["", "L3", "L9"], "0123"),
        (["", "3", "9"], [f"expert_{i}" for i in range(4)]),
        (["Expert", "model.layers.3", "model.layers.9"], [f"Expert {i}" for i in range(4)]),
    ],
)
def test_transposed(header, labels, tmp_path):
    rows = [[label, LOAD[0][i], LOAD[1][i]] for i, label in enumerate(labels)]
    for some in (rows, rows[::-1], [*rows, ["total", 100, 100]]):
        loads = read(tmp_path, table(header, some))
        assert (loads.load.tolist(), loads.layer_ids) == ([LOAD], (3, 9))


def test_rows_may_be_named(tmp_path):
    for labels in (("layer_3", "layer_9"), ("Layer 3", "Layer 9"), ("model.layers.3.mlp.experts", "model.layers.9.mlp"),
                   ("3.0", "9.0"), ("L3", "L9")):  # fmt: skip
        loads = read(tmp_path, table(["", *EXPERTS["e0"]], wide(labels)))
        assert (loads.load.tolist(), loads.layer_ids) == ([LOAD], (3, 9))


def test_totals_and_statistics_are_left_out(tmp_path):
    columns = ["total", "Sum", "mean", "imbalance", "row_total"]
    for name in columns:
        text = table(["layer", name, *EXPERTS["e0"]], [[row[0], sum(row[1:]), *row[1:]] for row in wide()])
        assert read(tmp_path, text).load.tolist() == [LOAD]
    rows = [*wide(), ["total", 45, 80, 45, 30]]
    assert read(tmp_path, table(["layer", *EXPERTS["e0"]], rows)).load.tolist() == [LOAD]
    rows = [[*row, 12.5] for row in long()]
    assert read(tmp_path, table(["layer", "expert", "count", "percentage"], rows)).load.tolist() == [LOAD]


def test_columns_of_experts_are_found_by_name(tmp_path):
    text = table(["e2", "e0", "layer", "e1", "e3"], [[r[3], r[1], r[0], r[2], r[4]] for r in wide((5, 6))])
    loads = read(tmp_path, text)
    assert (loads.load.tolist(), loads.layer_ids) == ([LOAD], (5, 6))


def test_steps_are_windows_and_ranks_add_up(tmp_path):
    rows = [[step, rank, *row] for step in (200, 1000) for rank in (0, 1) for row in long((3, 9))]
    loads = read(tmp_path, table(["step", "ep_rank", "layer", "expert", "count"], rows))
    assert loads.load.tolist() == [(2 * np.array(LOAD)).tolist()] * 2
    assert loads.windows == ("200", "1000")
    rows = [[step, *row] for step in ("b", "a") for row in wide((3, 9))]
    loads = read(tmp_path, table(["window", "layer", *EXPERTS["e0"]], rows))
    assert (loads.load.tolist(), loads.windows, loads.layer_ids) == ([LOAD] * 2, ("b", "a"), (3, 9))


def test_moe_layers_are_numbered_apart(tmp_path):
    assert read(tmp_path, table(["moe_layer", *EXPERTS["e0"]], wide())).layer_ids is None
    assert read(tmp_path, table(["moe_layer", *EXPERTS["e0"]], wide((3, 9)))).layer_ids == (3, 9)


@pytest.mark.parametrize("sign", [",", ";", "\t", " ", "   ", ", ", " ; ", "|"])
@pytest.mark.parametrize("dress", [
    lambda text: text, lambda text: "\ufeff" + text, lambda text: "# by a recorder\n\n" + text,
    lambda text: text.replace("\n", "\r\n"), lambda text: text.replace("\n", "\n\n"), lambda text: text.rstrip("\n"),
])  # fmt: skip
def test_signs_and_dress(sign, dress, tmp_path):
    (tmp_path / "loads.csv").write_bytes(dress(table(["layer", *EXPERTS["e0"]], wide((3, 9)), sign)).encode())
    loads = read_loads(tmp_path / "loads.csv")
    assert (loads.load.tolist(), loads.layer_ids) == ([LOAD], (3, 9))


def test_a_comma_at_the_end_of_lines_and_empty_rows(tmp_path):
    for text in (table(["layer", *EXPERTS["e0"]], wide(), end=","),
                 table(["layer", *EXPERTS["e0"]], wide(), end=",").replace("e3,", "e3"),
                 table(["layer", *EXPERTS["e0"]], wide()) + ",,,,\n"):  # fmt: skip
        assert read(tmp_path, text).load.tolist() == [LOAD]


def test_a_header_that_numpy_wrote(tmp_path):
    np.savetxt(tmp_path / "loads.csv", wide((3, 9)), delimiter=",", header="layer,e0,e1,e2,e3", comments="# by us\n# ")
    assert read_loads(tmp_path / "loads.csv").load.tolist() == [LOAD]
    assert read_loads(tmp_path / "loads.csv").layer_ids == (3, 9)
    np.savetxt(tmp_path / "bare.txt", LOAD)
    assert read_loads(tmp_path / "bare.txt").load.tolist() == [LOAD]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,e0,e1,latency\n0,1,2,3\n", "column 'latency' is in no known format; known tables"),
        ("layer,e0,e1,expert_-1\n0,1,2,3\n", "column 'expert_-1' is in no known format"),
        ("layer,e0,e1,e1\n0,1,2,3\n", "column 'e1' is there twice"),
        ("layer,expert_0.0,expert_0.1\n0,1,2\n", "no known format"),
        ("0.0,1.0,2.0,x\n0,1,2,3\n", "no known format"),
        ("layer,phys_expert_0,phys_expert_1\n0,1,2\n", "counts slots"),
        ("layer,slot_0,slot_1\n0,1,2\n", "counts slots"),
        ("layer,e1,e2,e3\n0,1,2,3\n", r"no expert 0 among experts 1\.\.3"),
        ("layer,e0,e1,e3\n0,1,2,3\n", r"no expert 2 among experts 0\.\.3"),
        ("layer,e0,e1\n0,1,2\n0,3,4\n", "line 3: layer 0 is there twice"),
        ("layer,e0,e1\n0,1,\n", "line 2: column 'e1': '' is no number"),
        ("layer,e0,e1\n0,1,nan\n", "'nan' is no number"),
        ("layer,e0,e1\n0,1,1_000\n", "'1_000' is no number"),
        ('layer,e0,e1\n0,1,"1,000"\n', "'1,000' is no number"),
        ("layer;e0;e1\n0;1,5;2\n", "'1,5' is no number"),
        ("layer,e0,e1\n-1,1,2\n", "'-1' is no layer"),
        ("layer,e0,e1\n0.5,1,2\n", "'0.5' is no layer"),
        ("layer,e0,e1\n0,1\n", "rows of different lengths"),
        ("layer,e0,e1\n0,1,2,3\n", "rows of different lengths"),
        ("layer,e0,e1\n", "no rows"),
        ("layer,e0,layer_id\n0,1,2\n", "both say the layer"),
        ("step,e0,e1\n0,1,2\n", "none of layers"),
        ("step,layer,e0,e1\n0,1,2,3\n1,2,3,4\n", "not all steps and ranks have all layers"),
        ("layer,count,e0,e1\n0,1,2,3\n", "together in no known format"),
        ("index,layer,e0,e1\n0,3,1,2\n7,9,3,4\n", "does not count the rows"),
        ("expert,layer\n0,1\n", "no column says the count"),
        ("layer,expert,count,load\n0,0,1,2\n", "'count' and 'load' both say the count"),
        ("layer,expert,count\n0,0,1\n0,0,2\n", "expert 0 of layer 0 is there twice"),
        ("layer,expert,count\n0,1,1\n0,2,2\n", r"experts 1\.\.2, and none is 0"),
        ("layer,expert,count\n0,-1,1\n", "'-1' is no expert"),
        ("layer,expert,count\n0,99999,1\n", "no model has so many"),
        ("layer,expert,count\n10000,0,1\n", "no model has so many"),
        ("layer,expert,count\n0,0,9007199254740993\n", "beyond 2"),
        ("expert,layer_0,layer_1\n1,2,3\n2,4,5\n", "no expert 0"),
        ("layer_0,layer_1\n1,2\n", "together in no known format"),
        ("expert,rank,layer_0,layer_1\n0,0,1,2\n", "beside columns of layers"),
        ("0,1\n5,7\n8,3\n", "names of experts, or loads"),
        ("0,40,30,20\n1,5,50,25\n", r"the first column counts 0\.\.1"),
        ("3,40,30,20\n4,5,50,25\n5,5,6,7\n", r"the first column counts 3\.\.5"),
        ("0,0,40\n0,1,30\n1,0,5\n1,1,50\n", "the first two columns count"),
        ("layer_0,40,30,20\nlayer_1,5,50,25\n", "no known format"),
        ('layer,e0,"e1\n0,1,2\n', "no known format"),
        ("layer,loads\n0,1\n", "no known format"),
        ("layer,total\n0,1\n", "no known format"),
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_refused(text, message, tmp_path):
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "loads.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", ["x_rank{}.csv", "rank{}.CSV", "dump-TP{}.tsv", "gpu_{}.csv",
                                   "expert_distribution_rank{}_timestamp174.25.csv"])  # fmt: skip
def test_a_folder_of_ranks_adds_up(names, tmp_path):
    header = "layer_id,expert_id,count\n"
    (tmp_path / names.format(0)).write_text(header + "3,0,120\n3,2,40\n3,3,15\n4,0,10\n4,1,70\n4,3,20\n")
    (tmp_path / names.format(1)).write_text(header + "3,1,11\n3,2,5\n4,0,1\n4,2,9\n")
    loads = read_loads(tmp_path)
    assert loads.load.tolist() == [[[120, 11, 45, 15], [11, 70, 9, 20]]]
    assert (loads.layer_ids, loads.windows) == ((3, 4), ("0",))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["rank0.csv", "rank2.csv"], "rank 2 without rank 1"),
        (["rank0.csv", "other.csv"], "the name of other.csv says no rank"),
        (["rank0_1.csv", "rank0_2.csv"], "are of one rank"),
    ],
)
def test_a_folder_that_is_not_one_recording_is_refused(names, message, tmp_path):
    for name in names:
        (tmp_path / name).write_text(table(["layer", *EXPERTS["e0"]], wide()))
    with pytest.raises(FormatError, match=message):
        read_loads(tmp_path)


@pytest.mark.parametrize("label", ["all", "Total", "rank_all"])
def test_total_rows_of_ranks_and_steps_are_left_out(tmp_path, label):
    path = tmp_path / "loads.csv"
    for column, windows in (("rank", [[[11, 11, 2, 2]]]), ("step", [[[10, 1, 1, 1]], [[1, 10, 1, 1]]])):
        path.write_text(
            f"{column},layer,expert_0,expert_1,expert_2,expert_3\n0,0,10,1,1,1\n1,0,1,10,1,1\n{label},0,11,11,2,2\n"
        )
        assert read_loads(path).load.tolist() == windows
    path.write_text(f"rank,layer,expert,count\n0,0,0,3\n0,0,1,4\n1,0,0,5\n1,0,1,2\n{label},0,0,8\n{label},0,1,6\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read_loads(path).load.tolist() == [[[8, 6]]]


@pytest.mark.parametrize(
    "rows",
    [
        ["0,1,5", "0,0,7", "1,0,9", "1,1,3"],
        ["0,0,5", "1,0,7", "0,1,9", "1,1,4"],
        ["3,10,20,30", "5,1,2,3", "7,4,4,4"],
        ["0,9,8,7", "2,1,2,3", "4,4,4,4"],
        ["2,9,8,7", "1,1,2,3", "0,4,4,4"],
        ["0,0,5,6,7", "0,1,1,2,3", "1,0,4,4,4", "1,1,5,5,5"],
    ],
)
def test_bare_tables_that_can_be_read_in_two_ways_are_refused(tmp_path, rows):
    path = tmp_path / "loads.csv"
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(FormatError, match="Give the table a header"):
        read_loads(path)


def test_moe_layers_are_counted_in_every_layout(tmp_path):
    path = tmp_path / "loads.csv"
    wide = "moe_layer_id,expert_0,expert_1,expert_2,expert_3\n0,1,2,3,4\n1,5,6,7,8\n"
    long = "moe_layer_id,expert_id,count\n" + "".join(
        f"{layer},{expert},{4 * layer + expert + 1}\n" for layer in range(2) for expert in range(4)
    )
    for text in (wide, long):
        path.write_text(text)
        found = read_loads(path, layers=[3, 4])
        assert found.layer_ids == (3, 4)
        assert found.load.tolist() == [[[1, 2, 3, 4], [5, 6, 7, 8]]]
