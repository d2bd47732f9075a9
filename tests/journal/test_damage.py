"""Journals that a disk or a copy has changed: said so, and never read as another result."""

from __future__ import annotations

import sqlite3

import pytest

from eplb_opt import Instance, Journal, JournalError, Limits, solve
from eplb_opt.journal.store import Store
from eplb_opt.merging.merge import merged

INSTANCE = Instance([[8, 3, 1, 5], [1, 1, 9, 2]], 6, num_ranks=2)
LIMITS = Limits(seconds=None, work=0.1)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "j") as journal:
        solve(INSTANCE, "greedy", LIMITS, journal=journal)
    return tmp_path / "j"


def change(path, statement):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def refused(path, match):
    """By the job itself and by `merge`; and the file stays, and is open to others afterwards."""
    with pytest.raises(JournalError, match=match):
        solve(INSTANCE, "greedy", LIMITS, journal=path)
    with pytest.raises(JournalError, match=match):
        merged([path])
    assert path.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET value = replace(value, '[0', '[1')",
        "UPDATE entries SET key = '[7]' WHERE number = 1",
        "UPDATE entries SET value = x'ff00'",
        "UPDATE entries SET digest = 'x'",
        "UPDATE head SET value = '{' WHERE name = 'asked'",
        "UPDATE head SET value = '5' WHERE name = 'schema'",
        "DELETE FROM head WHERE name = 'shard'",
        "UPDATE head SET name = 'x' WHERE name = 'shard'",
    ],
)
def test_what_was_changed_is_found(journal, statement):
    change(journal, statement)
    refused(journal, "is damaged: remove it and run the job again")


def test_a_layer_that_is_missing_is_found(journal):
    change(journal, "DELETE FROM entries WHERE number = 1")
    with pytest.raises(JournalError, match="is damaged, without layer 0"):
        solve(INSTANCE, "greedy", LIMITS, journal=journal)
    with pytest.raises(JournalError, match="do not hold what they should"):
        merged([journal])


def test_a_journal_without_its_job_is_not_removed(journal):
    change(journal, "DELETE FROM head WHERE name = 'asked'")
    Journal(journal).close()
    assert journal.exists()
    assert Store(journal).entries("layer")


def test_what_sqlite_says_is_one_line(journal):
    data = journal.read_bytes()
    journal.write_bytes(data.replace(b"number INTEGER", b"[umber INTEGER"))
    with pytest.raises(JournalError) as found:
        Journal(journal)
    assert "\n" not in str(found.value)
