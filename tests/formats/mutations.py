"""Mutated headers and shapes: what is read is what a slow count of our own says, or it is refused with a typed error.

``python -m tests.formats.mutations 20000`` makes so many files; the tests make a few hundred.
"""

from __future__ import annotations

import io
import json
import random
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eplb_opt import FormatError
from eplb_opt.formats import Loads, read_loads

from .count_files import COUNTS as COUNT_FILES
from .mangled import check_error, check_shape
from .routing_files import ROUTING, npy_bytes

SHAPES = [
    (6, 2, 2),
    (2, 6, 2),
    (6, 2),
    (6, 2, 2, 1),
    (0, 2, 2),
    (6, 0, 2),
    (6, 2, 0),
    (12, 2),
    (1, 1, 1),
    (24,),
    (6, 1, 4),
]
TYPES = ["u1", "u2", "i2", "i4", "i8", ">i4", "f4", "f8", "c8", "?", "u8"]
HEADERS = [b"(6, 2, 2)", b"'<i8'", b"False", b"fortran_order", b"descr", b"NUMPY"]
WRONG = [b"(2, 6, 2)", b"(6, 4)", b"(6, 2, 3)", b"(24,)", b"(-6, -2, 2)", b"'<u8'", b"'<f8'", b"'|O'", b"True",
         b"'>i8'", b"xxxxx", b"(6, 2)", b"()"]  # fmt: skip
VALUES = [None, [], {}, "", "x", -1, 0, 1, 2**40, 1.5, True, [[]], [1], [[1, 2]], ["0"], {"a": 1}, [[[0, 1]]], "AAAA"]
CELLS = ["", "0", "1", "-1", "x", "1.5", "9" * 12, "3 4", "layer", ","]
EXPERTS = 4


def experts_of_tokens(pick: random.Random) -> np.ndarray:
    """[6 tokens, 2 layers, top 2] of 4 experts."""
    choices = [pick.sample(range(EXPERTS), 2) for _ in range(12)]
    return np.array(choices).reshape(6, 2, 2)


def counted(experts: Any, dense: bool = True) -> list[Any] | None:
    """Tokens of each expert, [layers, experts], by a loop; None: these are no experts [tokens, layers, top k]."""
    try:
        array = np.asarray(experts)
    except ValueError:
        return None
    if array.ndim != 3 or not array.size or array.dtype.kind not in "iu" or array.max() >= 1 << 16:
        return None
    columns = [array[:, layer].tolist() for layer in range(array.shape[1])]
    if dense:
        columns = [column for column in columns if max(map(max, column)) > 0]
    kept: list[list[int]] = []
    for column in columns:
        kept.append([])
        for ids in column:
            real = [expert for expert in ids if expert >= 0]
            is_lost = dense and len(ids) > 1 and len(set(ids)) == 1
            if len(set(real)) < len(real) and not is_lost:
                return None
            kept[-1] += [] if is_lost else real
    # What stands for a token that was lost says nothing of how many experts there are.
    experts = 1 + max((expert for layer in kept for expert in layer), default=-1)
    load = [[layer.count(expert) for expert in range(experts)] for layer in kept]
    load = [row for row in load if any(row) or not dense]
    return load if any(map(any, load)) else None


