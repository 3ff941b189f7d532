"""The OCR map: one frozen configuration, one call, from a clip and its footprints to the region-noisy clip.

OCR is Object-Centric 3D Rollout (arXiv 2511.13190), not text recognition. The paper publishes neither which objects
it perturbs nor how strongly; `OCRMap`'s defaults are our choices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.perturb import rows
from ocr_hf.perturb.elsewhere import Region, check_region, shift_elsewhere
from ocr_hf.perturb.frames import encode_lossless
from ocr_hf.perturb.keys import stable_key
from ocr_hf.perturb.modes import NoiseMode, NoiseTarget, noise_mode
from ocr_hf.perturb.schedule import SCHEDULES, Schedule, decay, objects_at
from ocr_hf.perturb.select import POLICIES, Policy, candidates, sample_objects, visible_objects
from ocr_hf.video.read import read_frames

Mode = Literal["gaussian", "geometry", "rigid", "scale", "warp", "jitter"]
"""Our own modes, for the type checker; `modes.NOISE_MODES` knows those of plugins as well."""
Output = Literal["auto", "frames", "video"]


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
    which frames are asked for. Strength 0 and an empty selection return the frames unchanged. Modes gaussian and jitter
    keep pixels outside the chosen objects' footprints bit-identical; geometry, rigid, scale and warp change outlines.
    The paper (arXiv 2511.13190) publishes no values; the defaults are ours.

    Use it on arrays (`perturb`), on a row (`ocr_map(row)`), in `Dataset.map(ocr_map, num_proc=N)`, as
    `dataset.with_transform(ocr_map)`, or in a streaming dataset's `map`; at a training step,
    `functools.partial(ocr_map, step=step)`. With `cast_column("vanilla", Video(decode=False))` workers need no torch.
    Where the data set had no `noisy` video column before, `.cast_column("noisy", Video())` makes it one.

    Args:
        select: which objects: "visible", "queried" (named by the question) or "context" (visible, not named).
        region: where the noise falls: on the "objects", or "elsewhere", a control that changes the place alone: their
            outlines, as large in every frame, moved at random to where these objects are not (mode gaussian).
        max_objects: how many at most, at step 0.
        mode: "gaussian" (diffusion noise on their pixels); "geometry" (each is moved, resized or bent in 3D and seen
            again by the same camera), or one of these three alone: "rigid", "scale", "warp"; "jitter" (pieces of their
            surfaces move, each by itself); the name of a mode that a plugin registered, or a `NoiseMode` itself.
        strength: gaussian 0 to 1 (default 0.5); geometry, rigid, scale and warp 0 to 0.5 box diagonals (0.2); jitter 0
            or more (0.1); None = the mode's default. A plugin's mode has its own bounds.
        schedule: how the number of objects falls over training, if `total_steps` is given; with geometry, rigid, scale
            and warp the strength falls alike.
        total_steps: training steps over which it falls; None = it stays at `max_objects`.
        seed: of every random choice.
        min_visible: an object counts as visible if it fills more than this share of the pixels of some frame.
        output: what `noisy` holds after a call on rows: "frames", (T, H, W, 3) uint8; "video", the bytes of a lossless
            MP4 file as `datasets.Video` stores them; "auto", video in `Dataset.map`, whose Arrow tables are slow to
            read frames from, and frames otherwise.

    Raises:
        ValueError: a setting can't be used; it is named with its value.

    Example:
        >>> import numpy as np
        >>> from ocr_hf import OCRMap
        >>> from ocr_hf.geometry.occlusion import footprints_from_instances
        >>> instances = np.zeros((2, 24, 32), dtype=np.uint16)
        >>> instances[:, 4:12, 6:18] = 1  # object 1 fills 96 pixels of both frames
        >>> footprints = footprints_from_instances(instances)
        >>> frames = np.full((2, 24, 32, 3), 128, dtype=np.uint8)
        >>> ocr_map = OCRMap(mode="gaussian", strength=0.5, max_objects=1)
        >>> chosen = ocr_map.choose("row 0", 0, footprints)
        >>> noisy = ocr_map.perturb(frames, footprints, chosen, row_id="row 0")
        >>> changed = (noisy != frames).any(-1)
        >>> chosen, bool(changed[instances == 1].mean() > 0.9), int(changed[instances == 0].sum())
        ((1,), True, 0)
    """

    select: Policy = "visible"
    max_objects: int = 4
    mode: Mode | NoiseMode = "gaussian"
    strength: float | int | None = None
    schedule: Schedule = "linear"
    total_steps: int | None = None
    seed: int = 0
    min_visible: float | int = 0.002
    output: Output = "auto"
    region: Region = "objects"

    def __post_init__(self) -> None:
        if self.select not in POLICIES:
            raise ValueError(f"select is '{self.select}'; choose one of {', '.join(POLICIES)}")
        noise = self.noise
        check_region(self.region, noise)
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
        if self.strength is not None:
            noise.check_strength(self.strength)

    @property
    def noise(self) -> NoiseMode:
        """The mode itself, where `mode` is a name."""
        return noise_mode(self.mode)

    @property
    def noise_strength(self) -> float:
        """The strength in force: `strength`, or the mode's default."""
        return self.noise.default_strength if self.strength is None else float(self.strength)

    def strength_at(self, step: int) -> float:
        """Read the schedule.

        Args:
            step: training step, from 0.

        Returns:
            The strength at this step: `noise_strength`, annealed where the mode says so.
        """
        if self.total_steps is None or not self.noise.anneals_strength:
            return self.noise_strength
        return self.noise_strength * decay(step, self.total_steps, self.schedule)

    def count(self, step: int) -> int:
        """Read the schedule.

        Args:
            step: training step, from 0.

        Returns:
            How many objects are perturbed at most.
        """
        if self.total_steps is None:
            return self.max_objects
        return objects_at(step, self.max_objects, self.total_steps, self.schedule)

    def choose(
        self, row_id: int | str, step: int, footprints: Footprints, queried: Iterable[int] = ()
    ) -> tuple[int, ...]:
        """Choose the objects of a row at a step, at random but always the same.

        Args:
            row_id: the row's `id`.
            step: training step, from 0.
            footprints: visible pixels of the clip's objects.
            queried: ids of the objects that the question names, for `select` "queried" and "context".

        Returns:
            Ids of the objects to perturb, ascending.
        """
        count = self.count(step)
        # Before any mask is looked at: the end of an annealing costs nothing.
        if count == 0:
            return ()
        visible = visible_objects(footprints, self.min_visible)
        return sample_objects(candidates(self.select, visible, queried), count, self.seed, row_id, step)

    def plan_for(self, object_ids: Iterable[int], row_id: int | str, step: int = 0) -> Perturbation:
        """Say what perturbing given objects means, without touching pixels.

        Args:
            object_ids: the objects.
            row_id: the row's `id`.
            step: training step, from 0.

        Returns:
            Mode, strength, key of the randomness, and an id of the noisy copy.
        """
        object_ids = tuple(sorted(set(object_ids)))
        noise, strength = self.noise, self.strength_at(step)
        key = stable_key("noise", self.seed, row_id, step)
        if not object_ids or noise.is_identity(strength):
            return Perturbation((), noise.name, strength, key, "vanilla")
        # All that decides the pixels, and nothing else: rows of one variant share one file.
        place = () if self.region == "objects" else (self.region,)
        variant = f"{stable_key(noise.identity, strength, key, object_ids, *place):032x}"
        return Perturbation(object_ids, noise.name, strength, key, variant)

    def placed(
        self, footprints: Footprints, plan: Perturbation, frame_indices: Sequence[int] | None, height: int, width: int
    ) -> Footprints:
        """Say where the noise of a plan falls.

        Args:
            footprints: of the whole clip.
            plan: as from `plan_for`.
            frame_indices: the frames wanted; None = all.
            height: of the frames that are perturbed, pixels.
            width: of the frames that are perturbed, pixels.

        Returns:
            Footprints of these frames, of that size: the objects' own, or with `region` "elsewhere" the chosen ones',
            moved.
        """
        shown = footprints if frame_indices is None else footprints.select(frame_indices)
        shown = shown.resized(height, width)
        if self.region == "objects":
            return shown
        # From the whole clip, or a frame's noise would depend on which others are asked for
        return shown.shifted(plan.object_ids, shift_elsewhere(footprints, plan.object_ids, plan.key))

    def plan(self, row: Mapping[str, Any], step: int = 0) -> Perturbation:
        """Say what would be done to a row, reading its footprints but touching no pixels.

        Args:
            row: a row of ocr-vsi with the columns `id`, `footprints` and `queried_objects`.
            step: training step, from 0.

        Returns:
            The objects chosen, mode, strength, key of the randomness, and an id of the noisy copy.
        """
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
        """Make the noisy copy of frames.

        Args:
            frames: (T, H, W, 3) uint8, RGB.
            footprints: of the whole clip, or of these frames where `frame_indices` is None; resized if need be.
            object_ids: what to perturb, as from `choose`.
            row_id: the row's `id`.
            step: training step, from 0.
            frame_indices: numbers of these frames in the clip.
            depth: (T, H, W) float32, metres, one per frame given; all modes but "gaussian" use it, and do without.
            boxes: object id -> its box, for all modes but "gaussian".
            camera_to_world: (T, 4, 4), one per frame given, for all modes but "gaussian".
            intrinsics: (3, 3), pixels of `frames`, for all modes but "gaussian".

        Returns:
            (T, H, W, 3) uint8; a copy even where nothing is perturbed.

        Raises:
            ValueError: the mode lacks boxes or cameras.
        """
        return self.perturb_flagged(
            frames,
            footprints,
            object_ids,
            row_id=row_id,
            step=step,
            frame_indices=frame_indices,
            depth=depth,
            boxes=boxes,
            camera_to_world=camera_to_world,
            intrinsics=intrinsics,
        )[0]

    def perturb_flagged(
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
    ) -> tuple[UInt8[np.ndarray, "t h w 3"], Bool[np.ndarray, "t h w"]]:
        """Make the noisy copy of frames, and say which of its pixels are made up.

        Args:
            frames: as `perturb` takes them.
            footprints: as `perturb` takes them.
            object_ids: as `perturb` takes them.
            row_id: the row's `id`.
            step: training step, from 0.
            frame_indices: as `perturb` takes them.
            depth: as `perturb` takes it.
            boxes: as `perturb` takes them.
            camera_to_world: as `perturb` takes it.
            intrinsics: as `perturb` takes them.

        Returns:
            (T, H, W, 3) uint8, and (T, H, W) bool: pixels that an object has left, filled from around.

        Raises:
            ValueError: the mode lacks boxes or cameras.
        """
        plan = self.plan_for(object_ids, row_id, step)
        if plan.is_identity:
            return frames.copy(), np.zeros(frames.shape[:3], dtype=bool)
        target = NoiseTarget(
            frames,
            # only the frames wanted are resized and decoded; noise keeps the clip's own frame numbers
            self.placed(footprints, plan, frame_indices, *frames.shape[1:3]),
            plan.object_ids,
            plan.key,
            frame_indices,
            depth=depth,
            boxes=boxes,
            camera_to_world=camera_to_world,
            intrinsics=intrinsics,
        )
        self.noise.check_target(target)
        return self.noise.perturb_flagged(target, plan.strength)

    def __call__(self, row: Mapping[str, Any], step: int = 0) -> dict[str, Any]:
        """Perturb a row, or a batch (dict of lists).

        Args:
            row: with the columns id, vanilla, footprints, queried_objects; for all modes but "gaussian" also objects,
                camera_to_world and intrinsics; for a video also fps.
            step: training step, from 0.

        Returns:
            The row with noisy, noisy_objects, mode, strength and seed; where outlines change (geometry, rigid, scale,
            warp) also filled_share, the share of the pixels that are filled from around. A plain dict comes back whole;
            the lazy rows of `Dataset.map` get the new columns only, as map adds them.
        """
        # datasets hands lazy rows, which are no dicts, to Dataset.map's functions and plain dicts to all others
        lazy = not isinstance(row, dict)
        as_video = self.output == "video" or (self.output == "auto" and lazy)
        if isinstance(row["id"], list):
            made = [self._noisy_columns(single, step, as_video) for single in rows.split_batch(row)]
            names = (*rows.NOISY_COLUMNS, *(() if self.noise.keeps_outside else (rows.FILLED_SHARE,)))
            new = {name: [columns[name] for columns in made] for name in names}
        else:
            new = self._noisy_columns(row, step, as_video)
        return new if lazy else {**row, **new}

    def _noisy_columns(self, row: Mapping[str, Any], step: int, as_video: bool) -> dict[str, Any]:
        frames, _ = read_frames(row["vanilla"])
        footprints, row_id = rows.footprints_of(row), row["id"]
        plan = self.plan(row, step)
        noisy, filled = self.perturb_flagged(
            frames, footprints, plan.object_ids, row_id=row_id, step=step, **rows.cameras_of(row)
        )
        return {
            "noisy": {"path": None, "bytes": encode_lossless(noisy, row["fps"])} if as_video else noisy,
            "noisy_objects": list(plan.object_ids),
            "mode": plan.mode,
            "strength": plan.strength,
            "seed": self.seed,
            **({} if self.noise.keeps_outside else {rows.FILLED_SHARE: float(filled.mean())}),
        }
