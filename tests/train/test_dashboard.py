"""A run's dashboard shows what was logged, also before a resume; it is whole, self-contained and not pushed."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ocr_hf.hub.check_model import is_training_state
from ocr_hf.train.curves import SMOOTHED, draw_curves
from ocr_hf.train.dashboard import FOLDER, PANELS, Dashboard, curves_of, write_dashboard
from tests.train.conftest import history

LOG = [
    {"step": 1, "epoch": 0.1, "vanilla/reward": 0.25, "noisy/reward": 0.125, "noise/area": 0.2, "memory/peak_gb": 20.5},
    {"step": 2, "epoch": 0.2, "vanilla/reward": 0.75, "noisy/reward": math.nan, "noise/area": None, "odd<b>": 1234.5},
    {"step": 2, "eval_vanilla/reward": 0.5, "vanilla/reward": 0.625},
]


def panels(text: str) -> dict[str, str]:
    """Title -> the panel's part of the page."""
    return {re.search("<b>(.*?)</b>", part)[1]: part for part in text.split("<figure>")[1:]}


def test_curves_are_what_was_logged():
    curves = curves_of(LOG)
    assert set(curves) == {
        "vanilla/reward", "noisy/reward", "noise/area", "memory/peak_gb", "odd<b>", "eval_vanilla/reward",
    }  # fmt: skip
    assert curves["vanilla/reward"].tolist() == [[1, 0.25], [2, 0.625]]
    assert curves["noisy/reward"].tolist() == [[1, 0.125]] and curves["noise/area"].tolist() == [[1, 0.2]]


def test_the_page_shows_each_figure_where_it_belongs(tmp_path):
    run = tmp_path / "run"
    (run / "_samples").mkdir(parents=True)
    (run / "_samples" / "index.html").touch()
    text = write_dashboard(run, LOG, 2, 8).read_text()
    shown = panels(text)
    assert list(shown) == ["Reward by role", "Perturbed area, share of pixels", "Peak memory, GB"]
    reward = shown["Reward by role"]
    told = re.findall(r"</i>(\S+) <b>(\S+)</b>", reward)
    assert told == [("vanilla/reward", "0.625"), ("noisy/reward", "0.125"), ("eval_vanilla/reward", "0.5")]
    assert "step 2 of 8, 25 %" in text and "href='../_samples/index.html'" in text and "resolved_config" not in text
    assert "odd&lt;b&gt;" in text and "<b>odd" not in text and "1,234" in text
    assert "variant_kl_every above 0" in text and "use_vllm" in text, "what is missing is said"
    assert is_training_state(f"{FOLDER}/index.html"), "it is not pushed"


def test_the_page_needs_nothing_from_elsewhere_and_has_two_themes(tmp_path):
    text = write_dashboard(tmp_path, LOG, 2, 8).read_text()
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)|src=", text)
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    rules = text[: text.index("</style>")]
    named = set(re.findall(r"var\((--[\w-]+)\)", text))
    light, dark = rules.split("prefers-color-scheme:dark", 1)
    assert named and all(f"{name}:#" in light and f"{name}:#" in dark for name in named)
    # Every colour of a drawing is the page's
    assert not re.findall(r"(?:fill|stroke): #\w+", text)
    for drawing in re.findall("<svg.*?</svg>", text, re.S):
        ElementTree.fromstring(drawing.replace("xlink:href", "href"))
    names = re.findall(r' id="([^"]+)"', text)
    assert names and len(names) == len(set(names)), "panels don't share names of parts"


def points(drawing: str) -> list[np.ndarray]:
    """The curves of a drawing, (points, 2) in its own units: paths of the colours of curves."""
    found = re.findall(r'<path d="([^"]*)"[^>]*style="[^"]*stroke: var\(--series', drawing, re.S)
    return [np.array(re.findall(r"[ML] (\S+) (\S+)", path), dtype=float) for path in found]


