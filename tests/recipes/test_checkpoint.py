"""The checkpoint in the repository loads by transformers alone and still says what it said when it was released.

To store new logits after another checkpoint was put there:

    OCR_HF_STORE_LOGITS=1 python -m pytest tests/recipes/test_checkpoint.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ocr_hf.data.video import read_frames
from ocr_hf.demo import CHECKPOINT, checkpoint_answers
from ocr_hf.models.usage import read_usage
from recipes.ocr_vsi_tiny.config import SIZE
from tests.without_our_package import PREAMBLE

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
CLIP, STORED = GOLDEN / "reference_clip.mp4", GOLDEN / "reference_logits.json"
QUESTIONS = (
    "How many chair(s) are in this room?\nPlease answer the question using a single word or phrase.",
    "What is the size of this room (in square meters)? \nIf multiple rooms are shown, estimate the size of the "
    "combined space.\nPlease answer the question using a single word or phrase.",
)
ALONE = """
import json
import numpy as np
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

processor = AutoProcessor.from_pretrained({model!r})
model = AutoModelForImageTextToText.from_pretrained({model!r}, dtype=torch.float32)
frames = torch.from_numpy(np.load({frames!r})).permute(0, 3, 1, 2)
out = []
for question in {questions!r}:
    content = [{{"type": "video"}}, {{"type": "text", "text": "These are frames of a video.\\n" + question}}]
    chat = [{{"role": "user", "content": content}}]
    text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    metadata = {{"total_num_frames": 8, "fps": {fps}, "frames_indices": list(range(8))}}
    inputs = processor(
        text=[text], videos=[frames], video_metadata=[metadata], do_sample_frames=False, return_tensors="pt"
    )
    with torch.inference_mode():
        out.append(model(**inputs).logits[0, -1].tolist())
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def clip() -> tuple[np.ndarray, np.ndarray]:
    return read_frames(CLIP)


def test_it_is_complete_and_small():
    assert (CHECKPOINT / "model.safetensors").stat().st_size < 20e6
    config = json.loads((CHECKPOINT / "config.json").read_text())
    assert config["architectures"] == ["Qwen2_5_VLForConditionalGeneration"] and config["dtype"] == "bfloat16"
    assert (read_usage(CHECKPOINT).frames, read_usage(CHECKPOINT).max_pixels) == (8, SIZE.max_pixels)
    assert "Object-Centric 3D Rollout" in (CHECKPOINT / "README.md").read_text()


@pytest.mark.slow
def test_logits_are_the_stored_ones_without_our_package(clip, tmp_path):
    frames, times = clip
    np.save(tmp_path / "frames.npy", frames)
    code = ALONE.format(
        model=str(CHECKPOINT),
        frames=str(tmp_path / "frames.npy"),
        questions=QUESTIONS,
        fps=(len(times) - 1) / (times[-1] - times[0]),
    )
    command = [sys.executable, "-c", PREAMBLE + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    found = np.array(json.loads(done.stdout.splitlines()[-1]))
    if os.environ.get("OCR_HF_STORE_LOGITS"):
        STORED.write_text(json.dumps(np.round(found, 4).tolist()) + "\n")
    stored = np.array(json.loads(STORED.read_text()))
    assert found.shape == stored.shape == (2, found.shape[1])
    np.testing.assert_allclose(found, stored, atol=0.02)


def test_it_looks(clip, tmp_path):
    """The room's size is answered by a number, and by another one where the frames are black."""
    from ocr_hf.data.video import write_mp4

    frames, times = clip
    write_mp4(tmp_path / "black.mp4", np.zeros_like(frames), 1.0 / float(times[1] - times[0]))
    row = {
        "clip_id": "golden", "question_type": "room_size_estimation", "options": None, "ground_truth": "0",
        "question": QUESTIONS[1].rpartition("\n")[0],
        "vanilla": str(CLIP), "noisy": str(tmp_path / "black.mp4"),
    }  # fmt: skip
    ((_, vanilla, noisy),) = checkpoint_answers([row])
    assert 5.0 < float(vanilla) < 60.0
    assert noisy != vanilla
