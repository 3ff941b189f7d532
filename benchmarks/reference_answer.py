"""How long does the reference checkpoint take to load and to answer one question about a clip of 8 frames?

    python benchmarks/reference_answer.py [--quick] [--model FOLDER] [--clip FILE]

Without this package's trainer or harness: transformers' own Auto classes, and `ocr_hf.models.media` for the inputs. The
goal is load and first answer together in under 2 s on two cores; importing torch and transformers is stated apart.
OCR is Object-Centric 3D Rollout. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
QUESTION = {"question_type": "room_size_estimation", "options": None, "question": (
    "What is the size of this room (in square meters)? \n"
    "If multiple rooms are shown, estimate the size of the combined space."
)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="load twice instead of five times")
    parser.add_argument("--model", type=Path, default=ROOT / "model_cards" / "ocr-vsi-tiny")
    parser.add_argument("--clip", type=Path, default=ROOT / "tests" / "golden" / "reference_clip.mp4")
    arguments = parser.parse_args()

    started = time.perf_counter()
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    import ocr_hf
    from ocr_hf.data.video import read_frames
    from ocr_hf.models.answer import AnsweringModel, Prompt
    from ocr_hf.models.sampled_clip import sampled_fps
    from ocr_hf.vsi_bench.prompts import build_prompt

    imports = time.perf_counter() - started
    loads, answers, later = [], [], []
    for _ in range(2 if arguments.quick else 5):
        started = time.perf_counter()
        processor = AutoProcessor.from_pretrained(arguments.model)
        model = AutoModelForImageTextToText.from_pretrained(arguments.model)
        loads.append(time.perf_counter() - started)
        for seconds in (answers, later):
            started = time.perf_counter()
            frames, times = read_frames(arguments.clip)
            answering = AnsweringModel(model, processor)
            video = answering.encode(frames, sampled_fps(times))
            text = answering.answer([Prompt.of(build_prompt(QUESTION, "official"), video)])[0].text
            seconds.append(time.perf_counter() - started)
    figures = {
        "imports_s": imports,
        "load_s": median(loads),
        "first_answer_s": median(answers),
        "next_answer_s": median(later),
        "load_and_answer_s": median(a + b for a, b in zip(loads, answers, strict=True)),
        "worst_load_and_answer_s": max(a + b for a, b in zip(loads, answers, strict=True)),
    }
    print(f"{platform.machine()}, {os.cpu_count()} cores seen, {torch.get_num_threads()} threads; answer: {text!r}")
    for name, value in figures.items():
        print(f"{name:<28}{value:>8.3f} s{'   goal: under 2' if name == 'load_and_answer_s' else ''}")
    print(json.dumps({"quick": arguments.quick, "ocr_hf": ocr_hf.__version__, "frames": len(frames), **figures}))


if __name__ == "__main__":
    main()
