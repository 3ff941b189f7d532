"""The metric Space's page: what it shows, what its API returns, and how it refuses."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_hf.vsi_bench.prediction_files import read_rows
from ocr_hf.vsi_bench.predictions import pair
from ocr_hf.vsi_bench.scoring import score_answers
from ocr_hf.vsi_bench.summary import summarize
from ocr_hf.vsi_bench.tasks import TASKS
from tests.spaces.pushed import write_pushed
from tests.without_our_package import PREAMBLE

ROOT = Path(__file__).resolve().parents[2]
SPACE = ROOT / "spaces" / "vsi_bench"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--enable-unsafe-swiftshader", "--use-gl=angle"),
    "--use-angle=swiftshader",
]


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("metric_page", SPACE / "page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def expected() -> dict:
    """Results of the example that the page opens with, from the package."""
    run = pair(read_rows(SPACE / "example.csv"))
    return summarize(score_answers(run.predictions, run.references, run.question_types), run.pruned, run.scenes)


class TestHtml:
    def test_every_task_has_its_bar_score_and_interval(self, page, expected) -> None:
        html = page.results_html(expected)
        assert html.count('class="row') == 1 + 8 + 3 and html.count("<div") == html.count("</div>")
        for task in TASKS:
            entry = expected["tasks"][task.name]
            low, high = entry["interval"]
            assert page.TITLES[task.name][0] in html
            assert f"width:{entry['score']:.2f}%" in html and f"{low:.1f} – {high:.1f}" in html
        assert f"{expected['overall']:.1f}" in html and f"{expected['debiased']['macro']:.1f}" in html

    def test_what_is_missing_is_said(self, page) -> None:
        scored = score_answers(["A"], ["A"], ["route_planning"])
        html = page.results_html(summarize(scored, average="micro", draws=0), unanswered=3)
        assert html.count("no question") == 7 and "3 questions have no prediction" in html
        assert "micro average" in html and "no scene column: too narrow" in html and "95 %:" not in html


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page, served as a Space does: from the pushed files, offline, where this package can't be imported."""
    folder = write_pushed("metric", SPACE, tmp_path_factory.mktemp("space"))
    port = free_port()
    code = f"{PREAMBLE}import runpy; sys.path.insert(0, '.'); runpy.run_path('app.py', run_name='__main__')  # {port}"
    log = tmp_path_factory.mktemp("page") / "log.txt"
    environment = {
        **os.environ,
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_SSR_MODE": "False",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-c", code], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(180):
            assert server.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(address, timeout=5)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        else:
            pytest.fail(f"the page did not come up: {log.read_text()}")
        yield address
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.slow
class TestServed:
    @pytest.fixture(scope="class")
    def score(self, url):
        from gradio_client import Client

        client = Client(url, verbose=False)
        return lambda *arguments: client.predict(*arguments, api_name="/score")

    def test_api_scores_as_the_package_does(self, score, expected) -> None:
        html, table, results = score((SPACE / "example.csv").read_text(), None, None, "official", "macro")
        assert results == {name: value for name, value in expected.items() if name != "scores"}
        lines = Path(table).read_text().splitlines()
        assert lines[0] == "id,question_type,ground_truth,prediction,score" and len(lines) == 1 + expected["n"]
        assert [float(line.rsplit(",", 1)[1]) for line in lines[1:]] == expected["scores"]
        assert "To quote with the number" in html

    def test_uploads_are_joined_on_id(self, score, tmp_path) -> None:
        from gradio_client import handle_file

        questions = [
            {
                "id": i,
                "question_type": "route_planning",
                "ground_truth": "ABC"[i],
                "pruned": False,
                "scene_name": f"s{i}",
            }
            for i in range(3)
        ]
        (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, questions)))
        (tmp_path / "mine.json").write_text(json.dumps([{"id": 1, "prediction": "<answer>B</answer>"}]))
        html, _, results = score(
            "", handle_file(tmp_path / "mine.json"), handle_file(tmp_path / "test.jsonl"), "answer_tag", "micro"
        )
        # A missing answer is a wrong one, and the page says how many are
        assert results["overall"] == 100.0 / 3 and results["n"] == 3 and results["average"] == "micro"
        assert "2 questions have no prediction" in html

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "there are no predictions"),
            ("id,prediction\n1,A\n", "row 0 has no 'question_type'"),
            ("prediction,question_type,ground_truth\nA,colour,A\n", "row 0: question_type 'colour' is unknown"),
            ('[{"prediction": "A"', "the text is not JSON"),
        ],
    )
    def test_mistakes_come_back_as_one_sentence(self, score, text: str, message: str) -> None:
        with pytest.raises(Exception, match=message) as error:
            score(text, None, None, "official", "macro")
        assert "Traceback" not in str(error.value) and str(SPACE) not in str(error.value)

    def test_nothing_else_is_offered_as_an_api(self, url) -> None:
        info = json.load(urllib.request.urlopen(url + "gradio_api/info"))
        assert list(info["named_endpoints"]) == ["/score"] and info["unnamed_endpoints"] == {}

    @pytest.mark.skipif(not CHROMIUM.exists(), reason="chromium is not installed")
    def test_a_visitor_sees_the_table(self, url, expected, tmp_path) -> None:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch_persistent_context(
                str(tmp_path), executable_path=str(CHROMIUM), headless=True, args=FLAGS
            )
            tab = browser.new_page()
            problems: list[str] = []
            tab.on("pageerror", lambda error: problems.append(str(error)))
            tab.goto(url)
            tab.wait_for_selector(".vsi .card.main .figure", timeout=60_000)
            assert tab.inner_text(".vsi .card.main .figure") == f"{expected['overall']:.1f}"
            assert tab.locator(".vsi .row").count() == 12
            full = tab.locator(".vsi .track").first.bounding_box()
            bar = tab.locator(".vsi .fill").first.bounding_box()
            share = expected["tasks"]["object_counting"]["score"] / 100
            assert bar["width"] / full["width"] == pytest.approx(share, abs=0.01)
            tab.locator("textarea").first.fill("prediction,question_type,ground_truth\nB,route_planning,B\n")
            tab.get_by_role("button", name="Score", exact=True).click()
            tab.wait_for_selector("text=no scene column", timeout=60_000)
            assert tab.inner_text(".vsi .card.main .figure") == "100.0"
            tab.locator("textarea").first.fill("nonsense")
            tab.get_by_role("button", name="Score", exact=True).click()
            tab.wait_for_selector("text=there are no predictions", timeout=60_000)
            assert problems == []
            browser.close()


@pytest.mark.slow
def test_the_page_scores_in_a_checkout_too(expected, tmp_path) -> None:
    code = (
        "import json, runpy, sys; sys.path.insert(0, '.'); page = runpy.run_path('app.py')\n"
        "print(json.dumps(page['score'](page['EXAMPLE'])[2]))"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=SPACE, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {k: v for k, v in expected.items() if k != "scores"}
