"""A journal's file: one SQLite database, open in one process at a time, in which every entry is whole or not there.

Each has a digest: what a disk or a copy has changed in it is damage, and never read as another result.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..atomic import check_writable
from ..errors import JournalError

SCHEMA = "eplb_opt.journal/2"
TABLES = """
CREATE TABLE IF NOT EXISTS head (name TEXT PRIMARY KEY, value TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
  number INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, digest TEXT NOT NULL,
  UNIQUE (kind, key)
);
"""
PUT_HEAD = "INSERT OR REPLACE INTO head VALUES (?, ?, ?)"
PUT_ENTRY = (
    "INSERT OR REPLACE INTO entries (kind, key, value, digest) VALUES (?, ?, ?, ?)"
)
SPENT = "spent"
Key = tuple[Any, ...]


class Store:
    """A journal's file.

    Parameters
    ----------
    path : Path
    must_exist : bool
        It is read, not begun.

    Attributes
    ----------
    is_new : bool
        There was nothing in it.

    Raises
    ------
    JournalError
        Another process has it open, or it is no journal.
    FormatError
        There can be no file.
    """

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        self.path = path
        self._within = ""
        if not must_exist:
            check_writable(path)
        elif not path.is_file():
            raise JournalError(f"there is no journal {path}: name a file of --journal")
        # The clock's thread writes, too: one at a time.
        self._lock = threading.RLock()
        with self._said():
            self._connection = sqlite3.connect(
                path, timeout=0.0, isolation_level=None, check_same_thread=False
            )
        try:
            self._begin()
        except BaseException:
            self._connection.close()
            raise

    def _begin(self) -> None:
        """Lock the file until it is closed; the lock ends with this process, whatever ends that."""
        with self._said():
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("BEGIN EXCLUSIVE")
            self._connection.execute("COMMIT")
            tables = self._connection.execute(
                "SELECT count(*) FROM sqlite_master"
            ).fetchone()[0]
            self.is_new = tables == 0
            if self.is_new:
                with self._transaction():
                    for table in TABLES.strip().split(";\n"):
                        self._connection.execute(table)
                    self._put_head("schema", SCHEMA)
            schema = self._read_head("schema")
        if schema != SCHEMA:
            raise JournalError(
                f"{self.path} is no journal of this version ({SCHEMA}): name another file"
            )

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """What SQLite says as an error that names the file and what to do."""
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise JournalError(_said_of(self.path, error)) from None
        except UnicodeDecodeError:  # in SQLite's own words of what is damaged
            raise JournalError(_damaged(self.path)) from None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # it may have ended it already
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _read_head(self, name: str) -> Any:
        name = self._within + name
        found = self._connection.execute(
            "SELECT value, digest FROM head WHERE name = ?", (name,)
        ).fetchone()
        if found is None:
            return None
        value, digest = found
        self._check((name, value), digest)
        return json.loads(value)

    def _put_head(self, name: str, value: Any) -> None:
        texts = (self._within + name, _text(value))
        self._connection.execute(PUT_HEAD, (*texts, _digest(texts)))

    def _check(self, texts: tuple[Any, ...], digest: Any) -> None:
        """Raise `JournalError` unless texts are those of their digest."""
        is_whole = all(isinstance(text, str) for text in texts)
        if not is_whole or _digest(texts) != digest:
            raise JournalError(_damaged(self.path))

    def section(self, name: str) -> Store:
        """The same file, in which all names and kinds begin with a name."""
        part = copy.copy(self)
        part._within = f"{self._within}{name}/"
        return part

    def head(self, name: str) -> Any:
        """What the file says under a name, as JSON types; None where it says nothing."""
        with self._said():
            return self._read_head(name)

    def needed(self, name: str) -> Any:
        """The same, of what every job has.

        Raises
        ------
        JournalError
            It is not there.
        """
        found = self.head(name)
        if found is None:
            raise JournalError(_damaged(self.path))
        return found

    def put_head(self, **values: Any) -> None:
        """Say something under some names, all or nothing."""
        with self._said(), self._transaction():
            for name, value in values.items():
                self._put_head(name, value)

    def entries(self, kind: str) -> dict[Key, Any]:
        """The entries of a kind, in the order in which they came."""
        kind = self._within + kind
        with self._said():
            found = self._connection.execute(
                "SELECT key, value, digest FROM entries WHERE kind = ? ORDER BY number",
                (kind,),
            ).fetchall()
        for key, value, digest in found:
            self._check((kind, key, value), digest)
        return {_as_key(json.loads(key)): json.loads(value) for key, value, _ in found}

    def put(self, kind: str, entries: dict[Key, Any], spent: float) -> None:
        """Add entries, all or nothing, and how many seconds the job has taken by now."""
        kind = self._within + kind
        texts = [(kind, _text(key), _text(value)) for key, value in entries.items()]
        rows = [(*text, _digest(text)) for text in texts]
        with self._said(), self._transaction():
            self._connection.executemany(PUT_ENTRY, rows)
            self._put_head(SPENT, spent)

    def close(self) -> None:
        """Let others open it."""
        with self._lock:
            self._connection.close()


def _damaged(path: Path) -> str:
    return f"the journal {path} is damaged: remove it and run the job again"


def _digest(texts: tuple[str, ...]) -> str:
    """Of texts, in their order."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    """Numpy's numbers and arrays as JSON types."""
    return value.tolist()


def _as_key(value: Any) -> Any:
    """Lists as tuples, at any depth."""
    return tuple(_as_key(one) for one in value) if isinstance(value, list) else value


def _said_of(path: Path, error: sqlite3.Error) -> str:
    """An error of SQLite, in a line."""
    text = " ".join(str(error).split())
    if "malformed" in text:
        return _damaged(path)
    if "locked" in text:
        return f"the journal {path} is open in another process: wait for that, or name a file of its own"
    if "not a database" in text or "no such table" in text or "no such column" in text:
        return f"{path} is no journal: name one that --journal wrote, or a new file"
    return f"the journal {path} cannot be read or written ({text}): free space, or name another file"
