"""Open a benchmark by name: a folder or a Hub data set, in whichever of the registered layouts it is."""

from __future__ import annotations

from pathlib import Path

from ocr_hf.vsi_bench.benchmark import Benchmark, check_questions
from ocr_hf.vsi_bench.benchmark_files import fetch_folder
from ocr_hf.vsi_bench.layouts import BENCHMARKS


def open_benchmark(data: str, revision: str | None = None, split: str = "full") -> Benchmark:
    """Open a local folder or a data set of the Hub in one of the layouts of `BENCHMARKS`.

    Raises ValueError where it is in none, or questions are not in order (see `check_questions`).
    """
    if Path(data).is_dir():
        folder, found = Path(data), None
    # A path that doesn't exist here should be named as such, and not be looked for on the Hub
    elif data.count("/") == 1 and not data.startswith((".", "/", "~")):
        patterns = dict.fromkeys(pattern for layout in BENCHMARKS.values() for pattern in layout.files)
        folder, found = fetch_folder(data, revision, list(patterns))
    else:
        raise ValueError(f"'{data}' is neither a folder nor an ORG/NAME of the Hub; try nyu-visionx/VSI-Bench")
    for layout in BENCHMARKS.values():
        if layout.holds(folder, split):
            benchmark = layout.read(data, folder, found, split)
            check_questions(benchmark.rows, data)
            return benchmark
    raise ValueError(
        f"{data} holds neither test.parquet nor test.jsonl, and no manifest of ocr-vsi, nor files of "
        f"{', '.join(BENCHMARKS)} in another layout; give a copy of nyu-visionx/VSI-Bench or a folder written by "
        "`ocr-hf build`, or register a reader, see docs/benchmarks.md"
    )
