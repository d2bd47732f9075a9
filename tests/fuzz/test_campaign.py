"""The driver: what is done is kept, a rerun does what is missing, and what dies or hangs is a fault."""

from __future__ import annotations

import json

import pytest

from . import __main__ as command
from .campaign import Campaign, result
from .crew import Crew
from .journal import Journal, OtherCampaignError
from .planted import COUNT, DIE, HANG

ORIGIN = {"commit": "abc", "seed": 0, "cpu": "a", "cores": 2}


def run(part, folder, patience=300.0):
    journal = Journal(folder, ORIGIN)
    campaign = Campaign([part], journal)
    done = []
    with Crew(1, 0, patience) as crew:
        campaign.run(crew, 600.0, done.append)
    return journal, done


def test_all_are_judged_and_a_rerun_judges_what_is_missing(tmp_path):
    journal, done = run(COUNT, tmp_path)
    whole = result(COUNT, journal)
    assert (whole["count"], whole["faults"], whole["figures"]) == (9, 1, {"chunks": 5})
    assert whole["most"] == {"number": 4}
    assert whole["measures"] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert whole["examples"] == ["chunk 2: bad"]
    assert whole["machines"] == ["a (2 cores)"]
    lines = journal.path.read_text().splitlines()
    kept = [line for line in lines if '"chunk": 3' not in line]
    journal.path.write_text("\n".join(kept) + '\n{"part": "count", "chu')  # killed while it wrote
    journal, done = run(COUNT, tmp_path)
    assert [one.chunk.number for one in done] == [3]
    assert result(COUNT, journal)["count"] == 9


def test_who_judges_nothing_has_no_part_in_it(tmp_path):
    run(COUNT, tmp_path)
    later = result(COUNT, Journal(tmp_path, ORIGIN | {"cpu": "b"}))
    assert (later["cpu"], later["machines"]) == ("a", ["a (2 cores)"])


def test_a_process_that_dies_is_a_fault(tmp_path):
    journal, _ = run(DIE, tmp_path)
    assert result(DIE, journal)["examples"] == ["chunk 1: the process ended with exit code 9"]
    assert result(DIE, journal)["count"] == 2


def test_a_chunk_that_does_not_end_is_a_fault(tmp_path):
    journal, _ = run(HANG, tmp_path, patience=5.0)
    assert result(HANG, journal)["examples"] == ["chunk 0: no end within 5 s"]
    assert result(HANG, journal)["count"] == 1


def test_the_part_that_is_furthest_behind_comes_next(tmp_path):
    campaign = Campaign([COUNT, DIE], Journal(tmp_path, ORIGIN))
    taken = [campaign.next_chunk() for _ in range(8)]
    assert [(one.part.name, one.number) for one in taken[:3]] == [("count", 0), ("die", 0), ("count", 1)]
    assert len({(one.part.name, one.number) for one in taken}) == COUNT.chunks + DIE.chunks
    assert campaign.next_chunk() is None


@pytest.mark.parametrize(("key", "value"), [("commit", "other"), ("seed", 1)])
def test_another_campaign_needs_another_folder(key, value, tmp_path):
    Journal(tmp_path, ORIGIN)
    with pytest.raises(OtherCampaignError, match=f"of {key} "):
        Journal(tmp_path, ORIGIN | {key: value})
    Journal(tmp_path, ORIGIN | {"cpu": "another"})


def test_the_command_writes_a_line_a_part(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "PARTS", {"count": COUNT, "die": DIE})
    monkeypatch.setenv("EPLB_OPT_COMMIT", "abc")
    asked = ["--parts", "count", "--processes", "1", "--journal", str(tmp_path)]
    assert command.main(asked) == 1
    (line,) = map(json.loads, (tmp_path / command.RESULTS).read_text().splitlines())
    assert (line["part"], line["commit"], line["seed"], line["count"], line["faults"]) == ("count", "abc", 0, 9, 1)
    said = capsys.readouterr().out
    assert "count, chunk 2: bad" in said
    assert "count: 9 of 9 numbers, 1 faults" in said
    monkeypatch.setenv("EPLB_OPT_COMMIT", "def")
    assert command.main(asked) == 2
    assert "of commit abc, not def" in capsys.readouterr().err


def test_a_chunk_is_judged_again(monkeypatch, capsys):
    monkeypatch.setattr(command, "PARTS", {"count": COUNT})
    assert command.main(["--parts", "count", "--chunk", "2"]) == 1
    assert capsys.readouterr().out.endswith("bad\n")
    assert command.main(["--parts", "count", "--chunk", "1"]) == 0
    with pytest.raises(SystemExit, match="no part 'counts': give some of count"):
        command.main(["--parts", "counts"])
