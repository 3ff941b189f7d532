"""The demo where people put it: behind a proxy that strips a path, and in a frame on another site."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest

from tests.spaces.ocr_demo_server import running_demo
from tests.spaces.reverse_proxy import framing_page, stripping_proxy
from tests.spaces.test_ocr_demo_page import LONG_MS, READY, browser, new_page, open_page  # noqa: F401

# ruff: noqa: F811 - pytest's fixtures are arguments of the same name

pytestmark = pytest.mark.slow
SHOWN = "() => [...document.querySelectorAll('.rooms img')].every((image) => image.complete && image.naturalWidth)"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_demo(tmp_path_factory.mktemp("page")) as found:
        yield found


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def visit(browser, outside: str) -> None:
    """See videos, pictures and outlines through `outside`, and call an endpoint whose addresses hold there."""
    from gradio_client import Client

    complaints: list[str] = []
    page = open_page(browser, outside, complaints, "?p=queried&n=1")
    page.wait_for_selector(".stage .vanilla path", state="attached")
    page.wait_for_function("() => document.querySelector('.stage .noisy video')?.src.includes('noisy-')")
    page.wait_for_function(SHOWN)
    page.close()
    assert complaints == []
    made = Client(outside, verbose=False).predict("kitchen", [], "random", api_name="/perturb")
    assert made["vanilla"].startswith(f"{outside}/media/") and made["noisy"].startswith(f"{outside}/media/")
    assert fetched(made["noisy"])[4:8] == b"ftyp"


def test_behind_a_proxy_that_strips_the_path_and_says_so(browser, address: str) -> None:
    with stripping_proxy(address, "/app") as outside:
        visit(browser, outside)


def test_behind_a_silent_proxy_with_a_root_path(browser, tmp_path) -> None:
    options = ("--frames", "4", "--model", "tiny-qwen2.5-vl", "--root-path", "/deep/app")
    with running_demo(tmp_path, options=options) as inside, stripping_proxy(inside, "/deep/app", False) as outside:
        visit(browser, outside)


def test_in_a_frame_without_permission_the_link_is_there_to_be_copied(browser, address: str) -> None:
    with framing_page(f"{address}/?room=kitchen") as site:
        page = new_page(browser)
        page.goto(site)
        frame = page.frame_locator("iframe")
        frame.locator(READY).wait_for(timeout=LONG_MS)
        page.frames[1].evaluate("() => { document.execCommand = () => false; }")
        frame.locator("#copy-link").click()
        assert frame.locator("#link-field").input_value().startswith(f"{address}/?room=kitchen")
        page.close()
