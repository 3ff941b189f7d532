"""Making the clips of one scene: render (or cut a recording), question, perturb, write.

Every way of building runs this one function. Its result depends only on (config, plan): not on the process, the order
or what was built before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ocr_hf.data.altered_copies import AlteredCopies, check_meshes
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import ClipPlan, ScenePlan
from ocr_hf.data.clip_cameras import CameraPath, camera_path
from ocr_hf.data.film import Film
from ocr_hf.data.footage import Footage
from ocr_hf.data.noisy_copies import NoisyCopies
from ocr_hf.data.recording import Recording, record
from ocr_hf.data.row_columns import clip_columns, question_columns
from ocr_hf.data.schema import MAX_QUESTIONS
from ocr_hf.data.sources import open_scene
from ocr_hf.data.staging import Staging
from ocr_hf.data.twin_videos import TwinVideos
from ocr_hf.data.video import stored_psnr, write_mp4
from ocr_hf.perturb.keys import stable_key
from ocr_hf.perturb.select import visible_objects
from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import Generated
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.scenes.scene import Scene


class SkippedClip(Exception):
    """A clip is left out; the text is the reason that the card counts."""


def build_scene(config: BuildConfig, plan: ScenePlan, staging: Staging) -> Iterator[dict[str, Any]]:
    """Make the clips of a scene that aren't finished yet; yield the record of every clip, finished ones too.

    Raises ValueError where the user's scene can't be read and OSError where the disk is full. A clip that shows no
    object or allows no question, and a generated scene that fails, are recorded as skipped, with the reason.
    """
    missing = [clip for clip in plan.clips if not staging.is_done(clip)]
    # Opening bakes the scene's light, which takes seconds: not where a resumed build has all its clips.
    opened = _open(config, plan) if missing else None
    for clip in plan.clips:
        if clip in missing:
            try:
                if isinstance(opened, SkippedClip):
                    raise opened
                rows, details = _build_clip(config, plan, clip, *opened, staging)
            except SkippedClip as reason:
                # Stored as finished, so that a resumed build doesn't try it again.
                rows, details = {}, {"skipped": str(reason)}
            staging.finish(clip, rows, details)
        yield staging.record(clip)


def _open(config: BuildConfig, plan: ScenePlan) -> tuple[Scene, Renderer | Footage] | SkippedClip:
    """Return the scene and what shows it, or the reason to skip it: it is a test scene, or it can't be made."""
    source = config.scene_source
    # By name, before the file is opened: nothing of a VSI-Bench scene may enter training data.
    excluded = source.why_excluded(config, plan)
    if excluded is not None:
        return SkippedClip(f"not for training: {excluded}")
    try:
        if source.is_recorded:
            footage = source.footage(config, plan)
            return footage.scene, footage
        scene = open_scene(config, plan)
        check_meshes(scene, config)
        return scene, Renderer(scene)
    except ValueError as error:
        # A scene that the user gave must not go missing in silence, but one unlucky seed must not end a long build.
        if not source.skips_failures:
            raise
        return SkippedClip(f"the scene can't be made: {error}")


def _build_clip(
    config: BuildConfig, plan: ScenePlan, clip: ClipPlan, scene: Scene, camera: Renderer | Footage, staging: Staging
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Write the clip's videos; return (its rows by config, what its marker records)."""
    path, renderer, recorded = None, None, {}
    if isinstance(camera, Footage):
        recording, recorded = _cut(config, clip, camera)
    else:
        path, renderer = _find_path(config, clip, scene), camera
        recording = record(renderer, path, config)
    if not visible_objects(recording.footprints, config.ocr_map.min_visible):
        raise SkippedClip("no object is visible")
    generated = clip_questions(config, clip, scene, recording)
    folder = staging.root / plan.split
    vanilla = folder / clip.file("vanilla")
    vanilla.parent.mkdir(parents=True, exist_ok=True)
    write_mp4(vanilla, recording.frames, recording.fps)
    film = Film(scene, renderer, path, recording, config)
    noise, altered = NoisyCopies(film, clip, folder), AlteredCopies(film, clip, folder)
    # Computed once: poses and footprints are most of a row, and equal in all rows of the clip.
    shared = clip_columns(clip, scene, recording)
    rows = []
    # More questions would run into the ids of the next clip.
    for number, question in enumerate(generated.questions[:MAX_QUESTIONS]):
        row_id = clip.index * MAX_QUESTIONS + number
        copies = {**noise.columns(row_id, question), **altered.columns(row_id, question)}
        rows.append({"id": row_id, **question_columns(question), **shared, **copies})
    try:
        rows, notes = config.scene_source.check_clip(config, clip, rows, folder)
    except ValueError as error:
        raise SkippedClip(str(error)) from error
    if recorded:
        recorded["recorded"]["notes"] += notes
    details = {
        "skipped": None,
        "scene": _describe(scene, plan),
        "clip_seconds": len(recording.frames) / recording.fps,
        "left_out": dict(sorted(generated.skipped.items())),
        "vanilla_psnr_db": stored_psnr(vanilla, recording.frames),
        **noise.statistics(),
        **altered.statistics(),
        **recorded,
    }
    if not config.twins:
        return {"pairs": rows}, details
    videos = TwinVideos(film, clip)
    twins = videos.find()
    details["twins_left_out"] = dict(sorted(twins.skipped.items()))
    return {"pairs": rows, "twins": videos.rows(twins, shared, folder)}, details


def _cut(config: BuildConfig, clip: ClipPlan, footage: Footage) -> tuple[Recording, dict[str, Any]]:
    """Return a clip of a recording, and what its marker says of it."""
    try:
        recording, facts = footage.record(config, clip)
    except ValueError as error:
        # Others of the scene's clips may be whole
        raise SkippedClip(f"the recording can't be used: {error}") from error
    return recording, {"recorded": facts}


def _find_path(config: BuildConfig, clip: ClipPlan, scene: Scene) -> CameraPath:
    try:
        return camera_path(config, clip, scene)
    except ValueError as error:
        # A path that the user gave must not be dropped in silence; a planned one that finds no floor is one clip less.
        if config.trajectory is not None:
            raise
        raise SkippedClip(f"no camera path: {error}") from error


def clip_questions(config: BuildConfig, clip: ClipPlan, scene: Scene, recording: Recording) -> Generated:
    """Return what is asked about a clip; raise SkippedClip where nothing can be."""
    # The n-th clips of all scenes share a seed, so that their letters even out over the scenes (questions.options).
    seed = stable_key("questions", config.seed, clip.index % config.clips_per_scene) % 2**31
    footprints = recording.footprints
    if footprints.amodal:
        # Only where the user said so (`outlines`): the question rules themselves never take outlines for what is seen
        footprints = replace(footprints, amodal=False)
    try:
        generated = generate_questions(scene, footprints, recording.fps, seed, config.question_config)
    except ValueError as error:
        raise SkippedClip(f"no questions: {error}") from error
    if not generated.questions:
        raise SkippedClip("no question can be asked")
    return generated


def _describe(scene: Scene, plan: ScenePlan) -> dict[str, Any]:
    """Return what `scenes.jsonl` says of a scene: what is the same for all its rows and not needed in each."""
    return {
        "scene_name": scene.name,
        "dataset": scene.source,
        "split": plan.split,
        "licence": scene.licence,
        "attribution": list(scene.attribution),
        "floor_area_m2": scene.floor_area_m2,
        "rooms": [
            {
                "name": room.name,
                "polygon": np.asarray(room.polygon).tolist(),
                "height_m": room.height_m,
                "floor_z": room.floor_z,
            }
            for room in scene.rooms
        ],
    }
