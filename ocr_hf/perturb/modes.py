"""Noise modes: what is done to the pixels of the chosen objects. One entry of `NOISE_MODES` each.

A mode owns its default strength and the bounds of it, the columns of a row that it reads, and the noise itself. It
needs no change anywhere else: `OCRMap`, the builder, training and the Space find it by its name.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.registry import Registry

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class NoiseTarget:
    """What a mode is given: some frames of a clip, and which of their pixels it may change.

    Attributes:
        frames: (T, H, W, 3) uint8, not to be written to.
        footprints: Of these frames and of their size.
        object_ids: The objects to perturb, ascending.
        key: 128 bits that decide all randomness, together with `frame_indices` (see `perturb.keys.generator`).
        frame_indices: Numbers of the frames in the clip, (T,), or None for 0 to T-1. What a frame gets may depend on
            its number, never on which other frames are asked for with it.
        depth: (T, H, W) metres, or None.
        boxes: Object id -> oriented box, or None.
        camera_to_world: (T, 4, 4), or None.
        intrinsics: (3, 3), pixels of `frames`, or None.
    """

    frames: np.ndarray
    footprints: Footprints
    object_ids: tuple[int, ...]
    key: int
    frame_indices: Sequence[int] | None = None
    depth: np.ndarray | None = None
    boxes: Mapping[int, OrientedBox] | None = None
    camera_to_world: np.ndarray | None = None
    intrinsics: np.ndarray | None = None


class NoiseMode(ABC):
    """One way to perturb objects. Subclass it, set the attributes, write `perturb`, register an instance.

    Attributes:
        name: What `mode` is set to.
        help: One sentence for the documentation and the Space.
        default_strength: Where `strength` is left out.
        max_strength: The largest strength that means anything.
        unit: What strength is measured in, "" for a plain number.
        slider_max: The largest strength that the Space offers; by default `max_strength`.
        columns: Columns of a row that it reads beside id, vanilla and footprints.
        needs_depth: Whether the builder keeps the depth of rendered frames for it.
        keeps_outside: Whether pixels outside the footprints of the objects stay bit-identical.
        anneals_strength: Whether a schedule lowers its strength as well as the number of objects.
        in_patch_space: Whether it can be put straight into a processor's `pixel_values_videos`; then `perturb_patches`
            does so, and training saves encoding the noisy frames.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    default_strength: ClassVar[float]
    max_strength: ClassVar[float] = math.inf
    unit: ClassVar[str] = ""
    slider_max: ClassVar[float | None] = None
    columns: ClassVar[tuple[str, ...]] = ()
    needs_depth: ClassVar[bool] = False
    keeps_outside: ClassVar[bool] = True
    anneals_strength: ClassVar[bool] = False
    in_patch_space: ClassVar[bool] = False

    @property
    def identity(self) -> str:
        """What tells this noise from others in ids of noisy copies: the name, and a dataclass's fields if it has any.

        Two modes of one identity must make equal pixels, since a copy that was made once is used again.
        """
        values = dataclasses.asdict(self) if dataclasses.is_dataclass(self) else {}
        return self.name + (f"({', '.join(f'{name}={value!r}' for name, value in values.items())})" if values else "")

    @property
    def slider_most(self) -> float | None:
        """Where the Space's slider of strengths ends; None where there is no bound to end it at."""
        most = self.max_strength if self.slider_max is None else self.slider_max
        return most if math.isfinite(most) else None

    def check_strength(self, strength: float | int) -> None:
        """Raise ValueError for a strength outside the bounds."""
        # NaN fails the comparison and isn't let through; infinity needs the second test where there is no upper bound.
        if not (0.0 <= strength <= self.max_strength and math.isfinite(strength)):
            raise ValueError(f"strength is {strength}; mode {self.name} takes {self.range_words}")

    @property
    def range_words(self) -> str:
        """The bounds of its strength, in words."""
        most = "0 and up" if math.isinf(self.max_strength) else f"0 to {self.max_strength:g}"
        return f"{most}, in {self.unit}" if self.unit else most

    def is_identity(self, strength: float) -> bool:
        """Return whether this strength leaves every pixel as it is."""
        return strength == 0.0

    def check_target(self, target: NoiseTarget) -> None:
        """Raise ValueError where something that the mode's columns hold wasn't given."""
        given = {"objects": "boxes", "camera_to_world": "camera_to_world", "intrinsics": "intrinsics"}
        missing = [given[name] for name in self.columns if name in given and getattr(target, given[name]) is None]
        if missing:
            raise ValueError(
                f"mode '{self.name}' lacks {' and '.join(missing)}; pass them (columns {', '.join(self.columns)} of a "
                "row), or use a mode that needs none, such as gaussian"
            )

    @abstractmethod
    def perturb(self, target: NoiseTarget, strength: float) -> np.ndarray:
        """Return the noisy frames, (T, H, W, 3) uint8; with `keeps_outside`, bit-identical outside the footprints.

        What `columns` names is there: `OCRMap` has checked it. `strength` is within the bounds and no identity.
        """

    def perturb_flagged(self, target: NoiseTarget, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the noisy frames, and which of their pixels (T, H, W) bool were made up: filled from around.

        A mode that uncovers what was behind an object overrides it; by default no pixel is.
        """
        return self.perturb(target, strength), np.zeros(target.frames.shape[:3], dtype=bool)

    def perturb_patches(
        self,
        pixel_values_videos: torch.Tensor,
        region: np.ndarray,
        strength: float,
        key: int,
        frame_indices: Sequence[int] | None,
        *,
        image_mean: Sequence[float],
        image_std: Sequence[float],
        patch_size: int,
        temporal_patch_size: int,
        merge_size: int,
    ) -> torch.Tensor:
        """Return one video's `pixel_values_videos` with the noise in `region`, where `in_patch_space` is set.

        Arguments as `perturb.patch_space.gaussian_patches` takes them.
        """
        raise NotImplementedError(f"mode {self.name} is made on frames, not on patches")


NOISE_MODES: Registry[NoiseMode] = Registry(
    "noise mode",
    requires=("name", "help", "default_strength", "perturb"),
    modules=("ocr_hf.perturb.noise_modes.*",),
)
"""Every noise mode by its name."""


def noise_mode(mode: str | NoiseMode) -> NoiseMode:
    """Return a mode from its name, or the mode itself.

    Raises:
        ValueError: There is no mode of this name; the nearest is suggested.
    """
    return mode if isinstance(mode, NoiseMode) else NOISE_MODES.find(mode, "mode")
