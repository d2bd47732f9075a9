"""The documentation: ``make docs`` builds the Markdown pages of the repository, where they stand, into a site.

The source folder is the repository, so that a link from page to page is the same on the site as in a clone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from eplb_opt import __version__

os.environ["COLUMNS"] = "80"  # of the help texts
os.environ["NO_COLOR"] = "1"
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)

project = "eplb_opt"
author = "The eplb_opt authors"
version = release = __version__

root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/**.md",
    "models/README.md",
    "benchmarks/*.md",
    "tests/engines/BESIDE.md",
    "tests/engines/LOG.md",
    "eplb_opt/recordings/README.md",
]
exclude_patterns = [".*", "build", "dist", "benchmarks/template.md"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.programoutput",
]
default_role = "code"
smartquotes = False  # quotes and dots stay as they are typed

# Headings have the anchors that they have on GitHub; links to them are checked.
myst_heading_anchors = 4

napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"eplb_opt {__version__}"
html_show_copyright = False
