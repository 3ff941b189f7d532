"""What a rollout is shown: a clip as recorded, with noise on objects, with noise everywhere, or out of order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.models.media import VANILLA, VideoInputs
from ocr_hf.models.sampled_clip import SampledClip
from ocr_hf.perturb import rows
from ocr_hf.perturb.degrade import shuffle_frames
from ocr_hf.perturb.keys import generator
from ocr_hf.perturb.ocr_map import OCRMap, Perturbation
from ocr_hf.perturb.patch_space import gaussian_patches
from ocr_hf.perturb.schedule import DIFFUSION_STEPS
from ocr_hf.video.read import VideoSource, read_frames


class Encoder(Protocol):
    """What makes model inputs of clips: the trainer, with its processor, sizes and device."""

    def encode(self, clip: SampledClip, frames: np.ndarray) -> VideoInputs:
        """Return model inputs for other frames (T, H, W, 3) uint8 at the clip's times."""
        ...

    def vanilla(self, clip: SampledClip) -> VideoInputs:
        """Return the clip's own model inputs."""
        ...

    @property
    def video_processor(self) -> Any: ...


class Variant(Protocol):
    """One variant of a clip. `settings` decides its pixels and thereby its media id; `objects` are those perturbed."""

    @property
    def settings(self) -> str | dict[str, Any]: ...

    @property
    def objects(self) -> tuple[int, ...]: ...

    def video(self, clip: SampledClip, encoder: Encoder) -> VideoInputs:
        """Return the model inputs to show."""
        ...

    def area(self, clip: SampledClip) -> float:
        """Return the share of the clip's pixels that are perturbed, 0 to 1."""
        ...


@dataclass(frozen=True)
class Vanilla:
    """The clip as recorded."""

    settings: str = VANILLA
    objects: tuple[int, ...] = ()

    def video(self, clip: SampledClip, encoder: Encoder) -> VideoInputs:
        return encoder.encode(clip, clip.array)

    def area(self, clip: SampledClip) -> float:
        return 0.0


@dataclass(frozen=True, eq=False)
class RegionNoise:
    """Object-Centric 3D Rollout: noise on the footprints of the chosen objects.

    Noise that can be made in patch space goes straight into the vanilla clip's patches, on their device: no second
    resizing and normalising, and no blurring of the noise. What moves pixels needs its frames encoded anew.
    """

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

    def video(self, clip: SampledClip, encoder: Encoder) -> VideoInputs:
        noise = self.ocr_map.noise
        if noise.in_patch_space:
            return _noisy_patches(
                clip,
                encoder,
                lambda height, width: self.ocr_map.placed(
                    self.footprints, self.plan, clip.indices, height, width
                ).region(self.objects),
                self.plan.strength,
                self.plan.key,
                noise.perturb_patches,
            )
        cameras = rows.cameras_of(self.row)
        if cameras:
            cameras["camera_to_world"] = cameras["camera_to_world"][list(clip.indices)]
        # Such a mode moves pixels, so it works on whole frames before resizing
        frames = self.ocr_map.perturb(
            clip.array,
            self.footprints,
            self.objects,
            row_id=self.row["id"],
            step=self.step,
            frame_indices=clip.indices,
            **cameras,
        )
        return encoder.encode(clip, frames)

    def area(self, clip: SampledClip) -> float:
        # Of the objects' own footprints: moved ones are as large
        return float(self.footprints.region(self.objects, clip.indices).mean())


@dataclass(frozen=True, eq=False)
class StoredCopy:
    """A copy of the clip in which objects were altered in the 3D scene: one of those that `ocr-hf build` stored.

    source : what `read_frames` takes; edits : what was done, as JSON; footprints : of the recorded clip
    """

    source: VideoSource
    edits: tuple[str, ...]
    footprints: Footprints

    @property
    def settings(self) -> dict[str, Any]:
        return {"noise": "stored", "edits": list(self.edits)}

    @property
    def objects(self) -> tuple[int, ...]:
        return tuple(sorted({i for edit in self.edits for i in json.loads(edit)["objects"]}))

    def video(self, clip: SampledClip, encoder: Encoder) -> VideoInputs:
        return encoder.encode(clip, read_frames(self.source, clip.indices)[0])

    def area(self, clip: SampledClip) -> float:
        return float(self.footprints.region(self.objects, clip.indices).mean())


