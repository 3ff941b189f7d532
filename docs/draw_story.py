"""Draws docs/images/space_story.webp: the demo's first story, from no noise to full noise, as a visitor sees it.

    python docs/draw_story.py            # needs Chromium, playwright, and the pair in model_cards/planted-lock
    python docs/draw_story.py --address http://127.0.0.1:7860 --story moved-vase

Starts the demo itself unless an address is given; every picture is a screenshot.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.spaces.ocr_demo_server import running_demo  # noqa: E402
from tests.spaces.test_ocr_demo_page import ANSWERED, FLAGS, LONG_MS, READY  # noqa: E402

IMAGE = Path(__file__).parent / "images" / "space_story.webp"
STRENGTHS = (0.0, 0.3, 0.6, 1.0)
SIZE = (1180, 1000)
"""Of the page, pixels: high enough for both models' bars."""
WIDTH = 1000
MOVING, EVERY_MS, STILL_MS = 8, 110, 1500
"""Pictures while the bars move, how long each is shown, and for how long what they moved to."""
TELLING_FRAME = """async (object) => {
  const slider = document.querySelector('.stage input[type=range]');
  const size = (path) => { const box = path?.getBBox(); return box ? box.width * box.height : 0; };
  let best = [0, 0];
  for (let frame = 0; frame <= +slider.max; frame++) {
    slider.value = frame;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise((done) => setTimeout(done, 250));
    const found = size(document.querySelector(`.stage .vanilla path[data-id="${object}"]`));
    if (found > best[0]) best = [found, frame];
  }
  slider.value = best[1];
  slider.dispatchEvent(new Event('input', { bubbles: true }));
}"""
"""Goes to the frame in which most of an object shows; both videos stop there."""


def area(page: Page) -> dict[str, float]:
    """Return what the film shows: from the story's sentence down to the bars of the last model."""
    top = page.locator("#story").bounding_box()["y"] - 6
    last = page.locator(".answers .model").last.bounding_box()
    return {"x": 0, "y": top, "width": SIZE[0], "height": last["y"] + last["height"] + 10 - top}


def take(page: Page, shown: dict[str, float]) -> Image.Image:
    taken = page.screenshot(clip=shown)
    image = Image.open(io.BytesIO(taken)).convert("RGB")
    return image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)


def film(page: Page, address: str, story: str) -> tuple[list[Image.Image], list[int]]:
    """Return the pictures, and for how many milliseconds each is shown."""
    page.goto(f"{address}/?story={story}")
    page.wait_for_selector(READY, timeout=LONG_MS)
    page.wait_for_function(ANSWERED, arg="room=shelf", timeout=LONG_MS)
    page.wait_for_selector(".stage .vanilla path", state="attached")
    page.click(".stage .play")
    page.evaluate(TELLING_FRAME, page.get_attribute(".stage", "data-perturbed").split(".")[0])
    # The lower edge is that of the page with both answers; nothing above it moves while they are renewed
    pictures, times, shown = [], [], area(page)
    for strength in STRENGTHS:
        page.locator("#strength input[type=number]").fill(f"{strength:g}")
        page.keyboard.press("Tab")
        # The picture with noise, and the answer to it, come one after the other
        for number in range(MOVING if pictures else 0):
            pictures.append(take(page, shown))
            times.append(EVERY_MS)
            page.wait_for_timeout(EVERY_MS if number else 2 * EVERY_MS)
        page.wait_for_function(ANSWERED, arg=f"s={strength:g}&", timeout=LONG_MS)
        page.wait_for_timeout(1200)
        pictures.append(take(page, shown))
        times.append(STILL_MS if strength < 1.0 else 2 * STILL_MS)
    return pictures, times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", help="of a demo that runs already")
    parser.add_argument("--story", default="colour-box")
    parser.add_argument("--output", type=Path, default=IMAGE)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="story_")))
        address = options.address or stack.enter_context(running_demo(folder, 24, 392, 294, options=()))
        playwright = stack.enter_context(sync_playwright())
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.set_default_timeout(LONG_MS)
        pictures, times = film(page, address, options.story)
        browser.close()
    pictures[0].save(
        options.output, save_all=True, append_images=pictures[1:], duration=times, loop=0, quality=70, method=4
    )
    print(f"{options.output}: {len(pictures)} pictures, {options.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
