"""Class names to question categories."""

from __future__ import annotations

import json

import pytest

from ocr_hf.scenes.categories import STRUCTURE, Categories, words_of


@pytest.mark.parametrize(
    ("class_name", "words"),
    [
        ("ChairA_01_001", "chair"),
        ("SeatBedSide", "seat bed side"),
        ("KitchenUtensils", "kitchen utensils"),
        ("TVCabinet", "tv cabinet"),
        ("TV", "tv"),
        ("office-chair.002", "office chair"),
        ("42", ""),
    ],
)
def test_class_names_fall_into_words(class_name, words):
    assert words_of(class_name) == words


@pytest.mark.parametrize(
    ("class_name", "category"),
    [
        ("ChairA", "chair"),
        ("SofaC", "sofa"),
        ("SeatBedSide", "nightstand"),
        ("CoffeeTable", "table"),
        ("GardenChair", "chair"),
        ("FloorLamp", "lamp"),
        ("FloorB", STRUCTURE),
        ("HouseWallB", STRUCTURE),
        ("RoomWindow", "window"),
        ("FoldingDoor", "door"),
        ("WashingMachine", "washer"),
        ("Television", "tv"),
    ],
)
def test_known_classes(class_name, category):
    categories = Categories.load(None)
    assert categories.of(class_name) == category
    assert not categories.unmapped


def test_unknown_classes_keep_their_words_and_are_noted():
    categories = Categories.load(None)
    assert categories.of("FluxCapacitorB") == "flux capacitor"
    assert categories.of("12") == "12"
    assert categories.unmapped == {"FluxCapacitorB", "12"}
    assert not Categories.load(None).unmapped


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_files_are_laid_over_the_defaults(tmp_path, suffix):
    path = tmp_path / f"categories{suffix}"
    path.write_text(json.dumps({"FluxCapacitor": "Heater", "ChairA": None}), encoding="utf-8")
    categories = Categories.load(path)
    assert categories.of("FluxCapacitorB_03") == "heater"
    assert categories.of("ChairD") == STRUCTURE  # variants share the class's words
    assert categories.of("Sofa") == "sofa"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "holds a list"),
        ('{"Chair": 3}', "'Chair': 3"),
        ('{"Chair": " "}', "'Chair': ' '"),
        ('{"Chair": ', "line 1"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    path = tmp_path / "categories.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        Categories.load(path)
