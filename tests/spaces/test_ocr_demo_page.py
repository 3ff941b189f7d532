"""The demo as visitors meet it: in Chromium, through gradio_client, and through MCP."""

from __future__ import annotations

import ast
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.spaces.ocr_demo_server import PATIENCE, running_demo

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --enable-unsafe-swiftshader --use-gl=angle --use-angle=swiftshader""".split()  # noqa: SIM905
LONG_MS = 90_000 * PATIENCE
READY = ".stage .vanilla video[data-ready]"
LARGEST_SHAPE = """() => {
  const size = (path) => { const box = path.getBBox(); return box.width * box.height; };
  const paths = [...document.querySelectorAll('.stage .vanilla path')].sort((a, b) => size(b) - size(a));
  for (const path of paths) {
    const box = path.getBoundingClientRect();
    for (let i = 1; i < 12; i++) for (let j = 1; j < 12; j++) {
      const x = box.x + box.width * i / 12, y = box.y + box.height * j / 12;
      const around = [[0, 0], [8, 0], [-8, 0], [0, 8], [0, -8]];
      if (around.every(([dx, dy]) => document.elementFromPoint(x + dx, y + dy) === path))
        return { x, y, id: path.dataset.id };
    }
  }
}"""
KITCHEN = "?room=kitchen"
"""Without it the page opens on a story, which is answered by the pair of models that the story compares."""
ANSWERED = """(choice) => { const shown = document.querySelector('.answers');
  return shown?.dataset.link?.includes(choice) && !shown.classList.contains('stale')
    && document.querySelectorAll('.answers .model:not(.waits)').length === 2; }"""
"""Both models have answered what a link with this part shows."""
SHOWN_NOISE = "() => (document.querySelector('.stage .noisy video') || {}).src?.includes('noisy-')"

SLOW_WHEN_TOLD = """
import os, time
from room_demo import checkpoints
load = checkpoints.load

def note(*_):
    with open("layers", "a") as file:
        file.write("x")
    try:
        time.sleep(float(open("slow").read() or 0))
    except FileNotFoundError:
        pass

def load_slowly(model, cache=None):
    loaded = load(model, cache)
    for layer in loaded.model.model.language_model.layers:
        layer.register_forward_hook(note)
    return loaded

checkpoints.load = load_slowly
"""
"""Notes every layer that runs in the file `layers`; takes the seconds for it that `slow` says, while that is there."""
LAYER_S = 1.0
"""So long does a layer take in tests that stop an answer: longer than a busy machine is late."""
WATCH_SHIFTS = """
window.shifts = [];
const told = (one) => [one.node?.id || one.node?.className,
                       ...[one.previousRect, one.currentRect].map((box) => `${box.y}+${box.height}`)].join(' ');
new PerformanceObserver((seen) => {
  for (const shift of seen.getEntries())
    if (!shift.hadRecentInput) window.shifts.push([shift.value, shift.sources.map(told)]);
}).observe({ type: 'layout-shift', buffered: true });
"""
MOST_SHIFT = 0.1
"""What web.dev calls a good page: the share of the screen that moves, times how far, without anybody having acted."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with running_demo(folder, extra=SLOW_WHEN_TOLD) as found:
        yield found


