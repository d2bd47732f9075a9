"""The journals of all shards of a job, joined into the map and the report of a single run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import EplbError, JournalError
from ..problem.placement import Placement
from .parts import Part, read_parts
from .results import JOB, LAYER, KeptLayers


@dataclass(frozen=True)
class Merged:
    """What the shards of a job come to.

    Attributes
    ----------
    placement : Placement
    report : dict
        As `Result.to_dict` makes it; times are the sums of the shards'.
    said : dict
        What the command has noted beside.
    """

    placement: Placement
    report: dict[str, Any]
    said: dict[str, Any]


def merged(paths: Sequence[str | Path]) -> Merged:
    """Join the journals of all shards.

    Parameters
    ----------
    paths : sequence of str or Path

    Returns
    -------
    Merged

    Raises
    ------
    JournalError
        A shard is missing, has not finished, is there twice or is of another job; or a file is no journal, or open in
        another process.

    Examples
    --------
    >>> import tempfile
    >>> from eplb_opt import Instance, Journal, solve
    >>> instance = Instance([[8, 3, 1], [1, 1, 9]], 4, num_ranks=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for shard in ("1/2", "2/2"):
    ...         with Journal(Path(folder, shard[0]), shard) as journal:
    ...             result = solve(instance, "greedy", journal=journal)
    ...     merged([Path(folder, "1"), Path(folder, "2")]).placement.counts().tolist()
    [[2, 1, 1], [1, 1, 2]]
    """
    return joined(read_parts(paths, {JOB: LAYER}))


def joined(parts: Sequence[Part]) -> Merged:
    """What the shards of a solve come to.

    Parameters
    ----------
    parts : sequence of Part
        All of them, of `LAYER`.

    Raises
    ------
    JournalError
        They do not hold what they should.
    """
    ids = parts[0].asked["layer_ids"]
    entries = {key: value for part in parts for key, value in part.entries.items()}
    try:
        layers = KeptLayers.of(entries[layer,] for layer in ids)
        placement = layers.placement(parts[0].asked["num_experts"])
        finished = [part.finished for part in parts if part.finished is not None]
        report = layers.report(finished)
    except (EplbError, KeyError, TypeError, ValueError) as error:
        raise JournalError(
            f"the journals do not hold what they should ({type(error).__name__}: {error}): run the shards again"
        ) from None
    _check_map(placement, parts[0].asked)
    return Merged(placement, report, dict(parts[0].said))


def _check_map(placement: Placement, asked: Mapping[str, Any]) -> None:
    """Raise `JournalError` if the map cannot be one of the job: a file was changed."""
    shape = (len(asked["layer_ids"]), asked["num_replicas"])
    is_whole = placement.phy2log.shape == shape and placement.counts().all()
    if not is_whole or int(placement.counts().sum()) != placement.phy2log.size:
        raise JournalError("the journals hold no valid map: run the shards again")
