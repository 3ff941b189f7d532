"""Open a benchmark by name: a folder or a Hub data set, in whichever of the two layouts it is."""

from __future__ import annotations

from pathlib import Path

from ocr_hf.vsi_bench.benchmark import Benchmark, check_questions
from ocr_hf.vsi_bench.benchmark_files import fetch_folder
from ocr_hf.vsi_bench.ocr_vsi_layout import MANIFEST, METADATA, PRUNED, OcrVsi, is_ocr_vsi
from ocr_hf.vsi_bench.twins_layout import FILES, TWINS, OcrVsiTwins
from ocr_hf.vsi_bench.vsi_layout import QUESTION_FILES, VsiBench


def open_benchmark(data: str, revision: str | None = None, split: str = "full") -> Benchmark:
    """Open a local folder or a data set of the Hub, in VSI-Bench's or ocr-vsi's layout; its twins, for split "twins".

    Raises ValueError where it is neither, or questions are not in order (see `check_questions`).
    """
    if Path(data).is_dir():
        folder, found = Path(data), None
    # A path that doesn't exist here should be named as such, and not be looked for on the Hub
    elif data.count("/") == 1 and not data.startswith((".", "/", "~")):
        folder, found = fetch_folder(data, revision, [*QUESTION_FILES, METADATA, FILES, MANIFEST, PRUNED])
    else:
        raise ValueError(f"'{data}' is neither a folder nor an ORG/NAME of the Hub; try nyu-visionx/VSI-Bench")
    if is_ocr_vsi(folder):
        benchmark: Benchmark = (OcrVsiTwins if split == TWINS else OcrVsi)(data, folder, found)
    else:
        benchmark = VsiBench(data, folder, found)
    check_questions(benchmark.rows, data)
    return benchmark
