"""From a visitor's choice to the noisy video: which objects, which pixels, and the file, kept for the next who asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocr_hf.data.video import write_mp4
from ocr_hf.models.media import FrameCache
from ocr_hf.perturb.modes import NOISE_MODES
from ocr_hf.perturb.ocr_map import OCRMap

from .clip import ClipStore, DemoClip, Seen
from .problems import Problem

POLICIES = {"chosen": "the objects you choose", "queried": "objects the question names",
            "context": "visible objects it doesn't name", "random": "any visible objects"}  # fmt: skip
MODES = {name: mode for name, mode in NOISE_MODES.items() if mode.slider_most is not None}
"""The noise modes that a slider of strengths can serve, plugins' among them."""
MAX_OBJECTS = 12
MAX_SEED = 2**31 - 1
FRAME_CACHE_BYTES = 64 * 2**20
"""For the frames that models are shown. Whole videos are kept as files."""


@dataclass(frozen=True)
class Noise:
    """What is done to a clip.

    policy : one of POLICIES; object_ids : the chosen ones, used by policy "chosen" only
    max_objects : how many the other policies draw
    strength : 0 to the mode's `slider_most`: gaussian 1, all others 0.5 box diagonals
    queried : ids of the objects that the question names
    Raises Problem for a value outside its range.
    """

    policy: str = "chosen"
    object_ids: tuple[int, ...] = ()
    max_objects: int = 2
    mode: str = "gaussian"
    strength: float = 0.5
    seed: int = 0
    queried: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise Problem(f"The policy is '{str(self.policy)[:40]}'; choose one of {', '.join(POLICIES)}.")
        if self.mode not in MODES:
            raise Problem(f"The noise mode is '{str(self.mode)[:40]}'; choose one of {', '.join(MODES)}.")
        most = MODES[self.mode].slider_most
        if not (isinstance(self.strength, (int, float)) and 0.0 <= self.strength <= most):
            raise Problem(f"The strength of {self.mode} noise is {self.strength}; give 0 to {most:g}.")
        if not (isinstance(self.seed, int) and 0 <= self.seed <= MAX_SEED):
            raise Problem(f"The seed is {self.seed}; give a whole number from 0 to {MAX_SEED}.")
        if not (isinstance(self.max_objects, int) and 1 <= self.max_objects <= MAX_OBJECTS):
            raise Problem(f"The number of objects is {self.max_objects}; give 1 to {MAX_OBJECTS}.")

    def objects(self, clip: DemoClip) -> tuple[int, ...]:
        """Return the ids of the objects to perturb; raise Problem where the clip shows no such object."""
        if self.policy != "chosen":
            select = "visible" if self.policy == "random" else self.policy
            ocr_map = OCRMap(select=select, max_objects=self.max_objects, seed=self.seed)
            return ocr_map.choose(clip.id, 0, clip.footprints, self.queried)
        unknown = sorted(set(self.object_ids) - set(clip.footprints.object_ids))
        if unknown:
            raise Problem(f"The clip '{clip.title}' shows no object {unknown[0]}; pick objects from its list.")
        return tuple(sorted(set(self.object_ids)))

    def ocr_map(self) -> OCRMap:
        """Return the map that makes the pixels; the same class that builds data sets and trains."""
        return OCRMap(mode=MODES[self.mode], strength=float(self.strength), seed=self.seed)


@dataclass(frozen=True)
class Noisy:
    """A noisy copy: its variant's id ("vanilla" where nothing is perturbed), its objects, its file's name or None."""

    variant: str
    object_ids: tuple[int, ...]
    file: str | None
    seconds: float


class NoisyVideos:
    """Makes noisy videos, each once; safe to use from several threads."""

    def __init__(self, store: ClipStore) -> None:
        self.store = store
        self._frames = FrameCache(FRAME_CACHE_BYTES)
        # a fixed number, so that they don't pile up; two files that share one only wait for each other
        self._locks = [threading.Lock() for _ in range(64)]

    def frames(self, clip: DemoClip, noise: Noise, object_ids: Sequence[int]) -> tuple[str, np.ndarray]:
        """Return (variant, noisy frames (T, H, W, 3) uint8): what the model is shown, before any codec."""
        ocr_map = noise.ocr_map()
        plan = ocr_map.plan_for(object_ids, clip.id)
        if plan.is_identity:
            return plan.variant, np.asarray(clip.frames)

        noisy = ocr_map.perturb(
            np.asarray(clip.frames), clip.footprints, plan.object_ids, row_id=clip.id, depth=clip.depth,
            boxes=clip.boxes, camera_to_world=clip.camera_to_world, intrinsics=clip.intrinsics,
        )  # fmt: skip
        return plan.variant, noisy

    def seen(self, clip: DemoClip, noise: Noise, object_ids: Sequence[int], seen: Seen) -> tuple[str, np.ndarray]:
        """Return (variant, noisy frames (T, H, W, 3) uint8) of the frames that a model is shown, and of no others.

        The noise is the video's: it depends on the frames' numbers in the clip.
        """
        ocr_map = noise.ocr_map()
        plan = ocr_map.plan_for(object_ids, clip.id)
        if plan.is_identity:
            return plan.variant, seen.frames

        def make() -> tuple[np.ndarray, None]:
            noisy = ocr_map.perturb(
                seen.frames, seen.footprints, plan.object_ids, row_id=clip.id, frame_indices=seen.indices.tolist(),
                depth=seen.depth, boxes=clip.boxes, camera_to_world=seen.camera_to_world, intrinsics=seen.intrinsics,
            )  # fmt: skip
            return noisy, None

        key = (clip.id, plan.variant, seen.frames.shape, tuple(seen.indices.tolist()))
        return plan.variant, self._frames.get(key, make)[0]

    def without_video(self, clip: DemoClip, noise: Noise) -> Noisy:
        """Return what `video` would say, without making a file: models need none."""
        object_ids = noise.objects(clip)
        plan = noise.ocr_map().plan_for(object_ids, clip.id)
        return Noisy(plan.variant, () if plan.is_identity else plan.object_ids, None, 0.0)

    def video(self, clip: DemoClip, noise: Noise) -> Noisy:
        """Return the noisy video, making its file where it isn't there yet."""
        start = time.perf_counter()
        object_ids = noise.objects(clip)
        plan = noise.ocr_map().plan_for(object_ids, clip.id)
        if plan.is_identity:
            return Noisy(plan.variant, (), None, time.perf_counter() - start)
        path = self.store.media_folder(clip.id) / f"noisy-{plan.variant}.mp4"
        with self._locks[hash(path) % len(self._locks)]:
            if path.is_file():
                path.touch()  # the sweep removes what was not asked for longest
            else:
                write_mp4(path, self.frames(clip, noise, object_ids)[1], clip.fps, draft=True)
        return Noisy(plan.variant, plan.object_ids, path.name, time.perf_counter() - start)
