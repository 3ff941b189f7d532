"""The outlines of some objects at another place: the control for noise on objects.

Pixel-exact noise draws the outline of what it hides. A model that gains from it may gain from seeing where the object
is, or from any noise of that size. So the same outlines are filled with the same noise where those objects are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np
import scipy.fft

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.perturb.keys import generator, stable_key
from ocr_hf.perturb.modes import NoiseMode

Region = Literal["objects", "elsewhere"]
REGIONS: tuple[str, ...] = get_args(Region)

FRAMES = 32
"""Most frames of a clip, evenly spread, on which overlap is counted, whichever of them are shown."""


def check_region(region: str, mode: NoiseMode) -> None:
    """Raise ValueError for an unknown region, and for one that a mode can't be put into."""
    if region not in REGIONS:
        raise ValueError(f"region is '{region}'; choose one of {', '.join(REGIONS)}")
    if region == "elsewhere" and mode.columns:
        raise ValueError(
            f"region is 'elsewhere', but mode {mode.name} alters the objects themselves ({', '.join(mode.columns)}); "
            "use mode gaussian, which is noise on pixels"
        )


def shift_elsewhere(footprints: Footprints, object_ids: Iterable[int], key: int) -> tuple[float, float]:
    """Return how far (down, right) the objects' outlines are moved, as shares of the frame's height and width.

    One shift for the clip, so that outlines move from frame to frame as the objects do. Frames are rolled: what leaves
    at one border comes in at the other, which keeps the region's area in every frame. Of all shifts, one is drawn from
    those by which the moved region covers the objects' own pixels least, which mostly is not at all.

    footprints : of the whole clip; key : decides the draw
    """
    height, width = footprints.height, footprints.width
    power = np.zeros((height, width // 2 + 1))
    looked_at = np.unique(np.linspace(0, footprints.num_frames - 1, FRAMES).round().astype(int)).tolist()
    for region in footprints.region(object_ids, looked_at):
        if region.any():
            power += np.abs(scipy.fft.rfft2(region.astype(np.float64))) ** 2
    # The region's circular autocorrelation: how many of its pixels each shift would put on itself
    overlap = np.rint(scipy.fft.irfft2(power, s=(height, width))).astype(np.int64)
    least = np.flatnonzero(overlap == overlap.min())
    drawn = least[int(generator(stable_key("elsewhere", key)).integers(len(least)))]
    down, right = divmod(int(drawn), width)
    return down / height, right / width
