"""What the audits of a clip share: objects and footprints are read once, and frames are those of reading them anew."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ocr_hf.vsi_bench import benchmark_frames
from ocr_hf.vsi_bench.benchmark import Benchmark, Row
from ocr_hf.vsi_bench.benchmark_frames import BenchmarkFrames
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.open_benchmark import open_benchmark

AUDITS = ("queried_erased", "queried_noised", "context_noised", "queried_noised@0.5/1")


def questions(benchmark: Benchmark) -> list[Row]:
    """Return two questions of each clip that name an object."""
    named: dict[str, list[Row]] = {}
    for row in benchmark.take("full", None):
        if benchmark.objects(row)["queried_objects"]:
            named.setdefault(benchmark.video_key(row), []).append(row)
    return [row for rows in named.values() for row in rows[:2]]


@pytest.mark.parametrize(("batch_size", "is_enough"), [(1, False), (4, True)])
def test_every_audit_finds_what_the_first_one_read(
    toy_benchmark: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int, is_enough: bool
) -> None:
    """With a batch for each clip all is read once; with room for two clips of four, footprints are read over again."""
    monkeypatch.setattr(benchmark_frames, "FOOTPRINTS_KEPT", 1)
    benchmark = open_benchmark(str(toy_benchmark / "rooms"))
    rows = questions(benchmark)
    clips = {benchmark.video_key(row) for row in rows}
    assert len(clips) == 4 and len(rows) == 8
    read: Counter[object] = Counter()
    objects = benchmark.objects
    monkeypatch.setattr(benchmark, "objects", lambda row: (read.update([row["id"]]), objects(row))[1])
    frames = BenchmarkFrames(benchmark, EvalConfig(frames=4, batch_size=batch_size))
    for audit in AUDITS:
        for row in rows:
            frames.change(row, audit, frames.sample(row))
    assert set(read) == {row["id"] for row in rows}
    assert (read.total() == len(rows) + len(clips)) is is_enough


def test_what_is_kept_changes_no_frame(toy_benchmark: Path) -> None:
    config = EvalConfig(frames=4)
    benchmark = open_benchmark(str(toy_benchmark / "rooms"))
    kept = BenchmarkFrames(benchmark, config)
    for row in questions(benchmark)[:3]:
        for audit in AUDITS:
            alone = BenchmarkFrames(benchmark, config)
            found, expected = (each.change(row, audit, each.sample(row)) for each in (kept, alone))
            np.testing.assert_array_equal(found.frames, expected.frames)
            assert (found.changed_px, found.asked_px) == (expected.changed_px, expected.asked_px)
