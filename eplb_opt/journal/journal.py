"""A journal: what a job was asked, what it has finished, and how long it has taken, in a file that survives it."""

from __future__ import annotations

import contextlib
import copy
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import JournalError, JournalWarning, shown
from .shard import Shard
from .store import SPENT, Key, Store

ASKED = "asked"
PARTS = "parts"  # of what was asked: what the shards share out
FINISHED = "finished"
SHARD = "shard"
SAID = "said"
TICK = 1.0  # seconds between notes of the time that was spent
MOST_NAMED = 3  # of what differs
WHOLE = Shard()


class Journal:
    """The file of one job, or of one shard of it, in which this process keeps what is finished.

    A job that is killed goes on where it was when it is asked for again with the same file. One process at a time has
    the file open; machines that share a job have one each.

    Parameters
    ----------
    path : str or Path
        Begun if it is not there.
    shard : Shard or str, default the whole job
        Which part of it, such as ``"2/4"``.

    Raises
    ------
    JournalError
        Another process has the file open, it is no journal, or of another shard.
    OptionError
        There is no such shard.

    Examples
    --------
    >>> import tempfile
    >>> from eplb_opt import Instance, Journal, solve
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Journal(Path(folder, "job.sqlite")) as journal:
    ...         first = solve(Instance([[8, 3, 1]], 4, num_ranks=2), "greedy", journal=journal)
    ...     with Journal(Path(folder, "job.sqlite")) as journal:
    ...         again = solve(Instance([[8, 3, 1]], 4, num_ranks=2), "greedy", journal=journal)
    >>> again.seconds == first.seconds  # nothing was computed a second time
    True
    """

    def __init__(self, path: str | Path, shard: Shard | str = WHOLE) -> None:
        self.path = Path(path)
        self.shard = Shard.parse(shard) if isinstance(shard, str) else shard
        self._store = Store(self.path)
        self._said: dict[str, Any] = {}
        self._is_full = False
        self._ended = threading.Event()
        self._elapsed: Callable[[], float] | None = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others open the file; one that was made here, and in which no job was begun, goes."""
        self._ended.set()
        try:
            is_idle = self._store.is_new and self._store.head(ASKED) is None
        except JournalError:
            is_idle = False
        self._store.close()
        if is_idle:
            self.path.unlink(missing_ok=True)

    def section(self, name: str) -> Journal:
        """A journal in this one's file, for a job of its own within a job: what it keeps is apart from all else.

        Parameters
        ----------
        name : str

        Returns
        -------
        Journal
            Open as long as this one is.
        """
        part = copy.copy(self)
        part._store = self._store.section(name)
        part._ended = threading.Event()
        return part

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Begin a job, or go on with it.

        Parameters
        ----------
        asked : mapping
            What the result follows from, as JSON types.

        Raises
        ------
        JournalError
            The journal is of another job or shard; the message names what differs.
        """
        known = self._store.head(ASKED)
        if known is None:
            shard = [self.shard.number, self.shard.of]
            self._store.put_head(
                **{ASKED: asked, SHARD: shard, SAID: self._said, SPENT: 0.0}
            )
            return
        other = Shard(*self._store.needed(SHARD))
        if other != self.shard:
            raise JournalError(
                f"the journal {self.path} is of shard {other}, not {self.shard}: name a file for each shard"
            )
        differs = differences(known, asked)
        if differs:
            raise JournalError(
                f"the journal {self.path} is of another job, with {differs}: name another file, or ask for the same"
            )

    @property
    def spent(self) -> float:
        """Seconds that earlier runs have taken."""
        return float(self._store.head(SPENT) or 0.0)

    @contextlib.contextmanager
    def timed(self, elapsed: Callable[[], float]) -> Iterator[None]:
        """Note the time of a run while it goes on.

        Parameters
        ----------
        elapsed : callable
            Seconds of all runs by now.
        """
        self._elapsed = elapsed
        self._ended.clear()
        ticker = threading.Thread(target=self._tick, name="journal", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            self._ended.set()
            ticker.join()
            self._put("", {})

    def _tick(self) -> None:
        while not self._ended.wait(TICK):
            self._put("", {})

    def known(self, kind: str) -> dict[Key, Any]:
        """What earlier runs have kept of a kind, in that order."""
        return self._store.entries(kind)

    def keep(self, kind: str, key: Key, value: Any) -> None:
        """Keep what is finished; where that fails, the work goes on, and it is said once.

        Parameters
        ----------
        kind : str
        key : tuple
        value : object
            JSON types, numbers and arrays of numpy.
        """
        self._put(kind, {key: value})

    def keep_all(self, kind: str, entries: Mapping[Key, Any]) -> None:
        """Keep what is finished at once, as `keep`."""
        self._put(kind, dict(entries))

    def _put(self, kind: str, entries: dict[Key, Any]) -> None:
        if self._is_full:
            return
        try:
            self._store.put(kind, entries, self._elapsed() if self._elapsed else 0.0)
        except JournalError as error:
            self._is_full = True
            warnings.warn(
                f"{error}; from here on nothing is kept", JournalWarning, stacklevel=4
            )

    def say(self, **values: Any) -> None:
        """Have what a command says beside the result, as JSON types, noted when a job is begun."""
        self._said = values

    @property
    def finished(self) -> Any:
        """What was said of the job when it had finished; None before."""
        return self._store.head(FINISHED)

    def finish(self, kind: str, entries: dict[Key, Any], said: Any) -> None:
        """Keep what the job came to.

        Raises
        ------
        JournalError
            It cannot be written, and this journal is all that there is of a shard.
        """
        self._put(kind, entries)
        try:
            if not self._is_full:
                self._store.put_head(**{FINISHED: said})
                return
        except JournalError:
            if not self.shard.is_whole:
                raise
        if not self.shard.is_whole:
            raise JournalError(
                f"the journal {self.path} could not be written: shard {self.shard} has to run again"
            )


@contextlib.contextmanager
def opened(journal: Journal | str | Path) -> Iterator[Journal]:
    """A journal, opened here if it is a path."""
    if isinstance(journal, Journal):
        yield journal
        return
    with Journal(journal) as own:
        yield own


def differences(known: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """What two jobs differ in, in a few words; empty if they are the same.

    Parameters
    ----------
    known, asked : mapping
        JSON types; tuples are lists.

    Examples
    --------
    >>> differences({"seed": 0, "method": "milp"}, {"seed": 1, "method": "milp"})
    'seed=0 instead of seed=1'
    """
    names = [
        name
        for name in dict.fromkeys([*known, *asked])
        if _listed(known.get(name)) != _listed(asked.get(name))
    ]
    said = [_difference(name, known.get(name), asked.get(name)) for name in names]
    more = [f"{len(said) - MOST_NAMED} more"] if len(said) > MOST_NAMED else []
    return ", ".join([*said[:MOST_NAMED], *more])


def _difference(name: str, known: Any, asked: Any) -> str:
    if name.endswith("_sha256"):
        return f"other {name.removesuffix('_sha256')}"
    return f"{name}={shown(known)} instead of {name}={shown(asked)}"


def _listed(value: Any) -> Any:
    """Tuples as lists, at any depth, as JSON has them."""
    if isinstance(value, (list, tuple)):
        return [_listed(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _listed(one) for name, one in value.items()}
    return value
