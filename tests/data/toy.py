"""A scene of boxes that is made and rendered in a tenth of a second."""

from __future__ import annotations

import numpy as np

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import ScenePlan
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.scene import Material, Room, Scene
from tests.scenes.boxes import box_mesh, box_object

FURNITURE = (
    ("chair", (-1.6, -1.2), (0.5, 0.5, 0.9)),
    ("chair", (-1.6, 0.2), (0.5, 0.5, 0.9)),
    ("table", (1.5, 1.4), (1.2, 0.8, 0.7)),
    ("sofa", (0.2, -1.6), (1.8, 0.8, 0.8)),
    ("tv", (1.8, -0.6), (0.2, 1.0, 0.9)),
    ("lamp", (-1.8, 1.7), (0.3, 0.3, 1.6)),
)


def open_toy(config: BuildConfig, plan: ScenePlan) -> Scene:
    """Stand in for `open_scene`: a walled room of 5 x 4.6 m, its furniture coloured and moved a little by the seed."""
    rng = np.random.default_rng(plan.seed)
    objects = []
    for number, (label, place, size) in enumerate(FURNITURE):
        center = np.array([*(np.array(place) + rng.uniform(-0.1, 0.1, 2)), size[2] / 2.0])
        box = OrientedBox.upright(center, np.array(size), float(rng.uniform(-0.3, 0.3)))
        objects.append(box_object(number + 1, box, Material(tuple(rng.uniform(0.2, 0.9, 3))), label))
    low, high = np.array([-2.5, -2.3]), np.array([2.5, 2.3])
    slabs = [
        ((low[0], low[1], -0.1), (high[0], high[1], 0.0)),
        ((low[0] - 0.1, low[1], 0.0), (low[0], high[1], 2.5)),
        ((high[0], low[1], 0.0), (high[0] + 0.1, high[1], 2.5)),
        ((low[0], low[1] - 0.1, 0.0), (high[0], low[1], 2.5)),
        ((low[0], high[1], 0.0), (high[0], high[1] + 0.1, 2.5)),
    ]
    structure = tuple(box_mesh(OrientedBox.axis_aligned(np.array(a), np.array(b))) for a, b in slabs)
    polygon = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    return Scene(plan.name, "procedural", tuple(objects), structure, rooms=(Room("room", polygon),))
