"""One altered shape or place of an object, drawn from a key: what the modes `rigid`, `scale` and `warp` do to it.

The paper (arXiv 2511.13190) speaks of "structured perturbations to the 3D geometry" and says no more; kinds, amplitudes
and what they are measured in are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.fit_box import MIN_EXTENT_M
from ocr_hf.perturb.keys import generator, stable_key
from ocr_hf.scenes.edits.surface_edits import bending_waves, bent_points

KINDS = ("rigid", "scale", "warp")
TURN_RAD = 2.0
"""Turn of a rigid alteration by strength: a turn of 2 s moves the end of a diagonal by s diagonals."""
LOG_FACTOR = 2.0
"""Logarithm of a scale's factor by strength: at 0.2 an object becomes 1.5 times as large, or 0.67 times."""
LATTICE = 9
"""Places along each edge of a box at which a warp's largest displacement is looked for."""


@dataclass(frozen=True, eq=False)
class Alteration:
    """How one object is altered, the same in every frame.

    Args:
        kind: one of KINDS.
        box: the object's, before.
        offset_m: (3,) rigid: where it moves, along the floor, metres.
        turn_rad: rigid: about the vertical through the box's centre.
        factor: scale: of all three extents; the middle of the base stays.
        amplitude: warp: the largest displacement, in box diagonals.
        seed: warp: of its waves.
    """

    kind: str
    box: OrientedBox
    offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_rad: float = 0.0
    factor: float = 1.0
    amplitude: float = 0.0
    seed: int = 0

    @classmethod
    def draw(cls, kind: str, box: OrientedBox, strength: float, key: int) -> Alteration:
        """Draw an alteration; of one key, those of different strengths differ in how far they go only.

        kind : one of KINDS; strength : in box diagonals
        """
        rng = generator(stable_key("alteration", key))
        sign, spread, seed = rng.choice((-1.0, 1.0)), rng.normal(size=3), int(rng.integers(2**31))
        if kind == "rigid":
            # Seen from above. An object slides along its length rather than its breadth, and turns the less the flatter
            # it is: so a picture stays on its wall and a shelf hardly turns into the one behind it.
            axes = (box.rotation * box.size)[:2]
            along = axes @ spread
            length = float(np.linalg.norm(along))
            if length > 0.0:
                along *= strength * box.diagonal / length
            breadth, extent = np.sqrt(np.maximum(np.linalg.eigvalsh(axes @ axes.T), 0.0))
            turn = sign * TURN_RAD * strength * (breadth / extent if extent > 0.0 else 0.0)
            return cls(kind, box, offset_m=(float(along[0]), float(along[1]), 0.0), turn_rad=float(turn))
        if kind == "scale":
            return cls(kind, box, factor=float(np.exp(sign * LOG_FACTOR * strength)))
        if kind == "warp":
            return cls(kind, box, amplitude=float(strength), seed=seed)
        raise ValueError(f"an alteration's kind is '{kind}'; choose one of {', '.join(KINDS)}")

    @property
    def base(self) -> np.ndarray:
        """(3,) the middle of the box's base, or of what is below its centre: nothing sinks when it is scaled."""
        return self.box.center - [0.0, 0.0, self.height_m / 2.0]

    @property
    def height_m(self) -> float:
        """From the lowest to the highest point of the box."""
        return float(np.abs(self.box.rotation[2]) @ self.box.size)

    def moved(self, points: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
        """Return where points (N, 3) of the object go: along the world's axes, origin at `base`, metres."""
        if self.kind == "rigid":
            cos, sin = np.cos(self.turn_rad), np.sin(self.turn_rad)
            turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
            return points @ turn.T.astype(np.float32) + np.asarray(self.offset_m, dtype=np.float32)
        if self.kind == "scale":
            return points * np.float32(self.factor)
        top = max(self.height_m, MIN_EXTENT_M)
        shift = self._waves(points) * np.float32(self._wave_scale())
        return bent_points(points, points[:, 2], top, shift)

    def _waves(self, points: np.ndarray) -> np.ndarray:
        """Return the displacement field, of no particular length, at points as `moved` takes them."""
        raised = points - np.array([0.0, 0.0, self.height_m / 2.0], dtype=points.dtype)
        size = np.maximum(self.box.size, MIN_EXTENT_M)
        return bending_waves(raised @ (self.box.rotation / size).astype(points.dtype), self.seed)

    def _wave_scale(self) -> float:
        """Return what makes the field's largest displacement in the box `amplitude` diagonals."""
        steps = np.linspace(-0.5, 0.5, LATTICE)
        places = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        longest = float(np.linalg.norm(bending_waves(places, self.seed), axis=1).max())
        return self.amplitude * self.box.diagonal / longest if longest > 0.0 else 0.0
