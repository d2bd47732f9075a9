"""The text: documents of every kind in one compressed file, ``python -m benchmarks.recording.corpus FOLDER``.

Which document is held out follows from its name and the seed. FOLDER gets the archives, ``corpus.jsonl.xz`` (a
document a line: kind, name, held_out, text) and says the SHA-256 of its content, which is the same on any machine.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..options import folders
from .fetch import unpacked
from .sources import KINDS, PARTS, Part

SEED = 20
HELD_OUT = 0.2  # of the documents
PIECE = 60_000  # characters of a document at most; longer files are cut at a line's end
MOST = 16_000_000  # characters of a kind
NAME = "corpus.jsonl.xz"


class Document(NamedTuple):
    """A text."""

    kind: str
    name: str
    held_out: bool
    text: str


def collected(folder: Path) -> list[Document]:
    """The documents of all kinds, of each those that come first in a random order."""
    roots = unpacked(folder)
    found: dict[str, list[Document]] = {kind: [] for kind in KINDS}
    for part in PARTS:
        found[part.kind] += documents(part, roots[part.package])
    return [document for kind in KINDS for document in _capped(found[kind])]


def documents(part: Part, root: Path) -> Iterator[Document]:
    """The documents of a part, in the order of their names; what is no UTF-8 is left out."""
    paths = {path for pattern in part.patterns for path in root.glob(pattern) if path.is_file()}
    for path in sorted(paths):
        name = f"{part.package}/{path.relative_to(root)}"
        if path.is_symlink() or any(word in name for word in part.without):
            continue
        for number, piece in enumerate(_pieces(_text(path))):
            of_piece = f"{name}#{number}"
            yield Document(part.kind, of_piece, draw(of_piece) < HELD_OUT, piece)


def _text(path: Path) -> str:
    """A file's text; of one that is no UTF-8 nothing."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return ""
    return str(json.loads(text)["licenseText"]) if path.suffix == ".json" else text


def _pieces(text: str) -> Iterator[str]:
    """The text, cut at ends of lines; pieces of a few words are left out."""
    while len(text) > PIECE:
        end = text.rfind("\n", 0, PIECE) + 1 or PIECE
        yield text[:end]
        text = text[end:]
    if len(text) > 200:
        yield text


def draw(name: str) -> float:
    """A number between 0 and 1 that follows from the name and the seed."""
    digest = hashlib.sha256(f"{SEED}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _capped(found: list[Document]) -> list[Document]:
    """As many as have `MOST` characters together, in a random order."""
    kept = []
    length = 0
    for document in sorted(found, key=lambda each: draw("order " + each.name)):
        length += len(document.text)
        if length > MOST:
            break
        kept.append(document)
    return kept


def as_lines(found: list[Document]) -> bytes:
    """The content of the file."""
    return "".join(json.dumps(document._asdict()) + "\n" for document in found).encode()


def read(folder: Path) -> list[Document]:
    """The documents of the file."""
    with lzma.open(folder / NAME, "rt") as lines:
        return [Document(**json.loads(line)) for line in lines]


def main() -> None:
    """Collect, write and count."""
    (folder,) = folders(__doc__, "FOLDER")
    found = collected(folder)
    content = as_lines(found)
    (folder / NAME).write_bytes(lzma.compress(content, preset=6))
    size = (folder / NAME).stat().st_size
    print(f"{NAME}: {len(found)} documents, {size} bytes, SHA-256 of the content {hashlib.sha256(content).hexdigest()}")
    characters = Counter()
    for document in found:
        characters[document.kind, document.held_out] += len(document.text)
    for kind in KINDS:
        print(f"{kind:10} {characters[kind, False]:>10,} characters to train on {characters[kind, True]:>10,} held out")


if __name__ == "__main__":
    main()