@pytest.fixture(scope="module")
def client(address: str):
    from gradio_client import Client

    return Client(address, verbose=False)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed on this machine (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def new_page(browser, **named):
    page = browser.new_page(**named)
    page.set_default_timeout(30_000 * PATIENCE)
    return page


def pictures() -> Path:
    """Return the folder for screenshots: OCR_DEMO_SHOTS, else the working directory's outputs/screenshots."""
    folder = Path(os.environ.get("OCR_DEMO_SHOTS", "outputs/screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def open_page(
    browser, address: str, complaints: list[str], query: str = "", width: int = 1366, height: int = 768,
    first: str = "", **named,
):  # fmt: skip
    """first : a script that runs before all others of the page; named : for Playwright's `new_page`"""
    page = new_page(browser, viewport={"width": width, "height": height}, **named)
    page.add_init_script(WATCH_SHIFTS + first)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{address}/{query}")
    page.wait_for_selector(READY, timeout=LONG_MS)
    return page


def test_a_visit(browser, address: str) -> None:
    """Loads, plays, selects by a click, changes the strength, asks, reads both answers, shares and reopens the link."""
    complaints: list[str] = []
    page = open_page(browser, address, complaints, KITCHEN)
    page.wait_for_function("() => document.querySelector('.stage .vanilla video').currentTime > 0.3")
    page.wait_for_function(
        """() => { const [a, b] = document.querySelectorAll('.stage video');
        return Math.abs(a.currentTime - b.currentTime) < 0.4 && !b.paused; }"""
    )
    page.click(".stage .play")
    assert page.evaluate("() => [...document.querySelectorAll('.stage video')].every((video) => video.paused)")
    page.wait_for_selector(".stage .vanilla path", state="attached")
    target = page.evaluate(LARGEST_SHAPE)
    page.mouse.click(target["x"], target["y"])
    page.wait_for_function(f"() => document.querySelector('.stage').dataset.perturbed === '{target['id']}'")
    page.wait_for_function(SHOWN_NOISE)
    first = page.get_attribute(".stage .noisy video", "src")
    assert page.locator("#objects input:checked").count() == 1
    page.wait_for_function(
        """() => { const hit = document.querySelector('#objects input:checked'), list = hit.closest('.wrap');
        const [a, b] = [hit.getBoundingClientRect(), list.getBoundingClientRect()];
        return a.top >= b.top && a.bottom <= b.bottom; }"""
    )
    page.locator(".stage .switch input").check()
    assert "outlined" in page.get_attribute(".stage", "class")

    # Nobody presses a button: the click is answered, and so is every later change
    page.wait_for_function(ANSWERED, arg=f"o={target['id']}&", timeout=LONG_MS)
    assert "Untrained model" in page.inner_text("#answers")
    page.locator("#strength input[type=range]").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.locator(".stage .noisy figcaption").filter(has_text="(gaussian 0.7)").wait_for()
    page.wait_for_function(ANSWERED, arg="s=0.7&", timeout=LONG_MS)
    assert "stale" not in page.get_attribute(".answers", "class")
    assert page.get_attribute(".stage .noisy video", "src") != first
    lowest = page.locator(".answers .model .options").first.bounding_box()
    assert lowest["y"] + lowest["height"] < 768, "the first model's bars are below the fold"
    page.screenshot(path=pictures() / "laptop.png")
    widths = page.eval_on_selector_all(
        ".answers .model:first-child .fill.vanilla", "all => all.map((fill) => parseFloat(fill.style.width))"
    )
    assert len(widths) >= 2 and 98 <= sum(widths) <= 102

    page.get_by_role("tab", name="Findings").click()
    page.wait_for_selector("#findings td")
    with page.expect_download() as download:
        page.click("#csv")
    assert "Noise on" in Path(download.value.path()).read_text().splitlines()[0]
    shifts = page.evaluate("() => window.shifts")
    assert sum(value for value, _ in shifts) < MOST_SHIFT, "\n".join(map(str, shifts))
    page.screenshot(path=pictures() / "light.png", full_page=True)

    link = page.url
    assert f"o={target['id']}" in link
    again = open_page(browser, link, complaints)
    again.wait_for_function(SHOWN_NOISE)
    assert again.get_attribute(".stage .noisy video", "src") == page.get_attribute(".stage .noisy video", "src")
    assert again.get_attribute(".stage", "data-perturbed") == target["id"]
    again.close()
    page.close()
    assert complaints == []


def test_dark_and_narrow_and_without_a_mouse(browser, address: str) -> None:
    complaints: list[str] = []
    dark = open_page(browser, address, complaints, "?__theme=dark&p=random&n=3")
    dark.wait_for_function(SHOWN_NOISE)
    ground, text = dark.evaluate(
        """() => { const dark = (value) => value.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + +part, 0);
        return [dark(getComputedStyle(document.querySelector("gradio-app")).backgroundColor),
                dark(getComputedStyle(document.querySelector('.top p')).color)]; }"""
    )
    assert ground < 200 < 350 < text
    dark.screenshot(path=pictures() / "dark.png", full_page=True)
    dark.close()

    phone = open_page(browser, address, complaints, width=390, height=844)
    phone.wait_for_selector(".answers .model .share", timeout=LONG_MS)
    assert phone.locator(".answers .model .options").first.bounding_box()["y"] < 800, "no bars on the first screen"
    told = phone.get_by_role("tab").all_inner_texts()
    assert "Edit in 3D" in told, told  # else it is in a menu, where nobody looks
    phone.get_by_label("More tabs").click()
    phone.locator(".overflow-dropdown button").filter(has_text="Findings").click()
    table = phone.locator("#pair-test table")
    table.wait_for()
    assert table.bounding_box()["height"] < 400, "the table is as narrow as a letter"
    phone.close()
    phone = open_page(browser, address, complaints, KITCHEN, width=390, height=844)
    assert phone.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    box = phone.locator("#objects input").first
    box.focus()
    phone.keyboard.press("Space")
    phone.wait_for_function(SHOWN_NOISE)
    assert phone.evaluate("() => document.querySelectorAll('#objects input[tabindex=\"0\"]').length") == 1
    phone.locator(".stage input[type=range]").focus()
    before = phone.evaluate("() => +document.querySelector('.stage input[type=range]').value")
    phone.keyboard.press("ArrowRight")
    phone.wait_for_function(f"() => +document.querySelector('.stage input[type=range]').value !== {before}")
    assert phone.evaluate("() => document.querySelector('.stage video').paused")
    phone.screenshot(path=pictures() / "narrow.png", full_page=True)
    phone.close()
    assert complaints == []


def tick(page, number: int) -> None:
    """Tick an object of the list."""
    page.locator("#objects input").nth(number).check()


def kitchen_with_noise(browser, address: str, complaints: list[str]):
    """Return the page of a kitchen with noise on the first object of its list, answered, and that object's id."""
    page = open_page(browser, address, complaints, KITCHEN)
    page.wait_for_function(ANSWERED, arg="room=kitchen", timeout=LONG_MS)
    tick(page, 0)
    page.wait_for_function(SHOWN_NOISE)
    chosen = page.get_attribute(".stage", "data-perturbed")
    page.wait_for_function(ANSWERED, arg=f"o={chosen}&", timeout=LONG_MS)
    return page, chosen


def test_back_goes_to_the_view_before_and_stays_on_the_page(browser, address: str) -> None:
    complaints: list[str] = []
    page, chosen = kitchen_with_noise(browser, address, complaints)
    # A knob is no step of its own
    page.locator("#strength input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(ANSWERED, arg="s=0.55&", timeout=LONG_MS)
    page.go_back()
    page.wait_for_function("() => document.querySelector('.stage').dataset.perturbed === ''")
    page.wait_for_function(ANSWERED, arg="o=&", timeout=LONG_MS)
    assert page.locator("#objects input:checked").count() == 0 and "room=kitchen" in page.url
    page.go_forward()
    page.wait_for_function(ANSWERED, arg=f"o={chosen}&mode=gaussian&s=0.55&", timeout=LONG_MS)
    assert page.get_attribute(".stage", "data-perturbed") == chosen
    page.close()
    assert complaints == []


def test_the_newest_choice_is_answered_though_earlier_ones_are_still_at_work(
    browser, address: str, folder: Path
) -> None:
    complaints: list[str] = []
    page, chosen = kitchen_with_noise(browser, address, complaints)
    layers, slow = folder / "layers", folder / "slow"
    slow.write_text("1.5")

    def open_link(strength: float) -> None:
        """Do what rooms.js does after Back; with these strengths nothing has been answered before."""
        link = f"?room=kitchen&o={chosen}&mode=gaussian&s={strength}"
        page.evaluate("(detail) => document.dispatchEvent(new CustomEvent('wish-room', { detail }))", link)

    before = layers.stat().st_size
    open_link(0.31)
    wait_until(lambda: layers.stat().st_size > before)
    for strength in (0.32, 0.33, 0.34):  # all while the answer to the first is at work
        open_link(strength)
    page.wait_for_timeout(400)
    slow.unlink()
    page.wait_for_function(ANSWERED, arg="s=0.34&", timeout=LONG_MS)
    page.wait_for_function("() => !document.querySelector('.rooms').classList.contains('busy')")
    page.close()
    assert complaints == []


def test_the_share_card_is_drawn_when_it_is_wanted(browser, address: str, tmp_path: Path) -> None:
    complaints: list[str] = []
    page = open_page(browser, address, complaints)
    page.wait_for_function(
        "() => document.querySelectorAll('.answers .model:not(.waits)').length === 2", timeout=LONG_MS
    )
    with page.expect_download() as waited:
        page.click("#share-card")
    assert waited.value.suggested_filename == "ocr-hf-answer.png"
    waited.value.save_as(tmp_path / "card.png")
    with Image.open(tmp_path / "card.png") as card:
        assert card.width == 1200
        card.save(pictures() / "share_card.png")
    page.close()
    assert complaints == []


def test_a_visitor_guesses_before_the_answers_show(browser, address: str) -> None:
    complaints: list[str] = []
    page = open_page(browser, address, complaints)
    page.wait_for_selector(".answers .model .share", timeout=LONG_MS)
    page.locator("#guess-first input").check()
    page.get_by_text("it asks you before").wait_for()
    page.locator(".rooms button.story").nth(1).click()
    page.wait_for_selector("#guess input", timeout=LONG_MS)
    page.wait_for_function(ANSWERED, arg="room=shelf", timeout=LONG_MS)
    for told in (".answers .model", ".answers .asked small", "#story"):
        assert not page.locator(told).first.is_visible(), told
    page.screenshot(path=pictures() / "guess.png")
    page.locator("#guess input").first.check()
    page.get_by_text("of 1").first.wait_for()
    assert page.locator(".answers .model").first.is_visible() and page.locator("#guess").count() == 0
    page.close()
    assert complaints == []


def test_two_tabs_do_not_meet(browser, address: str) -> None:
    """What one tab asks neither ends nor shows what the other one does."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    pages = []
    for _ in range(2):
        page = context.new_page()
        page.set_default_timeout(30_000 * PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/{KITCHEN}")
        page.wait_for_selector(READY, timeout=LONG_MS)
        pages.append(page)
    for number, page in enumerate(pages, start=2):
        tick(page, number)
    for page in pages:
        page.wait_for_function(SHOWN_NOISE)
        chosen = page.get_attribute(".stage", "data-perturbed")
        page.wait_for_function(ANSWERED, arg=f"o={chosen}&", timeout=LONG_MS)
        assert f"o={chosen}&" in page.url and page.locator("#findings tr").count() <= 5
    assert len({page.get_attribute(".stage", "data-perturbed") for page in pages}) == 2
    context.close()
    assert complaints == []


def test_after_a_lost_connection_the_page_shows_what_it_showed(browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.set_default_timeout(30_000 * PATIENCE)
    page.goto(f"{address}/{KITCHEN}")
    page.wait_for_selector(READY, timeout=LONG_MS)
    tick(page, 1)
    page.wait_for_function(SHOWN_NOISE)
    chosen = page.get_attribute(".stage", "data-perturbed")
    page.wait_for_function(ANSWERED, arg=f"o={chosen}&", timeout=LONG_MS)
    context.set_offline(True)
    page.locator("#objects input").nth(3).check()
    page.get_by_text("Connection to the server was lost").first.wait_for()
    with page.expect_event("load"):  # Gradio loads the page again, and its address shows what it showed
        context.set_offline(False)
    page.wait_for_function(ANSWERED, arg=f"o={chosen}&", timeout=LONG_MS)
    tick(page, 3)
    page.wait_for_function("() => document.querySelector('.stage').dataset.perturbed.includes('.')")
    both = page.get_attribute(".stage", "data-perturbed")
    linked = page.evaluate("() => new URLSearchParams(location.search).get('o')")  # in the order of the clicks
    assert chosen in both.split(".") and sorted(linked.split(".")) == sorted(both.split("."))
    page.wait_for_function(ANSWERED, arg=f"o={linked}&", timeout=LONG_MS)
    context.close()


def test_a_newer_choice_ends_the_answer_that_it_makes_stale_and_so_does_stop(
    browser, address: str, folder: Path
) -> None:
    complaints: list[str] = []
    page, _ = kitchen_with_noise(browser, address, complaints)
    layers, slow = folder / "layers", folder / "slow"

    def ask(seed: int) -> None:
        """Ask with noise of a seed that no other test has had answered."""
        page.fill("#seed input", str(seed))
        page.keyboard.press("Enter")

    def ended_early(before: int) -> bool:
        """Return whether no layer begins any more, though fewer have run than an answer takes."""
        ran = layers.stat().st_size
        time.sleep(2.5 * LAYER_S)
        return layers.stat().st_size == ran < before + whole

    before = layers.stat().st_size
    ask(5)
    page.wait_for_function(ANSWERED, arg="seed=5&", timeout=LONG_MS)
    whole = layers.stat().st_size - before
    slow.write_text(str(LAYER_S))
    before = layers.stat().st_size
    ask(1)
    # Looked at in the page, whose own clock it is: an answer may come while this process is late
    page.wait_for_function("() => document.querySelector('.answers').classList.contains('stale')", polling=10)
    wait_until(lambda: layers.stat().st_size > before)
    clip = page.evaluate("() => document.querySelector('.stage .noisy video').src")
    ask(6)
    # Once it shows, the choice is known to the page's process, which may be told of a stop before that
    page.wait_for_function("(clip) => document.querySelector('.stage .noisy video')?.src !== clip", arg=clip)
    page.click("#stop")
    page.get_by_text("Stopped.").wait_for()
    assert ended_early(before)
    slow.unlink()
    ask(2)
    page.wait_for_function(ANSWERED, arg="seed=2&", timeout=LONG_MS)
    slow.write_text(str(LAYER_S))
    before = layers.stat().st_size
    ask(3)
    wait_until(lambda: layers.stat().st_size > before)
    page.close()
    wait_until(lambda: ended_early(before))  # who leaves is not worked for any longer
    slow.unlink()
    assert complaints == []


def wait_until(ready, seconds: float = 60.0 * PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


AXE = Path(os.environ.get("OCR_DEMO_AXE", "node_modules/axe-core/axe.min.js"))
"""As `npm install axe-core` puts it, or wherever the variable says."""


@pytest.mark.parametrize("size", [(1366, 768), (390, 844)], ids=["laptop", "phone"])
@pytest.mark.parametrize("query", ["?", "?__theme=dark", f"{KITCHEN}&p=queried&n=1"], ids=["story", "dark", "room"])
def test_axe_finds_no_violation(browser, address: str, query: str, size: tuple[int, int]) -> None:
    if not AXE.is_file():
        pytest.skip(f"{AXE} isn't there (npm install axe-core)")
    page = open_page(browser, address, [], query, *size)
    page.wait_for_selector(".answers .model .share", timeout=LONG_MS)
    page.wait_for_timeout(1000)
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    height = page.evaluate("() => document.documentElement.scrollHeight")
    page.close()
    assert height < 3 * 844


NO_WEBGL = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...named) {
  return kind.startsWith('webgl') ? null : get.call(this, kind, ...named);
};
"""


def open_3d(browser, address: str, complaints: list[str], query: str):
    """Return a page that shows a room in 3D, in a browser without WebGL, and a function that takes its pixels."""
    page = open_page(browser, address, complaints, query, height=1100, first=NO_WEBGL)
    page.wait_for_selector(".answers .model .share", timeout=LONG_MS)
    page.get_by_role("tab", name="Edit in 3D").click()
    page.wait_for_selector(".room3d[data-drawn]", timeout=LONG_MS)
    page.locator(".room3d canvas").scroll_into_view_if_needed()

    def pixels() -> np.ndarray:
        """(H, W, 3) int."""
        page.locator(".room3d canvas").screenshot(path=pictures() / "room3d.png")
        return np.asarray(Image.open(pictures() / "room3d.png").convert("RGB")).astype(int)

    return page, pixels


def places_of(page) -> dict[str, list[tuple[float, float]]]:
    """Return where on the screen the pointer is told which thing."""
    box, found = page.locator(".room3d canvas").bounding_box(), {}
    for y in np.linspace(box["y"] + 6, box["y"] + box["height"] - 6, 24).tolist():
        for x in np.linspace(box["x"] + 6, box["x"] + box["width"] - 6, 40).tolist():
            page.mouse.move(x, y)
            name = page.evaluate("() => document.querySelector('.room3d .tip').textContent")
            if name:
                found.setdefault(name, []).append((x, y))
    return found


def test_things_are_picked_in_3d_without_webgl(browser, address: str) -> None:
    complaints: list[str] = []
    page, pixels = open_3d(browser, address, complaints, f"{KITCHEN}&p=random&n=2")
    shown = pixels()
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 500  # textured furniture
    red, green, blue = shown.transpose(2, 0, 1)
    assert ((red > 120) & (green < 0.5 * red) & (blue < 0.2 * red)).sum() > 50  # a perturbed object
    found = places_of(page)
    assert len(found) > 3
    name, places = max(found.items(), key=lambda item: len(item[1]))
    page.mouse.click(*places[len(places) // 2])
    page.wait_for_function("(name) => document.querySelector('#edit-object input').value === name", arg=name)
    page.mouse.move(1, 1)

    def outlined() -> bool:
        return bool((pixels() == [0x4F, 0x46, 0xE5]).all(axis=-1).sum() > 20)

    wait_until(outlined)
    # By keyboard: the list picks, too, and the buttons turn the room
    before = pixels()
    page.locator("#edit-object input").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("(name) => document.querySelector('#edit-object input').value !== name", arg=name)
    wait_until(lambda: outlined() and (pixels() != before).any())
    before = pixels()
    page.get_by_role("button", name="Turn the room to the left").focus()
    page.keyboard.press("Enter")
    wait_until(lambda: (pixels() != before).any(axis=-1).mean() > 0.1)
    page.close()
    assert complaints == []


EDITS = "() => JSON.parse(new URLSearchParams(location.search).get('e') || '[]').map(({ kind }) => kind).join(' ')"


def test_a_thing_is_dragged_in_3d_and_every_click_on_a_button_counts(browser, address: str) -> None:
    complaints: list[str] = []
    page, _ = open_3d(browser, address, complaints, "?room=shelf-conflict-3000006&o=1&mode=gaussian&s=1&q=0")
    places = places_of(page)["lamp"]
    x, y = places[len(places) // 2]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y, steps=3)
    page.mouse.move(x - 90, y, steps=3)
    page.mouse.up()
    page.wait_for_function(f"({EDITS})() === 'move'", timeout=LONG_MS)
    page.locator(".stage .noisy figcaption").filter(has_text="Edited").wait_for()
    page.wait_for_function(ANSWERED, arg="e=", timeout=LONG_MS)
    assert page.input_value("#edit-object input") == "lamp"
    for action in ("smaller", "turn", "turn", "undo", "larger"):  # all while the first is at work
        page.click(f"#edit-{action}")
    page.wait_for_function(f"({EDITS})() === 'move scale rotate scale'", timeout=LONG_MS)
    page.wait_for_function(ANSWERED, arg="rotate", timeout=LONG_MS)
    page.wait_for_function("() => !document.querySelector('.room3d').classList.contains('busy')")
    page.screenshot(path=pictures() / "edit.png")
    page.close()
    assert complaints == []


def swipe(page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Move a finger over the screen, as a touch screen tells the browser of it."""
    touch = page.context.new_cdp_session(page)
    for number in range(9):
        x, y = (a + (b - a) * number / 8 for a, b in zip(start, end, strict=True))
        kind = "touchMove" if number else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        page.wait_for_timeout(20)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    touch.detach()


def test_a_finger_scrolls_the_page_over_the_room_in_3d_and_drags_what_it_has_picked(browser, address: str) -> None:
    complaints: list[str] = []
    shelf = "?room=shelf-conflict-3000006&o=1&mode=gaussian&s=1&q=0"
    page = open_page(browser, address, complaints, shelf, 390, 844, has_touch=True, is_mobile=True)
    page.wait_for_selector(".answers .model .share", timeout=LONG_MS)
    page.get_by_role("tab", name="Edit in 3D").click()
    page.wait_for_selector(".room3d[data-drawn]", timeout=LONG_MS)
    canvas = page.locator(".room3d canvas")
    canvas.evaluate("(canvas) => canvas.scrollIntoView({ block: 'center' })")
    places = places_of(page)
    at = {name: found[len(found) // 2] for name, found in places.items()}
    chosen = "document.querySelector('#edit-object input').value"
    name = next(name for name in at if name not in ("lamp", page.evaluate(chosen)))

    def top() -> float:
        """Where the canvas is on the screen: the browser keeps it there when something above it grows."""
        return canvas.bounding_box()["y"]

    before = top()
    swipe(page, at[name], (at[name][0], at[name][1] - 120))
    wait_until(lambda: top() < before - 60)
    assert page.evaluate(chosen) != name  # what the finger came down on isn't picked
    page.wait_for_timeout(500)  # it rolls on for a moment
    canvas.evaluate("(canvas) => canvas.scrollIntoView({ block: 'center' })")
    x, y, before = at["lamp"][0], at["lamp"][1] + top() - before, top()
    page.touchscreen.tap(x, y)
    page.wait_for_function(f"() => {chosen} === 'lamp'")
    lower = y < before + canvas.bounding_box()["height"] / 2
    swipe(page, (x, y), (x, y + (80 if lower else -80)))
    assert abs(top() - before) < 5
    page.wait_for_function(f"({EDITS})() === 'move'", timeout=LONG_MS)
    page.close()
    assert complaints == []


def test_a_broken_link_and_a_bad_upload_leave_the_page_alive(browser, address: str, tmp_path: Path) -> None:
    page = new_page(browser)
    page.goto(f"{address}/?room=attic&o=9999.x&s=nan&mode=blur&q=-5")
    page.wait_for_selector(READY, timeout=LONG_MS)
    page.get_by_text("There is no room 'attic'").wait_for()
    (tmp_path / "fake.glb").write_bytes(b"PK\x03\x04 not a mesh")
    page.get_by_role("tab", name="Your scene").click()
    page.locator("#glb input[type=file]").set_input_files(tmp_path / "fake.glb")
    page.locator("#glb").get_by_text("fake").first.wait_for()
    page.get_by_role("button", name="Film this scene").click()
    page.get_by_text("is no GLB").wait_for()
    page.get_by_role("tab", name="Settings").click()
    page.locator("#objects input").first.check()
    page.wait_for_selector(".answers .model .share", timeout=LONG_MS)
    page.close()


def test_endpoints_are_typed_told_and_no_others_are_public(client) -> None:
    told = client.view_api(return_format="dict")["named_endpoints"]
    names = ("rooms", "describe_room", "perturb", "compare_answers", "edit_room", "probe_answer")
    assert set(told) == {f"/{name}" for name in names}
    names = [parameter["parameter_name"] for parameter in told["/perturb"]["parameters"]]
    assert names == ["room", "object_ids", "policy", "max_objects", "mode", "strength", "seed", "question"]
    assert all(endpoint["description"] for endpoint in told.values())


def test_a_program_perturbs_and_asks(client, address: str) -> None:
    room = client.predict("kitchen", api_name="/describe_room")
    target = room["objects"][0]["id"]
    made = client.predict("kitchen", [target], api_name="/perturb")
    assert made["object_ids"] == [target] and made["variant"] in made["noisy"]
    assert made["noisy"].startswith(f"{address}/media/")
    with urllib.request.urlopen(made["noisy"]) as answer:
        assert answer.headers["content-type"] == "video/mp4" and answer.read()[4:8] == b"ftyp"
    both = client.predict("kitchen", 0, [], "queried", api_name="/compare_answers")
    assert both["frames"] == 4 and set(both["vanilla"]) == {"text", "extracted", "valid", "score", "probabilities"}
    assert both["prompt"].startswith("These are frames of a video.") and both["changed"]
    assert both == client.predict("kitchen", 0, [], "queried", api_name="/compare_answers")


@pytest.mark.parametrize(
    ("endpoint", "arguments", "says"),
    [
        ("/perturb", ("attic", []), "no room"),
        ("/perturb", ("../clips", []), "no room"),
        ("/perturb", ("kitchen", [65535]), "no object 65535"),
        ("/perturb", ("kitchen", "all"), "list of"),
        ("/edit_room", ("kitchen", [{"kind": "explode"}]), "edits are not"),
        ("/edit_room", ("kitchen", [{"kind": "remove", "objects": [65535], "parameters": {}}]), "can't be"),
        ("/perturb", ("kitchen", [], "chosen", 2, "gaussian", 7.0), "strength"),
        ("/compare_answers", ("kitchen", 99_999, []), "no question"),
        ("/compare_answers", ("kitchen", 0, [], "chosen", 2, "gaussian", 0.5, 0, "/etc"), "not started with"),
        ("/compare_answers", ("kitchen", 0, [], "chosen", 2, "gaussian", 0.5, 0, "", "x " * 5000), "characters"),
    ],
)
def test_bad_requests_are_told_in_a_sentence(client, endpoint: str, arguments: tuple, says: str) -> None:
    with pytest.raises(Exception) as error:
        client.predict(*arguments, api_name=endpoint)
    assert says in str(error.value) and "Traceback" not in str(error.value)


def test_files_outside_the_apps_folders_cannot_be_read(client, address: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    room = client.predict("kitchen", api_name="/describe_room")["id"]
    for path in (
        f"gradio_api/file={secret}",
        "gradio_api/file=/etc/passwd",
        "media/../clips/x/clip.json",
        f"media/..%2Fclips%2F{room}%2Fclip.json",
        f"media/%2e%2e/clips/{room}/clip.json",
        "media//etc/passwd",
        f"media/{room}/",
    ):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{address}/{path}")
        assert error.value.code in (403, 404)


def test_tools_are_offered_to_agents(address: str) -> None:
    with urllib.request.urlopen(f"{address}/gradio_api/mcp/schema") as answer:
        tools = {tool["name"].split("/")[-1]: tool for tool in json.load(answer)}
    assert any(name.endswith("perturb") for name in tools) and len(tools) == 6
    told = next(tool for name, tool in tools.items() if name.endswith("perturb"))
    assert "Object-Centric 3D Rollout" in told["description"]
    assert {"room", "object_ids", "strength"} <= set(told["inputSchema"]["properties"])


def test_an_agent_calls_a_tool(address: str) -> None:
    import asyncio

    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def visit() -> tuple[set[str], object, object]:
        url = f"{address}/gradio_api/mcp/"
        async with streamable_http_client(url) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            tools = {tool.name for tool in (await session.list_tools()).tools}
            (describe,) = [name for name in tools if name.endswith("describe_room")]
            told = await session.call_tool(describe, {"room": "kitchen"})
            return tools, told, await session.call_tool(describe, {"room": "attic"})

    with ThreadPoolExecutor(1) as pool:  # Playwright's own loop runs in this thread
        tools, told, refused = pool.submit(lambda: asyncio.run(visit())).result()
    assert len(tools) == 6 and not told.isError
    assert {"objects", "questions"} <= set(ast.literal_eval(told.content[0].text))
    assert refused.isError and "no room 'attic'" in refused.content[0].text
