"""Whether pictures, instance maps, depth and boxes of a recording lie on each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.scenes.recorded.contradictions import LEAST_PIXELS

REACH_PX = 8
"""Shifts that are tried, in each direction."""
LEAST_SHIFT_PX = 1.5
"""Outlines are anti-aliased and maps made by nearest neighbours: one pixel says little."""
LEAST_GAIN = 1.1
"""By what factor the pictures' edges must be stronger under the shifted borders than under those in place."""
LEAST_CONTRAST = 1.2
"""By what factor they must be stronger there than in the whole picture: else the borders aren't in it at all."""
LEAST_BORDER = 200
"""Pixels on borders that a measurement needs."""
DEPTH_STEP = 0.05
"""Share of the depth by which neighbours differ at an outline."""


@dataclass(frozen=True)
class Shift:
    """How far pictures lie beside their maps.

    right, down : pixels by which the borders in the maps must be moved to lie on the pictures' edges; negative where
        the picture is left of or above its map. The mean over the picture, where a turn shifts its parts differently
    gain : strength of the edges there, by that at the borders in place
    """

    right: float
    down: float
    gain: float

    @property
    def is_clear(self) -> bool:
        """Whether the pictures are shifted, rather than the measurement rough."""
        return max(abs(self.right), abs(self.down)) >= LEAST_SHIFT_PX and self.gain >= LEAST_GAIN

    @property
    def words(self) -> str:
        """Where the pictures lie."""
        across = f"{abs(self.right):.1f} px {'right' if self.right > 0 else 'left'} of"
        along = f"{abs(self.down):.1f} px {'below' if self.down > 0 else 'above'}"
        return " and ".join(part for part, size in ((across, self.right), (along, self.down)) if abs(size) >= 0.5)


def measured_shift(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Shift | None:
    """Measure how far pictures lie beside their maps.

    Args:
        pairs: of a picture (H, W, 3) uint8 and the borders in its map (H, W) bool, as `id_borders` or `depth_borders`
            find them.

    Returns:
        The shift under which the borders lie on the strongest edges of all pictures together; None where there are too
        few borders, or where the pictures have no edges near them.
    """
    size = 2 * REACH_PX + 1
    strength, borders, everywhere, pixels = np.zeros((size, size)), 0, 0.0, 0
    for picture, border in pairs:
        grey = cv2.GaussianBlur(picture.astype(np.float32).mean(axis=2), (0, 0), 0.8)
        edges = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
        inner = border.copy()
        inner[:REACH_PX], inner[-REACH_PX:], inner[:, :REACH_PX], inner[:, -REACH_PX:] = False, False, False, False
        rows, columns = np.nonzero(inner)
        for down in range(size):
            for right in range(size):
                strength[down, right] += edges[rows + down - REACH_PX, columns + right - REACH_PX].sum(dtype=np.float64)
        borders, pixels = borders + len(rows), pixels + edges.size
        everywhere += float(edges.sum(dtype=np.float64))
    if borders < LEAST_BORDER:
        return None
    down, right = np.unravel_index(int(strength.argmax()), strength.shape)
    best, in_place = strength[down, right], strength[REACH_PX, REACH_PX]
    if best / borders < LEAST_CONTRAST * everywhere / pixels or in_place <= 0.0:
        return None
    places = (float(right) + _peak(strength[down], int(right)), float(down) + _peak(strength[:, right], int(down)))
    return Shift(places[0] - REACH_PX, places[1] - REACH_PX, float(best / in_place))


def _peak(values: np.ndarray, at: int) -> float:
    """Return where between its neighbours the greatest of some values has its peak, -0.5 to 0.5: that of a parabola."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, top, after = values[at - 1 : at + 2]
    bend = before - 2.0 * top + after
    return float(0.5 * (before - after) / bend) if bend < 0.0 else 0.0


def id_borders(ids: np.ndarray) -> np.ndarray:
    """Return the pixels (H, W) bool of an instance map beside which another object begins, on either side."""
    return _both_sides(ids[:, 1:] != ids[:, :-1], ids[1:] != ids[:-1])


def depth_borders(depth: np.ndarray) -> np.ndarray:
    """Return the pixels (H, W) bool beside which depth jumps, on either side; unknown depth is no border."""
    steps = []
    for near, far in ((depth[:, 1:], depth[:, :-1]), (depth[1:], depth[:-1])):
        known = (near > 0.0) & (far > 0.0)
        steps.append(known & (np.abs(near - far) > DEPTH_STEP * np.minimum(near, far)))
    return _both_sides(*steps)


def _both_sides(across: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Return the pixels (H, W) beside a step; across (H, W - 1), along (H - 1, W)."""
    border = np.zeros((across.shape[0], along.shape[1]), dtype=bool)
    # On both sides, so that a border has its middle where the step is
    border[:, 1:] |= across
    border[:, :-1] |= across
    border[1:] |= along
    border[:-1] |= along
    return border


def overlap(one: Footprints, other: Footprints) -> dict[int, float]:
    """Return object id -> intersection over union of its pixels in all frames; objects of few pixels are left out."""
    found = {}
    for object_id in sorted({*one.object_ids, *other.object_ids}):
        both = either = 0
        for frame in range(one.num_frames):
            a, b = one.region([object_id], [frame]), other.region([object_id], [frame])
            both, either = both + int((a & b).sum()), either + int((a | b).sum())
        if max(one.areas(object_id).sum(), other.areas(object_id).sum()) >= LEAST_PIXELS:
            found[object_id] = both / either
    return found
