"""What a rollout is shown: a clip as recorded, with noise on objects, with noise everywhere, or out of order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.models.media import VANILLA
from ocr_hf.perturb import rows
from ocr_hf.perturb.audits import shuffle_frames
from ocr_hf.perturb.noise import diffuse_frames
from ocr_hf.perturb.ocr_map import OCRMap, Perturbation
from ocr_hf.train.clips import Clip


class Variant(Protocol):
    """One variant of a clip. `settings` decides its pixels and thereby its media id; the rest is for the logs."""

    @property
    def settings(self) -> str | dict[str, Any]: ...

    @property
    def objects(self) -> tuple[int, ...]: ...

    def frames(self, clip: Clip) -> np.ndarray:
        """Return the (T, H, W, 3) uint8 frames to show."""
        ...

    def area(self, clip: Clip) -> float:
        """Return the share of the clip's pixels that are perturbed, 0 to 1."""
        ...


@dataclass(frozen=True)
class Vanilla:
    """The clip as recorded."""

    settings: str = VANILLA
    objects: tuple[int, ...] = ()

    def frames(self, clip: Clip) -> np.ndarray:
        return clip.array

    def area(self, clip: Clip) -> float:
        return 0.0


@dataclass(frozen=True, eq=False)
class RegionNoise:
    """Object-Centric 3D Rollout: noise on the footprints of the chosen objects."""

    ocr_map: OCRMap
    plan: Perturbation
    footprints: Footprints
    row: Mapping[str, Any]
    step: int

    @property
    def settings(self) -> dict[str, Any]:
        return {"noise": self.plan.mode, "variant": self.plan.variant}

    @property
    def objects(self) -> tuple[int, ...]:
        return self.plan.object_ids

    def frames(self, clip: Clip) -> np.ndarray:
        cameras = rows.cameras_of(self.row) if self.plan.mode == "geometry" else {}
        if "camera_to_world" in cameras:
            cameras["camera_to_world"] = cameras["camera_to_world"][list(clip.indices)]
        return self.ocr_map.perturb(
            clip.array,
            self.footprints,
            self.plan.object_ids,
            row_id=self.row["id"],
            step=self.step,
            frame_indices=clip.indices,
            **cameras,
        )

    def area(self, clip: Clip) -> float:
        return float(self.footprints.region(self.objects, clip.indices).mean())


@dataclass(frozen=True)
class FrameNoise:
    """NoisyRollout: diffusion noise of one timestep on whole frames."""

    timestep: int
    key: int
    objects: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        return {"noise": "frames", "timestep": self.timestep, "key": str(self.key)}

    def frames(self, clip: Clip) -> np.ndarray:
        return diffuse_frames(clip.array, self.timestep, self.key, clip.indices)

    def area(self, clip: Clip) -> float:
        return 1.0


@dataclass(frozen=True)
class Shuffled:
    """T-GRPO: the frames in random order, their times as they were."""

    key: int
    objects: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        return {"noise": "shuffled", "key": str(self.key)}

    def frames(self, clip: Clip) -> np.ndarray:
        return shuffle_frames(clip.array, self.key)

    def area(self, clip: Clip) -> float:
        return 1.0
