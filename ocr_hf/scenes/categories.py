"""Maps the class names of 3D models to the categories that questions name.

"ChairA", "Armchair_02" and "office-chair" are all "chair"; walls, floors and the like are structure, not objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_STRUCTURE = """
    wall floor ceiling roof house building room structure beam column pillar stairs staircase baseboard skirting
    plinth ground house wall room wall room floor room ceiling partition railing
"""

_CATEGORIES = {
    "air conditioner": "aircon, airconditioner, air conditioner, ac unit",
    "backpack": "rucksack",
    "basket": "laundry basket, hamper",
    "bathtub": "bath, bath tub, tub",
    "bed": "double bed, single bed, bunk bed, crib, cradle",
    "blanket": "quilt, throw",
    "book": "books",
    "bookshelf": "bookcase, book case, book shelf, bookshelves",
    "bowl": "",
    "cabinet": "cupboard, sideboard, kitchen cabinet, tv cabinet, tv stand, file cabinet, filing cabinet, credenza, "
    "dresser, chest, chest of drawers, drawers",
    "ceiling light": "chandelier, pendant, pendant lamp, hanging lamp, ceiling lamp",
    "chair": "armchair, dining chair, office chair, rocking chair, seat, swivel chair",
    "clock": "wall clock, alarm clock",
    "coat hanger": "coat rack, coat stand",
    "computer mouse": "mouse",
    "computer tower": "pc, computer, computer case",
    "counter": "countertop, worktop",
    "crate": "box, cardboard box",
    "cup": "mug, drinking glass",
    "curtain": "curtains, drapes",
    "cushion": "",
    "cutting board": "chopping board",
    "desk": "reading desk, writing desk, work desk",
    "dishwasher": "dish washer",
    "door": "doorway, front door, folding door, sliding door",
    "door handle": "handle, door knob, knob",
    "dumbbell": "dumbbells, barbell, weights",
    "exercise bench": "fitness equipment, weight bench, gym bench",
    "fan": "",
    "fireplace": "fire place",
    "heater": "",
    "kettle": "",
    "keyboard": "",
    "kitchen utensils": "utensils, cutlery",
    "lamp": "floor lamp, desk lamp, wall lamp, light, sconce, lantern",
    "laptop": "notebook computer",
    "microwave": "microwave oven",
    "mirror": "",
    "monitor": "computer screen, computer monitor",
    "nightstand": "night stand, bedside table, bed side table, seat bed side, bed side",
    "oven": "",
    "pan": "frying pan",
    "piano": "",
    "picture": "portrait, desk portrait, painting, poster, photo, photo frame, picture frame, wall art, canvas",
    "pillow": "pillows",
    "plant": "potted plant, house plant, flower, flowers, flower pot, tree, bush",
    "printer": "",
    "radiator": "",
    "range hood": "rangehood, kitchen hood, hood, extractor",
    "refrigerator": "fridge, freezer",
    "rug": "carpet, mat, carpets",
    "seasoning box": "spice box, spice rack",
    "security camera": "camera",
    "shelf": "board, shelves, wall shelf, shelf unit, shelving",
    "shoe rack": "",
    "shoes": "shoe",
    "shower": "shower cabin",
    "sink": "wash basin, washbasin, basin, kitchen sink",
    "sofa": "couch, loveseat, settee, futon, corner sofa",
    "speaker": "loudspeaker",
    "stool": "bar stool, ottoman, pouf, footstool",
    "stove": "cooking bench, cooker, cooktop, hob, range",
    "suitcase": "",
    "table": "dining table, coffee table, kitchen table, balcony table, end table, side table",
    "tablet": "tablet computer",
    "tableware": "dishes, dish rack, crockery",
    "telephone": "phone",
    "toilet": "wc, toilet seat",
    "towel": "",
    "trash bin": "trash, trash can, waste bin, wastebasket, garbage bin, garbage can, bin, dustbin",
    "tv": "television, tv set",
    "vase": "",
    "wardrobe": "closet, armoire",
    "washer": "washing machine",
    "whiteboard": "white board, blackboard",
    "window": "room window, house window",
}
"""Question category: other names for it. The last words count: "garden chair" is a chair."""

STRUCTURE = ""
"""What `Categories.of` answers for walls, floors and the like."""


def category_names() -> tuple[str, ...]:
    """Return every category that a class name may be mapped to, in a fixed order."""
    return tuple(_CATEGORIES)


def _default_names() -> dict[str, str]:
    """Return words of a class name -> category for everything known here."""
    names = {category: category for category in _CATEGORIES}
    for category, others in _CATEGORIES.items():
        names.update((name.strip(), category) for name in others.split(",") if name.strip())
    names.update((name, STRUCTURE) for name in _STRUCTURE.split())
    return names


def words_of(class_name: str) -> str:
    """Return a class name as lower-case words, without numbers and variant letters.

    "SeatBedSide" -> "seat bed side", "ChairA_01_001" -> "chair", "TVCabinet" -> "tv cabinet"
    """
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+", class_name)
    # "SofaC": a single capital at the end tells variants of a model apart.
    while len(parts) > 1 and len(parts[-1]) == 1:
        parts.pop()
    return " ".join(parts).lower()


@dataclass
class Categories:
    """A mapping of class names to question categories.

    names : words of a class name -> category; `STRUCTURE` marks what isn't an object
    unmapped : class names that were looked up without success; they keep their own words as category
    """

    names: dict[str, str] = field(default_factory=_default_names)
    unmapped: set[str] = field(default_factory=set)

    @classmethod
    def load(cls, source: Path | str | Mapping[str, str | None] | None) -> Categories:
        """Return the mapping with `source`, a dict or a JSON or YAML file of class name: category, laid over it.

        An entry `null` makes the class part of the structure. Raises ValueError for anything else in the file.
        """
        categories = cls()
        if source is None:
            return categories
        where, entries = "categories", source
        if not isinstance(source, Mapping):
            path = Path(source)
            where = str(path)
            text = path.read_text(encoding="utf-8")
            if path.suffix.lower() in (".yaml", ".yml"):
                import yaml

                entries = yaml.safe_load(text)
            else:
                try:
                    entries = json.loads(text)
                except json.JSONDecodeError as error:
                    raise ValueError(f"{where}, line {error.lineno}: {error.msg}; give a JSON object") from error
        if not isinstance(entries, Mapping):
            raise ValueError(f"{where} holds a {type(entries).__name__}; give an object of class name: category")
        for name, category in entries.items():
            if not isinstance(name, str) or not (category is None or isinstance(category, str) and category.strip()):
                raise ValueError(f"{where}: {name!r}: {category!r}; give a class name and a category or null")
            categories.names[words_of(name) or name] = STRUCTURE if category is None else category.strip().lower()
        return categories

    def of(self, class_name: str) -> str:
        """Return the category of a class name, or `STRUCTURE`.

        The longest known suffix of words decides; an unknown name is recorded in `unmapped` and keeps its words.
        """
        words = words_of(class_name).split()
        # In English the last noun is the thing: a kitchen table is a table, a table lamp is a lamp.
        for start in range(len(words)):
            found = self.names.get(" ".join(words[start:]))
            if found is not None:
                return found
        self.unmapped.add(class_name)
        return " ".join(words) or class_name.lower()
