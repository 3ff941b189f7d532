"""Clips of a recorded scene: which frames, at which size, and which pixels show which object."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import ClipPlan
from ocr_hf.data.recording import Recording
from ocr_hf.geometry.camera import scale_intrinsics
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.geometry.occlusion import footprints_from_boxes, footprints_from_depth, footprints_from_instances
from ocr_hf.scenes.recorded.alignment import Shift, depth_borders, id_borders, measured_shift, overlap
from ocr_hf.scenes.recorded.contradictions import check_depth, check_masks
from ocr_hf.scenes.recorded.read_recorded import RecordedFolder
from ocr_hf.scenes.recorded.sharpness import are_blurred
from ocr_hf.scenes.scene import Scene
from ocr_hf.video.read import uniform_indices

INSTANCE_MAPS, DEPTH_TESTED, OUTLINES = "instance maps", "depth-tested boxes", "box outlines"
"""Where footprints come from, the best first."""
COMPARED = 4
"""Frames of a clip whose pictures, maps, depth and boxes are compared."""
POOR_IOU = 0.5
"""Median overlap of masks and depth-tested boxes below which the build says so."""
LOOKED_AT = 8
"""Pictures for each frame of a clip that are looked at for blur: of long recordings, to read them all takes minutes."""
BLURRED = "blurred"


@dataclass(frozen=True)
class Cut:
    """The part of a picture that a clip shows: the largest of the clip's shape, from the middle.

    left, top, width, height : pixels of the picture; to_width, to_height : of the clip's frames
    """

    left: int
    top: int
    width: int
    height: int
    to_width: int
    to_height: int

    @classmethod
    def of(cls, width: int, height: int, to_width: int, to_height: int) -> Cut:
        """Return the cut of a width x height picture."""
        wide, tall = min(width, round(height * to_width / to_height)), min(height, round(width * to_height / to_width))
        return cls((width - wide) // 2, (height - tall) // 2, wide, tall, to_width, to_height)

    def picture(self, pixels: np.ndarray) -> np.ndarray:
        """Return a frame (H, W, 3) uint8 of the clip."""
        part = pixels[self.top : self.top + self.height, self.left : self.left + self.width]
        if (self.height, self.width) == (self.to_height, self.to_width):
            return part
        smaller = self.to_width < self.width
        # AREA averages all pixels that a smaller one covers, so that fine patterns don't shimmer
        return cv2.resize(
            part, (self.to_width, self.to_height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        )

    def map(self, pixels: np.ndarray, width: int, height: int) -> np.ndarray:
        """Return depth or ids (H, W) of the clip: each pixel's centre looks up the nearest in a map of a picture.

        width, height : of the picture, whose shape the map has
        """
        # Not averaged: between two surfaces there is none, and between two ids another object
        rows = (self.top + (np.arange(self.to_height) + 0.5) * self.height / self.to_height) * pixels.shape[0] / height
        columns = (self.left + (np.arange(self.to_width) + 0.5) * self.width / self.to_width) * pixels.shape[1] / width
        return pixels[rows.astype(np.int64)][:, columns.astype(np.int64)]

    def intrinsics(self, intrinsics: np.ndarray) -> np.ndarray:
        """Return the pinhole matrix of the clip's frames."""
        moved = intrinsics.copy()
        moved[:2, 2] -= [self.left, self.top]
        return scale_intrinsics(moved, self.to_width / self.width, self.to_height / self.height)


