"""Files of every format with values, cells, words or bytes replaced: each is read, or refused with a typed error.

What `mutations` knows the right answer of is counted there; here it is enough that nothing else is raised, that an
error is one line, and that what is read has the shape that it says.
"""

from __future__ import annotations

import copy
import json
import random
import tempfile
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from eplb_opt import Cost, EplbError, Instance, Journal, Limits, solve
from eplb_opt.costs_measured import measured_path
from eplb_opt.formats import Loads, holds_map, read_expert_map, read_loads, read_report
from eplb_opt.merging.merge import merged

from .count_files import FASTDEPLOY_MAP, REPORT, SNAPSHOT
from .engine_files import LOADS, MAPS

LONGEST = 1500  # characters of an error
JOB = Limits(seconds=None, work=0.1)
Read = Callable[[Path], Any]
placed = partial(read_expert_map, num_experts=4, num_ranks=2)
READERS: tuple[Read, ...] = (read_loads, read_expert_map, placed, lambda path: holds_map(path, "npz"))
CELLS = ["", "0", "1", "-1", "1e3", "nan", "inf", "1:10", "layer", "layer_id", "expert", "expert_0", "e1", "count",
         "total", "rank", "step", "x",
         '"', "0.5", "99999999999999999999", "2,5", "#", "\x00", "\ufeff", "L3", "%", "é"]  # fmt: skip
VALUES = [None, [], {}, "", "x", -1, 0, 1, 2**40, 10**30, 1.5, float("nan"), float("inf"), True, [[]], [1], [[1, 2]],
          [[1], [2, 3]], [["a"]], {"a": 1}, [None], [[10**30]]]  # fmt: skip
TENSORS = [
    torch.zeros(0), torch.tensor(1), torch.ones(2), torch.ones(2, 3), torch.ones(2, 3, 4).int(), torch.ones(2, 0, 3),
    torch.full((2, 3), float("nan")), torch.ones(2, 3, dtype=torch.complex64), torch.ones(2, 3, dtype=torch.bfloat16),
    -torch.ones(2, 3).int(), torch.ones(1).expand(10**5, 10**7), torch.ones(2, 3, dtype=torch.bool),
]  # fmt: skip
WORDS = ["(2, 3, 4)", "<i8", "False", "fortran_order", "{"]
OTHER_WORDS = ["(2, 3, 5)", "(2, 3)", "(24,)", "()", "(-2, -3, 4)", "(0, 3, 4)", "(10**9,)", "(99999999, 99999999, 9)",
               "<f8", "<i4", "|O", "|S0", "<U2", "<c16", "|V8", "True", "[" * 60, "(2, 3, '4')", "x"]  # fmt: skip
TABLES = (
    "layer,e0,e1,e2\n0,1,2,3\n1,4,5,6\n",
    "layer_id,expert_id,count\n0,0,1\n0,1,2\n1,0,3\n",
    "step,rank,layer,expert,count\n1,0,3,0,5\n1,1,3,1,6\n2,0,3,0,7\n2,1,3,0,8\n",
    "expert,layer_3,layer_4\n0,1,2\n1,3,4\n",
    "1 2 3\n4 5 6\n",
)
JSONS = {
    "loads": {"load": [[[1, 2], [3, 4]]], "layer_ids": [3, 4], "window": ["a"], "hidden_layers": 9},
    "map": {"physical_to_logical_map": [[0, 1, 0], [1, 0, 1]], "layer_ids": [3, 4], "num_ranks": 3, "num_experts": 2},
    "snapshots": {"world_size": 2, "snapshots": [{"step": 1, "window_expert_load": [[1, 2, 3]],
                                                  "physical_to_logical_map": [[0, 1, 0]]}]},
    "bare": [[1, 2, 3], [4, 5, 6]],
    "models": {"version": 2, "model_maps": {"A#pp_rank=0": {"physical_to_logical_map": [[0, 1, 0]]},
                                            "A#pp_rank=1": {"physical_to_logical_map": [[1, 0, 1]]}}},
    "flat": [0, 1, 2, 0],
    "redundant": {"redundancy_expert_num": 1, "3": [0], "default": [3]},
    "fastdeploy": FASTDEPLOY_MAP,
    "plumb": SNAPSHOT,
    "report": REPORT,
    "options": {"moe_config": {"load_balancer": {"num_slots": 3, "initial_global_assignments": {"3": [0, 1, 0]}}}},
    "requests": {"choices": [{"routed_experts": [[[0, 1]], [[1, 2]]]}], "usage": {"prompt_tokens": 2}},
    "trace": {"step": 0, "layer": 3, "rank": 0, "num_tokens": 2, "top_indices": [[0, 1], [1, 2]]},
} | {name: json.loads(text) for name, (ending, text) in MAPS.items() if ending == ".json"}  # fmt: skip


