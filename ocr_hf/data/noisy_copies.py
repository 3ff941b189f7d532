"""The noisy videos of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.build_plan import ClipPlan
from ocr_hf.data.film import Film, edits_of
from ocr_hf.data.schema import MAX_QUESTIONS
from ocr_hf.data.video import stored_psnr, write_mp4
from ocr_hf.perturb.alteration_mode import AlterationMode
from ocr_hf.questions.question import Question

CHUNK = 16
"""Frames perturbed at a time: a noisy copy never exists whole in memory."""
VISIBLE = 8
"""Levels of 255 by which a pixel must change to be counted as perturbed where outlines change: less is light alone."""


class NoisyCopies:
    """Writes the noisy copies that a clip's rows need: one file for each different choice of objects and noise.

    The noise is the clip's, so rows with the same objects share a file: all of a clip with `select` visible, those
    whose questions leave the same choice with queried or context. A row without perturbed objects names the vanilla
    file. Modes that alter objects as a whole do so in the scene, which is rendered again where all of them have meshes,
    and by depth elsewhere.

    folder : of the split, where the files go
    """

    def __init__(self, film: Film, clip: ClipPlan, folder: Path) -> None:
        self._film, self._clip, self._folder = film, clip, folder
        self._map, self._recording = film.config.ocr_map, film.recording
        self._boxes = {item.id: item.box for item in film.scene.objects}
        self._files: dict[str, str] = {}
        self._statistics: dict[str, float] = {}

    def columns(self, row_id: int, question: Question) -> dict[str, Any]:
        """Return the row's noise columns, after its noisy video was written."""
        recording, ocr_map = self._recording, self._map
        noise_id = noise_row_id(row_id)
        chosen = ocr_map.choose(noise_id, 0, recording.footprints, question.queried_objects)
        plan = ocr_map.plan_for(chosen, noise_id)
        if plan.is_identity:
            name = self._clip.file("vanilla")
        else:
            # Rows whose objects and noise are equal share a file; `variant` names the pixels, not the row.
            if plan.variant not in self._files:
                self._files[plan.variant] = self._write(plan.object_ids, noise_id)
            name = self._files[plan.variant]
        return {
            "noisy_file_name": name,
            "noisy_objects": list(plan.object_ids),
            "mode": plan.mode,
            "strength": plan.strength,
            "seed": ocr_map.seed,
        }

    def statistics(self) -> dict[str, float]:
        """Return, of the first noisy copy: share of perturbed pixels, PSNR of the stored file outside them (dB).

        Where the mode changes outlines, perturbed are the pixels that changed visibly, and the share of filled ones is
        returned as well.
        """
        return {"noisy_videos": len(self._files), **self._statistics}

    def _write(self, object_ids: tuple[int, ...], noise_id: int) -> str:
        recording, number = self._recording, len(self._files)
        name = self._clip.file("noisy", number)
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if number:
            write_mp4(path, self._noisy(object_ids, noise_id), recording.fps)
            return name
        # Measured on the first copy only: decoding every stored copy again would cost as much as encoding it.
        changed = _Changed(recording.frames)
        noisy = self._noisy(object_ids, noise_id, changed)
        if self._map.noise.keeps_outside:
            write_mp4(path, noisy, recording.fps)
            pixels = sum(int(recording.footprints.region(object_ids, [i]).sum()) for i in range(len(recording.frames)))
            outside = lambda numbers: recording.footprints.region(object_ids, numbers)  # noqa: E731
            filled = {}
        else:
            write_mp4(path, changed.noted(noisy), recording.fps)
            pixels, outside = changed.pixels, changed.region
            filled = {"filled_share": changed.filled / recording.frames[..., 0].size}
        self._statistics = {
            "noise_share": pixels / recording.frames[..., 0].size,
            "noisy_outside_psnr_db": stored_psnr(path, recording.frames, outside),
            **filled,
        }
        return name

    def _noisy(
        self, object_ids: tuple[int, ...], noise_id: int, changed: _Changed | None = None
    ) -> Iterator[np.ndarray]:
        recording = self._recording
        rendered = self._rendered(object_ids, noise_id)
        if rendered is not None:
            yield from rendered
            return
        for start in range(0, len(recording.frames), CHUNK):
            part = slice(start, start + CHUNK)
            noisy, filled = self._map.perturb_flagged(
                recording.frames[part],
                recording.footprints,
                object_ids,
                row_id=noise_id,
                frame_indices=range(len(recording.frames))[part],
                depth=None if recording.depth is None else recording.depth[part],
                boxes=self._boxes,
                camera_to_world=recording.camera_to_world[part],
                intrinsics=recording.intrinsics,
            )
            if changed is not None:
                changed.filled += int(filled.sum())
            yield from noisy

    def _rendered(self, object_ids: tuple[int, ...], noise_id: int) -> np.ndarray | None:
        """Return the frames of the scene with the objects altered, or None where that isn't what the mode does."""
        plan, noise = self._map.plan_for(object_ids, noise_id), self._map.noise
        if not isinstance(noise, AlterationMode) or not all(self._film.scene.object(i).meshes for i in object_ids):
            return None
        drawn = [(noise.alteration(self._boxes[i], plan.strength, plan.key, i), i) for i in object_ids]
        try:
            return self._film.after(edit for alteration, i in drawn for edit in edits_of(alteration, i))
        except ValueError:
            # An edit that can't be made at all, such as of what can only be recoloured; by depth it always can.
            return None


class _Changed:
    """Which pixels of a noisy copy differ from the frames (T, H, W, 3); how many do visibly, how many were filled."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames, self._rows = frames, []
        self.pixels, self.filled = 0, 0

    def noted(self, noisy: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the noisy frames as they come, and note what changed in them."""
        for before, after in zip(self._frames, noisy, strict=True):
            difference = (np.maximum(before, after) - np.minimum(before, after)).max(axis=-1)
            self.pixels += int((difference > VISIBLE).sum())
            self._rows.append(np.packbits(difference > 0))
            yield after

    def region(self, numbers: Sequence[int]) -> np.ndarray:
        """Return the changed pixels (N, H, W) bool of some frames."""
        shape = self._frames.shape[1:3]
        bits = [np.unpackbits(self._rows[i], count=shape[0] * shape[1]) for i in numbers]
        return np.stack(bits).reshape(-1, *shape).astype(bool)


def noise_row_id(row_id: int) -> int:
    """Return the row id that a row's stored noise was made with: that of its clip's first row."""
    return row_id // MAX_QUESTIONS * MAX_QUESTIONS
