"""What ``replay --json`` writes, as data: a part of the page ``docs/outputs.md`` is made of it."""

from __future__ import annotations

from dataclasses import replace

from ..claims.schema import Field, Section, objects
from ..claims.values import (
    AT_LEAST_0,
    BOOLEAN,
    COUNT,
    MAPPING,
    POSITIVE,
    TEXT,
    Value,
    list_of,
    or_null,
)
from ..strict import number
from . import replay

NUMBER = Value("number", number)
TEXTS = list_of(TEXT, "texts")
INTERVAL = Field(
    "interval", or_null(POSITIVE), "windows between plans; null: planned once"
)
POLICY = Field("policy", TEXT, "its name, as for `--policies`")
REPLICAS = Field("replicas", POSITIVE, "physical experts (slots) a layer")


def an_object(section: Section) -> Value:
    """Keys and values of a section."""
    return replace(MAPPING, expected=f"keys and values, see {section.name}")


PARTS = Section(
    "parts of the imbalance",
    (
        Field(
            "map",
            NUMBER,
            "mean imbalance above 1 in the windows that were planned on, in infinitely large batches",
        ),
        Field("drift", NUMBER, "what is added in the windows that were served"),
        Field(
            "sampling",
            NUMBER,
            "what steps of `tokens_per_step` add to that: an estimate by simulation",
        ),
        Field("sampling_error", AT_LEAST_0, "its standard error"),
        Field("sampling_lower", AT_LEAST_0, "proven lower bound of what sampling adds"),
        Field("sampling_upper", AT_LEAST_0, "proven upper bound of what sampling adds"),
        Field("windows", POSITIVE, "served windows in which sampling was looked at"),
    ),
)
OUTCOME = Section(
    "outcome",
    (
        POLICY,
        REPLICAS,
        INTERVAL,
        Field("plans", POSITIVE, "maps that were made"),
        Field(
            "imbalance_mean",
            AT_LEAST_0,
            "heaviest over mean rank load in the windows that were served: mean over windows, then over layers",
        ),
        Field(
            "imbalance_p50",
            AT_LEAST_0,
            "median over windows of the mean over layers",
        ),
        Field("imbalance_p95", AT_LEAST_0, "95th percentile of the same"),
        Field("imbalance_p99", AT_LEAST_0, "99th percentile of the same"),
        Field("worst_layer", COUNT, "layer with the largest mean over windows"),
        Field("worst_layer_imbalance", AT_LEAST_0, "that mean"),
        Field(
            "seen_imbalance",
            AT_LEAST_0,
            "mean imbalance of the maps in the windows that they were planned on",
        ),
        Field(
            "moves_mean",
            or_null(AT_LEAST_0),
            "replicas on a rank that did not hold their expert before, mean over re-plans and layers; null: no re-plan",
        ),
        Field("moves_share", or_null(AT_LEAST_0), "the same as a share of the slots"),
        Field(
            "renamed_moves_mean",
            or_null(AT_LEAST_0),
            "what `moves_mean` would be, had ranks been renamed so that fewest replicas move",
        ),
        Field(
            "plan_seconds", or_null(AT_LEAST_0), "mean time of a plan; null: of `own`"
        ),
        Field(
            "window_imbalance",
            list_of(AT_LEAST_0, "numbers >= 0, one a served window"),
            "mean over layers",
        ),
        Field(
            "layer_imbalance",
            list_of(AT_LEAST_0, "numbers >= 0, one a layer"),
            "mean over served windows",
        ),
        Field(
            "shown", BOOLEAN, "tables show it: at the interval asked for, or advised"
        ),
        Field(
            "parts",
            or_null(an_object(PARTS)),
            "of a shown outcome, with `--tokens-per-step`; otherwise null",
        ),
    ),
)
COMPARISON = Section(
    "comparison",
    (
        POLICY,
        REPLICAS,
        INTERVAL,
        Field("imbalance", AT_LEAST_0, "its mean in the windows of the judgement"),
        Field("saved", NUMBER, "that minus the advice's; negative: it was better"),
        Field(
            "error",
            or_null(AT_LEAST_0),
            "standard error of it over windows, taken as independent; null: one window",
        ),
        Field("moves", or_null(AT_LEAST_0), "as `moves_mean` of the outcome"),
    ),
)
ADVICE = Section(
    "advice",
    (
        POLICY,
        REPLICAS,
        INTERVAL,
        Field("is_held_out", BOOLEAN, "judged on other windows than it was chosen on"),
        Field("chosen_on", POSITIVE, "served windows that it was chosen on, the first"),
        Field("judged_on", POSITIVE, "served windows that it was judged on, the last"),
        Field("chosen_imbalance", AT_LEAST_0, "mean imbalance in the former"),
        Field("imbalance", AT_LEAST_0, "mean imbalance in the latter"),
        Field("moves", or_null(AT_LEAST_0), "as `moves_mean` of the outcome"),
        Field("moves_share", or_null(AT_LEAST_0), "as that of the outcome"),
        Field(
            "comparisons", objects(COMPARISON), "what other ways would have been worth"
        ),
    ),
)
REPLAY = Section(
    "replay --json",
    (
        Field("schema", TEXT, f"`{replay.SCHEMA}`"),
        Field("instance", TEXT, "loads and topology in a line"),
        Field("mode", TEXT, "`global` or `hierarchical`"),
        Field("notes", TEXTS, "options without effect, and what was left out"),
        Field("interrupted", BOOLEAN, "the policies that had not played are missing"),
        Field("layer_ids", list_of(COUNT, "integers >= 0"), "absolute layer indices"),
        Field("window", POSITIVE, "recorded windows put together into one"),
        Field("windows", POSITIVE, "windows then"),
        Field(
            "history",
            or_null(POSITIVE),
            "windows that a plan sees; null: those of the labels `train`",
        ),
        Field(
            "train", TEXTS, "labels of the windows that were planned on; empty: by time"
        ),
        Field("test", TEXTS, "labels of the windows that were judged; empty: by time"),
        Field("tokens_per_step", or_null(POSITIVE), "tokens of a step, before routing"),
        Field(
            "top_k",
            or_null(POSITIVE),
            "routed copies of a token, taken as independent; null without `tokens_per_step`",
        ),
        Field("served", list_of(COUNT, "integers >= 0"), "windows that were judged"),
        Field(
            "outcomes",
            objects(OUTCOME),
            "one for each number of replicas, policy and interval",
        ),
        Field(
            "advice",
            an_object(ADVICE),
            "what to do, chosen and judged on different windows",
        ),
    ),
)
SECTIONS = (REPLAY, OUTCOME, PARTS, ADVICE, COMPARISON)
