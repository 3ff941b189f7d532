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
SHOWN_NOISE = "() => (document.querySelector('.stage .noisy video') || {}).src?.includes('noisy-')"

SLOW_WHEN_TOLD = """
import os, time
from room_demo import checkpoints
load = checkpoints.load

def note(*_):
    with open("layers", "a") as file:
        file.write("x")
    if os.path.exists("slow"):
        time.sleep(0.2)

def load_slowly(model, cache=None):
    loaded = load(model, cache)
    for layer in loaded.model.model.language_model.layers:
        layer.register_forward_hook(note)
    return loaded

checkpoints.load = load_slowly
"""
"""Notes every layer that runs in the file `layers`, and takes its time while there is a file `slow`."""
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


def open_page(browser, address: str, complaints: list[str], query: str = "", width: int = 1366, height: int = 768):
    page = new_page(browser, viewport={"width": width, "height": height})
    page.add_init_script(WATCH_SHIFTS)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{address}/{query}")
    page.wait_for_selector(READY, timeout=LONG_MS)
    return page


def test_a_visit(browser, address: str) -> None:
    """Loads, plays, selects by a click, changes the strength, asks, reads both answers, shares and reopens the link."""
    complaints: list[str] = []
    page = open_page(browser, address, complaints)
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

    page.fill("#strength input[type=number]", "0.9")
    page.keyboard.press("Enter")
    noisy = page.locator(".stage .noisy figcaption")
    noisy.filter(has_text="(gaussian 0.9)").wait_for()
    page.locator("#strength input[type=range]").focus()
    page.keyboard.press("ArrowLeft")  # keys move the slider, and the video follows
    noisy.filter(has_text="(gaussian 0.85)").wait_for()
    assert page.get_attribute(".stage .noisy video", "src") != first
    page.screenshot(path=pictures() / "laptop.png")

    page.click("#ask")
    page.wait_for_selector(".answers .card.noisy .value", timeout=LONG_MS)
    cards = page.locator(".answers .card")
    assert cards.count() == 2
    assert "Untrained model" in page.inner_text("#answers")
    shares = [float(text.removesuffix(" %")) for text in cards.nth(0).locator(".share").all_inner_texts()]
    assert len(shares) >= 2 and 98 <= sum(shares) <= 102
    page.wait_for_selector("#findings td")
    assert page.is_enabled("#csv")
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
    assert phone.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    box = phone.locator("#objects input").first
    box.focus()
    phone.keyboard.press("Space")
    phone.wait_for_function(SHOWN_NOISE)
    phone.locator(".stage input[type=range]").focus()
    before = phone.evaluate("() => +document.querySelector('.stage input[type=range]').value")
    phone.keyboard.press("ArrowRight")
    phone.wait_for_function(f"() => +document.querySelector('.stage input[type=range]').value !== {before}")
    assert phone.evaluate("() => document.querySelector('.stage video').paused")
    phone.screenshot(path=pictures() / "narrow.png", full_page=True)
    phone.close()
    assert complaints == []


def test_stop_ends_an_answer_that_is_being_written(browser, address: str, folder: Path) -> None:
    complaints: list[str] = []
    page = open_page(browser, address, complaints)
    layers, slow = folder / "layers", folder / "slow"
    page.get_by_text("More: own words").click()
    page.fill("#own-words textarea", "Is there a way out?")
    slow.touch()
    before = layers.stat().st_size if layers.exists() else 0
    page.click("#ask")
    wait_until(lambda: layers.exists() and layers.stat().st_size > before + 2)
    page.click("#stop")
    page.get_by_text("Stopped.").wait_for()
    ran = layers.stat().st_size
    page.wait_for_timeout(1500)
    assert layers.stat().st_size == ran < before + 2 * 40  # 48 tokens of two layers would have followed
    slow.unlink()
    page.click("#ask")
    page.wait_for_selector(".answers .card.noisy .raw", timeout=LONG_MS)
    assert page.locator("#findings tbody tr").count() == 1

    page.fill("#own-words textarea", "And another way?")
    slow.touch()
    before = layers.stat().st_size
    page.click("#ask")
    wait_until(lambda: layers.stat().st_size > before + 2)
    page.close()  # who leaves is not worked for any longer
    time.sleep(1.0)
    ran = layers.stat().st_size
    time.sleep(1.5)
    slow.unlink()
    assert layers.stat().st_size == ran < before + 2 * 40
    assert complaints == []


def wait_until(ready, seconds: float = 60.0 * PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_the_3d_room_draws(browser, address: str) -> None:
    complaints: list[str] = []
    page = open_page(browser, address, complaints, "?p=random&n=2")
    page.get_by_role("tab", name="3D room").click()
    page.wait_for_selector("#model canvas", timeout=LONG_MS)

    def pixels() -> np.ndarray:
        """(H, W, 3) int below the label."""
        page.locator("#model").screenshot(path=pictures() / "model.png")
        return np.asarray(Image.open(pictures() / "model.png").convert("RGB"))[40:].astype(int)

    wait_until(lambda: len(np.unique(pixels().reshape(-1, 3), axis=0)) > 500)  # textured furniture; empty it is white
    red, green, blue = pixels().transpose(2, 0, 1)
    assert ((red > 180) & (green < 150) & (blue < 90)).sum() > 50  # a perturbed object or its box
    assert ((blue > 120) & (red < 100)).sum() > 50  # the camera's walk
    page.close()
    # Babylon tries WebGPU first and says loudly that this headless Chromium has none
    assert [text for text in complaints if "WebGPU" not in text] == []


def test_a_broken_link_and_a_bad_upload_leave_the_page_alive(browser, address: str, tmp_path: Path) -> None:
    page = new_page(browser)
    page.goto(f"{address}/?room=attic&o=9999.x&s=nan&mode=blur&q=-5")
    page.wait_for_selector(READY, timeout=LONG_MS)
    page.get_by_text("There is no room 'attic'").wait_for()
    (tmp_path / "fake.glb").write_bytes(b"PK\x03\x04 not a mesh")
    page.get_by_role("tab", name="Your own scene").click()
    page.locator("#glb input[type=file]").set_input_files(tmp_path / "fake.glb")
    page.locator("#glb").get_by_text("fake").first.wait_for()
    page.get_by_role("button", name="Film this scene").click()
    page.get_by_text("is no GLB").wait_for()
    page.click("#ask")
    page.wait_for_selector(".answers .card", timeout=LONG_MS)
    page.close()


def test_endpoints_are_typed_told_and_no_others_are_public(client) -> None:
    told = client.view_api(return_format="dict")["named_endpoints"]
    assert set(told) == {"/rooms", "/describe_room", "/perturb", "/compare_answers"}
    names = [parameter["parameter_name"] for parameter in told["/perturb"]["parameters"]]
    assert names == ["room", "object_ids", "policy", "max_objects", "mode", "strength", "seed", "question"]
    assert all(endpoint["description"] for endpoint in told.values())


def test_a_program_perturbs_and_asks(client, address: str) -> None:
    room = client.predict("kitchen", api_name="/describe_room")
    target = room["objects"][0]["id"]
    made = client.predict("kitchen", [target], api_name="/perturb")
    assert made["object_ids"] == [target] and made["variant"] in made["noisy"]
    with urllib.request.urlopen(f"{address}/{made['noisy']}") as answer:
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
    assert any(name.endswith("perturb") for name in tools) and len(tools) == 4
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
    assert len(tools) == 4 and not told.isError
    assert {"objects", "questions"} <= set(ast.literal_eval(told.content[0].text))
    assert refused.isError and "no room 'attic'" in refused.content[0].text