class Footage:
    """What was recorded of a scene: in a build it stands where a renderer stands for scenes that are made.

    folder : the recorded scene
    margin_m : boxes are grown by this when depth is tested
    outlines : take a box's outline for what is seen of it, where there is neither depth nor an instance map
    keep_blurred : don't look for blurred pictures
    """

    def __init__(self, folder: RecordedFolder, margin_m: float, outlines: bool, keep_blurred: bool = False) -> None:
        self.folder, self._margin_m, self._outlines = folder, margin_m, outlines
        self._keep_blurred = keep_blurred

    @property
    def scene(self) -> Scene:
        """The scene; its objects have boxes and no meshes."""
        return self.folder.scene

    def record(self, config: BuildConfig, clip: ClipPlan) -> tuple[Recording, dict[str, Any]]:
        """Return a clip, and what is told of it beside its rows.

        Raises ValueError where too few frames can be used, a picture is damaged, or pictures and boxes contradict each
        other.
        """
        folder = self.folder
        usable, source = self._usable(config, clip)
        chosen, blurred = self._sharp(usable, config.frames)
        cut = Cut.of(folder.width, folder.height, config.width, config.height)
        poses, intrinsics = folder.camera_to_world[chosen], cut.intrinsics(folder.intrinsics)
        frames = np.empty((len(chosen), config.height, config.width, 3), dtype=np.uint8)
        compared = set(uniform_indices(len(chosen), COMPARED).tolist())
        pairs, digest = [], hashlib.sha256()
        for row, picture in enumerate(folder.images(chosen)):
            digest.update(np.ascontiguousarray(picture))
            frames[row] = cut.picture(picture)
            if row in compared and (border := self._borders(int(chosen[row]))) is not None:
                pairs.append((picture, border))
        depth = self._depth(chosen, cut)
        footprints, overlaps = self._footprints(chosen, source, cut, depth, poses, intrinsics)
        dropped = {**folder.dropped, **({BLURRED: blurred} if blurred else {})}
        facts = {**self._facts(chosen, source, cut, dropped), "pictures_sha256": digest.hexdigest()}
        told, notes = _compared(measured_shift(pairs), overlaps, folder, chosen)
        kept = depth if config.ocr_map.noise.needs_depth else None
        none = np.zeros((0, 0), dtype=np.uint8)
        recording = Recording(frames, kept, footprints, poses, intrinsics, _rate(folder.times_s[chosen]), none, none)
        return recording, {**facts, **told, "notes": [*folder.notes, *notes]}

    def _usable(self, config: BuildConfig, clip: ClipPlan) -> tuple[np.ndarray, str]:
        """Return the usable frames of a clip's stretch, and where its footprints come from."""
        folder, wanted = self.folder, config.frames
        stretches = np.array_split(np.arange(len(folder.files)), config.clips_per_scene)
        usable = stretches[clip.index % config.clips_per_scene]
        counts = {}
        for source, having in ((INSTANCE_MAPS, folder.has_instances), (DEPTH_TESTED, folder.has_depth)):
            found = usable[having[usable]]
            counts[source] = len(found)
            if len(found) >= wanted:
                return found, source
        if len(usable) < wanted:
            lost = "".join(f", {count} more {reason}" for reason, count in folder.dropped.items())
            raise ValueError(
                f"{folder.scene.name} has {len(usable)} usable frames for a clip{lost}, and frames is {wanted}; use "
                "fewer --frames or --clips-per-scene"
            )
        if not self._outlines:
            maps, depth = counts.values()
            raise ValueError(
                f"{folder.scene.name}: of its {len(usable)} frames {maps} have an instance map and {depth} depth, and "
                f"a clip needs {wanted} to know what hides what; record more, use fewer --frames, or take box outlines "
                "for what is seen with --source-options outlines=true"
            )
        return usable, OUTLINES

    def _sharp(self, usable: np.ndarray, wanted: int) -> tuple[np.ndarray, int]:
        """Return a clip's frames, evenly from the usable ones that aren't blurred, and how many are."""
        evenly = usable[uniform_indices(len(usable), wanted)]
        looked_at = usable[uniform_indices(len(usable), min(len(usable), LOOKED_AT * wanted))]
        if self._keep_blurred or len(looked_at) == wanted:
            return evenly, 0
        blurred = are_blurred(self.folder.images(looked_at))
        sharp = looked_at[~blurred]
        if not blurred.any() or len(sharp) < wanted:
            return evenly, 0
        return sharp[uniform_indices(len(sharp), wanted)], int(blurred.sum())

    def _borders(self, index: int) -> np.ndarray | None:
        """Return the borders in a frame's instance map, or else in its depth, at the size of its picture."""
        folder = self.folder
        whole = Cut(0, 0, folder.width, folder.height, folder.width, folder.height)
        for read, borders in ((folder.instances, id_borders), (folder.depth, depth_borders)):
            pixels = read(index)
            if pixels is not None:
                return borders(whole.map(pixels, folder.width, folder.height))
        return None

    def _depth(self, chosen: np.ndarray, cut: Cut) -> np.ndarray | None:
        """Return the clip's depth (T, H, W), 0 in frames without; None where no frame has any."""
        folder = self.folder
        if not folder.has_depth[chosen].any():
            return None
        depth = np.zeros((len(chosen), cut.to_height, cut.to_width), dtype=np.float32)
        for row, index in enumerate(chosen):
            metres = folder.depth(int(index))
            if metres is not None:
                depth[row] = cut.map(metres, folder.width, folder.height)
        return depth

    def _footprints(
        self,
        chosen: np.ndarray,
        source: str,
        cut: Cut,
        depth: np.ndarray | None,
        poses: np.ndarray,
        intrinsics: np.ndarray,
    ) -> tuple[Footprints, Mapping[int, float]]:
        """Return the clip's footprints, and the overlap of masks and depth-tested boxes where there are both."""
        folder, scene = self.folder, self.folder.scene
        boxes = {item.id: item.box for item in scene.objects if not item.box.is_degenerate}
        if source == OUTLINES:
            return footprints_from_boxes(boxes, poses, intrinsics, cut.to_height, cut.to_width), {}
        if source == DEPTH_TESTED:
            tested = footprints_from_depth(depth, boxes, poses, intrinsics, self._margin_m)
            check_depth(scene, tested, footprints_from_boxes(boxes, poses, intrinsics, cut.to_height, cut.to_width))
            return tested, {}
        maps = np.stack([cut.map(folder.instances(int(i)), folder.width, folder.height) for i in chosen])
        masks = footprints_from_instances(maps)
        rows = uniform_indices(len(chosen), COMPARED)
        check_masks(scene, masks.select(rows.tolist()), poses[rows], intrinsics)
        rows = rows[folder.has_depth[chosen[rows]]]
        if depth is None or not len(rows):
            return masks, {}
        tested = footprints_from_depth(depth[rows], boxes, poses[rows], intrinsics, self._margin_m)
        return masks, overlap(masks.select(rows.tolist()), tested)

    def _facts(self, chosen: np.ndarray, source: str, cut: Cut, dropped: Mapping[str, int]) -> dict[str, Any]:
        folder = self.folder
        times = folder.times_s[chosen]
        return {
            "footprints": source,
            "frame_numbers": folder.numbers[chosen].tolist(),
            "times_s": times.tolist(),
            "dropped_frames": dict(dropped),
            "recorded_size": [folder.width, folder.height],
            "shown_share": round(cut.width * cut.height / (folder.width * folder.height), 4),
            **({} if folder.converted is None else {"converted": dict(folder.converted)}),
        }


