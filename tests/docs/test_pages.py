"""The pages themselves: one page of README, every page in the list, every public name in the reference."""

from __future__ import annotations

import re

import eplb_opt
from benchmarks.table import HOW_TO
from eplb_opt.cli import COMMANDS

from .pages import PAGES, ROOT
from .show import BLOCK, with_outputs

DOCS = ROOT / "docs"
# How the write-ups say which block of which page they write.
FOLDERS = {"ROOT": ROOT, "HOW_TO": HOW_TO}
REPLACED = re.compile(r'replace\((ROOT|HOW_TO) / "([\w.-]+)", "(\w+)"')


def test_the_readme_is_one_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_every_page_is_in_the_index():
    index = (DOCS / "index.md").read_text()
    listed = {(DOCS / f"{line}.md").resolve() for line in index.splitlines() if re.fullmatch(r"[\w./-]+", line)}
    assert {page.resolve() for page in PAGES} - {DOCS / "index.md"} <= listed
    assert all(page.exists() for page in listed)


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "reference" / "api.md").read_text()
    shown = set(re.findall(r"auto(?:class|function|data):: (\w+)", text))
    assert set(eplb_opt.__all__) - {"__version__"} <= shown


def test_every_command_is_in_the_reference():
    text = (DOCS / "reference" / "command.md").read_text()
    names = [module.__name__.rpartition(".")[2] for module in COMMANDS]
    assert re.findall(r"```{program-output} eplb-opt (\S+) --help", text) == names


def test_what_a_command_prints_is_written_behind_it(tmp_path):
    fence = "```bash\nversion=--version\neplb-opt $version\n```\n"
    page = f"{fence}\n<!-- printed:begin -->\nold\n<!-- printed:end -->\nend\n"
    new = with_outputs(page, tmp_path)
    assert f"```text\neplb-opt {eplb_opt.__version__}\n```\n" in new
    assert "old" not in new
    assert new.startswith(fence)
    assert new.endswith("<!-- printed:end -->\nend\n")
    assert BLOCK.search(new)


def test_blocks_that_show_what_is_printed_are_filled():
    blocks = [match.group() for page in PAGES for match in BLOCK.finditer(page.read_text())]
    assert blocks
    assert all("```text\n" in block for block in blocks)


def test_every_block_has_its_place():
    found = 0
    for writer in (ROOT / "benchmarks").glob("*.py"):
        for folder, page, name in REPLACED.findall(writer.read_text()):
            text = (FOLDERS[folder] / page).read_text()
            assert text.count(f"<!-- {name}:begin -->") == text.count(f"<!-- {name}:end -->") == 1, (page, name)
            found += 1
    marked = [name for page in PAGES for name in re.findall(r"<!-- (\w+):begin -->", page.read_text())]
    drawn = 1  # `page`, which docs/pictures/make.py writes
    assert found + drawn == len([name for name in marked if name != "printed"])


def test_every_table_is_whole():
    """A line between rows cuts a table: what follows is shown as text."""
    for page in PAGES:
        blocks = re.findall(r"(?:^\|.*\n)+", page.read_text(), re.MULTILINE)
        assert all(re.match(r".*\n\|[ :|-]+\|\n", block) for block in blocks), page


def test_the_picture_of_the_notebook_is_that_of_its_page():
    page = (DOCS / "how-to" / "notebook.md").read_text()
    names = re.findall(r'savefig\("([\w.]+)"\)', page)
    assert names
    assert all((DOCS / "pictures" / name).exists() and f"../pictures/{name}" in page for name in names)
    assert "printed-by-python:begin -->\n```text\nResult(" in page