@dataclass(frozen=True, eq=False)
class EditedVideo:
    """A twin's edited video: the same walk through a scene in which another answer is right.

    source : what `read_frames` takes; name : tells edits of one clip apart; objects : those that were edited
    row : whose footprints, if it has any, say how large these are in the recorded clip
    """

    source: VideoSource
    name: str
    objects: tuple[int, ...]
    row: Mapping[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        return {"edited": self.name}

    def video(self, clip: SampledClip, encoder: Encoder) -> VideoInputs:
        return encoder.encode(clip, read_frames(self.source, clip.indices)[0])

    def area(self, clip: SampledClip) -> float:
        if self.row.get("footprints") is None or self.row.get("camera_to_world") is None:
            return 0.0
        return float(rows.footprints_of(self.row).region(self.objects, clip.indices).mean())


@dataclass(frozen=True)
class FrameNoise:
    """NoisyRollout: diffusion noise of one timestep on whole frames, made where and as region noise is."""

    timestep: int
    key: int
    objects: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        return {"noise": "frames", "timestep": self.timestep, "key": str(self.key)}

    def video(self, clip: SampledClip, encoder: Encoder) -> VideoInputs:
        return _noisy_patches(
            clip,
            encoder,
            lambda height, width: np.ones((len(clip.indices), height, width), dtype=bool),
            # A strength is the share of the diffusion schedule
            self.timestep / DIFFUSION_STEPS,
            self.key,
            gaussian_patches,
        )

    def area(self, clip: SampledClip) -> float:
        return 1.0


@dataclass(frozen=True)
class BlackPatches:
    """PAPO: each of the model's patches black with one probability; a patch covers two frames in Qwen's models."""

    probability: float
    key: int
    objects: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        return {"noise": "black patches", "probability": self.probability, "key": str(self.key)}

    def video(self, clip: SampledClip, encoder: Encoder) -> VideoInputs:
        video, processor = encoder.vanilla(clip), encoder.video_processor
        pixels = video.pixel_values_videos
        chosen = generator(self.key).random(len(pixels)) < self.probability
        # What the processor makes of pixels that are 0; a patch holds its colours one after the other
        black = -torch.tensor(processor.image_mean) / torch.tensor(processor.image_std)
        values = black.repeat_interleave(pixels.shape[1] // 3).to(pixels)
        return video.with_pixels(torch.where(torch.from_numpy(chosen).to(pixels.device)[:, None], values, pixels))

    def area(self, clip: SampledClip) -> float:
        # On average: how many patches a clip has is the processor's affair
        return self.probability


@dataclass(frozen=True)
class Shuffled:
    """T-GRPO: the frames in random order, their times as they were."""

    key: int
    objects: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        return {"noise": "shuffled", "key": str(self.key)}

    def video(self, clip: SampledClip, encoder: Encoder) -> VideoInputs:
        return encoder.encode(clip, shuffle_frames(clip.array, self.key))

    def area(self, clip: SampledClip) -> float:
        return 1.0


def _noisy_patches(
    clip: SampledClip, encoder: Encoder, region_at: Any, strength: float, key: int, make: Callable[..., torch.Tensor]
) -> VideoInputs:
    """The clip's own patches with noise where `region_at(height, width)`, at the processed size, says."""
    video, processor = encoder.vanilla(clip), encoder.video_processor
    _, rows_, columns = video.video_grid_thw[0].tolist()
    return video.with_pixels(
        make(
            video.pixel_values_videos,
            region_at(rows_ * processor.patch_size, columns * processor.patch_size),
            strength,
            key,
            clip.indices,
            image_mean=processor.image_mean,
            image_std=processor.image_std,
            patch_size=processor.patch_size,
            temporal_patch_size=processor.temporal_patch_size,
            merge_size=processor.merge_size,
        )
    )
