"""The recording: what is held out, what windows are made of, and that experts are those of a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.recording import corpus, record, text, train, windows
from benchmarks.recording.model import Experts, Shape, SmallMoe
from benchmarks.recording.sources import KINDS, PARTS, SOURCES

SHAPE = Shape(vocabulary=50, layers=2, width=32, heads=2, experts=8, top_k=2, hidden=16, length=16)
NUMBERS = dict.fromkeys(KINDS, 400)


def plain(experts: Experts, tokens: torch.Tensor) -> torch.Tensor:
    """Each token through its experts, one after the other."""
    score = torch.softmax(tokens @ experts.router.weight.T, dim=-1)
    weight, chosen = score.topk(SHAPE.top_k, dim=-1)
    weight = weight / weight.sum(dim=-1, keepdim=True)
    rows = []
    for token, of_token, named in zip(tokens, weight, chosen, strict=True):
        row = torch.zeros_like(token)
        for share, expert in zip(of_token, named, strict=True):
            gate, up = (token @ experts.up[expert]).chunk(2)
            row = row + share * ((torch.nn.functional.silu(gate) * up) @ experts.down[expert])
        rows.append(row)
    return torch.stack(rows)


def test_experts_are_those_of_a_plain_loop():
    torch.manual_seed(0)
    experts = Experts(SHAPE)
    tokens = torch.randn(1, 40, SHAPE.width, requires_grad=True)
    out, routed = experts(tokens)
    expected = plain(experts, tokens[0])
    torch.testing.assert_close(out[0], expected, rtol=1e-4, atol=1e-6)
    assert routed.experts.shape == (40, SHAPE.top_k)
    inputs = [tokens, experts.up, experts.down, experts.router.weight]
    found = torch.autograd.grad(out.square().sum(), inputs, retain_graph=True)
    wanted = torch.autograd.grad(expected.square().sum(), inputs)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_balance_is_one_where_experts_have_equal_shares():
    experts = Experts(SHAPE)
    torch.nn.init.zeros_(experts.router.weight)
    _, routed = experts(torch.randn(1, 40, SHAPE.width))
    assert routed.balance.item() == pytest.approx(1.0)


def test_routes_are_counted():
    torch.manual_seed(0)
    model = SmallMoe(SHAPE)
    chosen = record.routes(model, np.arange(32).reshape(2, 16))
    assert chosen.shape == (32, SHAPE.layers, SHAPE.top_k)
    counts = record.counts(chosen, SHAPE.experts)
    for layer in range(SHAPE.layers):
        expected = [(chosen[:, layer] == expert).sum() for expert in range(SHAPE.experts)]
        assert counts[layer].tolist() == expected


def test_a_token_sees_none_that_come_later():
    torch.manual_seed(0)
    model = SmallMoe(SHAPE)
    first = np.arange(16)[None]
    second = first.copy()
    second[0, 10:] = 0
    same = record.routes(model, first) == record.routes(model, second)
    assert same[:10].all()


def test_windows_have_one_kind_each():
    labels, found = windows.by_kind(windows.Pile(NUMBERS, seed=1))
    assert labels == [kind for kind in KINDS for _ in range(windows.KIND_WINDOWS)]
    for label, window in zip(labels, found, strict=True):
        assert {kind for kind, _ in window} == {label}
        assert len(window) == windows.KIND_SEQUENCES


def test_no_sequence_is_recorded_twice():
    pile = windows.Pile(NUMBERS, seed=1)
    _, by_kind = windows.by_kind(pile)
    _, days = windows.days(pile, seed=1)
    used = [one for window in by_kind + days for one in window]
    assert len(set(used)) == len(used)
    with pytest.raises(ValueError, match="0 sequences are left, and 1 are wanted"):
        windows.Pile({"c": 0}, seed=1).take("c", 1)


def test_kinds_keep_to_their_hours_every_day():
    for number, kind in enumerate(KINDS):
        hours = [windows.shares(list(KINDS), hour)[number] for hour in range(24)]
        assert int(np.argmax(hours)) == 3 * number, kind


def test_what_is_held_out_follows_from_the_name():
    names = [f"file{number}" for number in range(2000)]
    drawn = [corpus.draw(name) for name in names]
    assert drawn == [corpus.draw(name) for name in names]
    assert np.mean(np.array(drawn) < corpus.HELD_OUT) == pytest.approx(corpus.HELD_OUT, abs=0.03)


def test_long_texts_are_cut_at_ends_of_lines():
    lines = "".join(f"line {number}\n" for number in range(20_000))
    pieces = list(corpus._pieces(lines))
    assert "".join(pieces) == lines
    assert len(pieces) > 1
    assert all(piece.endswith("\n") and len(piece) <= corpus.PIECE for piece in pieces)


def test_batches_follow_from_seed_and_step(tmp_path):
    path = tmp_path / "tokens.npz"
    np.savez(path, **{"c.train": np.arange(100, dtype=np.uint16), "c.held_out": np.arange(40, dtype=np.uint16)})
    tokens = text.Text(path, SHAPE)
    batch = tokens.batch(3, 5, seed=1)
    assert batch.shape == (5, SHAPE.length + 1)
    assert (np.diff(batch, axis=1) == 1).all()
    np.testing.assert_array_equal(batch, tokens.batch(3, 5, seed=1))
    assert (batch != tokens.batch(4, 5, seed=1)).any()
    assert tokens.held_out["c"].shape == (2, SHAPE.length)


def test_every_part_is_of_a_source():
    assert {part.package for part in PARTS} == {source.package for source in SOURCES}


def test_training_and_recording_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "HELD_OUT", 2)
    monkeypatch.setattr(train, "rate", lambda done: 1e-2)  # whatever the clock says
    monkeypatch.setattr(windows, "KIND_WINDOWS", 1)
    monkeypatch.setattr(windows, "DAY_WINDOWS", 2)
    monkeypatch.setattr(record, "TOKENS_OF_KIND", 16)
    path = tmp_path / "tokens.npz"
    random = np.random.default_rng(0)
    tokens = {f"{kind}.{part}": random.binomial(49, 0.1, 2000) for kind in KINDS for part in ("train", "held_out")}
    np.savez(path, **tokens)
    training = train.Training(text.Text(path, SHAPE), SHAPE, sequences=4, seconds=60.0)
    before = training.held_out()
    losses = [training.take_step()["loss"].item() for _ in range(8)]
    assert losses[-1] < losses[0]
    about = train.about(training, {"step": training.step})
    assert about["held_out"].keys() == before.keys() == set(KINDS)
    record.recorded(training.model, training.text, tmp_path, 1, about)
    with np.load(tmp_path / "small-moe-days.npz") as archive:
        assert archive["load"].shape == (4, SHAPE.layers, SHAPE.experts)
        assert (archive["load"].sum(axis=2) == windows.DAY_SEQUENCES * SHAPE.length * SHAPE.top_k).all()
        assert (archive["sequences_of_kind"].sum(axis=1) == windows.DAY_SEQUENCES).all()
    with np.load(tmp_path / "small-moe-tokens.npz") as archive:
        assert archive["routed_experts"].shape == (16 * len(KINDS), SHAPE.layers, SHAPE.top_k)


def test_the_rate_of_learning_rises_and_falls():
    rates = [train.rate(done) for done in np.linspace(0, 1, 101)]
    highest = int(np.argmax(rates))
    assert rates[highest] == pytest.approx(train.RATE)
    assert (np.diff(rates[: highest + 1]) >= 0).all()
    assert (np.diff(rates[highest:]) <= 0).all()
    assert rates[-1] == pytest.approx(train.RATE * train.LAST_RATE)
