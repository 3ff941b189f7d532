"""Each registry has a page that lists every entry as the entry describes itself."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import pytest

from ocr_hf.data.sources import SCENE_SOURCES
from ocr_hf.perturb.modes import NOISE_MODES
from ocr_hf.questions.question_types import QUESTION_TYPES
from ocr_hf.vsi_bench.extraction_rules import EXTRACTIONS
from ocr_hf.vsi_bench.layouts import BENCHMARKS


def strategies() -> Iterable[tuple]:
    from ocr_hf.train.rollouts import STRATEGIES

    for name, entry in STRATEGIES.items():
        yield name, entry.help, Fraction(entry.noisy_share).limit_denominator(100)


def modes() -> Iterable[tuple]:
    for name, entry in NOISE_MODES.items():
        yield name, entry.help, entry.range_words, f"{entry.default_strength:g}", ", ".join(entry.columns)


def sources() -> Iterable[tuple]:
    for name, entry in SCENE_SOURCES.items():
        yield name, entry.help, ", ".join(entry.settings)


def question_types() -> Iterable[tuple]:
    for name, entry in QUESTION_TYPES.items():
        yield name, entry.help, "letter" if entry.unit is None else entry.unit or "number", entry.limit


def extractions() -> Iterable[tuple]:
    for name, entry in EXTRACTIONS.items():
        yield name, entry.help, entry.version or "–", f"`{entry.source}`", "<" if entry.strict else "<=", entry.average


def benchmarks() -> Iterable[tuple]:
    for name, entry in BENCHMARKS.items():
        yield name, entry.help, f"`{entry.example}`", len(entry.units) or "–"


@pytest.mark.parametrize(
    ("page", "entries"),
    [
        ("benchmarks.md", benchmarks),
        ("extractions.md", extractions),
        ("strategies.md", strategies),
        ("noise-modes.md", modes),
        ("scene-sources.md", sources),
        ("question-types.md", question_types),
    ],
)
def test_the_page_lists_every_entry(page: str, entries, root: Path) -> None:
    lines = (root / "docs" / page).read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    table = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        table.append(line)
    assert table == [f"| `{name}` | {' | '.join(map(str, rest))} |" for name, *rest in entries()]
