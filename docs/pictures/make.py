"""Make the pictures of this folder, and what ../how-to/report.md says of a page: ``python docs/pictures/make.py``.

Names of pages after it (new, large, replay, sweep, recording) make those alone.
It needs playwright and the system's Chromium. Loads are synthetic, or
those that come with the package, so that anybody gets the same pages.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from eplb_opt import Cost, Instance, Limits, replay, solve
from eplb_opt.formats import write_map
from eplb_opt.pages.html import write_page
from eplb_opt.pages.of_maps import page_of_maps
from eplb_opt.pages.of_replay import page_of_replay
from eplb_opt.pages.of_sweep import page_of_sweep
from eplb_opt.pages.studies import study_of_report
from eplb_opt.sweeping.setting import Setting
from eplb_opt.sweeping.sweep import sweep
from eplb_opt.synthetic import synthetic_load

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "how-to" / "report.md"
BEGIN = "<!-- page:begin -->"
END = "<!-- page:end -->"
COMMAND = (
    "eplb-opt report today.npz --replicas 288 --ranks 32 "
    "--map in_use.npz --slack 0.005 --method refined -o page.html"
)
LIMITS = Limits(seconds=None, work=2.0, gap=1e-3, workers=2)
DESK = (1240, 1240)
PHONE = (390, 1240)


class Shot(NamedTuple):
    """A picture: its page, how wide and high the window is, the colours, and where the page is scrolled to."""

    page: str
    size: tuple[int, int]
    scheme: str
    anchor: str = ""


SHOTS = {
    "light": Shot("new", DESK, "light"),
    "dark": Shot("new", DESK, "dark", "every-layer-every-method"),
    "94x320": Shot("large", DESK, "light"),
    "phone": Shot("new", PHONE, "dark", "who-waits-for-whom"),
    "replay": Shot("replay", DESK, "light"),
    "recording": Shot("recording", (1240, 960), "light", "window-by-window"),
    "sweep": Shot("sweep", DESK, "light", "what-to-take"),
}


def write_new_map(path: Path) -> None:
    """DeepSeek-V3 on 32 GPUs: yesterday's map, and the one for today; by the command that the documentation shows."""
    yesterday, today = synthetic_load("deepseek-v3-decode", windows=2, seed=0)
    ids = range(3, 61)
    old = Instance(yesterday, 288, num_ranks=32, layer_ids=ids)
    write_map(path.parent / "in_use.npz", solve(old, "greedy").placement)
    np.savez(path.parent / "today.npz", load=today, layer_ids=ids)
    words = [sys.executable, "-m", "eplb_opt.cli", *shlex.split(COMMAND)[1:]]
    printed = subprocess.check_output(words, cwd=path.parent, text=True)
    (path.parent / "page.html").rename(path)
    _write_example(printed)


def _write_example(printed: str) -> None:
    """What the command prints, into the documentation."""
    lines = [line for long in printed.splitlines() for line in textwrap.wrap(long, 120)]
    text = "\n".join(lines)
    block = f"{BEGIN}\n```bash\n{COMMAND}\n```\n\n```text\n{text}\n```\n{END}"
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + block + rest.partition(END)[2])


def write_large(path: Path) -> None:
    """94 layers on 320 GPUs, two slots each."""
    loads = np.random.default_rng(0).lognormal(0, 0.7, (94, 256))
    instance = Instance(np.rint(loads * 1e5), 640, num_ranks=320)
    result = solve(instance, "refined", LIMITS)
    study = study_of_report(result.to_dict(), instance, result.placement)
    write_page(path, page_of_maps(study))


def write_replay(path: Path) -> None:
    """Traffic of one kind, and of two kinds mixed, in turn, through policies."""
    windows = synthetic_load("deepseek-v3-decode", windows=24, seed=0)
    other = synthetic_load("deepseek-v3-decode", windows=24, seed=1)
    is_mixed = np.arange(24) // 6 % 2 == 1
    windows[is_mixed] += other[is_mixed]
    policies = ["contiguous", "greedy", "refined", "refined-windows", "own"]
    found = replay(
        windows, 288, num_ranks=32, policies=policies, tokens_per_step=16_384
    )
    write_page(path, page_of_replay(found.to_dict()))


def write_sweep(path: Path) -> None:
    """DeepSeek-V3 in time on an H100: slots and batches on two numbers of GPUs."""
    setting = Setting(
        synthetic_load("deepseek-v3-decode", windows=1, seed=0),
        range(256, 385, 32),
        [64, 32],
        [512, 2048, 8192, 32768],
        cost=Cost.load("h100-deepseek-v3"),
        bytes_per_expert=42 * 2**20,
        method="refined",
        limits=LIMITS,
    )
    write_page(path, page_of_sweep(sweep(setting)))


def write_recording(path: Path) -> None:
    """The recording that comes with the package: the greedy, on the sum of its windows, and a plan over them."""
    recorded = files("eplb_opt.recordings") / "small-moe-days.npz"
    sizes = ["--replicas", "80", "--ranks", "16", "--methods", "greedy,refined"]
    words = ["gap", str(recorded), *sizes, "--across", "mean", "--report", str(path)]
    subprocess.check_call([sys.executable, "-m", "eplb_opt.cli", *words, "--quiet"])


PAGES: dict[str, Callable[[Path], None]] = {
    "new": write_new_map,
    "large": write_large,
    "replay": write_replay,
    "sweep": write_sweep,
    "recording": write_recording,
}


def main() -> None:
    """Write the pages into a folder that is deleted again, and a picture of each shot here."""
    chosen = sys.argv[1:] or list(PAGES)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for name in chosen:
            PAGES[name](Path(folder, f"{name}.html"))
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        for name, shot in SHOTS.items():
            if shot.page in chosen:
                _take(browser, Path(folder), name, shot)
        browser.close()


def _take(browser: Browser, folder: Path, name: str, shot: Shot) -> None:
    width, height = shot.size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=shot.scheme,
        reduced_motion="reduce",
    )
    page.goto(f"{(folder / shot.page).as_uri()}.html")
    page.wait_for_selector("html[data-drawn=yes]")
    if shot.anchor:
        page.evaluate(f"document.getElementById('{shot.anchor}').scrollIntoView()")
    page.screenshot(path=HERE / f"{name}.png")
    page.close()


if __name__ == "__main__":
    main()
