"""The OCR map: one frozen configuration, one call, from a clip and its footprints to the region-noisy clip.

OCR is Object-Centric 3D Rollout (arXiv 2511.13190), not text recognition. The paper publishes neither which objects
it perturbs nor how strongly; `OCRMap`'s defaults are our choices.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, UInt8

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.perturb import rows
from ocr_hf.perturb.frames import encode_lossless
from ocr_hf.perturb.geometry_noise import geometry_region
from ocr_hf.perturb.keys import stable_key
from ocr_hf.perturb.noise import gaussian_region
from ocr_hf.perturb.schedule import SCHEDULES, Schedule, diffusion_timestep, objects_at
from ocr_hf.perturb.select import POLICIES, Policy, candidates, draw, visible_objects
from ocr_hf.video.read import read_frames

Mode = Literal["gaussian", "geometry"]
Output = Literal["auto", "frames", "video"]
DEFAULT_STRENGTH: dict[str, float] = {"gaussian": 0.5, "geometry": 0.1}
"""Ours: 0.5 is NoisyRollout's t0 = 500; 0.1 displaces points by a tenth of the box's diagonal."""


@dataclass(frozen=True)
class Perturbation:
    """What one row is given at one training step, without its pixels.

    object_ids : objects perturbed, ascending
    mode, strength : the noise
    key : 128-bit key of its randomness
    variant : id of the noisy copy; equal for equal pixels of the same clip, "vanilla" where nothing is perturbed
    """

    object_ids: tuple[int, ...]
    mode: str
    strength: float
    key: int
    variant: str

    @property
    def is_identity(self) -> bool:
        """True if the frames stay as they are."""
        return self.variant == "vanilla"


@dataclass(frozen=True)
class OCRMap:
    """Perturb objects of a clip: selection -> footprints -> noise -> noisy frames.

    The result depends only on (this configuration, row id, step): not on the number of workers, the order of rows or
    which frames are asked for. Outside the chosen objects' footprints frames are bit-identical; strength 0 and an
    empty selection return them unchanged.

    select : which objects: "visible" (default), "queried" (named by the question) or "context" (visible, not named)
    max_objects : how many at most, at step 0
    mode : "gaussian" (diffusion noise on their pixels) or "geometry" (their 3D points are displaced and reprojected)
    strength : gaussian 0 ... 1 (default 0.5), geometry >= 0 in box diagonals (default 0.1)
    schedule, total_steps : how the number of objects falls over training; without `total_steps` it stays
    seed : of every random choice
    min_visible : an object counts as visible if it fills more than this share of the pixels of some frame
    output : what `noisy` holds after a call on rows: "frames" (T, H, W, 3) uint8; "video", the bytes of a lossless MP4
        file as `datasets.Video` stores them; "auto" (default): video in `Dataset.map`, whose Arrow tables are slow to
        read frames from, and frames otherwise

    Use it on arrays (`perturb`), on a row (`ocr_map(row)`), in `Dataset.map(ocr_map, num_proc=N)`, as
    `dataset.with_transform(ocr_map)`, or in a streaming dataset's `map`; at a training step,
    `functools.partial(ocr_map, step=step)`. With `cast_column("vanilla", Video(decode=False))` workers need no torch.
    Where the data set had no `noisy` video column before, `.cast_column("noisy", Video())` makes it one.
    """

    select: Policy = "visible"
    max_objects: int = 4
    mode: Mode = "gaussian"
    strength: float | int | None = None
    schedule: Schedule = "linear"
    total_steps: int | None = None
    seed: int = 0
    min_visible: float | int = 0.002
    output: Output = "auto"

    def __post_init__(self) -> None:
        if self.select not in POLICIES:
            raise ValueError(f"select is '{self.select}'; choose one of {', '.join(POLICIES)}")
        if self.mode not in get_args(Mode):
            raise ValueError(f"mode is '{self.mode}'; choose one of {', '.join(get_args(Mode))}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule is '{self.schedule}'; choose one of {', '.join(SCHEDULES)}")
        if self.max_objects < 0:
            raise ValueError(f"max_objects is {self.max_objects}; give 0 or more")
        if self.total_steps is not None and self.total_steps <= 0:
            raise ValueError(f"total_steps is {self.total_steps}; give the number of training steps, or None")
        if not 0.0 <= self.min_visible < 1.0:
            raise ValueError(f"min_visible is {self.min_visible}; give a share of a frame's pixels, 0 up to 1")
        if self.output not in get_args(Output):
            raise ValueError(f"output is '{self.output}'; choose one of {', '.join(get_args(Output))}")
        most = 1.0 if self.mode == "gaussian" else sys.float_info.max
        if self.strength is not None and not 0.0 <= self.strength <= most:
            raise ValueError(f"strength is {self.strength}; gaussian takes 0 to 1, geometry box diagonals from 0")

    @property
    def noise_strength(self) -> float:
        """The strength in force: `strength`, or the mode's default."""
        return DEFAULT_STRENGTH[self.mode] if self.strength is None else float(self.strength)

    def count(self, step: int) -> int:
        """Return how many objects are perturbed at most at a training step."""
        if self.total_steps is None:
            return self.max_objects
        return objects_at(step, self.max_objects, self.total_steps, self.schedule)

    def choose(
        self, row_id: int | str, step: int, footprints: Footprints, queried: Iterable[int] = ()
    ) -> tuple[int, ...]:
        """Return the ids, ascending, of the objects to perturb."""
        count = self.count(step)
        if count == 0:
            return ()
        visible = visible_objects(footprints, self.min_visible)
        return draw(candidates(self.select, visible, queried), count, self.seed, row_id, step)

    def plan_for(self, object_ids: Iterable[int], row_id: int | str, step: int = 0) -> Perturbation:
        """Return what perturbing these objects of a row at a step means."""
        object_ids = tuple(sorted(set(object_ids)))
        strength = self.noise_strength
        key = stable_key("noise", self.seed, row_id, step)
        clean = diffusion_timestep(strength) == 0 if self.mode == "gaussian" else strength == 0.0
        if not object_ids or clean:
            return Perturbation((), self.mode, strength, key, "vanilla")
        variant = f"{stable_key(self.mode, strength, key, object_ids):032x}"
        return Perturbation(object_ids, self.mode, strength, key, variant)

    def plan(self, row: Mapping[str, Any], step: int = 0) -> Perturbation:
        """Return what would be done to a row at a step, reading its footprints but touching no pixels."""
        footprints = rows.footprints_of(row)
        return self.plan_for(
            self.choose(row["id"], step, footprints, row.get("queried_objects") or ()), row["id"], step
        )

    def perturb(
        self,
        frames: UInt8[np.ndarray, "t h w 3"],
        footprints: Footprints,
        object_ids: Iterable[int],
        *,
        row_id: int | str,
        step: int = 0,
        frame_indices: Sequence[int] | None = None,
        depth: Float[np.ndarray, "_ _ _"] | None = None,
        boxes: Mapping[int, OrientedBox] | None = None,
        camera_to_world: Float[np.ndarray, "_ 4 4"] | None = None,
        intrinsics: Float[np.ndarray, "3 3"] | None = None,
    ) -> UInt8[np.ndarray, "t h w 3"]:
        """Return the noisy copy of `frames`.

        frames : (T, H, W, 3) uint8
        footprints : of the whole clip, or of these frames where `frame_indices` is None; resized if need be
        object_ids : what to perturb, as from `choose`
        frame_indices : numbers of these frames in the clip
        depth, camera_to_world : one per frame given; boxes : of the objects; intrinsics : (3, 3), pixels of `frames`.
            Only the `geometry` mode needs them, and it does without depth
        """
        plan = self.plan_for(object_ids, row_id, step)
        if plan.is_identity:
            return frames.copy()
        height, width = frames.shape[1:3]
        if frame_indices is not None:
            # only the frames wanted are resized and decoded; noise keeps the clip's own frame numbers
            footprints = footprints.select(frame_indices)
        footprints = footprints.resized(height, width)
        if self.mode == "gaussian":
            return gaussian_region(frames, footprints.region(plan.object_ids), plan.strength, plan.key, frame_indices)
        if boxes is None or camera_to_world is None or intrinsics is None:
            raise ValueError(
                "mode 'geometry' moves points in 3D and lacks boxes, camera_to_world or intrinsics; pass them "
                "(columns objects, camera_to_world, intrinsics of a row), or use mode 'gaussian'"
            )
        return geometry_region(
            frames,
            depth,
            boxes,
            footprints,
            plan.object_ids,
            camera_to_world,
            intrinsics,
            plan.strength,
            plan.key,
            frame_indices,
        )

    def __call__(self, row: Mapping[str, Any], step: int = 0) -> dict[str, Any]:
        """Return a row, or a batch (dict of lists), with its noisy frames and what made them.

        Reads the columns id, vanilla, footprints, queried_objects (and objects, camera_to_world, intrinsics for
        `geometry`, fps for a video); writes noisy, noisy_objects, mode, strength, seed.
        A plain dict comes back whole; the lazy rows of `Dataset.map` get the new columns only, as map adds them.
        """
        # datasets hands lazy rows, which are no dicts, to Dataset.map's functions and plain dicts to all others
        lazy = not isinstance(row, dict)
        as_video = self.output == "video" or (self.output == "auto" and lazy)
        if isinstance(row["id"], list):
            made = [self._noisy_columns(single, step, as_video) for single in rows.split_batch(row)]
            new = {name: [columns[name] for columns in made] for name in rows.NOISY_COLUMNS}
        else:
            new = self._noisy_columns(row, step, as_video)
        return new if lazy else {**row, **new}

    def _noisy_columns(self, row: Mapping[str, Any], step: int, as_video: bool) -> dict[str, Any]:
        frames, _ = read_frames(row["vanilla"])
        footprints, row_id = rows.footprints_of(row), row["id"]
        plan = self.plan(row, step)
        noisy = self.perturb(frames, footprints, plan.object_ids, row_id=row_id, step=step, **rows.cameras_of(row))
        return {
            "noisy": {"path": None, "bytes": encode_lossless(noisy, row["fps"])} if as_video else noisy,
            "noisy_objects": list(plan.object_ids),
            "mode": plan.mode,
            "strength": plan.strength,
            "seed": self.seed,
        }