def read(path: Path, readers: tuple[Read, ...] = READERS) -> bool:
    """Read a file in every way: whether one of them reads it; a fault raises."""
    was_read = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for reader in readers:
            try:
                found = reader(path)
            except EplbError as error:
                check_error(str(error))
                continue
            was_read |= found is not False
            if isinstance(found, Loads):
                check_shape(found)
    return was_read


def check_error(text: str) -> None:
    """An error is one line, and none that nobody reads to its end."""
    assert "\n" not in text, text
    assert len(text) < LONGEST, text


def check_shape(loads: Loads) -> None:
    """A result is whole: what it says of itself fits."""
    windows, layers, experts = loads.load.shape
    assert len(loads.windows) == windows
    assert loads.layer_ids is None or len(set(loads.layer_ids)) == layers
    assert experts > 0


def mutated(content: Any, pick: random.Random, values: list[Any]) -> Any:
    """The content with one value replaced, left out, or doubled, anywhere in it."""
    content = copy.deepcopy(content)
    holder = content
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = pick.choice(keys)
        below = holder[key]
        if isinstance(below, (dict, list)) and len(below) and pick.random() < 0.7:
            holder = below
            continue
        action = pick.randrange(4)
        if action == 0:
            del holder[key]
        elif action == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(below))
        else:
            holder[key] = pick.choice(values)
        return content


def mangled_table(pick: random.Random, folder: Path) -> bool:
    """A table with other cells, of any separator."""
    rows = [line.split(",") for line in pick.choice(TABLES).splitlines()]
    for _ in range(pick.randrange(1, 4)):
        row = pick.choice(rows)
        place = pick.randrange(len(row) + 1)
        row[place : place + pick.randrange(2)] = pick.sample(CELLS, pick.randrange(3))
    sign = pick.choice([",", ",", ";", "\t", " "])
    (folder / "loads.csv").write_text("\n".join(sign.join(row) for row in rows))
    return read(folder / "loads.csv")


def mangled_json(pick: random.Random, folder: Path) -> bool:
    """JSON with another value, or one less or more, now and then in two lines."""
    text = json.dumps(mutated(JSONS[pick.choice(sorted(JSONS))], pick, VALUES))
    (folder / "file.json").write_text(text if pick.random() < 0.8 else text + "\n" + text)
    return read(folder / "file.json")


def mangled_yaml(pick: random.Random, folder: Path) -> bool:
    """YAML with another value, or with other signs in its text."""
    text = MAPS["tensorrt-llm"][1]
    if pick.random() < 0.5:
        text = yaml.safe_dump(mutated(yaml.safe_load(text), pick, VALUES))
    else:
        text = with_signs(pick, text, "[]{}:-,&*!|>'\"%@ \n\t0x")
    (folder / "map.yaml").write_text(text)
    return read(folder / "map.yaml")


def with_signs(pick: random.Random, text: str, signs: str) -> str:
    """A text with a few of its characters replaced."""
    found = list(text)
    for _ in range(pick.randrange(1, 5)):
        found[pick.randrange(len(found))] = pick.choice(signs)
    return "".join(found)


TORCH = tuple(name for name in LOADS if name not in ("vllm", "tensorrt-llm"))


def mangled_torch(pick: random.Random, folder: Path) -> bool:
    """A recording of torch with another value or tensor, alone or in its folder."""
    path = folder / f"torch {pick.randrange(10**9)}"
    LOADS[pick.choice(TORCH)][0](path)
    victim = min(path.iterdir()) if path.is_dir() else path
    torch.save(mutated(torch.load(victim, weights_only=True), pick, [*VALUES, *TENSORS]), victim)
    return read(path) | read(victim)


