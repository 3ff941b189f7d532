"""How long the questions of procedural homes take on one core, without rendering.

    python benchmarks/questions_speed.py [--scenes 1000] [--output FILE.json]

Scenes are made before their questions are timed. The last line is a JSON object with the seconds of processor time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from pathlib import Path  # noqa: E402

from ocr_hf.questions.generate import generate_questions  # noqa: E402
from ocr_hf.scenes.homes.procedural import procedural_scene  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--quick", action="store_true", help="ten scenes")
    arguments = parser.parse_args()

    count = 10 if arguments.quick else arguments.scenes
    seconds, types, letters = 0.0, Counter(), Counter()
    for seed in range(count):
        scene = procedural_scene(seed)
        start = time.process_time()
        questions = generate_questions(scene, None, None, 0).questions
        seconds += time.process_time() - start
        types.update(question.question_type for question in questions)
        letters.update(f"{len(question.options)}:{question.ground_truth}" for question in questions if question.options)
    result = {
        "scenes": count,
        "questions": types.total(),
        "seconds": round(seconds, 1),
        "types": dict(sorted(types.items())),
        "letters": dict(sorted(letters.items())),
    }
    print(f"{types.total()} questions of {count} procedural homes in {seconds:.1f} s on one core")
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        partial = arguments.output.with_suffix(".incomplete")
        partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, arguments.output)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
