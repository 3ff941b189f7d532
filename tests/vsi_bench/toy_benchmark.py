"""Tiny benchmarks of toy rooms, made in a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ocr_hf.data import make_clips as clips
from ocr_hf.vsi_bench.ocr_vsi_test import OCR_VSI_TEST, ROOMS
from tests.data.toy import open_toy

TOY = replace(ROOMS, scenes=4, frames=8, seconds=8.0, width=112, height=84, fov=75.0, eye_height=1.5)


@pytest.fixture(scope="session")
def toy_benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the part `rooms` of four toy rooms, frozen in record.json and marked."""
    out = tmp_path_factory.mktemp("benchmark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "open_scene", open_toy)
        folders = OCR_VSI_TEST.build(out, {"rooms": TOY}, None)
        OCR_VSI_TEST.build(out, {"rooms": TOY}, OCR_VSI_TEST.freeze(folders, out / "record.json"))
    return out


@pytest.fixture
def toy_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scene that is built is a room of boxes."""
    monkeypatch.setattr(clips, "open_scene", open_toy)