def mangled_header(pick: random.Random, folder: Path) -> bool:
    """An npy file with other words in its header."""
    np.save(folder / "loads.npy", np.arange(24).reshape(2, 3, 4))
    good = (folder / "loads.npy").read_bytes()
    text = good[:128].decode("latin-1").replace(pick.choice(WORDS), pick.choice(OTHER_WORDS))
    (folder / "bad.npy").write_bytes(text[:127].ljust(127).encode("latin-1") + b"\n" + good[128:])
    return read(folder / "bad.npy")


def mangled_engine_file(pick: random.Random, folder: Path) -> bool:
    """An engine's recording or map with other bytes."""
    name = pick.choice(sorted(LOADS) + sorted(MAPS))
    path = folder / f"engine {pick.randrange(10**9)}"
    if name in LOADS and pick.random() < 0.6:
        LOADS[name][0](path)
    else:
        ending, text = MAPS.get(name, MAPS["sglang"])
        path = path.with_suffix(ending)
        path.write_text(text)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    victim = pick.choice(files)
    victim.write_bytes(with_bytes(pick, victim.read_bytes()))
    return read(path)


def with_bytes(pick: random.Random, data: bytes) -> bytes:
    """Bytes with a few replaced, left out or put in, or cut off."""
    found = bytearray(data)
    for _ in range(pick.randrange(1, 6)):
        place = pick.randrange(len(found) or 1)
        found[place : place + pick.randrange(3)] = bytes([pick.choice([pick.randrange(256), *b'0129[]{},"'])])
    return bytes(found[: pick.randrange(len(found))] if pick.random() < 0.2 else found)


def mangled_cost(pick: random.Random, folder: Path) -> bool:
    """A cost with another value or other signs."""
    path = folder / "cost.json"
    path.write_text(_mangled_text(pick, cost_text()))
    return read(path, (Cost.load, read_loads))


def mangled_report(pick: random.Random, folder: Path) -> bool:
    """A report with another value or other signs, as `report` and `verify` read it."""
    path = folder / "report.json"
    path.write_text(_mangled_text(pick, report_text()))
    return read(path, (read_report, read_loads, read_expert_map))


def _mangled_text(pick: random.Random, text: str) -> str:
    if pick.random() < 0.5:
        return json.dumps(mutated(json.loads(text), pick, VALUES))
    return with_signs(pick, text, "[]{}:,\"'-.e019tfn \n")


def mangled_journal(pick: random.Random, folder: Path) -> bool:
    """A journal with other bytes, as `merge` and the job itself read it: it says what it said, or is refused."""
    path = folder / "journal.sqlite"
    data = journal_bytes()
    if pick.random() < 0.2:
        path.write_bytes(with_bytes(pick, data))
    else:  # as a disk does: the pages stay where they are
        found = bytearray(data)
        for _ in range(pick.randrange(1, 20)):
            found[pick.randrange(len(found))] = pick.randrange(256)
        path.write_bytes(found)
    return read(path, (_as_it_was, _goes_on))


def _as_it_was(path: Path) -> None:
    """Merge a journal; the map must be the job's."""
    found = merged([path]).placement.phy2log
    assert np.array_equal(found, solve(_small(), "greedy").placement.phy2log), found


def _goes_on(path: Path) -> None:
    """Run the job of a journal again."""
    found = solve(_small(), "greedy", JOB, journal=path).placement.phy2log
    assert np.array_equal(found, solve(_small(), "greedy").placement.phy2log), found


def _small() -> Instance:
    return Instance([[8, 3, 1, 5], [1, 1, 9, 2]], 6, num_ranks=2)


@cache
def cost_text() -> str:
    """A cost that ships with the package."""
    path = measured_path("h100-gpt-oss-120b")
    assert path is not None
    return path.read_text()


@cache
def report_text() -> str:
    """The report of a small instance."""
    return json.dumps({"windows": "all"} | solve(_small(), "greedy").to_dict())


@cache
def journal_bytes() -> bytes:
    """The journal of a small job that has ended."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.sqlite"
        with Journal(path) as journal:
            solve(_small(), "greedy", JOB, journal=journal)
        return path.read_bytes()


KINDS: tuple[Callable[[random.Random, Path], bool], ...] = (
    mangled_table, mangled_json, mangled_yaml, mangled_torch, mangled_header, mangled_engine_file, mangled_cost,
    mangled_report, mangled_journal,
)  # fmt: skip
