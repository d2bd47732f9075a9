"""Files of the experts of tokens, as their writers make them: 3 hidden layers of which 0 is dense, 4 experts, top 2."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

# [tokens, hidden layers, top k]; of the dense layer 0
TOKENS = np.array(
    [
        [[0, 0], [0, 1], [3, 2]],
        [[0, 0], [2, 0], [3, 1]],
        [[0, 0], [0, 3], [2, 3]],
        [[0, 0], [1, 2], [0, 3]],
    ]
)
# In windows of 2 tokens, counted by hand: [windows, MoE layers, experts]
COUNTS = [[[2, 1, 1, 0], [0, 1, 1, 2]], [[1, 1, 1, 1], [1, 0, 1, 2]]]
IDS, HIDDEN = (1, 2), 3
WITHOUT_DENSE = ("esft", "llama", "megatron")  # which have no rows of dense layers
SLOTS = [[0, 1, 2, 3, 0], [3, 2, 1, 0, 3], [0, 0, 1, 2, 3]]  # [hidden layers, slots]


def npy_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def in_text(array: np.ndarray) -> str:
    """As vLLM's server sends an array."""
    return base64.b64encode(npy_bytes(array)).decode()


def without_shape(array: np.ndarray) -> str:
    """As SGLang sends it."""
    return base64.b64encode(array.astype("<i4").tobytes()).decode()


def npy(path: Path) -> None:
    path.write_bytes(npy_bytes(TOKENS.astype(np.uint8)))


def folder_of_npy(path: Path) -> None:
    path.mkdir()
    for i, part in enumerate((TOKENS[:1], TOKENS[1:])):
        (path / f"request_{i}.npy").write_bytes(npy_bytes(part.astype(np.uint16)))


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, routed_experts=TOKENS.astype(np.uint8))


def torch_tensor(path: Path) -> None:
    torch.save(torch.from_numpy(TOKENS).to(torch.int32), path)


def bare_json(path: Path) -> None:
    path.write_text(json.dumps(TOKENS.tolist()))


def json_of_requests(path: Path) -> None:
    path.write_text(json.dumps([TOKENS[:3].tolist(), TOKENS[3:].tolist()]))


