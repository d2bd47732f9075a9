"""Where the text comes from: archives with versions, hashes and licences, and what in them is of which kind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """An archive of text.

    Attributes
    ----------
    package : str
    version : str
    client : str
        What fetches it: ``apt`` (binary package), ``apt-source`` or ``npm``.
    archive : str
        The file that the client writes.
    sha256 : str
        Of that file.
    licence : str
        Of the text that is taken from it.
    """

    package: str
    version: str
    client: str
    archive: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class Part:
    """Files of one kind in an archive.

    Attributes
    ----------
    kind : str
    package : str
    patterns : tuple of str
        Globs below the unpacked archive.
    without : tuple of str
        Parts of paths that are left out: tables, and what has another licence.
    """

    kind: str
    package: str
    patterns: tuple[str, ...]
    without: tuple[str, ...] = ()


PSF = "PSF-2.0; a few C files MIT or BSD"
GPL2 = "GPL-2.0-or-later"
SOURCES = (
    Source(
        "python3.11", "3.11.2-6+deb12u8", "apt-source", "python3.11_3.11.2.orig.tar.gz",
        "2411c74bda5bbcfcddaf4531f66d1adc73f247f529aee981b029513aefdbf849", PSF,
    ),
    Source(
        "spdx-license-list", "6.12.0", "npm", "spdx-license-list-6.12.0.tgz",
        "54cc8d13086187333ca1457c8edaa06d9a412144f076aa7f7c1b59c4f3b0a1ef",
        "CC0-1.0 (the list); licences may be copied verbatim",
    ),
    Source(
        "manpages", "6.03-2", "apt", "manpages_6.03-2_all.deb",
        "efa1ba4cd19ad7baeae959c9209a7eb74be2ebb858bcabb412597bfc9f588c91",
        f"{GPL2}, Linux-man-pages-copyleft, BSD and MIT, a page each",
    ),
    Source(
        "manpages-dev", "6.03-2", "apt", "manpages-dev_6.03-2_all.deb",
        "96f55cb5e26231d5567c89b692bced63825a14a2d5bd18fdf16ea2ed44eb9838",
        f"{GPL2}, Linux-man-pages-copyleft, BSD and MIT, a page each",
    ),
    Source(
        "manpages-de", "4.18.1-1", "apt", "manpages-de_4.18.1-1_all.deb",
        "37d2e7ee51f22952aecec3af93647ff59194a3c74bb7a694560f49c7f7ab3978", "GPL-3.0-or-later",
    ),
    Source(
        "manpages-ja", "0.5.0.0.20221215+dfsg-1", "apt", "manpages-ja_0.5.0.0.20221215+dfsg-1_all.deb",
        "4d270e9a1e83be4de0c072a110892a17dc9caa4b501257324006ac28d82c5743",
        "free by Debian's guidelines, a page each, as the pages that they translate",
    ),
    Source(
        "debian-reference-de", "2.100", "apt", "debian-reference-de_2.100_all.deb",
        "3b0ce65fd63e75ddf8eb07ca36293425135080e690a07e06a6ac8bc8040ef0aa", GPL2,
    ),
    Source(
        "debian-reference-ja", "2.100", "apt", "debian-reference-ja_2.100_all.deb",
        "f67140e0b994409413bd5fcc8dfcce832445c99d724401f0275fa238daf30325", GPL2,
    ),
)  # fmt: skip
MAN_PAGES = ("usr/share/man/man*/*.gz", "usr/share/man/*/man*/*.gz")
REFERENCE = ("usr/share/debian-reference/*.txt.gz",)
PARTS = (
    Part("python", "python3.11", ("Python-*/Lib/**/*.py",), ("pydoc_data", "/encodings/", "lib2to3/tests/data")),
    Part(
        "c", "python3.11",
        ("Python-*/Objects/*.c", "Python-*/Python/*.c", "Python-*/Include/**/*.h", "Python-*/Modules/**/*.[ch]"),
        ("expat", "libmpdec", "_sha3", "_blake2", "cjkcodecs", "unicodedata_db", "unicodename_db", "unicodetype_db",
         "generated_cases"),
    ),
    Part("docs", "python3.11", ("Python-*/Doc/**/*.rst",)),
    Part("changelog", "python3.11", ("Python-*/Misc/NEWS", "Python-*/Misc/HISTORY")),
    Part("licence", "spdx-license-list", ("package/licenses/*.json",)),
    Part("man", "manpages", MAN_PAGES),
    Part("man", "manpages-dev", MAN_PAGES),
    Part("german", "manpages-de", MAN_PAGES),
    Part("german", "debian-reference-de", REFERENCE),
    Part("japanese", "manpages-ja", MAN_PAGES),
    Part("japanese", "debian-reference-ja", REFERENCE),
)  # fmt: skip
KINDS = tuple(dict.fromkeys(part.kind for part in PARTS))
