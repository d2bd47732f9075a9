"""What ``sweep --json`` writes, as data: a part of the page ``docs/outputs.md`` is made of it."""

from __future__ import annotations

from ..claims.schema import Field, Section, objects
from ..claims.values import (
    AT_LEAST_0,
    BOOLEAN,
    COUNT,
    MAPPING,
    POSITIVE,
    TEXT,
    list_of,
    or_null,
)
from .replay_schema import NUMBER

SCHEMA = "eplb_opt.sweep/1"
RANKS = Field("ranks", POSITIVE, "GPUs")
REPLICAS = Field("replicas", POSITIVE, "physical experts (slots) a layer")
TOKENS = Field("tokens_per_step", POSITIVE, "tokens of a step, before routing")

CELL = Section(
    "cell of a sweep",
    (
        Field(
            "map", TEXT, "`planned`, or `off`: experts in their order, no slot is spare"
        ),
        REPLICAS,
        RANKS,
        TOKENS,
        Field("layers", POSITIVE, "number of layers"),
        Field(
            "time",
            or_null(AT_LEAST_0),
            "the slowest rank at a step's mean loads, mean over layers, in `unit`: what is planned for; null "
            "without a cost, and with `--across` other than `sum`",
        ),
        Field("time_bound", or_null(AT_LEAST_0), "proven lower bound of that; null of `off`"),
        Field("imbalance", or_null(AT_LEAST_0), "of the plan, mean over layers"),
        Field("bound", or_null(AT_LEAST_0), "proven lower bound of that; null where `time` is planned for"),
        Field("gap", or_null(AT_LEAST_0), "mean gap over layers; null if one is not known"),
        Field("optimal", or_null(COUNT), "layers whose gap is at most `--gap`"),
        Field("seconds", or_null(AT_LEAST_0), "wall-clock time of the plan"),
        Field(
            "slots_bytes",
            or_null(POSITIVE),
            "bytes of the slots of a rank in all layers; null without `--bytes-per-expert`",
        ),
        Field(
            "step",
            AT_LEAST_0,
            "what simulated steps take, mean over layers: the slowest rank, in `unit`",
        ),
        Field("step_error", AT_LEAST_0, "its standard error"),
        Field(
            "step_bound",
            AT_LEAST_0,
            "no map of so many slots and ranks takes less in these steps; without a cost, in expectation",
        ),
        Field("step_gap", or_null(NUMBER), "step / step_bound - 1; null is infinite"),
        Field(
            "frontier",
            BOOLEAN,
            "no map of these ranks and tokens is as good with fewer slots, or better with as many; only in a "
            "report that is complete",
        ),
    ),
)  # fmt: skip
ADVICE = Section(
    "advice of a sweep",
    (
        RANKS,
        TOKENS,
        Field("map", TEXT, "`planned`, or `off` where no plan gains a hundredth"),
        REPLICAS,
        Field("redundant", COUNT, "slots beyond one an expert"),
        Field("step", AT_LEAST_0, "what a step takes, in `unit`"),
        Field("off_step", or_null(AT_LEAST_0), "the same of experts in their order"),
        Field("gain", or_null(NUMBER), "1 - step / off_step"),
        Field(
            "redundancy_gain",
            or_null(NUMBER),
            "the same over the plan without a spare slot; null if there is none",
        ),
        Field("most_replicas", POSITIVE, "the most slots that were planned"),
        Field("most_loss", NUMBER, "what these take more, relative to `step`"),
        Field(
            "least",
            AT_LEAST_0,
            "the least `step_bound`: no map of any of these slots takes less",
        ),
        Field("above_least", or_null(NUMBER), "step / least - 1; null is infinite"),
    ),
)
LEFT_OUT = Section(
    "left out of a sweep",
    (REPLICAS, RANKS, Field("why", TEXT, "why there is no such map")),
)
SWEEP = Section(
    "sweep --json",
    (
        Field("schema", TEXT, f"`{SCHEMA}`"),
        Field("loads_sha256", TEXT, "digest of the loads"),
        Field("windows", POSITIVE, "number of windows"),
        Field("layers", POSITIVE, "number of layers"),
        Field("experts", POSITIVE, "logical experts a layer"),
        Field("num_groups", POSITIVE, "`--groups`"),
        Field("num_nodes", POSITIVE, "`--nodes`"),
        Field("distinct", BOOLEAN, "`--distinct`"),
        Field("objective", MAPPING, "how windows are put together"),
        Field("method", TEXT, "that planned"),
        Field("limits", MAPPING, "`seconds` and `work` of each plan, and `gap`"),
        Field("seed", COUNT, "of plans and steps"),
        Field("top_k", POSITIVE, "experts of a token, taken as independent"),
        Field("draws", POSITIVE, "simulated steps of a layer"),
        Field("cost", or_null(MAPPING), "what a replica costs; null: its tokens"),
        Field(
            "unit",
            TEXT,
            "of steps: the cost's, or `tokens`: over those of the mean rank",
        ),
        Field("bytes_per_expert", or_null(POSITIVE), "`--bytes-per-expert`"),
        Field("left_out", objects(LEFT_OUT), "slots and ranks without a map"),
        Field("notes", list_of(TEXT, "texts"), "how maps are planned and judged"),
        Field("complete", BOOLEAN, "all cells are there; `--journal` adds the others"),
        Field("cells", objects(CELL), "one a map, number of ranks and of tokens"),
        Field("advice", objects(ADVICE), "one a number of ranks and of tokens"),
    ),
)
SECTIONS = (SWEEP, CELL, ADVICE, LEFT_OUT)
