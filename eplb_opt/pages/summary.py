"""A page about maps in a few numbers and sentences, for somebody who has never heard of any of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .content import Card
from .figures import CONTIGUOUS, GREEDY, IN_USE
from .study import MEAN, ShownMap, Study, rank_loads
from .words import LEAST, at_most, percentage

NEAR = 0.01  # a gap of which nobody needs to do better
OF_USERS = ("map ", "policy ")  # what gap calls maps and policies that were given
CALLED = {
    CONTIGUOUS: "experts in their order, without balancing",
    GREEDY: "the greedy that engines ship",
    IN_USE: "the map in use",
}


def called(name: str) -> str:
    """A map in a sentence.

    Examples
    --------
    >>> called("map in use"), called("map served.npz"), called("refined")
    ('the map in use', 'the map served.npz', 'the map (refined)')
    """
    if name.startswith(OF_USERS):
        return f"the {name}"
    return CALLED.get(name, f"the map ({name})")


def cards(study: Study) -> list[Card]:
    """The key numbers."""
    before = study.map_named(study.before)
    after = study.map_named(study.after)
    found = []
    if study.is_compared:
        found.append(Card(_mean(before), f"mean imbalance of {called(before.name)}"))
    found.append(Card(_mean(after), f"mean imbalance of the new map ({after.name})"))
    found.append(
        Card(at_most(_short(study)), "at most: what any better map could gain")
    )
    optimal = int((study.gaps(after) <= study.gap_limit).sum())
    found.append(
        Card(
            f"{optimal} of {len(study.layer_ids)}",
            f"layers proven optimal to {study.gap_limit * 100:g} %",
        )
    )
    if study.moves is not None:
        found.append(Card(str(sum(study.moves)), "replicas move"))
    return found


def _mean(shown: ShownMap) -> str:
    return f"{shown.imbalance.mean():.4f}"


def _short(study: Study) -> float:
    """What the best of all maps may be below the one to have, in the mean of layers."""
    after = study.map_named(study.after)
    return float((1 - study.bound / np.maximum(after.imbalance, study.bound)).mean())


def sentences(study: Study) -> Iterator[str]:
    """What to know, the most important first."""
    yield _waiting(study.map_named(study.before), study)
    if study.is_compared:
        yield _better(study)
    yield _proven(study)
    if study.moves is not None:
        yield _moved(study)
    yield _meaning(study)


def _meaning(study: Study) -> str:
    """What the numbers are."""
    if not study.is_timed:
        return (
            "Imbalance is the load of the heaviest rank over the mean of all ranks: 1 is perfect, and at 1.25 a layer "
            "takes a quarter longer than if every rank had the same to do (where time follows tokens)."
        )
    one = "" if study.mean == MEAN else f", here for all maps {study.mean}"
    return (
        f"Imbalance is the time of the slowest rank, as the cost gives it, over the mean of all ranks{one}: at 1.25 a "
        "layer takes a quarter longer than that."
    )


def _waiting(shown: ShownMap, study: Study) -> str:
    """Who holds up whom the most, and what that is in all layers."""
    worst = int(shown.imbalance.argmax())
    layer = study.layer_ids[worst]
    heaviest = _heaviest_rank(shown, worst, study)
    who = "the heaviest rank" if heaviest is None else f"rank {heaviest}"
    start = called(shown.name)
    start = start[0].upper() + start[1:]
    above = float(shown.imbalance[worst]) - 1
    if above < LEAST:
        return f"{start}: every rank of every layer carries the same, to 0.01 %."
    where = f"{who} is {percentage(above)} above {study.mean} in layer {layer}"
    mean = percentage(float(shown.imbalance.mean()) - 1)
    over = _over(study)
    return (
        f"{start}: {where}{over}, and all other ranks wait for it there; "
        f"in the mean of all layers the heaviest rank is {mean} above."
    )


def _over(study: Study) -> str:
    instance = study.instance
    if instance is None or instance.objective.adds_windows:
        return ""
    return f" ({instance.objective.describe()} of {instance.num_windows} windows)"


def _heaviest_rank(shown: ShownMap, layer: int, study: Study) -> int | None:
    """The heaviest rank of a layer, where it is the same in all windows: these are added."""
    instance = study.instance
    if shown.slots is None or instance is None or not instance.objective.adds_windows:
        return None
    row = slice(layer, layer + 1)
    loads = instance.step_weight[row]
    cost = instance.objective.timed_by
    relative = rank_loads(shown.slots[row], loads, cost, instance.unequal)
    return int(relative[0].argmax())


def _better(study: Study) -> str:
    """What the other map brings."""
    before = study.map_named(study.before)
    after = study.map_named(study.after)
    saved = 1 - float(after.imbalance.mean()) / float(before.imbalance.mean())
    mean = percentage(float(after.imbalance.mean()) - 1)
    name = f"The new map ({after.name})"
    if saved < LEAST:
        return f"{name} is no better: its heaviest ranks are {mean} above the mean."
    if (
        study.is_timed and study.mean == MEAN
    ):  # another mean in each map, so no saved time
        return f"{name} brings that to {mean}."
    if study.is_timed:
        return f"{name} brings that to {mean}: the slowest ranks take {percentage(saved)} less time, by the cost."
    if study.instance is not None and study.instance.unequal is not None:
        return (
            f"{name} brings that to {mean}: the slowest ranks take {percentage(saved)} less time, if it follows tokens "
            "over speeds."
        )
    return (
        f"{name} brings that to {mean}: the heaviest ranks carry {percentage(saved)} fewer tokens, which is by how "
        "much the experts' part of a step gets shorter, if its time follows tokens."
    )


def _proven(study: Study) -> str:
    """How far from the best of all maps it may be."""
    after = study.map_named(study.after)
    gaps = study.gaps(after)
    worst = int(gaps.argmax())
    gap = float(gaps[worst])
    mean = at_most(_short(study))
    most = at_most(gap / (1 + gap) if np.isfinite(gap) else gap)
    layer = study.layer_ids[worst]
    if gap < NEAR:
        return (
            f"No other map can be much better: the best of all possible ones is proven to be at most {mean} better in "
            f"the mean of layers, and at most {most} in any of them (layer {layer})."
        )
    return (
        f"Better maps may exist: it is proven only that none is more than {mean} better in the mean of layers, or "
        f"{most} in layer {layer}."
    )


def _moved(study: Study) -> str:
    """What it takes to get there."""
    moves = sum(study.moves or [])
    share = ""
    if study.slots:
        share = f" of {study.slots} ({percentage(moves / study.slots)})"
    return f"Getting there moves {moves} replicas{share} from the map in use."
