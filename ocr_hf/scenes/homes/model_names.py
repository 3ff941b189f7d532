"""Which catalogue names are which question category, and which categories may be replaced by real models."""

from __future__ import annotations

import re

_NAMES = {
    "backpack": "backpack",
    "basket": "clothes basket|basket",
    "bathtub": "bath|bathtub",
    "bed": "bed|iron bed",
    "bookshelf": "bookcase|full bookcase|shelves|vertical shelves|bookshelf",
    "bottle": "wine bottle|beer bottle|bottle",
    "bowl": "bowl|bowl with fruits|bowl with salad",
    "cabinet": "television cabinet|tv stand|dresser with drawers|filing cabinet|drawers cabinet|cabinet|safe",
    "chair": "chair|oak chair|osaka chair|chair with cushion|armchair|modern armchair|winchester armchair|plastic chair"
    "|cafe chair|class seat",
    "closet": "wardrobe|closet",
    "crate": "crate",
    "cup": "coffee cup|cup|coffee mug|plastic cup",
    "cutting board": "chopping board|cutting board",
    "desk": "desk|wooden desk|desk table|wooden table|wooden alder table|wooden teak table",
    "exhaust fan": "range hood|hood",
    "fan": "fan|rigged fan",
    "fireplace": "fireplace",
    "guitar": "electric guitar|guitar",
    "headphones": "headphones",
    "kettle": "teapot|espresso kettle|kettle",
    "lamp": "lamp|desk lamp|little lamp",
    "laptop": "laptop|apple ibook",
    "microwave": "microwave",
    "nightstand": "bedside table|nightstand",
    "pan": "large pan|pan",
    "piano": "upright piano|piano",
    "printer": "inkjet printer and scanner|printer",
    "radiator": "radiator",
    "refrigerator": "refrigerator|large fridge|fridge",
    "shoes": "sneakers|slippers|woman shoes|mocassin|shoes",
    "sink": "vanity|sink",
    "sofa": "sofa|couch|clear sofa|sofa 2 seats|sofa 3 seats|burlap sofa|winchester sofa|futon couch",
    "stool": "stool|bar stool",
    "stove": "stove|large stove|propane stove|cooker",
    "suitcase": "suitcase",
    "table": "table|coffee table|oak table|round table|black table|glass table|table with tablecloth|cafe table"
    "|folding table",
    "telephone": "phone|wireless phone|telephone",
    "toilet": "toilets unit|small lavatory|toilet",
    "trash bin": "dustbin|bullet trash can|trash bin",
    "tv": "tv|tv 16:9|wall flat tv",
    "washer": "washing machine|clothes washing machine|washer",
    "whiteboard": "white board|whiteboard",
}
_CATEGORY = {name: label for label, names in _NAMES.items() for name in names.split("|")}


def category_of(name: str) -> str | None:
    """Return the question category of a catalogue or file name ("Oak chair", "chair_02"), None if it has none."""
    return _CATEGORY.get(re.sub(r"[\s_\-]*\d*$", "", name.strip().lower().replace("_", " ")).strip())
