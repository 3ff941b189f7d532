"""Recordings of edited scenes: what the edit leaves alone keeps its bytes, the rest is that of the edited scene."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.clip_cameras import CameraPath
from ocr_hf.data.recording import EditedRecording, Recording, record, record_edited
from ocr_hf.geometry.camera import intrinsics_from_fov
from ocr_hf.scenes.cameras.camera_path import walk_through
from ocr_hf.scenes.edits.sample_edit import sample_edit
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.scenes.scene import Scene

CONFIG = BuildConfig(width=128, height=96, mode="geometry", frames=12)
HOMES = (1, 5)
EDITS = (("move", 3), ("remove", 3), ("scale", 3), ("swap", 3), ("recolor", 3), ("replace", 3), ("move", 5))


@cache
def home(seed: int) -> tuple[Scene, Renderer, CameraPath, Recording]:
    scene = procedural_scene(seed)
    poses = walk_through(scene, 12.0, 1.0, seed)
    path = CameraPath(poses, 1.0, intrinsics_from_fov(CONFIG.width, CONFIG.height, 75.0), 0.9)
    renderer = Renderer(scene)
    return scene, renderer, path, record(renderer, path, CONFIG)


@cache
def edited(seed: int, kind: str, draw: int) -> tuple[SceneEdit, Scene, Renderer, EditedRecording]:
    scene, renderer, path, recording = home(seed)
    edit = sample_edit(scene, kind, draw)
    after = edit.apply(scene)
    new = renderer.edited(after)
    return edit, after, new, record_edited(recording, new, path, CONFIG)


def same_frames(a: Recording, b: Recording) -> np.ndarray:
    """Return (T,) bool: whether frames, depths and footprints are equal to the byte."""
    ids = {*a.footprints.codes, *b.footprints.codes}
    return np.array(
        [
            np.array_equal(a.frames[t], b.frames[t])
            and np.array_equal(a.depth[t], b.depth[t])
            and all(a.footprints.codes.get(i, {}).get(t) == b.footprints.codes.get(i, {}).get(t) for i in ids)
            for t in range(len(a.frames))
        ]
    )


@pytest.mark.parametrize("seed", HOMES)
@pytest.mark.parametrize(("kind", "draw"), EDITS)
def test_frames_that_are_not_rendered_again_are_what_rendering_them_again_gives(seed, kind, draw):
    _, _, path, recording = home(seed)
    _, _, renderer, copy = edited(seed, kind, draw)
    assert not renderer.lit_anew
    everything = record(renderer, path, CONFIG)
    assert same_frames(copy, everything).all()
    assert same_frames(copy, recording)[~copy.rendered].all()
    # Nearly every frame that is rendered again does differ: what is flagged is seen, not only near.
    assert (same_frames(copy, recording) & copy.rendered).sum() <= 1


@pytest.mark.parametrize("seed", HOMES)
@pytest.mark.parametrize(("kind", "draw"), EDITS)
def test_footprints_are_those_of_the_edited_scene(seed, kind, draw):
    _, _, path, _ = home(seed)
    _, after, _, copy = edited(seed, kind, draw)
    fresh = record(Renderer(after, light_rays=0), path, CONFIG)
    assert copy.footprints.object_ids == fresh.footprints.object_ids
    wrong = sum((copy.footprints.region([i]) ^ fresh.footprints.region([i])).sum() for i in fresh.footprints.object_ids)
    assert wrong == 0


def test_an_edit_taken_back_gives_the_very_same_recording():
    scene, renderer, path, recording = home(5)
    for kind, draw in EDITS:
        edit, after, new, _ = edited(5, kind, draw)
        back = new.edited(edit.inverse().apply(after))
        assert back is renderer
        again = record_edited(recording, back, path, CONFIG)
        assert not again.rendered.any()
        assert same_frames(again, recording).all()
    assert renderer.edited(scene) is renderer


def test_edits_of_edits_are_the_same_on_any_way_there():
    scene, renderer, path, recording = home(5)
    edit, once, new, _ = edited(5, "move", 3)
    twice = sample_edit(once, "recolor", 4).apply(once)
    one, other = (record_edited(recording, start.edited(twice), path, CONFIG) for start in (renderer, new))
    assert same_frames(one, other).all()
    # A renderer that knows nothing of the first edit's objects must find them again.
    assert same_frames(record_edited(recording, new.edited(once), path, CONFIG), edited(5, "move", 3)[3]).all()
    assert edit.inverse().apply(once) is scene


def test_the_number_of_threads_changes_nothing():
    scene, _, path, _ = home(5)
    _, after, _, copy = edited(5, "move", 3)
    renderer = Renderer(scene, threads=2)
    again = record_edited(record(renderer, path, CONFIG), renderer.edited(after), path, CONFIG)
    assert same_frames(again, copy).all()
    assert np.array_equal(again.rendered, copy.rendered)


def test_what_no_frame_shows_can_go_without_a_trace():
    scene, renderer, path, _ = home(1)
    # One camera that turns on the spot, with its back to the object.
    item = min(scene.objects, key=lambda each: float(each.box.size.max()) if each.meshes else np.inf)
    turned = path.camera_to_world.copy()
    away = path.camera_to_world[:, :3, 3] - item.box.center
    ahead = np.einsum("ti,ti->t", away, turned[:, :3, 2]) > 0.7 * np.linalg.norm(away, axis=1)
    assert ahead.any()
    behind = replace(path, camera_to_world=turned[ahead & (np.linalg.norm(away, axis=1) > 2.5)])
    assert len(behind.camera_to_world)
    recording = record(renderer, behind, CONFIG)
    after = SceneEdit("remove", (item.id,)).apply(scene, plausible=False)
    copy = record_edited(recording, renderer.edited(after), behind, CONFIG)
    assert not copy.rendered.any()
    assert copy.frames is recording.frames
    assert same_frames(copy, recording).all()


def test_a_recording_of_something_else_is_refused():
    _, renderer, path, recording = home(5)
    _, after, new, copy = edited(5, "move", 3)
    with pytest.raises(ValueError, match="before all edits"):
        record_edited(copy, new, path, CONFIG)
    with pytest.raises(ValueError, match="another camera path"):
        record_edited(recording, new, replace(path, camera_to_world=path.camera_to_world[::-1]), CONFIG)
    with pytest.raises(ValueError, match="with the base"):
        record_edited(recording, home(1)[1].edited(edited(1, "move", 3)[1]), path, CONFIG)
