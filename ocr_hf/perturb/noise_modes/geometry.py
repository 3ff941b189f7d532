"""`rigid`, `scale`, `warp`: objects' places, sizes or shapes in 3D change; `geometry` takes one of these for each."""

from __future__ import annotations

from ocr_hf.perturb.alteration_mode import AlterationMode
from ocr_hf.perturb.modes import NOISE_MODES


class Geometry(AlterationMode):
    """Objects are moved, resized or bent: the key decides which, for each by itself."""

    name = "geometry"
    help = "each object is moved, resized or bent in 3D: `rigid`, `scale` or `warp` by chance"


class Rigid(AlterationMode):
    """Objects slide along the floor and turn about the vertical."""

    kinds = ("rigid",)
    name = "rigid"
    help = "the objects slide along the floor and turn about the vertical"


class Scale(AlterationMode):
    """Objects become larger or smaller and stay where they stand."""

    kinds = ("scale",)
    name = "scale"
    help = "the objects become larger or smaller where they stand"


class Warp(AlterationMode):
    """Objects are bent by smooth waves."""

    kinds = ("warp",)
    name = "warp"
    help = "the objects are bent and bulged by smooth waves"


for mode in (Geometry(), Rigid(), Scale(), Warp()):
    NOISE_MODES.register(mode)
