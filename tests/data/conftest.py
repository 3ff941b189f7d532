"""Small builds that the tests of this folder share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_hf.data import make_clips as clips
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.place import PLACE
from ocr_hf.data.sources import open_scene
from tests.data.toy import open_toy

SMALL = {"scenes": 3, "rooms": 1, "frames": 4, "seconds": 8.0, "width": 96, "height": 72, "seed": 7}


def small_config(**options: object) -> BuildConfig:
    """Three one-room scenes of four 96 x 72 frames."""
    return BuildConfig(**{**SMALL, **options})


def digests(folder: Path) -> dict[str, str]:
    """Return every file's name and SHA-256, without the key of the folder's place."""
    files = sorted(item for item in folder.rglob("*") if item.is_file() and item.name != PLACE)
    return {str(item.relative_to(folder)): hashlib.sha256(item.read_bytes()).hexdigest() for item in files}


@pytest.fixture(autouse=True)
def toy_scenes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make every scene a room of boxes, except in tests marked real_scenes."""
    with pytest.MonkeyPatch.context() as patch:  # not the test's own, which it may undo
        if "real_scenes" not in request.keywords:
            patch.setattr(clips, "open_scene", open_toy)
        yield


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder named ocr-vsi of toy scenes, made in one process."""
    folder = tmp_path_factory.mktemp("toy") / "ocr-vsi"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "open_scene", open_toy)
        build_folder(small_config(), folder)
    return folder


@pytest.fixture(scope="session")
def built_real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of procedural rooms, as workers and commands build them."""
    folder = tmp_path_factory.mktemp("real") / "ocr-vsi"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "open_scene", open_scene)
        build_folder(small_config(), folder)
    return folder
