"""Pages in headless Chromium: they draw without an error and without a network, and do what they say."""

from __future__ import annotations

import re
import shutil

import pytest

from eplb_opt.pages.html import write_page

from .examples import PAGES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no Chromium here: apt-get install chromium", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api")

PHONE = {"width": 390, "height": 800}
DESK = {"width": 1280, "height": 900}
DRAWN = "html[data-drawn=yes]"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("pages")
    for name, make in PAGES.items():
        write_page(made / f"{name}.html", make())
    return made


@pytest.fixture
def opened(browser, folder):
    """Opens a page of a name; at the end nothing has gone wrong in any of them, and nothing was asked of a network."""
    wrong = []
    contexts = []

    def open_page(name, viewport=None, **options):
        context = browser.new_context(viewport=viewport or DESK, accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
        page.goto((folder / f"{name}.html").as_uri())
        page.wait_for_selector(DRAWN)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", PAGES)
def test_every_figure_is_drawn_and_fits(name, viewport, opened):
    page = opened(name, viewport)
    figures = page.locator("figure")
    assert figures.count() == len(PAGES[name]().figures)
    assert page.locator(".plot .main-svg").count() >= figures.count()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_key_numbers_are_there(opened):
    made = PAGES["moves"]()
    page = opened("moves")
    shown = page.locator("main").inner_text().replace("\u00a0", " ")
    for card in made.cards:
        assert card.value in shown
    for sentence in made.summary:
        assert sentence in shown


def test_every_choice_is_drawn(opened):
    page = opened("windows")
    for select in page.locator("select").all():
        for choice in select.locator("option").all_inner_texts():
            select.select_option(choice)
    assert page.locator(".plot .main-svg").count()


def test_pointing_at_a_rank_says_its_load_and_its_experts(opened):
    page = opened("moves")
    page.locator("[data-figure=ranks] .nsewdrag").first.hover()
    said = hovered(page, "ranks")
    assert re.search(r"layer [58], rank \d", said)
    assert re.search(r"experts \d+, \d+", said)


def test_arrow_keys_go_from_point_to_point(opened):
    page = opened("moves")
    page.locator("[data-figure=ranks] .plot").focus()
    said = [""]
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "PageDown"):
        page.keyboard.press(key)
        page.wait_for_function(f"{SAID} !== {said[-1]!r}")
        said.append(page.evaluate(SAID))
    del said[0]
    assert "layer 5, rank 0" in said[0]
    assert "layer 5, rank 1" in said[1]
    assert "layer 8, rank 1" in said[2]
    assert "layer 8, rank 1" in said[3]
    assert said[2] != said[3]  # the other map


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_those_of_the_system_until_the_reader_chooses(scheme, opened):
    page = opened("moves", color_scheme=scheme)
    other = {"light": "dark", "dark": "light"}[scheme]
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    before = background(page)
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == other
    page.wait_for_function(f"{BACKGROUND} !== {before!r}")


def hovered(page, figure):
    """What a figure says of the point that is pointed at, once it does."""
    layer = f"document.querySelector('[data-figure={figure}] .hoverlayer')"
    page.wait_for_function(f"{layer}.textContent !== ''")
    return page.locator(f"[data-figure={figure}] .hoverlayer").text_content()


SAID = "document.querySelector('[data-figure=ranks] output').textContent"
BACKGROUND = "document.querySelector('.plot').layout.template.layout.paper_bgcolor"


def background(page):
    return page.evaluate(BACKGROUND)


@pytest.mark.parametrize("form", ["svg", "png"])
def test_a_figure_is_saved(form, opened):
    page = opened("moves")
    with page.expect_download() as download:
        page.locator(f"[data-figure=layers] [data-save={form}]").click()
    saved = download.value
    assert saved.suggested_filename == f"eplb_opt-layers.{form}"
    start = {"svg": b"<svg", "png": b"\x89PNG"}[form]
    with open(saved.path(), "rb") as file:
        assert file.read(4) == start


def test_a_printed_page_is_light_and_becomes_dark_again(opened):
    page = opened("moves", color_scheme="dark")
    on_screen = background(page)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    widths = page.evaluate("[...document.querySelectorAll('.plot .main-svg')].map((svg) => svg.clientWidth)")
    assert max(widths) <= 700
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert background(page) == on_screen


def test_no_sentence_is_torn_between_two_printed_pages(opened):
    page = opened("moves")
    page.emulate_media(media="print")
    breaks = page.evaluate(
        "[...document.querySelectorAll('section > p, li')].map((it) => getComputedStyle(it).breakInside)"
    )
    assert set(breaks) == {"avoid"}


def test_labels_of_windows_are_no_markup(opened):
    page = opened("windows")
    page.locator("[data-figure=windows] .nsewdrag").first.hover(position={"x": 5, "y": 60})
    said = hovered(page, "windows")
    assert "<b>day</b>" in said
