"""Recording Transformers' MoE models: what is counted is what their routers chose, and results stay the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eplb_opt import OptionError
from eplb_opt.errors import FormatWarning
from eplb_opt.formats import read_loads
from eplb_opt.record import record

SMALL = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "num_experts_per_tok": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GATES = {"mixtral": "gate", "qwen3_moe": "gate", "deepseek_v3": "gate", "gpt_oss": "router"}
EXPERTS = 8


def config_of(name):
    transformers = pytest.importorskip("transformers", minversion="5")
    if name == "mixtral":
        return transformers.MixtralConfig(**SMALL, num_local_experts=EXPERTS)
    if name == "qwen3_moe":
        sizes = {"num_experts": EXPERTS, "moe_intermediate_size": 8, "mlp_only_layers": [1]}
        return transformers.Qwen3MoeConfig(**SMALL, **sizes)
    if name == "gpt_oss":
        return transformers.GptOssConfig(**SMALL, num_local_experts=EXPERTS)
    sizes = {"n_routed_experts": EXPERTS, "n_group": 2, "topk_group": 1, "first_k_dense_replace": 1}
    ranks = {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8}
    small = {key: value for key, value in SMALL.items() if key != "head_dim"}
    return transformers.DeepseekV3Config(**small, **sizes, **ranks, moe_intermediate_size=8)


LAYERS = {"mixtral": (0, 1, 2), "qwen3_moe": (0, 2), "deepseek_v3": (1, 2), "gpt_oss": (0, 1, 2)}


@pytest.fixture(params=list(GATES))
def named_model(request):
    transformers = pytest.importorskip("transformers", minversion="5")
    config = config_of(request.param)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.5)
    return request.param, model


def chosen_by_routers(name, model, run):
    """The ids [tokens, top k] that each router returns, by layer, in the order of the calls."""
    ids = {layer: [] for layer in LAYERS[name]}
    hooks = []
    for layer in LAYERS[name]:
        router = getattr(model.model.layers[layer].mlp, GATES[name])
        hooks.append(router.register_forward_hook(lambda _, __, out, layer=layer: ids[layer].append(out[-1])))
    run()
    for hook in hooks:
        hook.remove()
    return {layer: torch.cat(parts) for layer, parts in ids.items()}


def counts(ids, windows, tokens):
    """By a loop: [windows, layers, experts]."""
    load = np.zeros((windows, len(ids), EXPERTS), dtype=int)
    for row, layer_ids in enumerate(ids.values()):
        for token in range(windows * tokens):
            for expert in layer_ids[token].tolist():
                load[token // tokens, row, expert] += 1
    return load


@torch.no_grad()
def test_windows_of_tokens_are_what_routers_chose(named_model):
    name, model = named_model
    inputs = torch.randint(3, 50, (2, 15), generator=torch.Generator().manual_seed(1))

    def run():
        return [model(inputs).logits, model(inputs[:1]).logits]

    before = run()
    ids = chosen_by_routers(name, model, run)
    with record(model, tokens_per_window=9) as recording:
        during = run()
    loads = recording.loads()
    assert all(torch.equal(one, two) for one, two in zip(before, during, strict=True))
    assert recording.tokens == 45
    assert loads.layer_ids == LAYERS[name]
    assert loads.windows == ("0", "1", "2", "3", "4")
    assert loads.load.tolist() == counts(ids, 5, 9).tolist()


@torch.no_grad()
def test_generation_is_recorded_without_padding(named_model, tmp_path):
    _, model = named_model
    prompt = torch.randint(3, 50, (2, 6), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(prompt)
    mask[1, :2] = 0
    with record(model) as recording:
        model.generate(prompt, attention_mask=mask, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    assert recording.tokens == 6 + 4 + 2 * 3
    recording.save(tmp_path / "loads.npz")
    load = read_loads(tmp_path / "loads.npz").load
    assert load.sum(axis=2).tolist() == [[2 * recording.tokens] * load.shape[1]]


@torch.no_grad()
def test_after_the_block_nothing_is_recorded(named_model):
    _, model = named_model
    inputs = torch.ones(1, 4, dtype=torch.int64)
    recording = record(model)
    with pytest.raises(TypeError), recording:  # at the end of the call, of a mistaken argument
        model(inputs, logits_to_keep="x")
    model(inputs)
    assert recording.tokens == 4
    with recording:
        model(inputs)
    assert recording.tokens == 8


class Experts(torch.nn.Module):
    num_experts = 4

    def forward(self, hidden_states, ids, weights):
        return hidden_states


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = Experts()

    def forward(self, ids):
        return self.experts(torch.ones(len(ids), 1), ids, torch.ones(ids.shape))


class Model(torch.nn.Module):
    def __init__(self, layers=2, skip=()):
        super().__init__()
        self.layers = torch.nn.ModuleList(Block() for _ in range(layers))
        self.skip = skip

    def forward(self, ids):
        for i, layer in enumerate(self.layers):
            if i not in self.skip:
                layer(ids)


def test_windows_go_on_over_calls():
    model = Model(1)
    with record(model, 3) as recording:
        model(torch.tensor([[0, 1], [1, 2]]))
        model(torch.tensor([[2, 3], [0, 3], [0, 1], [4, 1]]))  # 4: of another process
    assert recording.loads().load.tolist() == [[[1, 2, 2, 1]], [[2, 2, 0, 1]]]


def test_the_rest_is_left_out():
    model = Model()
    with record(model, 2) as recording:
        model(torch.tensor([[0, 1], [1, 2], [1, 3]]))
    with pytest.warns(FormatWarning, match="last 1 tokens are fewer than a window of 2"):
        loads = recording.loads()
    assert loads.load.tolist() == [[[1, 2, 1, 0]] * 2]


def test_what_cannot_be_recorded():
    with pytest.raises(OptionError, match="no MoE layer in Linear"):
        record(torch.nn.Linear(2, 2))
    for wrong in (0, -1, 2.5, "3", True):
        with pytest.raises(OptionError, match="tokens_per_window="):
            record(Model(), wrong)
    two = torch.nn.ModuleDict({"encoder": Model(1), "decoder": Model(1)})
    with pytest.raises(OptionError, match="two MoE layers of index 0"):
        record(two)
    with record(Model()) as recording, pytest.raises(OptionError, match="recorded already"):
        recording.__enter__()
    with pytest.raises(OptionError, match="0 tokens were recorded"):
        recording.loads()
    model = Model(2, skip=(1,))
    with record(model) as recording:
        model(torch.tensor([[0, 1]]))
    with pytest.raises(OptionError, match="layer 0: 1, layer 1: 0"):
        recording.loads()


def test_experts_that_do_not_say_how_many_they_are():
    model = Model()
    model.layers[0].experts = torch.nn.Identity()
    with pytest.raises(OptionError, match="Identity does not say how many experts"):
        record(model)
    model.layers[0].experts.weights = torch.nn.Parameter(torch.zeros(5, 2, 3))
    with record(model):
        pass