def vllm_reply(path: Path) -> None:
    choice = {"index": 0, "text": "a", "finish_reason": "length", "routed_experts": in_text(TOKENS.astype(np.uint8))}
    reply = {"id": "cmpl-1", "object": "text_completion", "choices": [choice]}
    path.write_text(json.dumps(reply | {"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}))


def vllm_outputs(path: Path) -> None:
    """Of ``LLM.generate``, one JSON line a request."""
    parts = (TOKENS[:2], TOKENS[2:])
    lines = [json.dumps({"request_id": str(i), "outputs": [{"index": 0, "routed_experts": part.tolist()}]})
             for i, part in enumerate(parts)]  # fmt: skip
    path.write_text("\n".join(lines))


def sglang_reply(path: Path) -> None:
    """Of ``/generate`` with two prompts."""
    replies = []
    for part in (TOKENS[:1], TOKENS[1:]):
        meta = {"id": "x", "prompt_tokens": len(part), "completion_tokens": 1, "routed_experts": without_shape(part)}
        replies.append({"text": "a", "meta_info": meta})
    path.write_text(json.dumps(replies))


def sglang_openai_reply(path: Path) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "a"}}
    usage = {"prompt_tokens": 2, "completion_tokens": 3}
    reply = {"choices": [choice], "usage": usage, "sglext": {"routed_experts": without_shape(TOKENS)}}
    path.write_text(json.dumps(reply))


def parquet(path: Path) -> None:
    """A row a request, its experts as nested lists."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    parts = [TOKENS[:3].tolist(), TOKENS[3:].tolist()]
    pq.write_table(pa.table({"request_id": ["a", "b"], "routed_experts": parts}), path)


def arrow(path: Path) -> None:
    """A row a request, its experts as SGLang sends them."""
    pa = pytest.importorskip("pyarrow")
    parts = (TOKENS[:1], TOKENS[1:])
    counts = {"prompt_tokens": [1, 2], "completion_tokens": [1, 2]}
    table = pa.table({"routed_experts": [without_shape(part) for part in parts]} | counts)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def on_slots(tokens: np.ndarray) -> torch.Tensor:
    """[hidden layers, tokens, 4]: each expert's first slot or, of every other token, its last; -1 pads."""
    ids = np.full((HIDDEN, len(tokens), 4), -1)
    for token, layers in enumerate(tokens.tolist()):
        for layer in IDS:
            for place, expert in enumerate(layers[layer]):
                slots = [slot for slot, holds in enumerate(SLOTS[layer]) if holds == expert]
                ids[layer, token, place] = slots[-(token % 2)]
    return torch.from_numpy(ids).int()


def sglang_per_token(path: Path) -> None:
    """Two passes of one rank, as older versions write them."""
    records = [
        {"forward_pass_id": number, "rank": 0, "topk_ids_of_layer": on_slots(part), "misc_objects": []}
        for number, part in ((7, TOKENS[:3]), (8, TOKENS[3:]))
    ]
    torch.save({"records": records, "last_physical_to_logical_map": torch.tensor(SLOTS)}, path)


def esft(path: Path) -> None:
    """Two ranks, one folder each; a weight is 1/2."""
    for rank, part in enumerate((TOKENS[:3], TOKENS[3:])):
        (path / f"rank_{rank}").mkdir(parents=True)
        for layer in IDS:
            lines = ["\t".join(map(str, ids)) + "\t\t0.5\t0.5\n" for ids in part[:, layer].tolist()]
            (path / f"rank_{rank}" / f"expert_weights_{layer}.txt").write_text("".join(lines))


def megatron(path: Path) -> None:
    """A record a step, layer and rank: a step of two tokens on each of two ranks, one of none more."""
    path.mkdir()
    for rank, part in enumerate((TOKENS[:2], TOKENS[2:])):
        records = [
            {"step": 0, "stage": "pre_dispatch", "block": "decoder", "layer": layer, "rank": rank, "num_tokens": 2,
             "topk": 2, "top_indices": part[:, layer].tolist()}
            for layer in IDS
        ]  # fmt: skip
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (path / f"router_trace_rank{rank}.jsonl").write_text(lines)


def passes() -> list[tuple[int, int, int, int, list[int]]]:
    """Call, token in it, token, layer and experts, as llama.cpp computes: a batch of 3 tokens and one of 1."""
    return [
        (call, row, token, layer, TOKENS[token, layer].tolist())
        for call, tokens in enumerate(([0, 1, 2], [3]))
        for layer in IDS
        for row, token in enumerate(tokens)
    ]


def llama_experts(path: Path) -> None:
    rows = [f"{layer},{expert}" for _, _, _, layer, experts in passes() for expert in experts]
    path.write_text("layer,expert\n" + "\n".join(rows) + "\n")


def llama_calls(path: Path) -> None:
    rows = [f"{call},{'pd'[call]},{row},{layer},{expert}"
            for call, row, _, layer, experts in passes() for expert in experts]  # fmt: skip
    path.write_text("call,phase,row,layer,expert\n" + "\n".join(rows) + "\n")


def llama_tokens(path: Path) -> None:
    rows = [f"{layer},{' '.join(map(str, experts))}" for _, _, _, layer, experts in passes()]
    path.write_text("layer_id,expert_ids\n" + "\n".join(rows) + "\n")


# name -> (writer, format); of the first ones the format must be named
ROUTING = {
    "npy": (npy, "routed-experts"),
    "folder of npy": (folder_of_npy, "routed-experts"),
    "torch": (torch_tensor, "routed-experts"),
    "bare json": (bare_json, "routed-experts"),
    "json of requests": (json_of_requests, "routed-experts"),
    "npz": (npz, None),
    "vllm reply": (vllm_reply, None),
    "vllm outputs": (vllm_outputs, None),
    "sglang reply": (sglang_reply, None),
    "sglang openai reply": (sglang_openai_reply, None),
    "parquet": (parquet, None),
    "arrow": (arrow, None),
    "sglang per_token": (sglang_per_token, None),
    "esft": (esft, None),
    "megatron": (megatron, None),
    "llama.cpp experts": (llama_experts, None),
    "llama.cpp calls": (llama_calls, None),
    "llama.cpp tokens": (llama_tokens, None),
}
