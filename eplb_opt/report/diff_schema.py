"""What ``diff --json`` writes, as data: a part of the page ``docs/outputs.md`` is made of it."""

from __future__ import annotations

from ..claims.schema import Field, Section, objects
from ..claims.values import (
    ABOVE_0,
    AT_LEAST_0,
    BOOLEAN,
    COUNT,
    INTEGER,
    POSITIVE,
    TEXT,
    list_of,
    or_null,
)
from . import diff
from .replay_schema import NUMBER, TEXTS, an_object

BYTES = or_null(COUNT)
SECONDS = or_null(AT_LEAST_0)
IMBALANCE = or_null(AT_LEAST_0)
INTEGERS = list_of(INTEGER, "integers")

COUNTED = (
    Field("changed", COUNT, "slots that hold another expert than before"),
    Field(
        "moved",
        COUNT,
        "replicas on a rank that did not hold their expert before: the sum of the next four",
    ),
    Field("within_node", COUNT, "of these copied from a rank of the same node"),
    Field(
        "across_nodes",
        COUNT,
        "of these copied from another node, as no rank of their own holds the expert",
    ),
    Field("loaded", COUNT, "of these loaded from elsewhere, as no rank holds them"),
    Field(
        "repeated",
        COUNT,
        "of these a further replica of an expert that the rank receives anyway",
    ),
    Field(
        "in_place",
        COUNT,
        "changed slots whose rank held the expert: replicas that change place within it",
    ),
    Field("sent_bytes", BYTES, "over links; null without `--bytes-per-expert`"),
    Field("loaded_bytes", BYTES, "from elsewhere; null without `--bytes-per-expert`"),
)
STEP = Section(
    "step",
    (
        Field("layer_id", COUNT, "absolute layer index"),
        Field("batch", POSITIVE, "number of the batch in its layer"),
        Field(
            "block",
            POSITIVE,
            "steps of one block follow each other, as together they gain most for what they copy",
        ),
        Field("slots", list_of(COUNT, "integers >= 0"), "slots that change"),
        Field(
            "experts",
            INTEGERS,
            "the experts that they hold then; -1: the slot is empty",
        ),
        Field(
            "copies",
            list_of(INTEGERS, "lists of three integers"),
            "rank that sends (-1: from elsewhere), rank that receives, expert",
        ),
        Field(
            "within_limits",
            BOOLEAN,
            "false: whole groups go to other nodes, which takes one batch",
        ),
        Field("bytes", BYTES, "copied; null without `--bytes-per-expert`"),
        Field("seconds", SECONDS, "of the busiest link; null: speeds are not given"),
        Field("busiest_link", or_null(TEXT), "as in a layer"),
        Field(
            "imbalance",
            IMBALANCE,
            "of the layer after the step; null: an expert has no replica",
        ),
        Field("mean_imbalance", IMBALANCE, "its mean over layers then"),
    ),
)
SCHEDULE = Section(
    "schedule",
    (
        Field("moves_per_rank", or_null(POSITIVE), "of a batch; null: any number"),
        Field("moves_per_pair", or_null(POSITIVE), "of a batch; null: any number"),
        Field(
            "imbalance",
            IMBALANCE,
            "mean over layers at the start, on the new map's ranks; null: an expert has no replica",
        ),
        Field("steps", objects(STEP), "in order; the last one leads to the new map"),
    ),
)
LAYER = Section(
    "diff layer",
    (
        Field("layer_id", COUNT, "absolute layer index"),
        *COUNTED,
        Field(
            "seconds",
            SECONDS,
            "of the busiest link, if the layer is switched at once; null: speeds are not given",
        ),
        Field(
            "busiest_link",
            or_null(TEXT),
            "`rank 3 out`: what rank 3 sends within its node; `node 1 in`: what node 1 receives from others; `-`: none",
        ),
        Field(
            "imbalance_before",
            IMBALANCE,
            "of the old map on its own ranks; null: no loads are given, or an expert has no replica",
        ),
        Field("imbalance_after", IMBALANCE, "of the new map; null: no loads are given"),
    ),
)
TOTALS = Section(
    "diff totals",
    (
        Field("layers", COUNT, "number of layers"),
        Field("layers_changed", COUNT, "layers in which a slot changes"),
        *COUNTED,
        Field("seconds", SECONDS, "one layer after the other"),
        Field("imbalance_before", IMBALANCE, "mean over layers"),
        Field("imbalance_after", IMBALANCE, "mean over layers"),
        Field(
            "saved",
            or_null(NUMBER),
            "part of the heaviest rank's load that goes, by these means and the numbers of ranks",
        ),
    ),
)
DIFF = Section(
    "diff --json",
    (
        Field("schema", TEXT, f"`{diff.SCHEMA}`"),
        Field("instance", TEXT, "the new map's loads and topology in a line"),
        Field("mode", TEXT, "`global` or `hierarchical`"),
        Field("replicas", POSITIVE, "slots a layer of the new map"),
        Field("ranks", POSITIVE, "its ranks"),
        Field("nodes", POSITIVE, "its nodes"),
        Field("old_replicas", POSITIVE, "slots a layer of the old map"),
        Field("old_ranks", POSITIVE, "its ranks"),
        Field(
            "failed_ranks",
            list_of(COUNT, "integers >= 0"),
            "of these the ones that hold nothing any more",
        ),
        Field(
            "bytes_per_expert", or_null(POSITIVE), "of a replica in a layer, if given"
        ),
        Field(
            "within_node", or_null(ABOVE_0), "bytes a second within a node, if given"
        ),
        Field(
            "across_nodes", or_null(ABOVE_0), "bytes a second across nodes, if given"
        ),
        Field("layers", objects(LAYER), "one item a layer"),
        Field("totals", an_object(TOTALS), "over all layers"),
        Field(
            "schedule",
            or_null(an_object(SCHEDULE)),
            "with `--schedule`; otherwise null",
        ),
        Field("notes", TEXTS, "what was said of the maps and of options"),
    ),
)
SECTIONS = (DIFF, LAYER, TOTALS, SCHEDULE, STEP)
