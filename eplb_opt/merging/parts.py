"""The journals of all shards of a job, read and checked to be that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import JournalError
from ..journal.journal import ASKED, FINISHED, PARTS, SAID, SHARD, differences
from ..journal.shard import Shard
from ..journal.store import Key, Store

MOST_NAMED = 8  # shards that are missing


@dataclass(frozen=True)
class Part:
    """The journal of a shard, as it was read.

    Attributes
    ----------
    path : Path
    asked : mapping
        What the job was asked.
    shard : Shard
    finished : mapping or None
        What was said when the shard had finished.
    said : mapping
        What the command has noted beside.
    entries : mapping
        Of the kind that the result is made of.
    """

    path: Path
    asked: Mapping[str, Any]
    shard: Shard
    finished: Mapping[str, Any] | None
    said: Mapping[str, Any]
    entries: Mapping[Key, Any]


def read_parts(paths: Sequence[str | Path], kinds: Mapping[str, str]) -> list[Part]:
    """The journals of all shards of one job, which has finished.

    Parameters
    ----------
    paths : sequence of str or Path
        At least one.
    kinds : mapping from job to str
        The kind of the entries that are read.

    Raises
    ------
    JournalError
        A shard is missing, has not finished, is there twice or is of another job; or a file is no journal, or open in
        another process.
    """
    parts = [_read(Path(path), kinds) for path in paths]
    _check(parts)
    return parts


def _read(path: Path, kinds: Mapping[str, str]) -> Part:
    store = Store(path, must_exist=True)
    try:
        asked = store.head(ASKED)
        if asked is None:
            raise JournalError(f"the journal {path} is of no job yet: run it first")
        if asked["job"] not in kinds:
            jobs = " or ".join(kinds)
            raise JournalError(
                f"the journal {path} is of a {asked['job']}, not of a {jobs}: name others"
            )
        return Part(
            path,
            asked,
            Shard(*store.needed(SHARD)),
            store.head(FINISHED),
            store.head(SAID) or {},
            store.entries(kinds[asked["job"]]),
        )
    finally:
        store.close()


def _check(parts: Sequence[Part]) -> None:
    """Raise `JournalError` unless these are all shards of one job, and finished."""
    first = parts[0]
    for part in parts[1:]:
        differs = differences(first.asked, part.asked)
        if differs:
            raise JournalError(
                f"the journals {first.path} and {part.path} are of two jobs, with {differs}: merge those of one"
            )
        if part.shard.of != first.shard.of:
            raise JournalError(
                f"{first.path} is shard {first.shard}, {part.path} shard {part.shard}: merge shards of one job"
            )
    _check_there_once(parts)
    missing = list(_missing(parts))
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" * (len(missing) > MOST_NAMED)
        raise JournalError(
            f"not all shards are there: {', '.join(missing[:MOST_NAMED])}{more}"
        )


def _check_there_once(parts: Sequence[Part]) -> None:
    seen: dict[Shard, Path] = {}
    for part in parts:
        if part.shard in seen:
            raise JournalError(
                f"{seen[part.shard]} and {part.path} are both shard {part.shard}: name one of them"
            )
        seen[part.shard] = part.path


def _missing(parts: Sequence[Part]) -> Iterator[str]:
    """The shards without which the job is not complete; those that have nothing to do are not among them."""
    by_number = {part.shard.number: part for part in parts}
    of = parts[0].shard.of
    for number in range(1, min(of, parts[0].asked[PARTS]) + 1):
        part = by_number.get(number)
        if part is None:
            yield f"{number}/{of} is missing"
        elif part.finished is None:
            yield f"{number}/{of} has not finished ({part.path}, run it again)"
