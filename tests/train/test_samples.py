"""Pages of sample rollouts show what was answered under which frames; pictures are kept once, pages whole."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from ocr_hf.hub.check_model import is_training_state
from ocr_hf.models.media import encode_video
from ocr_hf.train.samples import FOLDER, HEIGHT, Question, Sample, write_page
from tests.train.clips import moving_rectangles
from tests.train.conftest import history


@pytest.fixture(scope="module")
def processor(tiny_folder):
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(tiny_folder)


def video(processor, seed: int):
    frames, _ = moving_rectangles(seed)
    return frames, encode_video(processor, frames, fps=2.0)


def test_a_page_shows_what_it_was_given(processor, tmp_path):
    frames, shown = video(processor, 0)
    samples = [
        Sample("vanilla", "../clip/1", "<answer>B</answer>", 1.0, 0.5),
        Sample("vanilla", "../clip/1", "C & D", 0.0, -0.5),
        Sample("noisy", "../clip/2", "B", 0.25, 0.0, (3, 7)),
        Sample("vanilla", None, "no video", float("nan"), 0.0),
    ]
    videos = {"../clip/1": shown, "../clip/2": video(processor, 1)[1]}
    asked = [Question(f"row {number}", "Is <b>it</b> left?", "B", samples) for number in range(6)]
    page = write_page(tmp_path / FOLDER, 20, asked, videos, processor.video_processor)
    text = page.read_text()
    assert "&lt;answer&gt;B&lt;/answer&gt;" in text and "C &amp; D" in text and "Is &lt;b&gt;it&lt;/b&gt; left?" in text
    assert "noisy, objects 3, 7 perturbed" in text and "+0.500" in text and text.count("<h2>") == 4
    sources = re.findall(r"<img src='(media/\w+\.png)'", text)
    assert len(sources) == 2 * 4 and len(set(sources)) == 2
    picture = np.asarray(Image.open(tmp_path / FOLDER / sources[0]))
    # 8 frames of 56 x 84 that the processor leaves at their size, each enlarged alike
    width = picture.shape[1] // 8
    assert picture.shape == (HEIGHT, 8 * round(84 * HEIGHT / 56), 3)
    rows = (np.arange(HEIGHT) + 0.5) * 56 // HEIGHT
    columns = (np.arange(width) + 0.5) * 84 // width
    expected = frames[5][rows.astype(int)][:, columns.astype(int)]
    assert (picture[:, 5 * width : 6 * width] == expected).mean() > 0.99


def test_pictures_are_written_once_and_pages_whole(processor, tmp_path, monkeypatch):
    videos = {"clip/1": video(processor, 0)[1]}
    asked = [Question("row 1", "Left?", None, [Sample("vanilla", "clip/1", "B", 1.0, 0.0)])]
    folder = tmp_path / FOLDER
    write_page(folder, 0, asked, videos, processor.video_processor)
    (picture,) = (folder / "media").iterdir()
    written = picture.stat().st_mtime_ns
    write_page(folder, 10, asked, videos, processor.video_processor)
    assert [path.name for path in (folder / "media").iterdir()] == [picture.name]
    assert picture.stat().st_mtime_ns == written
    assert re.findall(r"href='(.*?)'", (folder / "index.html").read_text()) == ["step-000010.html", "step-000000.html"]
    before = (folder / "step-000010.html").read_bytes()
    monkeypatch.setattr("ocr_hf.data.atomic.os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="step-000010.html .No space left.; free some space"):
        write_page(folder, 10, asked * 2, videos, processor.video_processor)
    assert (folder / "step-000010.html").read_bytes() == before and not list(folder.rglob("*.tmp"))


def test_a_run_writes_them_when_they_are_due(make_trainer, tmp_path):
    trainer = make_trainer(max_steps=3, samples_every=2, max_objects=2)
    trainer.train()
    folder = tmp_path / "run" / FOLDER
    assert {path.name for path in folder.glob("*.html")} == {"index.html", "step-000000.html", "step-000002.html"}
    # Objects grow fewer from step to step
    text = (folder / "step-000000.html").read_text()
    assert "How many rectangles are there in clip" in text and "True answer: <b>3</b>" in text
    assert text.count("<td>vanilla</td>") == text.count("<td>noisy</td>") == 2
    assert re.search(r"noisy, objects \d, \d perturbed", text)
    # The first picture is the recorded clip's, the second has noise where the first has none
    names = re.findall(r"media/\w+\.png", text)
    vanilla, noisy = (np.asarray(Image.open(folder / name)).astype(int) for name in names)
    assert 0.0 < (vanilla != noisy).any(-1).mean() < 0.9
    assert is_training_state(f"{FOLDER}/step-000002.html"), "frames are not pushed"


def test_a_disk_that_takes_no_page_ends_no_training(make_trainer, tmp_path, caplog):
    folder = tmp_path / "run" / FOLDER
    folder.parent.mkdir()
    folder.write_text("where no folder can be made")
    trainer = make_trainer(max_steps=3, samples_every=1)
    trainer.train()
    assert trainer.state.global_step == 3 and folder.is_file()
    (told,) = [record.getMessage() for record in caplog.records if record.name == "ocr_hf.train.measuring"]
    assert "pages of sample rollouts are left out" in told and str(folder) in told


def test_pages_come_again_once_there_is_space(make_trainer, tmp_path, monkeypatch):
    def full(*_):
        monkeypatch.undo()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ocr_hf.data.atomic.os.replace", full)
    make_trainer(max_steps=2, samples_every=1).train()
    folder = tmp_path / "run" / FOLDER
    assert {path.name for path in folder.glob("*.html")} == {"index.html", "step-000001.html"}


def test_speed_and_memory_are_logged(make_trainer):
    trainer = make_trainer(max_steps=3)
    trainer.train()
    assert len(history(trainer, "memory/peak_gb")) == 3 and min(history(trainer, "memory/peak_gb")) > 0.05
    speeds = history(trainer, "speed/tokens_per_second")
    assert speeds and min(speeds) > 0.0


def test_by_default_there_are_none(make_trainer, tmp_path):
    make_trainer(max_steps=1).train()
    assert not (tmp_path / "run" / FOLDER).exists()
