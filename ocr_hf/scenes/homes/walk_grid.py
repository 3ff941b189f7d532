"""A coarse occupancy grid of one room: can people still get through while it is being furnished?"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ocr_hf.scenes.homes.placement import Block

CELL_M = 0.1
WALKER_M = 0.34
"""Free radius kept while furnishing: the 0.25 m of a walker and a margin for the grids' cells."""
LEAST_FREE_M2 = 0.5
"""Floor that is left for a walker's centre in every room."""
HEAD_M = 1.85
"""Things that hang higher than this don't stand in the way."""


class WalkGrid:
    """Cells of a room where a walker's centre can be; every door must stay joined to every other.

    low, high : (2,) corners of the room; doors : (N, 2) points inside the room, one before each opening
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, doors: list[np.ndarray], solid: list[Block]) -> None:
        shape = np.maximum(np.ceil((high - low) / CELL_M).astype(int), 1)
        self._x = low[0] + (np.arange(shape[0])[:, None] + 0.5) * CELL_M
        self._y = low[1] + (np.arange(shape[1])[None, :] + 0.5) * CELL_M
        inside = np.minimum(
            np.minimum(self._x - low[0], high[0] - self._x), np.minimum(self._y - low[1], high[1] - self._y)
        )
        self._free = inside >= WALKER_M
        for block in solid:
            self._free &= ~self._covered(block)
        self._doors = [tuple(np.clip(((door - low) / CELL_M).astype(int), 0, shape - 1)) for door in doors]

    def _covered(self, block: Block) -> np.ndarray:
        """Return the cells nearer than a walker's radius to a block."""
        (ux, uy), (vx, vy) = block.axes
        dx, dy = self._x - block.x, self._y - block.y
        along = np.maximum(np.abs(dx * ux + dy * uy) - block.width / 2.0, 0.0)
        across = np.maximum(np.abs(dx * vx + dy * vy) - block.depth / 2.0, 0.0)
        return along**2 + across**2 < WALKER_M**2

    def try_add(self, blocks: list[Block]) -> bool:
        """Take the blocks' space if everything stays reachable; return whether it did."""
        free = self._free
        for block in blocks:
            if block.z0 < HEAD_M:
                free = free & ~self._covered(block)
        if free is self._free:
            return True
        regions, _ = ndimage.label(free)
        counts = np.bincount(regions.ravel())[1:]
        if len(counts) == 0:
            return False
        main = int(counts.argmax()) + 1
        # A camera has to stand somewhere, and from one spot no walk sees a room
        if counts[main - 1] * CELL_M**2 < LEAST_FREE_M2:
            return False
        # Every door on the largest region keeps the home connected. Up to 15 % of the floor may be cut off: corners
        # behind an armchair are normal, a room split in two is not.
        if any(regions[door] != main for door in self._doors) or counts.sum() - counts[main - 1] > 0.15 * counts.sum():
            return False
        self._free = free
        return True
