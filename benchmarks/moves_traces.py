"""Traces on which maps follow each other: loads that drift, synthetic and recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from eplb_opt.problem.pool import Floats
from eplb_opt.synthetic import MODELS, TOKENS_PER_EXPERT, synthetic_load

from .foresight import GPT_OSS, SEED, V2_LITE, halves, in_tens
from .history import Trace, synthetic

MODEL = "deepseek-v3-prefill"
WINDOWS = 5  # of the drift whose successive windows correlate by 0.8
SLOW = (0.99, 0.999)  # correlations of successive windows, of log loads
STEADY = (0.999, 0.9999)  # correlations of any two windows
SLOW_WINDOWS = 12
SLOW_LAYERS = 8
SHAPES = ((288, 32), (320, 64))  # replicas and ranks of the large model


def drifting() -> Iterator[Trace]:
    """A large model, whose successive windows correlate by 0.8."""
    load = synthetic_load(MODEL, windows=WINDOWS, seed=SEED).astype(np.float64)
    for replicas, ranks in SHAPES:
        yield Trace("synthetic, correlated 0.8", load, replicas, ranks)


def recorded() -> Iterator[Trace]:
    """Recordings, window after window."""
    tasks = np.concatenate([np.concatenate(halves_of) for halves_of in zip(*halves(V2_LITE), strict=True)])
    yield Trace("V2-Lite, tasks one after the other", tasks, 80, 16)
    prompts = [np.concatenate(halves_of) for halves_of in zip(*halves(GPT_OSS), strict=True)]
    yield Trace("gpt-oss, 10 prompts a call", in_tens(prompts), 64, 16)


def some_layers(traces: Iterable[Trace]) -> Iterator[Trace]:
    """Every second layer: plans over windows take longer."""
    for trace in traces:
        yield replace(trace, load=trace.load[:, ::2])


def slow() -> Iterator[Trace]:
    """Some layers of the large model, whose loads change little from window to window, and further and further."""
    for correlation in SLOW:
        yield _of_the_large_model(f"synthetic, correlated {correlation}", walk(correlation))


def steady() -> Iterator[Trace]:
    """The same without drift: noise about the same loads in every window."""
    for correlation in STEADY:
        yield _of_the_large_model(f"synthetic, no drift, correlated {correlation}", noise(correlation))


def kinds() -> Trace:
    """A large model with other shares of four kinds of traffic in every window."""
    return _of_the_large_model("synthetic, shares of four kinds of traffic", synthetic())


def _of_the_large_model(name: str, load: Floats) -> Trace:
    replicas, ranks = SHAPES[0]
    return Trace(name, load, replicas, ranks)


def walk(correlation: float) -> Floats:
    """Lognormal loads [windows, layers, experts] whose logarithms correlate so from window to window."""
    random = np.random.default_rng(SEED)
    sigma = _sigma(random)
    state = random.standard_normal((len(sigma), MODELS[MODEL].experts))
    windows = []
    for _ in range(SLOW_WINDOWS):
        windows.append(_lognormal(sigma * state))
        state = _mixed(state, random.standard_normal(state.shape), correlation**2)
    return np.stack(windows)


def noise(correlation: float) -> Floats:
    """Lognormal loads [windows, layers, experts] whose logarithms correlate so between any two windows."""
    random = np.random.default_rng(SEED)
    sigma = _sigma(random)
    common = random.standard_normal((len(sigma), MODELS[MODEL].experts))
    own = random.standard_normal((SLOW_WINDOWS, *common.shape))
    return _lognormal(sigma * _mixed(common, own, correlation))


def _sigma(random: np.random.Generator) -> Floats:
    shape = MODELS[MODEL]
    return random.uniform(shape.sigma_low, shape.sigma_high, (SLOW_LAYERS, 1))


def _mixed(before: Floats, news: Floats, correlation: float) -> Floats:
    return np.asarray(np.sqrt(correlation) * before + np.sqrt(1 - correlation) * news)


def _lognormal(logarithms: Floats) -> Floats:
    load = np.exp(logarithms)
    return np.asarray(np.rint(load / load.mean(axis=-1, keepdims=True) * TOKENS_PER_EXPERT))