def _compared(
    shift: Shift | None, overlaps: Mapping[int, float], folder: RecordedFolder, chosen: np.ndarray
) -> tuple[dict[str, Any], list[str]]:
    """Return what was measured of how pictures, maps and boxes fit, and what the user should know of it."""
    told: dict[str, Any] = {}
    notes = []
    if shift is not None:
        told["picture_shift_px"] = [round(shift.right, 2), round(shift.down, 2)]
    if shift is not None and shift.is_clear:
        what = "instance maps" if folder.has_instances[chosen].any() else "depth maps"
        notes.append(
            f"its pictures sit {shift.words} its {what} (of {folder.width}x{folder.height} pixels; edges are "
            f"{shift.gain:.2f} times as strong there); check that camera, depth and masks are registered"
        )
    if overlaps:
        iou = float(np.median(list(overlaps.values())))
        told["mask_box_iou"] = round(iou, 4)
        if iou < POOR_IOU:
            notes.append(
                f"instance maps and depth-tested boxes overlap by {iou:.2f} (median IoU of {len(overlaps)} objects); "
                "check depth and boxes"
            )
    return told, notes


def _rate(times: np.ndarray) -> float:
    """Return frames per second of clip time: frame i is shown at i / fps, its own time is in scenes.jsonl."""
    return (len(times) - 1) / float(times[-1] - times[0])
