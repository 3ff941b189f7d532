"""Benchmarks that can be asked: one entry a layout of files, found by what a folder holds.

docs/benchmarks.md adds one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ocr_hf.registry import Registry
from ocr_hf.vsi_bench.benchmark import Benchmark
from ocr_hf.vsi_bench.ocr_vsi_layout import MANIFEST, METADATA, PRUNED, OcrVsi, is_ocr_vsi
from ocr_hf.vsi_bench.revsi_layout import REVSI_FILES, REVSI_UNITS, ReVsi, is_revsi
from ocr_hf.vsi_bench.twins_layout import FILES, TWINS, OcrVsiTwins
from ocr_hf.vsi_bench.vsi_layout import QUESTION_FILES, VsiBench, has_questions


@dataclass(frozen=True)
class Layout:
    """How one benchmark lies in a folder.

    name : in the registry; help : one sentence for the documentation; example : what `--data` takes
    files : patterns of the files that are fetched from the Hub at once; videos follow one by one
    holds : (folder, split) -> whether the folder has this layout
    read : (name, folder, commit or None, split) -> the benchmark
    units : its own question types -> unit of the answer ("" for a count, None for a letter)
    """

    name: str
    help: str
    example: str
    files: tuple[str, ...]
    holds: Callable[[Path, str], bool]
    read: Callable[[str, Path, str | None, str], Benchmark]
    units: Mapping[str, str | None] = field(default_factory=dict)


BENCHMARKS: Registry[Layout] = Registry("benchmark", requires=("name", "help", "files", "holds", "read", "units"))
"""Layouts by name; the first one that a folder has is taken."""

BENCHMARKS.register(
    Layout(
        "ocr_vsi_twins",
        "ocr-vsi-twins: questions before and after an edit of the scene, right in pairs (`--split twins`)",
        "outputs/ocr-vsi-twins/rooms",
        (FILES, MANIFEST),
        lambda folder, split: is_ocr_vsi(folder) and split == TWINS,
        lambda name, folder, commit, split: OcrVsiTwins(name, folder, commit),
    )
)
BENCHMARKS.register(
    Layout(
        "ocr_vsi",
        "ocr-vsi-test and every other folder of `ocr-hf build`",
        "outputs/ocr-vsi-test/rooms",
        (METADATA, MANIFEST, PRUNED),
        lambda folder, split: is_ocr_vsi(folder),
        lambda name, folder, commit, split: OcrVsi(name, folder, commit),
    )
)
BENCHMARKS.register(
    Layout(
        "revsi",
        "ReVSI (arXiv 2604.24300): VSI-Bench annotated anew, one set of answers for each number of frames",
        "3dlg-hcvc/ReVSI",
        REVSI_FILES,
        lambda folder, split: is_revsi(folder),
        ReVsi,
        REVSI_UNITS,
    )
)
BENCHMARKS.register(
    Layout(
        "vsi_bench",
        "VSI-Bench, and VSI-Bench-Debiased as its part (`--split debiased`)",
        "nyu-visionx/VSI-Bench",
        QUESTION_FILES,
        lambda folder, split: has_questions(folder),
        lambda name, folder, commit, split: VsiBench(name, folder, commit),
    )
)


def layout_units() -> dict[str, str | None]:
    """Return question type -> unit of every benchmark that has types of its own."""
    return {name: unit for layout in BENCHMARKS.values() for name, unit in layout.units.items()}