def test_a_curve_runs_where_its_values_are():
    curve = np.array([[1, 0.0], [2, 3.0], [4, 1.0]])
    (drawn,) = points(draw_curves([curve], "a & b", 0, 4))
    steps, values = drawn.T
    assert (steps - steps[0]) / (steps[-1] - steps[0]) == pytest.approx([0, 1 / 3, 1], abs=1e-3)
    # Up on the screen is less
    assert (values - values[0]) / (values[1] - values[0]) == pytest.approx([0, 1, 1 / 3], abs=1e-3)


def test_long_curves_get_a_running_mean():
    count = 4 * SMOOTHED
    level = np.stack([np.arange(count), np.where(np.arange(count) % 2, 1.0, -1.0)], axis=1)
    raw, smooth = points(draw_curves([level], "", 0, count))
    assert np.ptp(smooth[10:-10, 1]) < 0.25 * np.ptp(raw[:, 1])


class State:
    is_world_process_zero, log_history, global_step, max_steps = True, LOG, 2, 8


class Args:
    def __init__(self, folder: Path) -> None:
        self.output_dir = str(folder)


def test_pages_take_a_small_share_of_the_time(tmp_path, monkeypatch):
    clock, written = [100.0], []

    def write(*arguments):
        clock[0] += 1.0
        written.append(arguments[-1])

    monkeypatch.setattr("ocr_hf.train.dashboard.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("ocr_hf.train.dashboard.write_dashboard", write)
    dashboard = Dashboard()
    for _ in range(100):
        clock[0] += 1.0
        dashboard.on_save(Args(tmp_path), State, None)
    # A second of every 21 or 22 that pass
    assert written == ["trains"] * 5
    dashboard.on_train_end(Args(tmp_path), State, None)
    assert written[-1] == "has ended"


def test_without_space_the_page_stays_and_training_goes_on(tmp_path, monkeypatch, caplog):
    page = write_dashboard(tmp_path, LOG[:1], 1, 8)
    before = page.read_bytes()
    monkeypatch.setattr("ocr_hf.data.atomic.os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    Dashboard().on_save(Args(tmp_path), State, None)
    assert page.read_bytes() == before and [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert "the dashboard is not written" in caplog.text and "No space left" in caplog.text
    monkeypatch.undo()
    monkeypatch.setattr(State, "is_world_process_zero", False)
    Dashboard().on_save(Args(tmp_path), State, None)
    assert page.read_bytes() == before


def test_a_run_writes_it_and_a_resumed_one_goes_on(make_trainer, tmp_path):
    settings = {"save_strategy": "steps", "save_steps": 1}
    first = make_trainer(max_steps=1, **settings)
    first.add_callback(Dashboard())
    first.train()
    page = tmp_path / "run" / FOLDER / "index.html"
    assert "The run has ended: step 1 of 1" in page.read_text()
    rest = make_trainer(max_steps=2, **settings)
    rest.add_callback(Dashboard())
    rest.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-1"))
    text = page.read_text()
    assert "The run has ended: step 2 of 2" in text
    shown = set(panels(text))
    assert {"Reward by role", "Mixed groups, share", "Perturbed area, share of pixels", "Parity, nats a token"} <= shown
    first_value, last_value = history(rest, "grad_norm")
    row = re.search(r"<tr><td>grad_norm</td><td class=n>(\S+)</td><td class=n>(\S+)</td><td class=n>2</td>", text)
    assert [float(value) for value in row.groups()] == pytest.approx([first_value, last_value], rel=1e-3)


def test_every_panel_is_of_figures_that_training_logs(make_trainer):
    trainer = make_trainer(max_steps=2, beta=0.04)
    trainer.train()
    names = {name for entry in trainer.state.log_history for name in entry}
    # Of SFT, or of settings that are not in force here
    elsewhere = {"Token accuracy", "Accuracy by role", "R on held-out clips", "Held-out score under noise, %"}
    for panel in PANELS:
        assert any(re.fullmatch(panel.metrics, name) for name in names) or panel.title in elsewhere, panel.title
