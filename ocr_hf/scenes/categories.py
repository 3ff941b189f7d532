"""Maps the class names of 3D models to the categories that questions name.

"ChairA", "Armchair_02" and "office-chair" are all "chair"; walls, floors and the like are structure, not objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ocr_hf.scenes.class_words import composed, lower, words_of
from ocr_hf.scenes.label_table import LabelTable, read_labels

_STRUCTURE = """
    wall walls floor floors ceiling ceilings roof house building room structure beam column pillar stairs staircase
    baseboard skirting plinth ground partition railing
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

_OTHERS = ("bottle", "bucket", "guitar", "headphones", "paper bag", "power strip")
"""Categories that procedural homes have too. They stand apart because the released checkpoint numbers those above."""

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
    names.update((name, name) for name in _OTHERS)
    names.update((name, STRUCTURE) for name in _STRUCTURE.split())
    return names


@dataclass
class Categories:
    """A mapping of class names to question categories.

    names : words of a class name -> category; `STRUCTURE` marks what isn't an object
    exact : the user's class names -> category; they go before words
    unmapped : class names that were looked up without success; they keep their own words as category
    unused : the user's class names that no lookup has needed
    unknown : the user's categories that aren't among ours
    """

    names: dict[str, str] = field(default_factory=_default_names)
    exact: dict[str, str] = field(default_factory=dict)
    unmapped: set[str] = field(default_factory=set)
    unused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    @classmethod
    def load(cls, labels: LabelTable | None) -> Categories:
        """Return the mapping with `labels`, a dict or a JSON, YAML, CSV or TSV file, laid over it.

        An entry `null`, or the name of a piece of structure, makes the class part of the structure. A name that ends
        in a number is that of one node; others stand for all numbers and variants. Raises ValueError for anything else
        in the file.
        """
        categories = cls()
        known = dict(categories.names)
        for name, category in {} if labels is None else read_labels(labels)[1].items():
            meant = STRUCTURE if category is None else lower(category.strip())
            ours = known.get(words_of(meant))
            if ours == STRUCTURE:
                meant = STRUCTURE
            elif ours is None and meant != STRUCTURE:
                categories.unknown.add(meant)
            categories.exact[composed(name)] = meant
            if not name[-1].isdecimal():
                categories.names[words_of(name)] = meant
        categories.unused = set(categories.exact)
        return categories

    def of(self, class_name: str, name: str | None = None) -> str:
        """Return the category of a class name, or `STRUCTURE`.

        The longest known suffix of words decides; an unknown name is recorded in `unmapped` and keeps its words.

        Args:
            class_name: As the file has it.
            name: Of the instance, which the user's table may name as well.
        """
        for exact in (name, class_name):
            if exact in self.exact:
                self.unused.discard(exact)
                return self.exact[exact]
        words = words_of(class_name).split()
        # In English the last noun is the thing: a kitchen table is a table, a table lamp is a lamp.
        for start in range(len(words)):
            suffix = " ".join(words[start:])
            found = self.names.get(suffix)
            if found is not None:
                self.unused -= {entry for entry in self.unused if words_of(entry) == suffix}
                return found
        self.unmapped.add(class_name)
        return " ".join(words) or lower(class_name)
