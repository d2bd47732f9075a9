"""What ``demo`` writes with ``--json``, as data."""

from __future__ import annotations

from ..claims.schema import Field, Section, objects
from ..claims.values import (
    AT_LEAST_0,
    BOOLEAN,
    COUNT,
    POSITIVE,
    TEXT,
    list_of,
    or_null,
)
from . import demo

LABELS = list_of(TEXT, "texts")

PLAN = Section(
    "plan",
    (
        Field("plan", TEXT, "its name"),
        Field(
            "seen",
            or_null(AT_LEAST_0),
            "mean imbalance over layers and the windows that it was made of; null: of none",
        ),
        Field("unseen", AT_LEAST_0, "the same over the other windows"),
        Field("unseen_p95", AT_LEAST_0, "95th percentile over those windows"),
        Field("worst_layer", COUNT, "the layer with the largest mean over them"),
        Field("worst_layer_unseen", AT_LEAST_0, "that mean"),
        Field(
            "seconds",
            or_null(AT_LEAST_0),
            "planning time, without compiling; null: it is no plan",
        ),
    ),
)
DEMO = Section(
    "demo --json",
    (
        Field("schema", TEXT, f"`{demo.SCHEMA}`"),
        Field("interrupted", BOOLEAN, "stopped by a signal; later plans are missing"),
        Field(
            "recording",
            TEXT,
            "the file of the recording, from the current folder if it is below",
        ),
        Field("instance", TEXT, "loads and topology in a line"),
        Field("num_replicas", POSITIVE, "slots a layer"),
        Field("num_ranks", POSITIVE, "number of ranks"),
        Field("layers", POSITIVE, "number of layers"),
        Field("seen", LABELS, "windows that plans were made of"),
        Field("unseen", LABELS, "windows that they are judged on"),
        Field("gap", AT_LEAST_0, "gap at which a layer is OPTIMAL"),
        Field(
            "proven",
            or_null(COUNT),
            "layers of `optimal` that are OPTIMAL on the sum of the seen windows; null: it did not run",
        ),
        Field("plans", objects(PLAN), "in the order of the table"),
    ),
)
SECTIONS = (DEMO, PLAN)
