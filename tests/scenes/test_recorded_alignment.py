"""Whether pictures and maps lie on each other: shifts that are put in are found, and none where there is none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ocr_hf.geometry.occlusion import footprints_from_boxes, footprints_from_depth, footprints_from_instances
from ocr_hf.scenes.recorded.alignment import depth_borders, id_borders, measured_shift, overlap
from ocr_hf.scenes.recorded.contradictions import check_depth, check_masks
from ocr_hf.scenes.recorded.read_recorded import read_recorded
from ocr_hf.scenes.scene import Scene, SceneObject
from tests.box_scene import box_clip
from tests.conftest import SHARED
from tests.recorded_sample import sample

CLIP = box_clip(2, 168, 224)
SCENE = Scene("room", "recorded", tuple(SceneObject(i, "crate", box) for i, box in CLIP.boxes.items()))


def pictures(shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Return pictures with one grey for each object, moved by (right, down)."""
    grey = np.array([40, 200, 120, 240], dtype=np.uint8)[CLIP.instances]
    return np.roll(np.repeat(grey[..., None], 3, axis=3), (shift[1], shift[0]), axis=(1, 2))


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (-3, -1), (0, 4), (5, -5)])
@pytest.mark.parametrize("kind", ["instances", "depth"])
def test_a_shift_is_found(shift: tuple[int, int], kind: str) -> None:
    borders = id_borders if kind == "instances" else depth_borders
    maps = CLIP.instances if kind == "instances" else CLIP.depth
    found = measured_shift((picture, borders(pixels)) for picture, pixels in zip(pictures(shift), maps, strict=True))
    assert (found.right, found.down) == (pytest.approx(shift[0], abs=0.3), pytest.approx(shift[1], abs=0.3))
    assert found.is_clear == (max(map(abs, shift)) > 1)
    if shift == (-3, -1):
        assert re.fullmatch(r"(2.9|3.[01]) px left of and (0.9|1.[01]) px above", found.words)


def test_noise_and_blank_pictures_have_none() -> None:
    """Where nothing lies on the borders nothing is claimed."""
    border = id_borders(CLIP.instances[0])
    noise = np.random.default_rng(0).integers(0, 256, (168, 224, 3), dtype=np.uint8)
    assert measured_shift([(noise, border)]) is None
    assert measured_shift([(np.full_like(noise, 90), border)]) is None
    assert measured_shift([(noise, np.zeros_like(border))]) is None and measured_shift([]) is None


def test_unknown_depth_is_no_border() -> None:
    depth = CLIP.depth[0].copy()
    depth[40:60] = 0.0
    changed = depth_borders(depth) & ~depth_borders(CLIP.depth[0])
    assert not changed.any()


def test_overlap_counts_all_frames_once() -> None:
    masks = footprints_from_instances(CLIP.instances)
    assert overlap(masks, masks) == dict.fromkeys(CLIP.boxes, 1.0)
    halves = CLIP.instances.copy()
    halves[1] = 0
    once = overlap(masks, footprints_from_instances(halves))
    for object_id, value in once.items():
        areas = masks.areas(object_id)
        assert value == pytest.approx(areas[0] / areas.sum())
    tested = footprints_from_depth(CLIP.depth, CLIP.boxes, CLIP.poses, CLIP.intrinsics)
    assert min(overlap(masks, tested).values()) > 0.97


def test_masks_and_depth_of_another_world_are_refused() -> None:
    masks = footprints_from_instances(CLIP.instances)
    assert min(check_masks(SCENE, masks, CLIP.poses, CLIP.intrinsics).values()) > 0.99
    mirrored = footprints_from_instances(CLIP.instances[:, :, ::-1])
    with pytest.raises(
        ValueError, match="room: only .* % of a typical object's mask lies in the outline of its box; ch"
    ):
        check_masks(SCENE, mirrored, CLIP.poses, CLIP.intrinsics)
    hulls = footprints_from_boxes(CLIP.boxes, CLIP.poses, CLIP.intrinsics, 168, 224)
    far = footprints_from_depth(CLIP.depth / 5.0, CLIP.boxes, CLIP.poses, CLIP.intrinsics)
    with pytest.raises(ValueError, match="no depth lies in any of them; check depth_unit_m"):
        check_depth(SCENE, far, hulls)


@pytest.mark.skipif(not (SHARED / "scenes" / "aria_room").is_dir(), reason="the sample in ../shared/scenes isn't there")
def test_the_real_sample(tmp_path: Path) -> None:
    """Its pictures sit left of and above its masks; masks and depth-tested boxes agree."""
    found = read_recorded(sample(SHARED / "scenes" / "aria_room").write(tmp_path))
    assert found.has_depth.tolist() == found.has_instances.tolist() == [True, True, False]
    assert np.allclose(found.camera_to_world[0, :3, 3], [0.0984, -2.4218, 1.5593], atol=1e-4)
    ids, depth = (np.stack([read(i) for i in range(2)]) for read in (found.instances, found.depth))
    # A reference point of the sample's own: pixel (320, 320), whose centre is at 320.5 here
    ray = np.linalg.inv(found.intrinsics) @ [320.5, 320.5, 1.0] * depth[0, 320, 320]
    assert np.allclose(found.camera_to_world[0] @ [*ray, 1.0], [2.3237, -2.2898, 0.3840, 1.0], atol=2e-3)
    borders = zip(found.images([0, 1]), map(id_borders, ids), strict=True)
    shift = measured_shift(borders)
    # CHECK.json there says -3, -1, by borders that are marked on their right and lower side alone: half a pixel
    assert shift.is_clear and -3.0 < shift.right < -1.5 and -1.5 < shift.down < -0.5
    boxes = {item.id: item.box for item in found.scene.objects}
    tested = footprints_from_depth(depth, boxes, found.camera_to_world[:2], found.intrinsics)
    overlaps = list(overlap(footprints_from_instances(ids), tested).values())
    assert len(overlaps) > 70 and np.median(overlaps) == pytest.approx(0.881, abs=0.01)