def read(path: Path, name: str | None) -> tuple[Loads | None, str]:
    """What is read, or the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read_loads(path, name), ""
        except FormatError as error:
            return None, str(error)


def compare(loads: Loads | None, error: str, expected: list[Any] | None) -> bool:
    """Whether it was read; it is right then."""
    check_error(error)
    if loads is None:
        return False
    check_shape(loads)
    found = loads.load.sum(axis=0)
    is_right = expected is not None and np.array_equal(found, np.array(expected))
    assert is_right, f"read {str(found)[:200]}, expected {str(expected)[:200]}"
    return True


def mutated_array(pick: random.Random, folder: Path) -> bool:
    """Another shape, dtype, order of axes or value, as npy, npz, torch or JSON."""
    array = experts_of_tokens(pick)
    action = pick.randrange(5)
    if action == 0:
        array = array.transpose(pick.sample(range(3), 3))
    elif action == 1:
        shape = pick.choice(SHAPES)
        array = np.resize(array, shape)
    elif action == 2:
        array = array.astype(pick.choice(TYPES))
    elif action == 3:
        array = array.copy()
        array[tuple(map(pick.randrange, array.shape))] = pick.choice([-1, 0, 3, 99, 70000, -7])
    path = folder / "x"
    kind = pick.choice(["npy", "npz", "torch", "json", "key"])
    if kind == "npy":
        path.write_bytes(npy_bytes(array))
    elif kind == "npz":
        buffer = io.BytesIO()
        np.savez(buffer, routed_experts=array)
        path.write_bytes(buffer.getvalue())
    elif kind == "torch" and array.dtype.byteorder != ">":
        torch.save(torch.from_numpy(np.ascontiguousarray(array)), path)
    elif array.dtype.kind == "c":
        path.write_bytes(npy_bytes(array))
    else:
        text = array.tolist()
        array = np.asarray(text)
        if array.ndim == 4:  # requests, one after the other
            array = array.reshape(-1, *array.shape[2:])
        path.write_text(json.dumps({"routed_experts": text} if kind == "key" else text))
    return compare(*read(path, "routed-experts"), counted(array))


def mutated_header(pick: random.Random, folder: Path) -> bool:
    """An npy file with other words in its header; numpy says what it is then."""
    data = npy_bytes(experts_of_tokens(pick))
    for _ in range(pick.randrange(1, 3)):
        head = data[:128].replace(pick.choice(HEADERS), pick.choice(WRONG))
        data = head[:127].ljust(127) + b"\n" + data[128:]
    (folder / "x").write_bytes(data)
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception:
        array = None
    return compare(*read(folder / "x", "routed-experts"), None if array is None else counted(array))


def mutated_trace(pick: random.Random, folder: Path) -> bool:
    """A trace of tokens with other cells, rows or header."""
    rows = [f"{layer},{' '.join(map(str, ids))}" for token in experts_of_tokens(pick).tolist()
            for layer, ids in enumerate(token)]  # fmt: skip
    for _ in range(pick.randrange(3)):
        place = pick.randrange(len(rows))
        cells = rows[place].replace(",", " , ").split(" ")
        cells[pick.randrange(len(cells))] = pick.choice(CELLS)
        rows[place : place + pick.randrange(1, 2)] = ["".join(f" {cell}" for cell in cells)]
    text = "layer_id,expert_ids\n" + "\n".join(rows) + "\n"
    (folder / "x").write_text(text)
    return compare(*read(folder / "x", None), counted_trace(rows))


def counted_trace(rows: list[str]) -> list[Any] | None:
    """Of each layer the tokens of its experts, by a loop."""
    counts: dict[int, Counter[int]] = {}
    widths = set()
    for row in rows:
        try:
            layer, *ids = (int(cell) for cell in row.replace(",", " ").split())
        except ValueError:
            return None
        if not ids or len(set(ids)) < len(ids) or not 0 <= layer < 10_000:
            return None
        if min(ids) < 0 or max(ids) >= 1 << 16:
            return None
        widths.add(len(ids))
        counts.setdefault(layer, Counter()).update(ids)
    if len(widths) > 1:
        return None
    width = max(max(count) for count in counts.values()) + 1
    return [[counts[layer][expert] for expert in range(width)] for layer in sorted(counts)]


def mutated_layers(pick: random.Random, folder: Path) -> bool:
    """A mapping of layers to counts with another value, key or length."""
    content: dict[str, Any] = {str(layer): [pick.randrange(9) for _ in range(3)] for layer in (3, 4)}
    key = pick.choice(list(content))
    action = pick.randrange(4)
    if action == 0:
        content[key] = pick.choice(VALUES)
    elif action == 1:
        content[key][pick.randrange(3)] = pick.choice(VALUES)
    elif action == 2:
        content[pick.choice(["layer_7", "x", "-1", "99999", "07", "model.layers.5.mlp"])] = content.pop(key)
    else:
        content[key] = {pick.choice(["0", "1", "e", "expert_2"]): 5}
    (folder / "x").write_text(json.dumps(content))
    return compare(*read(folder / "x", None), counted_layers(content))


def counted_layers(content: dict[str, Any]) -> list[Any] | None:
    """The matrix that a mapping says, or None."""
    rows = {}
    for key, row in content.items():
        layer = key.rpartition("layers.")[2].removeprefix("layer_").partition(".")[0]
        cells = row if isinstance(row, dict) else dict(enumerate(row)) if isinstance(row, list) else None
        if cells is None or not layer.isdecimal() or int(layer) >= 10_000:
            return None
        names = [str(cell).removeprefix("expert_") for cell in cells]
        if not all(map(str.isdecimal, names)) or any(type(v) not in (int, float) for v in cells.values()):
            return None
        rows[int(layer)] = (dict(zip(map(int, names), cells.values(), strict=True)), isinstance(row, list))
    lengths = {len(cells) for cells, is_list in rows.values() if is_list}
    width = max((max(cells, default=-1) for cells, _ in rows.values()), default=-1) + 1
    if len(lengths) > 1 or not width:
        return None
    return [[rows[layer][0].get(expert, 0) for expert in range(width)] for layer in sorted(rows)]


def mutated_file(pick: random.Random, folder: Path) -> bool:
    """A file of any layout with other bytes: read whole or refused."""
    files = {name: write for name, (write, _) in {**ROUTING, **COUNT_FILES}.items()}
    names = {name: form for name, (_, form) in ROUTING.items()}
    name = pick.choice(sorted(files))
    path = folder / f"{name} {pick.randrange(10**9)}".replace(" ", "_")
    files[name](path)
    victim = pick.choice(sorted(p for p in path.rglob("*") if p.is_file())) if path.is_dir() else path
    data = bytearray(victim.read_bytes())
    for _ in range(pick.randrange(1, 4)):
        place = pick.randrange(min(len(data), 400))
        data[place : place + pick.randrange(2)] = bytes([pick.choice([pick.randrange(256), *b'0129[]{},"'])])
    if pick.random() < 0.2:
        data = data[: pick.randrange(len(data))]
    victim.write_bytes(data)
    loads, error = read(path, names.get(name))
    check_error(error)
    if loads is not None:
        check_shape(loads)
    return loads is not None


KINDS = (mutated_array, mutated_header, mutated_trace, mutated_layers, mutated_file)


def mutate(number: int, seed: int = 0) -> Counter[str]:
    """So many files; how many of each kind were read, and how many refused."""
    pick = random.Random(seed)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(number):
            kind = pick.choice(KINDS)
            was_read = kind(pick, Path(folder))
            found[f"{kind.__name__}: {'read' if was_read else 'refused'}"] += 1
    return found


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for what, count in sorted(mutate(number).items()):
        print(f"{what}: {count}")
    print(f"{number} files: what was read is right, everything else was refused with a typed error")


if __name__ == "__main__":
    main()
