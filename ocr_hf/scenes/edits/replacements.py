"""Other models for an object's place, made by the makers of procedural furniture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ocr_hf.scenes.edits.carriers import base_center
from ocr_hf.scenes.homes.furnished import SCALE
from ocr_hf.scenes.homes.furniture import (
    appliances,
    belongings,
    decor,
    electronics,
    lighting,
    sanitary,
    seating,
    sleeping,
    storage,
    tables,
    tableware,
)
from ocr_hf.scenes.homes.furniture.furniture_model import Model
from ocr_hf.scenes.homes.furniture.sizes import scaled
from ocr_hf.scenes.homes.furniture.style import Style, sample_style
from ocr_hf.scenes.randomness import generator, pick
from ocr_hf.scenes.scene import SceneObject

Maker = Callable[[np.random.Generator, Style], Model]

MAKERS: dict[str, tuple[Maker, ...]] = {
    "backpack": (belongings.backpack,),
    "basket": (storage.basket,),
    "bathtub": (sanitary.bathtub,),
    "bed": (sleeping.bed,),
    "blanket": (sleeping.blanket,),
    "bookshelf": (storage.bookshelf,),
    "bottle": (tableware.bottle,),
    "bowl": (tableware.bowl,),
    "bucket": (sanitary.bucket,),
    "cabinet": (storage.sideboard, storage.dresser, storage.filing_cabinet),
    "ceiling light": (lighting.ceiling_light,),
    "chair": (seating.slat_chair, seating.padded_chair, seating.shell_chair, seating.office_chair),
    "clock": (decor.clock,),
    "closet": (storage.closet,),
    "coat rack": (storage.coat_rack,),
    "computer mouse": (electronics.mouse,),
    "computer tower": (electronics.tower,),
    "counter": (appliances.counter,),
    "crate": (storage.crate,),
    "cup": (tableware.cup,),
    "cutting board": (tableware.cutting_board,),
    "desk": (tables.desk,),
    "dishwasher": (appliances.dishwasher,),
    "exhaust fan": (appliances.exhaust_fan,),
    "fan": (electronics.fan,),
    "fireplace": (decor.fireplace,),
    "guitar": (belongings.guitar,),
    "headphones": (electronics.headphones,),
    "heater": (decor.heater,),
    "kettle": (tableware.kettle,),
    "keyboard": (electronics.keyboard,),
    "lamp": (lighting.floor_lamp, lighting.table_lamp, lighting.desk_lamp),
    "laptop": (electronics.laptop,),
    "microwave": (appliances.microwave,),
    "mirror": (sanitary.mirror,),
    "monitor": (electronics.monitor,),
    "nightstand": (tables.nightstand,),
    "oven": (appliances.oven_tower,),
    "pan": (tableware.pan,),
    "paper bag": (belongings.paper_bag,),
    "piano": (belongings.piano,),
    "picture": (decor.wall_picture,),
    "pillow": (sleeping.pillow, sleeping.sofa_pillow),
    "plant": (decor.plant,),
    "power strip": (electronics.power_strip,),
    "printer": (electronics.printer,),
    "radiator": (decor.radiator,),
    "refrigerator": (appliances.refrigerator,),
    "shoe rack": (storage.shoe_rack,),
    "shoes": (belongings.shoes,),
    "sink": (sanitary.bathroom_sink, appliances.kitchen_sink),
    "sofa": (seating.sofa,),
    "stool": (seating.stool,),
    "stove": (appliances.stove,),
    "suitcase": (belongings.suitcase,),
    "table": (tables.dining_table, tables.round_table, tables.coffee_table),
    "telephone": (electronics.telephone,),
    "toilet": (sanitary.toilet,),
    "towel": (sanitary.towel,),
    "trash bin": (decor.trash_bin,),
    "tv": (electronics.tv,),
    "washer": (sanitary.washer,),
    "whiteboard": (decor.whiteboard,),
}
"""Category -> what makes a model of it. Doors, windows and curtains are missing: they are made to measure."""
WALL_OR_CEILING = frozenset({"ceiling light", "clock", "exhaust fan", "mirror", "picture", "towel", "whiteboard"})
"""These hang; plausibly they take the place of what hangs, and everything else that of what stands."""
FITTED = frozenset({"bathtub", "counter", "dishwasher", "fireplace", "oven", "radiator", "sink", "stove", "toilet"})
"""These are fitted to walls and pipes: nobody would put one more into the middle of a room."""
EITHER_WAY = frozenset({"tv"})
LEAST, LARGEST = SCALE
"""A model is scaled by no more than the second; below the first it looks like a toy."""


def make_model(label: str, seed: int) -> Model:
    """Return a model of a category in MAKERS in its own frame, a pure function of label and seed."""
    rng = generator(seed, "replacement", label)
    return pick(rng, MAKERS[label])(rng, sample_style(rng))


def fit_factor(model: Model, size: np.ndarray) -> float:
    """Return by how much a model is scaled evenly for a box's footprint; `size` (3,) metres along the box's axes."""
    return float(min((np.maximum(size[:2], 1e-4) / model.size[:2]).min(), LARGEST))


def replaced(item: SceneObject, label: str, seed: int, hangs: bool) -> SceneObject:
    """Return another model in the place of an object, scaled into its footprint.

    Args:
        item: the object; its box says where, and its yaw is kept.
        label: a category in MAKERS.
        seed: at least 0; it chooses the model.
        hangs: the back (+y of the box) and the middle height are kept instead of the middle of the base: what hangs on
            a wall stays at the wall.

    Returns:
        The new object, with the id of the old.
    """
    model = make_model(label, seed)
    model = scaled(model, np.full(3, fit_factor(model, item.box.size)))
    axes = item.box.rotation
    yaw = float(np.arctan2(axes[1, 0], axes[0, 0]))
    place = base_center(item.box)
    if hangs:
        place += (item.box.size[1] - model.size[1]) / 2.0 * np.array([-np.sin(yaw), np.cos(yaw), 0.0])
        place[2] = item.box.center[2] - model.size[2] / 2.0
    box, meshes = model.placed(place, yaw)
    return SceneObject(item.id, model.label, box, meshes)
